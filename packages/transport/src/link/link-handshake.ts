/**
 * How a link comes to be, over a stream that is connected already:
 *
 *     initiator                                            responder
 *     hello (in clear, hello.ts)          ----------->
 *                                         <-----------     answer; or a refusal, and the end
 *     Noise XK: e, es                     ----------->
 *                                         <-----------     e, ee
 *     s, se                               ----------->
 *                                                          asks `admit` about the initiator's static key
 *                                         <-----------     first message of the link: welcome; or goodbye, and the end
 *
 * The messages of Noise have no payload and so a fixed length: they need no framing. The initiator has a link only when
 * the welcome has come, so a link that was opened is one that was wanted. All of it has one time limit. Whatever goes
 * wrong, the stream is ended or destroyed, and the error has a `HandshakeFault` in `details.cause`.
 */
import type { Duplex } from 'node:stream';
import { FogError } from '@fog/contract';
import { type Clock, SYSTEM_CLOCK } from '../clock.ts';
import { LINK_LIMITS } from '../limits.ts';
import { Handshake, type TransportCiphers } from '../noise/handshake.ts';
import { KEY_BYTES, MAC_BYTES, type NoiseKeyPair } from '../noise/primitives.ts';
import { LENGTH_BYTES } from './buffer-pool.ts';
import { encodeGoodbye, type Goodbye, type GoodbyeCode } from './goodbye.ts';
import {
  ANSWER_HEAD_BYTES,
  type Answer,
  answerTo,
  decodeAnswer,
  decodeHello,
  encodeAnswer,
  encodeHello,
  HELLO_HEAD_BYTES,
  LINK_VERSIONS,
  lengthFromHead,
  NETWORK_ID_BYTES,
  prologueOf,
} from './hello.ts';
import { Link } from './link.ts';
import { handshakeError } from './link-faults.ts';
import { assertPacketBytes } from './link-sender.ts';
import { encodeRecord, RECORD_HEAD_BYTES, readRecords } from './records.ts';
import { readExactly } from './stream-reader.ts';

const PROTOCOL_NAME = 'Noise_XK_25519_ChaChaPoly_SHA256';
/** `e, es` and `e, ee`: a key in clear, and the MAC of an empty payload. */
const KEY_MESSAGE_BYTES = KEY_BYTES + MAC_BYTES;
/** `s, se`: an encrypted key with its MAC, and the MAC of an empty payload. */
const STATIC_MESSAGE_BYTES = KEY_BYTES + 2 * MAC_BYTES;
/** The first message of a link holds one record, the longest of them a goodbye. */
const MOST_FIRST_BYTES = RECORD_HEAD_BYTES + 1 + LINK_LIMITS.goodbyeBytes + MAC_BYTES;

export interface LinkOptions {
  /** 32 bytes that name the network, the same for all its nodes. */
  networkId: Uint8Array;
  /** The link key of this node: its static key of Noise. */
  static: NoiseKeyPair;
  /** The one length that packets of this link have. */
  packetBytes: number;
  /** The newest first. Default: all that this program has. */
  versions?: readonly number[] | undefined;
  /** What may wait for a peer that does not read. Default: `LINK_LIMITS.sendBufferBytes`. */
  sendBufferBytes?: number | undefined;
  /** Default: `LINK_LIMITS.handshakeMilliseconds`. */
  handshakeMilliseconds?: number | undefined;
  clock?: Clock | undefined;
  /** Ends the handshake; means nothing to the link. */
  signal?: AbortSignal | undefined;
}

export interface OpenLinkOptions extends LinkOptions {
  /** X25519, 32 bytes: whoever answers has to have its private key. */
  remoteStatic: Uint8Array;
}

export type Admission<Context> =
  | { admitted: true; context: Context }
  | { admitted: false; code: GoodbyeCode; reason?: string | undefined };

/** Decides about whoever has proven to have a key. */
export type Admit<Context> = (
  staticKey: Uint8Array,
  remoteAddress: string,
) => Admission<Context> | Promise<Admission<Context>>;

export interface AcceptLinkOptions<Context> extends LinkOptions {
  remoteAddress: string;
  admit: Admit<Context>;
}

/**
 * The initiator's part. Rejects with `protocol-version` (both lists in `details`), `protocol-violation` (wrong key, or
 * somebody changed what was said), `forbidden` (not admitted; `details.goodbye` has the code), `invalid-configuration`
 * (another network), `too-many-requests`, `timed-out`, `cancelled` or `unavailable` (cut).
 */
export function openLink(stream: Duplex, options: OpenLinkOptions): Promise<Link> {
  assertOptions(options);
  return withinTime(stream, options, async () => {
    const { networkId, static: own, remoteStatic, versions = LINK_VERSIONS } = options;
    const hello = encodeHello({ networkId, versions });
    stream.write(hello);
    const answer = await readGreeting(stream, ANSWER_HEAD_BYTES);
    const version = chosenVersion(decodeAnswer(answer), versions);
    const prologue = prologueOf(hello, answer, version, networkId);
    const common = { protocolName: PROTOCOL_NAME, isInitiator: true, prologue };
    using handshake = new Handshake({ ...common, static: own, remoteStatic });
    stream.write(handshake.writeMessage());
    handshake.readMessage(await readExactly(stream, KEY_MESSAGE_BYTES));
    stream.write(handshake.writeMessage());
    return finishOpening(stream, handshake, version, options);
  });
}

/** Waits for the responder's first word. */
async function finishOpening(
  stream: Duplex,
  handshake: Handshake,
  version: number,
  options: OpenLinkOptions,
): Promise<Link> {
  const ciphers = handshake.split();
  try {
    const length = (await readExactly(stream, LENGTH_BYTES)).readUInt16BE();
    if (length > MOST_FIRST_BYTES) throw notWelcomed(`its first message has ${length} bytes`);
    assertWelcome(ciphers.receive.decrypt(await readExactly(stream, length)));
  } catch (error) {
    wipe(ciphers);
    throw error;
  }
  return linkOf(stream, { ciphers, version, handshake, context: undefined }, options);
}

/**
 * The responder's part. Nothing that came after the handshake is looked at before `admit` has said yes. Rejects as
 * `openLink` does, in `forbidden` with our own code.
 */
export function acceptLink<Context>(stream: Duplex, options: AcceptLinkOptions<Context>): Promise<Link<Context>> {
  assertOptions(options);
  return withinTime(stream, options, async () => {
    const { networkId, static: own, versions = LINK_VERSIONS } = options;
    const hello = await readGreeting(stream, HELLO_HEAD_BYTES);
    const { versions: theirs } = decodeHello(hello);
    const answer = answerTo(decodeHello(hello), { networkId, versions });
    const answerBytes = encodeAnswer(answer);
    if (answer.kind !== 'chosen') {
      leave(stream, answerBytes, options.clock);
      throw refusal(answer, theirs, versions);
    }
    stream.write(answerBytes);
    const version = answer.versions[0] ?? 0;
    const prologue = prologueOf(hello, answerBytes, version, networkId);
    const common = { protocolName: PROTOCOL_NAME, isInitiator: false, prologue };
    using handshake = new Handshake({ ...common, static: own });
    handshake.readMessage(await readExactly(stream, KEY_MESSAGE_BYTES));
    stream.write(handshake.writeMessage());
    handshake.readMessage(await readExactly(stream, STATIC_MESSAGE_BYTES));
    return finishAccepting(stream, handshake, version, options);
  });
}

async function finishAccepting<Context>(
  stream: Duplex,
  handshake: Handshake,
  version: number,
  options: AcceptLinkOptions<Context>,
): Promise<Link<Context>> {
  const ciphers = handshake.split();
  try {
    const admission = await options.admit(handshake.remoteStaticKey ?? new Uint8Array(), options.remoteAddress);
    if (stream.destroyed) throw stream.errored ?? handshakeError('cut', 'unavailable', 'the stream was cut');
    if (!admission.admitted) {
      const { code, reason = '' } = admission;
      const { ciphertext, tag } = ciphers.send.seal(encodeRecord('goodbye', encodeGoodbye({ code, reason })));
      const length = Buffer.alloc(LENGTH_BYTES);
      length.writeUInt16BE(ciphertext.length + tag.length);
      leave(stream, Buffer.concat([length, ciphertext, tag]), options.clock);
      throw notAdmitted({ code, reason });
    }
    const link = linkOf(stream, { ciphers, version, handshake, context: admission.context }, options);
    link.welcome();
    return link;
  } catch (error) {
    wipe(ciphers);
    throw error;
  }
}

/** Tells whoever dials that there is no room, instead of a handshake. */
export function refuseBusy(stream: Duplex, clock?: Clock): void {
  leave(stream, encodeAnswer({ kind: 'busy', versions: [] }), clock);
}

interface Agreed<Context> {
  ciphers: TransportCiphers;
  version: number;
  handshake: Handshake;
  context: Context;
}

function linkOf<Context>(
  stream: Duplex,
  { ciphers, version, handshake, context }: Agreed<Context>,
  { packetBytes, sendBufferBytes = LINK_LIMITS.sendBufferBytes, clock = SYSTEM_CLOCK }: LinkOptions,
): Link<Context> {
  const { remoteStaticKey = new Uint8Array(), handshakeHash } = handshake;
  const keys = { remoteStaticKey, handshakeHash };
  return new Link({ stream, ciphers, version, context, packetBytes, sendBufferBytes, clock, ...keys });
}

/** Runs a handshake; whatever happens, the stream is taken care of and the time limit lifted. */
async function withinTime<Result>(
  stream: Duplex,
  { handshakeMilliseconds = LINK_LIMITS.handshakeMilliseconds, clock = SYSTEM_CLOCK, signal }: LinkOptions,
  handshake: () => Promise<Result>,
): Promise<Result> {
  const failed = Promise.withResolvers<never>();
  stream.on('error', () => {}); // whoever reads or waits sees the end
  const fail = (error: FogError) => {
    failed.reject(error); // also what waits for `admit` and not for the stream ends
    stream.destroy(error);
  };
  const onAbort = () => fail(handshakeError('cancelled', 'cancelled', 'the handshake of a link was cancelled'));
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer = clock.setTimer(handshakeMilliseconds, () => fail(tooSlow(handshakeMilliseconds)));
  try {
    return await Promise.race([failed.promise, handshake()]);
  } catch (error) {
    if (!stream.writableEnded) stream.destroy(); // else it was left with a last word
    throw asHandshakeError(error, stream);
  } finally {
    timer.cancel();
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Ends a stream so that the last word is read, and cuts it if that takes too long. */
function leave(stream: Duplex, lastWord: Uint8Array, clock: Clock = SYSTEM_CLOCK): void {
  stream.on('error', () => {});
  stream.end(lastWord);
  stream.on('data', () => {});
  stream.resume();
  const timer = clock.setTimer(LINK_LIMITS.closeMilliseconds, () => stream.destroy());
  stream.once('close', () => timer.cancel());
}

async function readGreeting(stream: Duplex, headBytes: number): Promise<Buffer> {
  const head = await readExactly(stream, headBytes);
  const rest = lengthFromHead(head) - headBytes;
  return rest === 0 ? head : Buffer.concat([head, await readExactly(stream, rest)]);
}

function chosenVersion(answer: Answer, own: readonly number[]): number {
  if (answer.kind !== 'chosen') throw refusal(answer, answer.versions, own);
  const version = answer.versions[0] ?? 0;
  if (own.includes(version)) return version;
  throw handshakeError(
    'malformed-hello',
    'protocol-violation',
    `the other side chose version ${version}, not offered`,
    {
      hint: 'end the connection: the other node runs a faulty program',
    },
  );
}

/** What both sides make of an answer that is no choice. */
function refusal({ kind }: Answer, theirs: readonly number[], own: readonly number[]): FogError {
  if (kind === 'no-common-version') {
    const message = `no common version of the link: here ${own.join(', ')}, there ${theirs.join(', ') || 'none'}`;
    const details = { own: [...own], theirs: [...theirs] };
    return handshakeError('protocol-version', 'protocol-version', message, {
      details,
      hint: 'update the older of the two nodes',
    });
  }
  if (kind === 'other-network') {
    return handshakeError('other-network', 'invalid-configuration', 'the other node belongs to another mix network', {
      hint: 'compare the network ids, and see whether the address is right',
    });
  }
  return handshakeError('busy', 'too-many-requests', 'the other node takes no more connections right now', {
    hint: 'try again later, or another node',
  });
}

/** Throws unless the responder's first message is a welcome and nothing else. */
function assertWelcome(text: Buffer): void {
  const said: { welcomes: number; goodbye: Goodbye | null; others: number } = { welcomes: 0, goodbye: null, others: 0 };
  const other = () => {
    said.others += 1;
  };
  const fault = readRecords(text, 1, {
    isOpen: () => true,
    onPackets: other,
    onControl: other,
    onPing: other,
    onPong: other,
    onWelcome: () => {
      said.welcomes += 1;
    },
    onGoodbye: (goodbye) => {
      said.goodbye = goodbye;
    },
  });
  if (said.goodbye !== null) throw notAdmitted(said.goodbye);
  if (fault !== null || said.welcomes !== 1 || said.others > 0) throw notWelcomed('its first message is no welcome');
}

function notWelcomed(why: string): FogError {
  return handshakeError('malformed-hello', 'protocol-violation', `the other side did not welcome the link: ${why}`, {
    hint: 'end the connection: the other node runs a faulty program',
  });
}

function notAdmitted({ code, reason }: Goodbye): FogError {
  const message = `the link was not admitted: ${code}${reason === '' ? '' : `, ${reason}`}`;
  return handshakeError('refused', 'forbidden', message, {
    details: { goodbye: code, reason },
    hint: 'a node links only to those that the consensus lets it; wait for the next one, or see its reason',
  });
}

function tooSlow(milliseconds: number): FogError {
  return handshakeError('timed-out', 'timed-out', `the handshake of a link took longer than ${milliseconds} ms`, {
    hint: 'see whether the other node is overloaded',
  });
}

/** What Noise and this folder throw has a cause to count by; what the stream broke with is `cut`. */
function asHandshakeError(error: unknown, stream: Duplex): FogError {
  if (error instanceof FogError && error.details.cause !== undefined) return error;
  if (error !== stream.errored) return FogError.from(error);
  return handshakeError('cut', 'unavailable', 'the stream broke during the handshake of a link', {
    cause: error,
    hint: 'connect again',
  });
}

function assertOptions({ networkId, packetBytes, versions = LINK_VERSIONS }: LinkOptions): void {
  assertPacketBytes(packetBytes);
  const isFalling = versions.every((version, index) => index === 0 || version < (versions[index - 1] ?? 0));
  const isWell = versions.length >= 1 && versions.length <= LINK_LIMITS.versions && isFalling;
  if (isWell && networkId.length === NETWORK_ID_BYTES) return;
  throw new FogError('invalid-configuration', 'a link needs a network id of 32 bytes and versions in falling order', {
    details: { networkIdBytes: networkId.length, versions: [...versions] },
  });
}

function wipe({ send, receive }: TransportCiphers): void {
  send[Symbol.dispose]();
  receive[Symbol.dispose]();
}
