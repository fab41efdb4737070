/** Targets with faults, to see them found. */
import { type FuzzTarget, oneByOne } from './fuzz-target.ts';

const BATCH = 64;
const BAD_BATCH = 3;

export const TARGETS: ReadonlyMap<string, FuzzTarget> = new Map([
  [
    'throws',
    oneByOne({ summary: 'throws now and then', share: 1 }, () => (random) => {
      const number = random.below(1000);
      if (number === 7) throw new Error('seven');
      return number % 2 === 0 ? 'even' : 'odd';
    }),
  ],
  ['dies', inBadBatch(() => process.kill(process.pid, 'SIGSEGV'))],
  [
    'hangs',
    inBadBatch(() => {
      for (;;);
    }),
  ],
]);

function inBadBatch(fault: () => void): FuzzTarget {
  return {
    summary: 'ends badly in its fourth batch',
    share: 1,
    batchInputs: BATCH,
    prepare: () => (batch) => {
      if (batch === BAD_BATCH) fault();
    },
  };
}
