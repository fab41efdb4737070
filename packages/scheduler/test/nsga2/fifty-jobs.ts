/** The problem of a test, as a thread makes it. */
import { smallPlacement } from './small-placement.ts';

export function fiftyJobs(nodes: number) {
  return smallPlacement(50, nodes);
}
