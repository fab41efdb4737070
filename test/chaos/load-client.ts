/** A client that submits the jobs of a schedule and does not give up before each is acknowledged. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FogClient, Job } from '../../packages/contract/src/index.ts';
import { type PlannedJob, type ProgramDigests, type Schedule, specOf } from './schedule.ts';

/** A request without an answer by then is made again. */
const ANSWER_MILLISECONDS = 1500;
const PAUSE_MILLISECONDS = 80;

export interface LoadResult {
  /** Ids that were answered for each idempotency key. */
  acknowledged: Map<string, Set<string>>;
  /** Keys of jobs of which a cancellation may have reached a coordinator. */
  cancelled: Set<string>;
  /** Keys that were never acknowledged, with the last error. */
  givenUp: Map<string, string>;
}

/** Resolves when every job is acknowledged (and cancelled, where planned) or `signal` is aborted. */
export async function runLoad(
  client: FogClient,
  schedule: Schedule,
  programs: ProgramDigests,
  signal: AbortSignal,
): Promise<LoadResult> {
  const result: LoadResult = { acknowledged: new Map(), cancelled: new Set(), givenUp: new Map() };
  const answered = (key: string, job: Job) => {
    const ids = result.acknowledged.get(key) ?? new Set();
    result.acknowledged.set(key, ids.add(job.id));
  };
  const submitOne = async (job: PlannedJob): Promise<void> => {
    await sleep(job.atMilliseconds);
    const body = { spec: specOf(job, schedule, programs), idempotencyKey: job.key };
    try {
      const submit = () => persist(signal, (until) => client.call('submitJob', { body }, { signal: until }));
      const first = await submit();
      answered(job.key, first);
      const cancel = async (afterMilliseconds: number) => {
        await sleep(afterMilliseconds);
        result.cancelled.add(job.key);
        await persist(signal, (until) => client.call('cancelJob', { params: { job: first.id } }, { signal: until }));
      };
      const change = (route: 'suspendJob' | 'resumeJob') => {
        return persist(signal, (until) =>
          client.call(route, { params: { job: first.id }, body: {} }, { signal: until }).catch(unlessEnded),
        );
      };
      const suspend = async ({ atMilliseconds, milliseconds }: NonNullable<PlannedJob['suspension']>) => {
        await sleep(atMilliseconds);
        await change('suspendJob');
        await sleep(milliseconds);
        await change('resumeJob');
      };
      const repeat = async () => answered(job.key, await submit());
      await Promise.all([
        job.cancelMilliseconds === null ? null : cancel(job.cancelMilliseconds),
        job.suspension === null ? null : suspend(job.suspension),
        job.isRepeated ? repeat() : null,
      ]);
    } catch (error) {
      result.givenUp.set(job.key, String(error));
    }
  };
  await Promise.all(schedule.jobs.map(submitOne));
  return result;
}

/** What has ended needs no suspension, and no resume. */
function unlessEnded(error: unknown): void {
  if ((error as { code?: string }).code !== 'conflict') throw error;
}

/**
 * Repeats until it succeeds. Every error may be the work of a fault: a request with noise in it is refused as
 * malformed, so a refusal is no reason to stop either.
 */
export async function persist<Result>(
  signal: AbortSignal,
  once: (until: AbortSignal) => Promise<Result>,
): Promise<Result> {
  for (;;) {
    try {
      return await once(AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MILLISECONDS)]));
    } catch (error) {
      if (signal.aborted) throw error;
    }
    await sleep(PAUSE_MILLISECONDS);
  }
}
