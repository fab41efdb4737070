// pg-boss with batches of 100 jobs, fetched without a pause while they come full.

import { PgBoss } from 'pg-boss';

const { url, jobs, concurrency } = JSON.parse(process.argv[2]);
const INSERT_AT_ONCE = 10_000;
const WORKERS = 4;

const boss = new PgBoss({ connectionString: url, max: 10, supervise: false, schedule: false });
boss.on('error', (error) => console.error(error));
await boss.start();
await boss.createQueue('noop');
const enqueueStart = performance.now();
for (let first = 0; first < jobs; first += INSERT_AT_ONCE) {
  const count = Math.min(INSERT_AT_ONCE, jobs - first);
  await boss.insert(
    'noop',
    Array.from({ length: count }, (_, index) => ({ data: { n: first + index } })),
  );
}
const enqueueMilliseconds = performance.now() - enqueueStart;

let executed = 0;
const all = Promise.withResolvers();
const processStart = performance.now();
const options = {
  batchSize: concurrency,
  burstWhenBatchFull: true,
  localConcurrency: WORKERS,
  pollingIntervalSeconds: 0.5,
};
await boss.work('noop', options, async (batch) => {
  executed += batch.length;
  if (executed === jobs) all.resolve();
});
await all.promise;
const left = "SELECT EXISTS (SELECT 1 FROM pgboss.job WHERE name = 'noop' AND state < 'completed') AS left";
while ((await boss.getDb().executeSql(left)).rows[0].left) await new Promise((resolve) => setTimeout(resolve, 2));
const processMilliseconds = performance.now() - processStart;
console.log(JSON.stringify({ enqueueMilliseconds, processMilliseconds }));
await boss.stop({ graceful: false });
process.exit();
