/** How a link ends with words: a code of this list, and a sentence for people. */
import { LINK_LIMITS } from '../limits.ts';

/** Numbers on the wire. They are never given another meaning; what a newer program says beyond them is `other`. */
export const GOODBYE_CODES = {
  /** No longer needed. */
  done: 0,
  'shutting-down': 1,
  /** The other side broke the protocol. */
  'protocol-violation': 2,
  /** No sign of life. */
  silent: 3,
  'over-limit': 4,
  /** There is a newer link of the same node. */
  superseded: 5,

  /** Refused: no consensus that counts has this key. */
  'unknown-node': 16,
  /** Refused: nodes of this layer do not send here. */
  'wrong-layer': 17,
  /** Refused: clients connect to gateways. */
  'not-a-gateway': 18,
  /** Refused: the node has stopped taking part, e.g. for its clock. */
  'not-serving': 19,

  other: 255,
} as const;

export type GoodbyeCode = keyof typeof GOODBYE_CODES;

export interface Goodbye {
  code: GoodbyeCode;
  /** For people; from a stranger, so it decides nothing. */
  reason: string;
}

const NAMES = new Map<number, GoodbyeCode>(
  Object.entries(GOODBYE_CODES).map(([name, number]) => [number, name as GoodbyeCode]),
);

/** `code u8 | text`. A text that is too long is cut between characters. */
export function encodeGoodbye({ code, reason }: Goodbye): Buffer {
  const text = new Uint8Array(LINK_LIMITS.goodbyeBytes);
  const { written } = new TextEncoder().encodeInto(reason, text);
  return Buffer.concat([Uint8Array.of(GOODBYE_CODES[code]), text.subarray(0, written)]);
}

/** Null for what is none. Control characters in the text become spaces: it may be written into a log. */
export function decodeGoodbye(body: Uint8Array): Goodbye | null {
  const [number] = body;
  if (number === undefined || body.length > 1 + LINK_LIMITS.goodbyeBytes) return null;
  const text = Buffer.from(body.subarray(1)).toString('utf8');
  return { code: NAMES.get(number) ?? 'other', reason: text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ') };
}
