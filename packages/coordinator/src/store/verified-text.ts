/**
 * The records of verified tasks as they were read: a record is saved only over the text that it was read from, so that
 * two coordinators which hear of two replicas of one task at the same moment do not undo each other's decision.
 */
import type { TurnTask } from '../dispatch/turn-records.ts';

const texts = new WeakMap<TurnTask, string>();

export function rememberVerification(task: TurnTask, text: string): void {
  texts.set(task, text);
}

/** Null for a task that had no record. */
export function verificationAsRead(task: TurnTask): string | null {
  return texts.get(task) ?? null;
}
