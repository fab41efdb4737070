// graphile-worker with the batching of https://worker.graphile.org/docs/performance: a local queue, and completions
// written together.
import { makeWorkerUtils, run } from 'graphile-worker';

const { url, jobs, concurrency } = JSON.parse(process.argv[2]);
const ADD_AT_ONCE = 10_000;

const utils = await makeWorkerUtils({ connectionString: url });
await utils.migrate();
const enqueueStart = performance.now();
for (let first = 0; first < jobs; first += ADD_AT_ONCE) {
  const count = Math.min(ADD_AT_ONCE, jobs - first);
  await utils.addJobs(
    Array.from({ length: count }, (_, index) => ({ identifier: 'noop', payload: { n: first + index } })),
  );
}
const enqueueMilliseconds = performance.now() - enqueueStart;

let executed = 0;
const all = Promise.withResolvers();
const processStart = performance.now();
const runner = await run({
  connectionString: url,
  noHandleSignals: true,
  taskList: {
    noop: async () => {
      executed += 1;
      if (executed === jobs) all.resolve();
    },
  },
  preset: {
    worker: {
      concurrentJobs: concurrency,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  },
});
await all.promise;
// A completed job is deleted.
const left = 'SELECT EXISTS (SELECT 1 FROM graphile_worker._private_jobs) AS left';
const isWorkLeft = () => utils.withPgClient(async (client) => (await client.query(left)).rows[0].left);
while (await isWorkLeft()) await new Promise((resolve) => setTimeout(resolve, 2));
const processMilliseconds = performance.now() - processStart;
await runner.stop();
await utils.release();
console.log(JSON.stringify({ enqueueMilliseconds, processMilliseconds }));
process.exit();
