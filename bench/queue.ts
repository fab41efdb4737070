/**
 * What a claim costs in a short and in a long queue.
 *
 * Each claim takes one task in a durable transaction of its own. After it, outside of the measured time, another task
 * is put at the end of the queue, so that its length stays the same.
 */
import { runBulk } from '../packages/coordinator/src/store/bulk.ts';
import { claimTasks } from '../packages/coordinator/src/store/claim.ts';
import type { Database, Writer } from '../packages/coordinator/src/store/database.ts';
import { openDatabase } from '../packages/coordinator/src/store/open-database.ts';
import type { Benchmark, BenchmarkContext } from './benchmark.ts';
import { reasonOf } from './peers.ts';
import { startPostgres } from './postgres.ts';
import { median, rounded } from './statistics.ts';
import { TemporaryFolder } from './temporary-folder.ts';

const CLASS = 'bench';
const JOB_TASKS = 1000;
const INSERT_JOBS = 50;
const WARM_UP_CLAIMS = 50;

interface Depths {
  at1000: number;
  at1000000: number;
}

export const queue: Benchmark = {
  name: 'queue',
  summary: 'milliseconds of a durable claim with a thousand and with a million tasks in the queue',
  options: {
    short: { default: 1000, description: 'tasks in the short queue' },
    long: { default: 1_000_000, description: 'tasks in the long queue' },
    claims: { default: 1000, description: 'claims, of which the median is taken' },
    runs: { default: 3, description: 'of which the median is taken' },
  },
  async run(context) {
    const sqlite: Depths[] = [];
    const postgres: Depths[] = [];
    const createDatabase = await postgresOrNull(context);
    for (let run = 1; run <= context.option('runs'); run += 1) {
      sqlite.push(await measureDepths(context, `sqlite, run ${run}`, (dataDirectory) => ({ dataDirectory })));
      if (createDatabase === null) continue;
      postgres.push(
        await measureDepths(context, `postgres, run ${run}`, (_, depth) => ({
          url: createDatabase(`queue_${run}_${depth}`),
        })),
      );
    }
    return {
      claims: context.option('claims'),
      tasks: { at1000: context.option('short'), at1000000: context.option('long') },
      claimMilliseconds: medians(sqlite),
      postgres: postgres.length === 0 ? null : { claimMilliseconds: medians(postgres) },
    };
  },
};

function medians(results: Depths[]): Depths & { ratio: number } {
  const at1000 = median(results.map((result) => result.at1000));
  const at1000000 = median(results.map((result) => result.at1000000));
  return { at1000: rounded(at1000), at1000000: rounded(at1000000), ratio: rounded(at1000000 / at1000) };
}

async function postgresOrNull(context: BenchmarkContext): Promise<((name: string) => string) | null> {
  try {
    return (await startPostgres(context.cleanup)).createDatabase;
  } catch (error) {
    context.progress(`PostgreSQL is unavailable: ${reasonOf(error)}`);
    return null;
  }
}

async function measureDepths(
  context: BenchmarkContext,
  title: string,
  location: (folder: string, depth: number) => { dataDirectory: string } | { url: string },
): Promise<Depths> {
  const measure = async (depth: number) => {
    using folder = context.cleanup.use(new TemporaryFolder());
    const database = await openDatabase(location(folder.path, depth));
    try {
      const milliseconds = await measureClaims(database, depth, context.option('claims'));
      context.progress(`${title}: ${milliseconds.toFixed(3)} ms a claim of ${depth} tasks`);
      return milliseconds;
    } finally {
      await database.close();
    }
  };
  return { at1000: await measure(context.option('short')), at1000000: await measure(context.option('long')) };
}

async function measureClaims(database: Database, depth: number, claims: number): Promise<number> {
  const jobs = Math.ceil(depth / JOB_TASKS);
  for (let first = 0; first < jobs; first += INSERT_JOBS) {
    const rows = Array.from({ length: Math.min(INSERT_JOBS, jobs - first) }, (_, index) => {
      const job = first + index;
      return [jobName(job), 0, Math.min(JOB_TASKS, depth - job * JOB_TASKS) - 1];
    });
    await database.write((writer) => insertTasks(writer, rows));
  }
  const milliseconds: number[] = [];
  for (let claim = 0; claim < claims + WARM_UP_CLAIMS; claim += 1) {
    const start = performance.now();
    const claimed = await database.write((writer) =>
      claimTasks(writer, database.engine, { classId: CLASS, most: 1, until: null }),
    );
    if (claim >= WARM_UP_CLAIMS) milliseconds.push(performance.now() - start);
    if (claimed.length !== 1) throw new Error('a claim found no task');
    await database.write((writer) => insertTasks(writer, [[jobName(jobs), claim, claim]]));
  }
  return median(milliseconds);
}

/** Sorts in the order of the numbers. */
function jobName(number: number): string {
  return `j${String(number).padStart(18, '0')}`;
}

/** Each row: a job with its first and last partition. */
async function insertTasks(writer: Writer, rows: (string | number)[][]): Promise<void> {
  await runBulk(writer, INSERT_TASKS, rows);
}

const INSERT_TASKS = {
  text: `INSERT INTO tasks
      (job_id, partition, state, class_id, rank, fence, parked, queue_deadline, job_failures, node_failures)
    WITH RECURSIVE n(job_id, i, last) AS (
      SELECT job_id, first, last FROM ROWS AS d UNION ALL SELECT job_id, i + 1, last FROM n WHERE i < last)
    SELECT job_id, i, 'queued', '${CLASS}', 50, 0, 0, 4102444800000, 0, 0 FROM n`,
  columns: { job_id: 'text', first: 'integer', last: 'integer' },
} as const;
