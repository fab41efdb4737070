/** What a turn of the dispatcher takes in. */
import type { AttemptName, DepartureReason, FailureReason, HelloFrame, JournalEntry } from '@fog/contract';
import { findMissingBlobs } from '../blobs/blob-rows.ts';
import type { Writer } from '../store/database.ts';
import type { Closing } from './job-progress.ts';
import type { AgentSession, SessionLink } from './sessions.ts';

export interface HelloInput {
  kind: 'hello';
  hello: HelloFrame;
  /** Whose node it becomes if it is new, and whether it is trusted then; null without a good join token. */
  joining: { owner: string; trusted: boolean } | null;
  /** Of the address that it connects from; empty where that is unknown. */
  prefix: string;
  link: SessionLink;
  answer: (outcome: HelloOutcome) => void;
}

export type DispatcherInput =
  | HelloInput
  | { kind: 'entry'; session: AgentSession; sequence: number; entry: JournalEntry }
  | {
      kind: 'log';
      session: AgentSession;
      name: AttemptName;
      stream: 'stdout' | 'stderr';
      offset: number;
      bytes: number;
      text: string;
    }
  /** Attempts whose node has been silent for too long. */
  | { kind: 'lost'; name: AttemptName; node: string }
  /**
   * An attempt at work that is to give up its place without having failed: with a last checkpoint where its
   * specification has checkpoints, else at once. Its task is queued again, and goes on at `target` if that suits and has
   * room by then, else anywhere. One that has run by now, or is replaced, is left alone.
   */
  | { kind: 'yield'; name: AttemptName; reason: DepartureReason; target?: string | null }
  /** Attempts that were told to give up their places and have not in time. */
  | { kind: 'unheeded'; name: AttemptName }
  /** Attempts of a node that was removed. */
  | { kind: 'removed'; name: AttemptName }
  /** Queued tasks whose queue deadline has passed. */
  | { kind: 'queue-deadline'; name: { job: string; partition: number } }
  /** Verified tasks whose time has come; `isPlaceable`: some node could take a task of this class at this moment. */
  | { kind: 'verification-due'; name: { job: string; partition: number }; classId: string; isPlaceable: boolean }
  /** Whether two results of a verified task count as the same; `unknown`: nobody could tell. */
  | {
      kind: 'compared';
      name: { job: string; partition: number };
      left: string;
      right: string;
      agree: boolean | 'unknown';
    }
  /** Tasks of a job that is being closed. */
  | { kind: 'close'; name: { job: string; partition: number; fence: number }; why: Closing }
  /** Tasks that are suspended or go on; `by` is null where their whole job does. */
  | { kind: 'suspend' | 'unsuspend'; name: { job: string; partition: number; fence: number }; by: string | null }
  /** A lease that did not reach its node. */
  | { kind: 'undelivered'; name: AttemptName }
  /** A lease that could not be filled in. */
  | { kind: 'unfillable'; name: AttemptName; reason: FailureReason; message: string };

/** What becomes of a connecting agent. */
export type HelloOutcome =
  | { accepted: true; session: AgentSession; welcome: string }
  | { accepted: false; code: 'unauthenticated' | 'forbidden' | 'internal'; message: string; hint?: string };

/** Keys of the tasks and attempts that the inputs touch; a fence of 0 names no attempt. */
export function namesIn(inputs: readonly DispatcherInput[]): AttemptName[] {
  const names: AttemptName[] = [];
  for (const input of inputs) {
    if (input.kind === 'hello') continue;
    if (input.kind === 'entry') names.push(input.entry.attempt);
    else if ('fence' in input.name) names.push(input.name);
    else names.push({ ...input.name, fence: 0 });
  }
  return names;
}

/** Digests of outputs of verified tasks that were not stored, although their nodes say so. */
export async function missingOutputs(writer: Writer, inputs: readonly DispatcherInput[]): Promise<ReadonlySet<string>> {
  const digests = inputs.flatMap((input) => {
    if (input.kind !== 'entry' || input.entry.report.event !== 'succeed') return [];
    const { result, outputs } = input.entry.report;
    return result === undefined ? [] : outputs.map(({ digest }) => digest);
  });
  return new Set(await findMissingBlobs(writer, digests));
}
