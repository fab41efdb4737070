/**
 * Which Sphinx keys a node has at a time. Pure.
 *
 *     made (ahead of its epoch) -> accepted (its epoch, and the grace) -> tried still, to tell who is late -> deleted
 *
 * The last part is the allowance for clocks: without the key a late packet cannot be told from a damaged one, and a
 * clock that is set back by so much still finds the key there. It is no longer than the grace, and than what is left of
 * the next epoch.
 */
import type { Genesis } from '../directory/genesis.ts';
import { DIRECTORY_LIMITS } from '../directory/limits.ts';
import { epochAt, epochStart } from '../directory/schedule.ts';

/** The directory lists keys two epochs ahead, and a descriptor is sent up to two epochs before its own. */
const EPOCHS_AHEAD = 4;

export interface KeySchedule {
  /** The present epoch and those after it: of each there has to be a key. */
  wanted: number[];
  /** Keys of this epoch and later are kept where there are some; all older ones are deleted. */
  keptFrom: number;
  /** When this changes, in milliseconds since 1970. */
  changesAtMilliseconds: number;
}

export function keySchedule(genesis: Genesis, now: number): KeySchedule {
  const epoch = Math.max(0, epochAt(genesis, now));
  const lastEnds = keyEnd(genesis, epoch - 1);
  const isLastKept = now < lastEnds;
  return {
    wanted: Array.from({ length: EPOCHS_AHEAD + 1 }, (_, ahead) => epoch + ahead),
    keptFrom: isLastKept ? epoch - 1 : epoch,
    changesAtMilliseconds: isLastKept ? lastEnds : epochStart(genesis, epoch + 1),
  };
}

/** From when on there is nothing left of the key of an epoch. */
export function keyEnd(genesis: Genesis, epoch: number): number {
  const { epochMilliseconds, graceMilliseconds } = genesis;
  const { clockSkewMilliseconds } = DIRECTORY_LIMITS;
  const allowance = Math.min(clockSkewMilliseconds, graceMilliseconds, epochMilliseconds - graceMilliseconds);
  return epochStart(genesis, epoch + 1) + graceMilliseconds + allowance;
}
