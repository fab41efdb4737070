/** What governance refuses: a closed list, in the field `fault` of the details of a `FogError`. */
import { type ErrorCode, FogError } from '@fog/contract';

const FAULT_CODES = {
  /** A field that has no meaning. */
  malformed: 'invalid-request',
  /** A parameter that does not exist, or a value that it cannot have. */
  'out-of-range': 'invalid-request',
  /** Power is only known of sequence numbers that are over. */
  'future-lookup': 'invalid-request',
  'invalid-vote-type': 'invalid-request',
  'insufficient-proposer-votes': 'forbidden',
  /** One proposal at a time for each proposer, and a bounded number in all. */
  'live-proposal': 'conflict',
  /** The proposal is not in a state in which this can be done; `state` says in which it is. */
  'unexpected-state': 'conflict',
  /** Passed, but its timelock has not run. */
  'timelock-runs': 'conflict',
  'already-voted': 'conflict',
  'exceeds-remaining-weight': 'conflict',
  /** The voter had no power before the proposal, or none at the snapshot. */
  'no-power': 'forbidden',
  'bad-signature': 'forbidden',
  'not-guardian': 'forbidden',
  'not-proposer': 'forbidden',
  'treasury-too-small': 'insufficient-funds',
} as const satisfies Record<string, ErrorCode>;

export type GovernanceFault = keyof typeof FAULT_CODES;
export const GOVERNANCE_FAULTS = Object.keys(FAULT_CODES) as GovernanceFault[];

export interface FaultOptions {
  details?: Record<string, unknown>;
  hint?: string;
}

/** The error for a fault: what, where, what to do. */
export function governanceFault(fault: GovernanceFault, message: string, options: FaultOptions = {}): FogError {
  return new FogError(FAULT_CODES[fault], message, {
    details: { fault, ...options.details },
    ...(options.hint === undefined ? {} : { hint: options.hint }),
  });
}

/** The fault that an error tells of; null for any other error. */
export function faultOf(error: unknown): GovernanceFault | null {
  const fault = error instanceof FogError ? error.details.fault : undefined;
  return typeof fault === 'string' && Object.hasOwn(FAULT_CODES, fault) ? (fault as GovernanceFault) : null;
}
