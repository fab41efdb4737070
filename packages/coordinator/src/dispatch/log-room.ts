/** Where the stored log of an attempt ends. Pure. */
import { LIMITS, serviceLogRoom } from '@fog/contract';
import type { TurnAttempt } from './turn-records.ts';

/**
 * Whether the log takes what follows at `offset`. That of a job goes on where it ends, up to `limitBytes`; the rest is
 * dropped. That of a program that is kept running has room again and again, and may go on behind a gap.
 */
export function takesLog(
  { logBytes, startedAt }: Pick<TurnAttempt, 'logBytes' | 'startedAt'>,
  offset: number,
  { isKeptRunning, limitBytes, now }: { isKeptRunning: boolean; limitBytes: number; now: number },
): boolean {
  if (!isKeptRunning) return offset === logBytes && logBytes < limitBytes;
  // Its node counts from its own start, and anew when its agent was started anew.
  const room = LIMITS.serviceLogBytes + serviceLogRoom(now - (startedAt ?? now));
  return offset >= logBytes && offset < room;
}
