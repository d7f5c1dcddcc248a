// Introspects and rotates refresh tokens with npm's oidc-provider over Redis, on two processes. Makes the tokens at the start
// and writes them to a file; they are not for OpenID Connect, so that nothing is signed. Usage:
// node oidc-provider.mjs FOLDER_OF_NODE_MODULES PORT REDIS_URL TOKENS FILE
import cluster from 'node:cluster';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const [modules, port, redis, tokens, file] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { Redis } = require('ioredis');
// It warns of its development keys; they are all that it needs here.
console.warn = () => {};
console.info = () => {};
const { Provider } = await import(`${modules}/oidc-provider/lib/index.js`);
const WORKERS = 2;
const AT_ONCE = 64;
const LIFE = 14 * 24 * 3600;

const client = new Redis(redis);
const CONSUMABLE = new Set(['AuthorizationCode', 'RefreshToken', 'DeviceCode']);
const OF_GRANT = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken', 'DeviceCode']);

// Laid out as in the example that came with oidc-provider for years: a hash for what can be consumed, a string for the rest,
// and a list for each grant of what it led to.
class RedisAdapter {
  constructor(name) {
    this.name = name;
  }

  key(id) {
    return `oidc:${this.name}:${id}`;
  }

  async upsert(id, payload, expiresIn) {
    const key = this.key(id);
    const multi = client.multi();
    const text = JSON.stringify(payload);
    if (CONSUMABLE.has(this.name)) multi.hset(key, { payload: text });
    else multi.set(key, text);
    if (expiresIn) multi.expire(key, expiresIn);
    if (OF_GRANT.has(this.name) && payload.grantId) {
      const ofGrant = `oidc:grant:${payload.grantId}`;
      multi.rpush(ofGrant, key);
      if (expiresIn > (await client.ttl(ofGrant))) multi.expire(ofGrant, expiresIn);
    }
    await multi.exec();
  }

  async find(id) {
    if (!CONSUMABLE.has(this.name)) {
      const text = await client.get(this.key(id));
      return text ? JSON.parse(text) : undefined;
    }
    const { payload, ...rest } = await client.hgetall(this.key(id));
    return payload ? { ...rest, ...JSON.parse(payload) } : undefined;
  }

  async consume(id) {
    await client.hset(this.key(id), 'consumed', Math.floor(Date.now() / 1000));
  }

  async destroy(id) {
    await client.del(this.key(id));
  }

  async revokeByGrantId(grantId) {
    const ofGrant = `oidc:grant:${grantId}`;
    await client.del(ofGrant, ...(await client.lrange(ofGrant, 0, -1)));
  }
}

const provider = new Provider(`http://localhost:${port}`, {
  adapter: RedisAdapter,
  clients: [
    {
      client_id: 'bench',
      client_secret: 'bench-secret',
      redirect_uris: ['http://localhost/cb'],
      grant_types: ['authorization_code', 'refresh_token'],
    },
  ],
  features: { introspection: { enabled: true, allowedPolicy: () => true } },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  rotateRefreshToken: true,
  ttl: { AccessToken: 300, Grant: LIFE, RefreshToken: LIFE },
  routes: { introspection: '/introspect', token: '/token' },
});

// A sign-in without a browser: what is left of one once its code is exchanged.
async function token(of, n) {
  const accountId = `user_${String(n).padStart(16, '0')}`;
  const grant = new provider.Grant({ accountId, clientId: of.clientId });
  grant.addOIDCScope('offline_access');
  const grantId = await grant.save();
  const refresh = new provider.RefreshToken({
    accountId,
    client: of,
    grantId,
    gty: 'authorization_code',
    scope: 'offline_access',
    authTime: Math.floor(Date.now() / 1000),
    expiresWithSession: false,
  });
  return refresh.save();
}

if (cluster.isPrimary) {
  const of = await provider.Client.find('bench');
  const made = [];
  for (let n = 0; n < Number(tokens); n += AT_ONCE) {
    const length = Math.min(AT_ONCE, Number(tokens) - n);
    made.push(...(await Promise.all(Array.from({ length }, (_, place) => token(of, n + place)))));
  }
  writeFileSync(file, JSON.stringify(made));
  client.disconnect();
  for (let n = 0; n < WORKERS; n++) cluster.fork();
} else {
  createServer(provider.callback()).listen(Number(port), '127.0.0.1');
}
