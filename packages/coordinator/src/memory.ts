/** Memory of a process that is a coordinator and nothing else. */
import { setFlagsFromString } from 'node:v8';

/**
 * Between two collections V8 lets what is kept double. With thousands of nodes that is a third of the process, and is
 * seldom given back; a fifth costs some hundredths more processor time (docs/benchmarks.md, agents).
 */
const HEAP_GROWTH_PERCENT = 20;

/** For the whole process: a program that embeds a coordinator decides for itself. */
export function spareMemory(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
}
