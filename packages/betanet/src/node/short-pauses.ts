import { setFlagsFromString } from 'node:v8';
import { requestTimeSlice } from '@fog/sphinx';
import { NODE_LIMITS } from './limits.ts';

/**
 * For a process that is a mix node and nothing else, before its threads start: what it holds up for a moment, it holds up
 * for all packets. The collector of short-lived memory then works on its own thread alone, which takes it less time than
 * to wait for helpers that want a processor too; and all threads ask for short turns, which come sooner. Answers how many
 * threads have them (see `requestTimeSlice`).
 */
export function preferShortPauses(): number {
  setFlagsFromString('--no-parallel-scavenge');
  return requestTimeSlice(NODE_LIMITS.timeSliceMilliseconds);
}
