/**
 * Work that needs a fixed number of processors at once. Times are seconds since any one moment, fractions allowed; the
 * formulas of some orders (F1) are made for seconds.
 */
import { FogError } from '@fog/contract';

export interface RigidJob {
  /** Unique among the jobs of a queue. */
  id: string;
  processors: number;
  /** What its owner says that it takes; a scheduler knows no other time. */
  requestedSeconds: number;
  submittedAtSeconds: number;
}

export interface RunningJob {
  id: string;
  processors: number;
  /** Its start and what it requested. One that has run over is expected to end at any moment. */
  expectedEndSeconds: number;
}

/** Throws `invalid-request` for a job without processors or with a time that is none. */
export function assertRigidJob({ id, processors, requestedSeconds, submittedAtSeconds }: RigidJob): void {
  const isWell =
    Number.isSafeInteger(processors) &&
    processors >= 1 &&
    Number.isFinite(requestedSeconds) &&
    requestedSeconds >= 0 &&
    Number.isFinite(submittedAtSeconds);
  if (isWell) return;
  throw new FogError('invalid-request', `job ${id} wants ${processors} processors for ${requestedSeconds} seconds`, {
    details: { id, processors, requestedSeconds, submittedAtSeconds },
    hint: 'processors are a whole number from 1, times are finite and not negative',
  });
}
