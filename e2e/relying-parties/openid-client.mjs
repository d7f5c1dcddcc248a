// Plays relying parties with npm's openid-client. Says line by line what a browser must do, reads what came of it, and
// ends with what it found. Usage: node openid-client.mjs ISSUER FOLDER_OF_NODE_MODULES PEM_OF_APPLICATION_KEYED
import { createInterface } from 'node:readline';
import { webcrypto } from 'node:crypto';

const [issuer, modules, pem] = process.argv.slice(2);
const client = await import(`${modules}/openid-client/build/index.js`);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const tell = async (what) => {
  console.log(JSON.stringify(what));
  return JSON.parse((await lines.next()).value);
};

const config = (id, secret, metadata, authentication) =>
  client.discovery(new URL(issuer), id, { ...metadata, client_secret: secret }, authentication, {
    execute: [client.allowInsecureRequests],
  });

async function authorization(redirect_uri, more) {
  const verifier = client.randomPKCECodeVerifier();
  const checks = { pkceCodeVerifier: verifier, expectedState: client.randomState(), expectedNonce: client.randomNonce() };
  const parameters = {
    redirect_uri,
    scope: 'openid profile email',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    ...more,
  };
  return { parameters, checks };
}

async function formPost() {
  const web = await config('demo-web', 'demo-web-secret');
  const { parameters, checks } = await authorization('http://localhost:8080/cb', { response_mode: 'form_post' });
  const came = await tell({ open: client.buildAuthorizationUrl(web, parameters).href });
  const posted = new Request(came.url, { method: 'POST', body: new URLSearchParams(came.form) });
  const tokens = await client.authorizationCodeGrant(web, posted, { ...checks, idTokenExpected: true });
  const sub = tokens.claims().sub;
  const user = await client.fetchUserInfo(web, tokens.access_token, sub);
  const again = await client.refreshTokenGrant(web, tokens.refresh_token);
  const before = await client.tokenIntrospection(web, again.access_token);
  await client.tokenRevocation(web, again.refresh_token);
  const after = await client.tokenIntrospection(web, again.access_token);
  return { email: user.email, sub, active: [before.active, after.active], cameByForm: Object.keys(came.form).sort() };
}

async function pushedAndBound() {
  const spa = await config('demo-spa', undefined, {}, client.None());
  const handle = client.getDPoPHandle(spa, await client.randomDPoPKeyPair('ES256'));
  const { parameters, checks } = await authorization('http://localhost:8081/cb', {});
  const address = await client.buildAuthorizationUrlWithPAR(spa, parameters, { DPoP: handle });
  const came = await tell({ open: address.href });
  const tokens = await client.authorizationCodeGrant(spa, new URL(came.url), checks, undefined, { DPoP: handle });
  const user = await client.fetchUserInfo(spa, tokens.access_token, tokens.claims().sub, { DPoP: handle });
  const again = await client.refreshTokenGrant(spa, tokens.refresh_token, undefined, { DPoP: handle });
  const stolen = await client.refreshTokenGrant(spa, again.refresh_token).then(
    () => 'given',
    (error) => error.error,
  );
  const inAddress = [...address.searchParams.keys()].sort();
  return { name: user.name, type: again.token_type.toLowerCase(), stolen, inAddress };
}

async function device() {
  const tv = await config('tv', undefined, {}, client.None());
  const begun = await client.initiateDeviceAuthorization(tv, { scope: 'openid' });
  await tell({ device: begun.verification_uri_complete });
  // It need not wait: the user has decided.
  const tokens = await client.pollDeviceAuthorizationGrant(tv, { ...begun, interval: 0 });
  return { sub: tokens.claims().sub };
}

async function signedAssertion() {
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const kind = { name: 'ECDSA', namedCurve: 'P-256' };
  const key = await webcrypto.subtle.importKey('pkcs8', der, kind, false, ['sign']);
  const keyed = await config('keyed', undefined, {}, client.PrivateKeyJwt(key));
  const tokens = await client.clientCredentialsGrant(keyed);
  return { scope: tokens.scope };
}

async function registered() {
  const metadata = { redirect_uris: ['http://localhost:8085/cb'], client_name: 'Newcomer' };
  const newcomer = await client.dynamicClientRegistration(new URL(issuer), metadata, undefined, {
    execute: [client.allowInsecureRequests],
  });
  const { parameters, checks } = await authorization('http://localhost:8085/cb', {});
  const came = await tell({ open: client.buildAuthorizationUrl(newcomer, parameters).href });
  const tokens = await client.authorizationCodeGrant(newcomer, new URL(came.url), checks);
  return { aud: tokens.claims().aud === newcomer.clientMetadata().client_id };
}

async function signedUserInfo() {
  const caller = await config('caller', 'caller-secret', { userinfo_signed_response_alg: 'RS256' });
  const { parameters, checks } = await authorization('https://caller.example/cb', {});
  const came = await tell({ open: client.buildAuthorizationUrl(caller, parameters).href });
  const tokens = await client.authorizationCodeGrant(caller, new URL(came.url), checks);
  const user = await client.fetchUserInfo(caller, tokens.access_token, tokens.claims().sub);
  return { aud: user.aud, email: user.email };
}

const found = {};
for (const play of [formPost, pushedAndBound, device, signedAssertion, registered, signedUserInfo]) {
  found[play.name] = await play();
}
console.log(JSON.stringify({ found }));
process.exit(0);
