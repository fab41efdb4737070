/**
 * Where the fields of an account and of a transfer lie: 128 bytes each, little endian, as TigerBeetle has them. Offsets
 * and sizes are in words of 32 bits; 128-bit numbers take four, the lowest first.
 */
import { FogError } from '@fog/contract';

export const BODY_BYTES = 128;
export const BODY_WORDS = 32;

/** Offsets that accounts and transfers share. `codeFlags` holds the code below the flags, 16 bits each. */
export const COMMON_WORDS = { id: 0, userData128: 20, userData64: 24, userData32: 26, codeFlags: 29, timestamp: 30 };

export const ACCOUNT_WORDS = {
  ...COMMON_WORDS,
  debitsPending: 4,
  debitsPosted: 8,
  creditsPending: 12,
  creditsPosted: 16,
  reserved: 27,
  ledger: 28,
} as const;

export const TRANSFER_WORDS = {
  ...COMMON_WORDS,
  debitAccount: 4,
  creditAccount: 8,
  amount: 12,
  pendingId: 16,
  timeout: 27,
  ledger: 28,
} as const;

/** Bytes as words: a view where they lie well, else a copy. Throws `unsupported-platform` on a big-endian machine. */
export function wordsOf(bytes: Uint8Array): Uint32Array {
  assertLittleEndian();
  if (bytes.byteOffset % 4 === 0) return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2);
  const copy = bytes.slice();
  return new Uint32Array(copy.buffer, 0, copy.byteLength >>> 2);
}

export function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

function assertLittleEndian(): void {
  if (IS_LITTLE_ENDIAN) return;
  throw new FogError('unsupported-platform', 'the ledger needs a little-endian machine', {
    hint: 'x86-64 and ARM64 are',
  });
}
