/** Names and texts of what a turn works on. */
import type { AttemptName, AttemptState } from '@fog/contract';
import type { FailureRecord, OutcomeRecord } from './turn-records.ts';

/** States in which an attempt takes up a place of its node. */
export const PLACED: readonly AttemptState[] = ['leased', 'preparing', 'running', 'uploading'];

export function taskKey(name: { job: string; partition: number }): string {
  return `${name.job}/${name.partition}`;
}

export function failureText(failure: FailureRecord): string {
  return JSON.stringify(failure);
}

export function outcomeText(outcome: OutcomeRecord): string {
  return JSON.stringify(outcome);
}

export function attemptName({ job, partition, fence }: AttemptName): AttemptName {
  return { job, partition, fence };
}

export function onAttempt(name: AttemptName, node: string) {
  return { partition: name.partition, fence: name.fence, node };
}

/** Why a node does not have an attempt that it is believed to have. */
export const FORGOTTEN = {
  'node-lost': 'the node came back without it',
  removed: 'the node was removed',
  undelivered: 'the node left before the lease reached it',
} as const;
