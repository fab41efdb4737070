/** Compares results of a task by the tolerance that its job allows. The bytes are read here, outside of any turn. */
import { setImmediate as turn } from 'node:timers/promises';
import type { TaskOutput, Tolerance } from '@fog/contract';
import { withinTolerance } from '@fog/verification';
import { DISPATCH_LIMITS } from '../../limits.ts';
import type { Reader } from '../../store/database.ts';
import type { DispatcherInput } from '../inputs.ts';
import type { OutcomeRecord } from '../turn-records.ts';
import type { VerificationRecord } from './record.ts';

export interface TaskName {
  job: string;
  partition: number;
}

/** Digests of two results. */
export interface ResultPair {
  left: string;
  right: string;
}

/** The bytes of a blob; null when it is not there, or larger. */
export type ReadBlob = (digest: string, mostBytes: number) => Promise<Uint8Array | null>;

/** Answers for every pair of results that the record waits for. */
export async function comparePending(
  name: TaskName,
  record: VerificationRecord,
  tolerance: Tolerance,
  { reader, readBlob }: { reader: Reader; readBlob: ReadBlob },
): Promise<DispatcherInput[]> {
  const shown = await shownOutputs(reader, name);
  const answers: DispatcherInput[] = [];
  for (const { left, right } of pendingPairs(record)) {
    const agree = await outputsAgree(shown.get(left), shown.get(right), tolerance, readBlob);
    answers.push({ kind: 'compared', name, left, right, agree });
  }
  return answers;
}

/** What the record waits for. */
export function pendingPairs({ state }: VerificationRecord): ResultPair[] {
  return state.comparisons.filter(({ agree }) => agree === null);
}

/** What nodes have shown of this task, by the digest of the result. */
export async function shownOutputs(reader: Reader, { job, partition }: TaskName): Promise<Map<string, TaskOutput[]>> {
  const rows = await reader
    .selectFrom('attempts')
    .select('outcome')
    .where('job_id', '=', job)
    .where('partition', '=', partition)
    .where('outcome', 'is not', null)
    .execute();
  const outcomes = rows.map(({ outcome }) => JSON.parse(outcome ?? '{}') as OutcomeRecord);
  return new Map(outcomes.flatMap(({ digest, outputs }) => (digest && outputs ? [[digest, outputs]] : [])));
}

/** Folders agree only when they are the same; files when they are, or are JSON within the tolerance. */
async function outputsAgree(
  left: readonly TaskOutput[] | undefined,
  right: readonly TaskOutput[] | undefined,
  tolerance: Tolerance,
  readBlob: ReadBlob,
): Promise<boolean> {
  if (left === undefined || right === undefined || left.length !== right.length) return false;
  const agrees = withinTolerance(tolerance);
  const byName = new Map(right.map((output) => [output.name, output]));
  for (const output of left) {
    const other = byName.get(output.name);
    if (other?.digest === output.digest) continue;
    if (other === undefined || output.type === 'folder' || other.type === 'folder') return false;
    const mostBytes = DISPATCH_LIMITS.comparedBytes;
    const [one, two] = [await readBlob(output.digest, mostBytes), await readBlob(other.digest, mostBytes)];
    if (one === null || two === null || !agrees(one, two)) return false;
    // Parsing keeps the event loop: others come in between.
    await turn();
  }
  return true;
}
