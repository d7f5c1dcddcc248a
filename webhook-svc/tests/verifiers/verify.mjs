// Verifies webhooks with npm's standardwebhooks, and their Ed25519 signatures with Node's own crypto.
// Usage: node verify.mjs FILE_OF_DELIVERIES FOLDER_OF_NODE_MODULES
// The file holds [{ headers, body (base64), secrets, public_keys (whpk_…), jwks }]; says what it found of each.
import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [file, modules] = process.argv.slice(2);
const { Webhook } = createRequire(`${modules}/`)('standardwebhooks');

const takes = (secret, body, headers) => {
  try {
    return new Webhook(secret).verify(body, headers) !== undefined;
  } catch (error) {
    if (error.name !== 'WebhookVerificationError') throw error;
    return false;
  }
};

const signatures = (headers) =>
  headers['webhook-signature'].split(' ').filter((entry) => entry.startsWith('v1a,')).map((entry) => Buffer.from(entry.slice(4), 'base64'));

const isSignedBy = (key, body, headers) => {
  const signed = Buffer.concat([Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.`), body]);
  return signatures(headers).some((signature) => verify(null, signed, key, signature));
};

// The DER of an Ed25519 public key is this and the 32 bytes.
const ofText = (text) =>
  createPublicKey({ key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(text.slice(5), 'base64')]), format: 'der', type: 'spki' });

const found = JSON.parse(readFileSync(file, 'utf8')).map(({ headers, body, secrets, public_keys, jwks }) => {
  const bytes = Buffer.from(body, 'base64');
  const other = Buffer.concat([bytes, Buffer.from(' ')]);
  const keys = [...jwks.keys.map((key) => createPublicKey({ key, format: 'jwk' })), ...public_keys.map(ofText)];
  return {
    secrets: secrets.map((secret) => takes(secret, bytes, headers)),
    keys: keys.map((key) => isSignedBy(key, bytes, headers)),
    others: [...secrets.map((secret) => takes(secret, other, headers)), ...keys.map((key) => isSignedBy(key, other, headers))].filter(Boolean).length,
  };
});
console.log(JSON.stringify(found));
