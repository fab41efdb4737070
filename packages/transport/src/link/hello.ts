/**
 * What two ends say in clear before the handshake, to agree on a version:
 *
 *     hello    magic "FOGL" | network id (32) | count u8 | versions (u16 each, falling)      initiator -> responder
 *     answer   magic "FOGL" | kind u8 | count u8 | versions (u16 each, falling)              responder -> initiator
 *
 * `chosen` names the highest common version, `no-common-version` those of the responder, the other kinds none. All of
 * it is the prologue of the handshake: whoever removes versions on the way, to have an older one spoken, makes the
 * handshake fail. A refusal alone is not authentic; it can only prevent a link, as cutting the line could.
 *
 * Numbers are big-endian. Pure: bytes in, bytes out.
 */
import { FogError } from '@fog/contract';
import { LINK_LIMITS } from '../limits.ts';

export const NETWORK_ID_BYTES = 32;
/** The versions of this program, the newest first. */
export const LINK_VERSIONS: readonly number[] = [1];

const MAGIC = Buffer.from('FOGL', 'ascii');
/** Up to and including the count of versions. */
export const HELLO_HEAD_BYTES = MAGIC.length + NETWORK_ID_BYTES + 1;
export const ANSWER_HEAD_BYTES = MAGIC.length + 2;
const PROLOGUE_LABEL = Buffer.from('fog-link-prologue-v1\n', 'ascii');

export const ANSWER_KINDS = ['chosen', 'no-common-version', 'other-network', 'busy'] as const;
export type AnswerKind = (typeof ANSWER_KINDS)[number];

export interface Hello {
  networkId: Uint8Array;
  versions: readonly number[];
}

export interface Answer {
  kind: AnswerKind;
  versions: readonly number[];
}

export function encodeHello({ networkId, versions }: Hello): Buffer {
  return Buffer.concat([MAGIC, networkId, encodeVersions(versions)]);
}

export function encodeAnswer({ kind, versions }: Answer): Buffer {
  return Buffer.concat([MAGIC, Uint8Array.of(ANSWER_KINDS.indexOf(kind)), encodeVersions(versions)]);
}

/** How long the whole hello or answer is, from its head, whose last byte is the count. Throws for another magic. */
export function lengthFromHead(head: Uint8Array): number {
  const count = head.at(-1) ?? 0;
  if (!MAGIC.equals(head.subarray(0, MAGIC.length))) throw malformed('it does not begin with "FOGL"');
  if (count > LINK_LIMITS.versions) throw malformed(`it names ${count} versions`);
  return head.length + 2 * count;
}

/** Throws `protocol-violation` for what is no hello of exactly this length. */
export function decodeHello(bytes: Uint8Array): Hello {
  if (bytes.length < HELLO_HEAD_BYTES) throw malformed(`it has ${bytes.length} bytes`);
  const versions = decodeVersions(bytes, HELLO_HEAD_BYTES);
  if (versions.length === 0) throw malformed('it names no version');
  // Not `slice`, which of a Buffer is no copy.
  return { networkId: Uint8Array.from(bytes.subarray(MAGIC.length, MAGIC.length + NETWORK_ID_BYTES)), versions };
}

/** Throws `protocol-violation` for what is no answer of exactly this length. */
export function decodeAnswer(bytes: Uint8Array): Answer {
  if (bytes.length < ANSWER_HEAD_BYTES) throw malformed(`it has ${bytes.length} bytes`);
  const kind = ANSWER_KINDS[bytes[MAGIC.length] ?? 255];
  const versions = decodeVersions(bytes, ANSWER_HEAD_BYTES);
  if (kind === undefined) throw malformed('it is of an unknown kind');
  const isWell = kind === 'chosen' ? versions.length === 1 : kind === 'no-common-version' || versions.length === 0;
  if (!isWell) throw malformed(`it names ${versions.length} versions, which does not go with "${kind}"`);
  return { kind, versions };
}

/** What the responder answers. */
export function answerTo(hello: Hello, own: Hello): Answer {
  if (!Buffer.from(own.networkId).equals(hello.networkId)) return { kind: 'other-network', versions: [] };
  const chosen = own.versions.find((version) => hello.versions.includes(version));
  if (chosen !== undefined) return { kind: 'chosen', versions: [chosen] };
  return { kind: 'no-common-version', versions: own.versions };
}

/** Binds the handshake to all that was said before it. The parts have lengths of their own, so no two are alike. */
export function prologueOf(hello: Uint8Array, answer: Uint8Array, version: number, networkId: Uint8Array): Buffer {
  const number = Buffer.alloc(2);
  number.writeUInt16BE(version);
  return Buffer.concat([PROLOGUE_LABEL, hello, answer, number, networkId]);
}

function encodeVersions(versions: readonly number[]): Buffer {
  const bytes = Buffer.alloc(1 + 2 * versions.length);
  bytes.writeUInt8(versions.length);
  for (const [index, version] of versions.entries()) bytes.writeUInt16BE(version, 1 + 2 * index);
  return bytes;
}

/** The list whose count stands in front of `offset`, to the end of the bytes. */
function decodeVersions(bytes: Uint8Array, offset: number): number[] {
  if (lengthFromHead(bytes.subarray(0, offset)) !== bytes.length) throw malformed(`it has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const versions: number[] = [];
  for (let at = offset; at < bytes.length; at += 2) versions.push(view.getUint16(at));
  // One way to write a list: then what was chosen from it is clear as well.
  const isFalling = versions.every((version, index) => index === 0 || version < (versions[index - 1] ?? 0));
  if (!isFalling || versions.at(-1) === 0) throw malformed('its versions are not in falling order');
  return versions;
}

function malformed(why: string): FogError {
  return new FogError('protocol-violation', `what came is no greeting of a link: ${why}`, {
    details: { cause: 'malformed-hello' },
    hint: 'see whether the address is that of a node of the mix network',
  });
}
