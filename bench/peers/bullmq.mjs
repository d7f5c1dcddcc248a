// Delivers signed webhooks as a worker made of npm's bullmq and undici does: two worker processes, and one that takes events
// by HTTP and queues them. Usage: node bullmq.mjs FOLDER_OF_NODE_MODULES PORT REDIS_URL RECEIVER_URL AT_ONCE
import cluster from 'node:cluster';
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const [modules, port, redis, receiver, atOnce] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { Queue, Worker } = require('bullmq');
const WORKERS = 2;
const JOBS_OF_A_CALL = 500;
// As many attempts as a delivery of ours has by default.
const RETRIES = { attempts: 10, backoff: { type: 'exponential', delay: 5000 }, removeOnComplete: true };
const connection = { url: redis, maxRetriesPerRequest: null };

if (cluster.isPrimary) {
  for (let n = 0; n < WORKERS; n++) cluster.fork();
  const queue = new Queue('webhooks', { connection });
  const body = (request) =>
    new Promise((resolve) => {
      let text = '';
      request.on('data', (chunk) => (text += chunk)).on('end', () => resolve(text));
    });
  const server = createServer(async (request, response) => {
    const asked = new URL(request.url, 'http://localhost').searchParams;
    const [first, count] = [Number(asked.get('first')), Number(asked.get('count'))];
    const event = await body(request);
    const job = (n) => ({ name: 'session.revoked', data: { id: `msg_${n}`, event }, opts: RETRIES });
    for (let n = first; n < first + count; n += JOBS_OF_A_CALL) {
      const length = Math.min(JOBS_OF_A_CALL, first + count - n);
      await queue.addBulk(Array.from({ length }, (_, place) => job(n + place)));
    }
    response.writeHead(204).end();
  });
  let up = 0;
  cluster.on('message', () => ++up === WORKERS && server.listen(Number(port), '127.0.0.1'));
} else {
  const { Pool } = require('undici');
  const { origin, pathname } = new URL(receiver);
  const concurrency = Math.ceil(Number(atOnce) / WORKERS);
  const pool = new Pool(origin, { connections: concurrency, headersTimeout: 15_000, bodyTimeout: 15_000 });
  const secret = Buffer.alloc(24, 7);
  const deliver = async ({ data: { id, event } }) => {
    const timestamp = Math.floor(Date.now() / 1000);
    const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${event}`).digest('base64');
    const headers = {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': `v1,${signature}`,
    };
    const answer = await pool.request({ path: pathname, method: 'POST', headers, body: event });
    await answer.body.dump();
    if (answer.statusCode >= 300) throw new Error(`the receiver says ${answer.statusCode}`);
  };
  const worker = new Worker('webhooks', deliver, { connection, concurrency });
  await worker.waitUntilReady();
  process.send('up');
}
