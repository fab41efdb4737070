// BullMQ on Redis: jobs added in bulk, one worker.
import { Queue, Worker } from 'bullmq';

const { socketPath, queue: name, jobs, concurrency } = JSON.parse(process.argv[2]);
const ADD_AT_ONCE = 1000;
const connection = { path: socketPath, maxRetriesPerRequest: null };

const queue = new Queue(name, { connection });
await queue.waitUntilReady();
const enqueueStart = performance.now();
for (let first = 0; first < jobs; first += ADD_AT_ONCE) {
  const count = Math.min(ADD_AT_ONCE, jobs - first);
  await queue.addBulk(Array.from({ length: count }, (_, index) => ({ name: 'noop', data: { n: first + index } })));
}
const enqueueMilliseconds = performance.now() - enqueueStart;

let completed = 0;
const all = Promise.withResolvers();
const processStart = performance.now();
const worker = new Worker(name, async () => undefined, { connection, concurrency });
// The event follows Redis' answer to the transition, which with appendfsync always follows the sync.
worker.on('completed', () => {
  completed += 1;
  if (completed === jobs) all.resolve();
});
worker.on('failed', (_, error) => all.reject(error));
await all.promise;
const processMilliseconds = performance.now() - processStart;
console.log(JSON.stringify({ enqueueMilliseconds, processMilliseconds }));
await worker.close();
await queue.close();
process.exit();
