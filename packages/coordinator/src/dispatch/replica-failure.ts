/** What follows a failed attempt of a service or daemon: always another. Pure. */
import { isLongRunning, type JobSpec } from '@fog/contract';
import { DISPATCH_LIMITS } from '../limits.ts';
import type { Failures } from './retry.ts';

/**
 * When the next attempt may begin: the pause doubles with each failure in a row, whoever is to blame. An attempt that
 * ran for `replicaSteadyMilliseconds` begins a new row.
 */
export function afterReplicaFailure(
  before: Failures,
  blame: 'job' | 'node',
  ranMilliseconds: number,
): { failures: Failures; delayMilliseconds: number } {
  const isNewRow = ranMilliseconds >= DISPATCH_LIMITS.replicaSteadyMilliseconds;
  const { jobFailures, nodeFailures } = isNewRow ? { jobFailures: 0, nodeFailures: 0 } : before;
  const failures = {
    jobFailures: jobFailures + (blame === 'job' ? 1 : 0),
    nodeFailures: nodeFailures + (blame === 'node' ? 1 : 0),
  };
  const inRow = failures.jobFailures + failures.nodeFailures;
  const { failurePauseMilliseconds: first, failureLongestPauseMilliseconds: longest } = DISPATCH_LIMITS;
  return { failures, delayMilliseconds: Math.min(longest, first * 2 ** Math.min(30, inRow - 1)) };
}

/**
 * Which attempt goes on when a lost one comes back. A replica never delivers, so `first-valid` would let both go on for
 * ever: of it the replacement goes on if there is one.
 */
export function reconcileOf(job: JobSpec, hasReplacement: boolean): JobSpec['spec']['disconnect']['reconcile'] {
  const { reconcile } = job.spec.disconnect;
  if (!isLongRunning(job) || reconcile === 'keep-original') return reconcile;
  return hasReplacement ? 'keep-replacement' : 'keep-original';
}
