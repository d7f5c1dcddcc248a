// Looks sessions up with npm's express-session and connect-redis, on two processes. Makes the sessions at the start and writes
// their cookies to a file. Usage: node express-session.mjs FOLDER_OF_NODE_MODULES PORT REDIS_URL SESSIONS FILE
import cluster from 'node:cluster';
import { createHmac, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [modules, port, redis, sessions, file] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { createClient } = require('redis');
const { RedisStore } = require('connect-redis');
const WORKERS = 2;
const AT_ONCE = 64;
const SECRET = 'only for measuring';
const LIFE_MS = 14 * 24 * 3600 * 1000;

const client = createClient({ url: redis });
await client.connect();
const store = new RedisStore({ client });

// What an application keeps of a signed-in browser, and how express-session signs the cookie that names it.
async function cookie(n) {
  const id = randomBytes(24).toString('base64url');
  await store.set(id, {
    cookie: { originalMaxAge: LIFE_MS, expires: new Date(Date.now() + LIFE_MS), httpOnly: true, path: '/' },
    user: `user_${String(n).padStart(16, '0')}`,
    application: 'demo-web',
    device: { name: 'Firefox on Linux', type: 'browser', ip: '203.0.113.17' },
    amr: ['pwd'],
    scopes: ['openid', 'offline_access'],
  });
  const signature = createHmac('sha256', SECRET).update(id).digest('base64').replace(/=+$/, '');
  return `connect.sid=${encodeURIComponent(`s:${id}.${signature}`)}`;
}

if (cluster.isPrimary) {
  const made = [];
  for (let n = 0; n < Number(sessions); n += AT_ONCE) {
    const length = Math.min(AT_ONCE, Number(sessions) - n);
    made.push(...(await Promise.all(Array.from({ length }, (_, place) => cookie(n + place)))));
  }
  writeFileSync(file, JSON.stringify(made));
  await client.close();
  for (let n = 0; n < WORKERS; n++) cluster.fork();
} else {
  const express = require('express');
  const session = require('express-session');
  const app = express();
  app.use(session({ store, secret: SECRET, resave: false, saveUninitialized: false, cookie: { maxAge: LIFE_MS } }));
  app.get('/session', (request, response) =>
    request.session.user ? response.json({ active: true, sub: request.session.user }) : response.sendStatus(401),
  );
  app.listen(Number(port), '127.0.0.1');
}
