/** The ledger as a machine that takes requests of bytes: what a log can hold and play again. */
import { FogError } from '@fog/contract';
import { Ledger, type LedgerOptions } from './ledger.ts';

/** State that changes by requests alone: the same requests at the same times give the same state. */
export interface LoggedMachine {
  /** Throws for a request that cannot be read, before anything has changed. */
  apply(request: Uint8Array, timestamp: bigint): Uint8Array;
  /** Views of the state as it is: to be written or copied before the next request. */
  snapshot(): Iterable<Uint8Array>;
  restore(parts: Iterable<Uint8Array>): void;
  /** SHA-256 of the whole state. */
  digest(): Uint8Array;
}

/** First byte of a request. */
export const REQUEST_KINDS = { createAccounts: 1, createTransfers: 2, expirePending: 3 } as const;
export type RequestKind = keyof typeof REQUEST_KINDS;
/** The kind, and zeros, so that the bodies after it lie well. */
export const REQUEST_HEADER_BYTES = 8;
/** Of an account and of a transfer. */
export const BODY_BYTES = 128;

export class LedgerMachine implements LoggedMachine {
  readonly ledger: Ledger;

  constructor(options: LedgerOptions = {}) {
    this.ledger = new Ledger(options);
  }

  apply(_request: Uint8Array, _timestamp: bigint): Uint8Array {
    throw new FogError('unsupported', 'the ledger is not built yet');
  }

  snapshot(): Iterable<Uint8Array> {
    return this.ledger.snapshot();
  }

  restore(parts: Iterable<Uint8Array>): void {
    this.ledger.restore(parts);
  }

  digest(): Uint8Array {
    return this.ledger.digest();
  }
}
