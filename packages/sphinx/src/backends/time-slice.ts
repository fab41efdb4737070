/**
 * Short turns on the processor for the threads of a process that must answer soon. The addon of native/ can ask for
 * them, since it is the only code here that speaks to the system itself.
 */
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ADDON_PATH } from './native.ts';

interface TimeSliceAddon {
  setTimeSlice(thread: number, nanoseconds: number): boolean;
}

/** The threads of this process, by their numbers in the system. */
const THREADS = '/proc/self/task';

/**
 * Asks for turns of that length for all threads that the process has now; those that they start inherit it. A thread gets
 * its turn sooner then and has it taken away sooner, without a privilege and without a larger share. Answers how many
 * threads have it: 0 where there is no addon or no Linux; before Linux 6.12 it is taken and changes nothing. A thread
 * under a real-time policy is left alone.
 */
export function requestTimeSlice(milliseconds: number): number {
  let addon: TimeSliceAddon;
  let threads: string[];
  try {
    addon = createRequire(import.meta.url)(ADDON_PATH) as TimeSliceAddon;
    threads = readdirSync(THREADS);
  } catch {
    return 0; // there is no such addon or system here, and nothing depends on it
  }
  const nanoseconds = Math.round(milliseconds * 1e6);
  return threads.filter((thread) => addon.setTimeSlice(Number(thread), nanoseconds)).length;
}
