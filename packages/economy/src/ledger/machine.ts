/** The ledger as a machine that takes requests of bytes: what a log can hold and play again. */
import { FogError } from '@fog/contract';
import type { NewAccount } from './accounts.ts';
import { encodeAccount, encodeTransfer } from './codec.ts';
import { BODY_BYTES, BODY_WORDS, bytesOf } from './layout.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import { LEDGER_LIMITS } from './limits.ts';
import type { NewTransfer } from './transfers.ts';

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
export { BODY_BYTES };

export class LedgerMachine implements LoggedMachine {
  readonly ledger: Ledger;

  constructor(options: LedgerOptions = {}) {
    this.ledger = new Ledger(options);
  }

  /**
   * Runs a request. `createAccounts` and `createTransfers` answer a status byte for each body, `expirePending` how many
   * expired: 32 bits, little endian. Throws `invalid-request` for a kind or a length that is none, and what the ledger
   * throws.
   */
  apply(request: Uint8Array, timestamp: bigint): Uint8Array {
    for (let at = 1; at < REQUEST_HEADER_BYTES; at += 1) {
      if (request[at] !== 0) throw unreadable('its header is not 8 bytes, the last 7 of them 0');
    }
    const bodies = request.subarray(REQUEST_HEADER_BYTES);
    switch (request[0]) {
      case REQUEST_KINDS.createAccounts:
        return this.ledger.applyAccounts(bodies, timestamp);
      case REQUEST_KINDS.createTransfers:
        return this.ledger.applyTransfers(bodies, timestamp);
      case REQUEST_KINDS.expirePending:
        if (bodies.byteLength > 0) throw unreadable('expirePending has no bodies');
        return bytesOf(Uint32Array.of(this.ledger.expirePending(timestamp)));
      default:
        throw unreadable(`there is no kind ${request[0]}`);
    }
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

/** The request that does what `Ledger.createAccounts` does. Throws `invalid-request` for fields that do not fit. */
export function accountsRequest(accounts: readonly NewAccount[]): Uint8Array {
  return requestOf('createAccounts', accounts, encodeAccount);
}

/** The request that does what `Ledger.createTransfers` does. */
export function transfersRequest(transfers: readonly NewTransfer[]): Uint8Array {
  return requestOf('createTransfers', transfers, encodeTransfer);
}

/** The request that does what `Ledger.expirePending` does, at the time that it is applied at. */
export function expiryRequest(): Uint8Array {
  return requestOf('expirePending', [], encodeTransfer);
}

function requestOf<Item>(
  kind: RequestKind,
  items: readonly Item[],
  encode: (item: Item, words: Uint32Array, at: number) => void,
): Uint8Array {
  if (items.length > LEDGER_LIMITS.batchEvents)
    throw unreadable(`it has more than ${LEDGER_LIMITS.batchEvents} events`);
  const request = new Uint32Array(REQUEST_HEADER_BYTES / 4 + items.length * BODY_WORDS);
  request[0] = REQUEST_KINDS[kind];
  items.forEach((item, index) => {
    encode(item, request, REQUEST_HEADER_BYTES / 4 + index * BODY_WORDS);
  });
  return bytesOf(request);
}

function unreadable(why: string): FogError {
  return new FogError('invalid-request', `this is no request to a ledger: ${why}`, {
    hint: 'accountsRequest, transfersRequest and expiryRequest make them',
  });
}
