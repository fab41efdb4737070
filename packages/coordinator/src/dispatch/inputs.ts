/** What a turn of the dispatcher takes in. */
import type { AttemptName, FailureReason, HelloFrame, JournalEntry } from '@fog/contract';
import type { AgentSession, SessionLink } from './sessions.ts';

export interface HelloInput {
  kind: 'hello';
  hello: HelloFrame;
  owner: string | null;
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
  /** Attempts of a node that was removed. */
  | { kind: 'removed'; name: AttemptName }
  /** Queued tasks whose queue deadline has passed. */
  | { kind: 'queue-deadline'; name: { job: string; partition: number } }
  /** Tasks of a job that is being closed. */
  | { kind: 'close'; name: { job: string; partition: number; fence: number }; why: 'cancelled' | 'total-timeout' }
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
    else if (input.kind === 'queue-deadline') names.push({ ...input.name, fence: 0 });
    else names.push(input.name);
  }
  return names;
}
