/**
 * Compares results of a task by the script of its job: each time as a hidden job of one task on a trusted node, since
 * whoever says what agrees decides what is right. The script finds both results in its files. It is asked both ways
 * round, so that which result came first decides nothing.
 */
import { randomBytes } from 'node:crypto';
import { FAILURE_REASONS, newId, parseJobSpec, type TaskOutput } from '@fog/contract';
import { DISPATCH_LIMITS } from '../../limits.ts';
import type { Database, Reader, Writer } from '../../store/database.ts';
import { disguiseJob, insertJob } from '../../store/insert-job.ts';
import type { Dispatcher } from '../dispatcher.ts';
import type { DispatcherInput } from '../inputs.ts';
import { blobsOf } from '../job-blobs.ts';
import type { JobCache } from '../job-cache.ts';
import type { PlacementClasses } from '../placement-classes.ts';
import { type PlacementClass, placementClass, requirementsOf } from '../requirements.ts';
import type { FailureRecord } from '../turn-records.ts';
import { pendingPairs, type ReadBlob, type ResultPair, shownOutputs, type TaskName } from './comparisons.ts';
import type { VerificationRecord } from './record.ts';

export interface ComparisonRunsDependencies {
  database: Database;
  dispatcher: Pick<Dispatcher, 'hints' | 'announce' | 'wake'>;
  classes: PlacementClasses;
  jobCache: JobCache;
  readBlob: ReadBlob;
  now: () => number;
}

/**
 * Answers for the pairs that have been compared, and begins to compare the others. Anything but `true`, and a script that
 * fails, means that they do not agree; a run that found no trusted node in time says nothing.
 */
export async function compareByScript(
  name: TaskName,
  record: VerificationRecord,
  script: string,
  dependencies: ComparisonRunsDependencies,
): Promise<DispatcherInput[]> {
  const { database, readBlob } = dependencies;
  const shown = await shownOutputs(database.read, name);
  const runs = await readRuns(database.read, name);
  const answers: DispatcherInput[] = [];
  for (const { left, right } of pendingPairs(record)) {
    const agree = await agreementOf({ left, right });
    if (agree !== null) answers.push({ kind: 'compared', name, left, right, agree });
  }
  return answers;

  /** Null while a run is under way. */
  async function agreementOf(pair: ResultPair): Promise<boolean | 'unknown' | null> {
    for (const { left, right } of [pair, { left: pair.right, right: pair.left }]) {
      const [leftOutputs, rightOutputs] = [shown.get(left), shown.get(right)];
      if (leftOutputs === undefined || rightOutputs === undefined) return false;
      const run = runs.find((known) => known.left === left && known.right === right);
      if (run === undefined) {
        const inputs = [...inputsAt('/left', leftOutputs), ...inputsAt('/right', rightOutputs)];
        await begin(name, { left, right }, { script, inputs }, dependencies);
        return null;
      }
      if (run.state === 'running') return null;
      if (run.state === 'broken') return 'unknown';
      if (!(await saysTrue(run.digest, readBlob))) return false;
    }
    return true;
  }
}

interface ComparisonRun extends ResultPair {
  /** `broken`: it ended, and its script has said nothing. */
  state: 'running' | 'ended' | 'broken';
  /** Of its result; null where it has none. */
  digest: string | null;
}

async function readRuns(reader: Reader, { job, partition }: TaskName): Promise<ComparisonRun[]> {
  const rows = await reader
    .selectFrom('comparisons')
    .innerJoin('jobs', 'jobs.id', 'comparisons.run_id')
    .leftJoin('tasks', 'tasks.job_id', 'comparisons.run_id')
    .select([
      'comparisons.left_digest',
      'comparisons.right_digest',
      'jobs.ended_at',
      'tasks.state',
      'tasks.failure',
      'tasks.outputs',
    ])
    .where('comparisons.job_id', '=', job)
    .where('comparisons.partition', '=', partition)
    .execute();
  return rows.map((row) => ({
    left: row.left_digest,
    right: row.right_digest,
    state: row.ended_at === null ? 'running' : hasSpoken(row) ? 'ended' : 'broken',
    digest: (JSON.parse(row.outputs ?? '[]') as TaskOutput[])[0]?.digest ?? null,
  }));
}

function hasSpoken({ state, failure }: { state: string | null; failure: string | null }): boolean {
  if (state !== 'failed' || failure === null) return state === 'succeeded';
  return FAILURE_REASONS[(JSON.parse(failure) as FailureRecord).reason].blame === 'job';
}

async function saysTrue(digest: string | null, readBlob: ReadBlob): Promise<boolean> {
  const bytes = digest === null ? null : await readBlob(digest, 'true'.length);
  return bytes !== null && Buffer.from(bytes).toString() === 'true';
}

function inputsAt(folder: string, outputs: readonly TaskOutput[]): object[] {
  return outputs.map(({ name, digest, type }) => ({ source: digest, path: `${folder}/${name}`, type }));
}

async function begin(
  { job, partition }: TaskName,
  { left, right }: ResultPair,
  { script, inputs }: { script: string; inputs: object[] },
  dependencies: ComparisonRunsDependencies,
): Promise<void> {
  const { database, dispatcher, classes, jobCache, now } = dependencies;
  const origin = jobCache.get(job);
  const { priority } = origin.spec.spec;
  const spec = parseJobSpec({
    kind: 'Job',
    metadata: { name: 'comparison' },
    spec: {
      priority,
      timeouts: DISPATCH_LIMITS.comparisonTimeouts,
      task: { runtime: 'javascript', javascript: { script }, inputs },
    },
  });
  const id = newId('j', now(), randomBytes(9));
  const placement = placementClass({ ...requirementsOf(spec, origin.submitter), trustedOnly: true });
  const hasBegun = await database.write(async (writer) => {
    const row = { run_id: id, job_id: job, partition, left_digest: left, right_digest: right };
    // Another coordinator may have begun the same.
    const inserted = await writer
      .insertInto('comparisons')
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
      .returning('run_id')
      .execute();
    if (inserted.length === 0) return false;
    await classes.store(writer, [placement.requirements], now());
    await insertRun(writer, id, { spec, submitter: origin.submitter, submittedAt: now(), placement });
    dispatcher.hints.add(placement, { rank: 100 - priority, job: id });
    return true;
  });
  if (!hasBegun) return;
  dispatcher.wake();
  dispatcher.announce([placement.id]);
}

async function insertRun(
  writer: Writer,
  id: string,
  run: { spec: ReturnType<typeof parseJobSpec>; submitter: string; submittedAt: number; placement: PlacementClass },
): Promise<void> {
  const { spec, submitter, submittedAt, placement } = run;
  await insertJob(writer, {
    id,
    spec,
    specText: JSON.stringify(spec),
    submitter,
    submittedAt,
    idempotencyKey: null,
    classes: { all: placement.id },
    taskCount: 1,
    blobs: blobsOf(spec),
    deployment: null,
  });
  await disguiseJob(writer, id, { purpose: 'comparison', leaseTerms: null });
}
