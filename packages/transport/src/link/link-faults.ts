/** What can go wrong with a link, as a closed list: whoever runs links counts by it. */
import { FogError, type FogErrorOptions } from '@fog/contract';
import type { GoodbyeCode } from './goodbye.ts';

/** In `details.cause` of what a handshake rejects with. */
export const HANDSHAKE_FAULTS = [
  /** No common version. */
  'protocol-version',
  'other-network',
  /** What came first is no greeting of ours. */
  'malformed-hello',
  /** Wrong keys, or somebody changed what was said. */
  'not-authentic',
  'low-order-key',
  'wrong-length',
  /** The keys are right, but the responder does not want this node. */
  'refused',
  /** Too many handshakes or links. */
  'busy',
  'timed-out',
  'cancelled',
  /** The stream ended before the handshake did. */
  'cut',
  /** None of these: a mistake of ours, or of what `admit` calls. */
  'internal',
] as const;
export type HandshakeFault = (typeof HANDSHAKE_FAULTS)[number];

/** In `details.cause` of the error that a link ended with. */
export const LINK_FAULTS = [
  /** A message that is not authentic. */
  'not-authentic',
  /** A length that no message can have, or records that do not fill it. */
  'bad-frame',
  'unknown-record',
  'wrong-packet-size',
  /** A control that is no JSON or too long, a goodbye without a code, a ping with a body. */
  'bad-record',
  /** Nothing came for too long. */
  'silent',
  /** The stream ended without a goodbye. */
  'cut',
] as const;
export type LinkFault = (typeof LINK_FAULTS)[number];

/** How a link ended. */
export type LinkEnd =
  | { by: 'us'; code: GoodbyeCode; reason: string }
  | { by: 'peer'; code: GoodbyeCode; reason: string }
  | { by: 'fault'; fault: LinkFault; error: FogError };

/** The cause by which to count an error of a handshake. */
export function handshakeFaultOf(error: unknown): HandshakeFault {
  const cause = error instanceof FogError ? error.details.cause : undefined;
  return HANDSHAKE_FAULTS.find((fault) => fault === cause) ?? 'internal';
}

export function handshakeError(
  fault: HandshakeFault,
  code: FogError['code'],
  message: string,
  { details, ...options }: FogErrorOptions = {},
): FogError {
  return new FogError(code, message, { ...options, details: { ...details, cause: fault } });
}

export function violation(fault: LinkFault, message: string): FogError {
  return new FogError('protocol-violation', message, {
    details: { cause: fault },
    hint: 'the link was ended; if it happens again, the other node runs a faulty program',
  });
}
