/** What the tests of links share: two nodes, somebody on the line between them, and a clock of their own. */
import type { Duplex } from 'node:stream';
import { setImmediate as nextRound } from 'node:timers/promises';
import {
  type Admission,
  acceptLink,
  type Clock,
  generateKeyPair,
  Handshake,
  type Link,
  type LinkEnd,
  type LinkHandlers,
  type LinkOptions,
  openLink,
  SYSTEM_CLOCK,
  type TransportCiphers,
} from '@fog/transport';
import { ANSWER_HEAD_BYTES, encodeHello, prologueOf } from '../../src/link/hello.ts';
import { readExactly } from '../../src/link/stream-reader.ts';
import { MemoryStream } from '../../src/memory/memory-stream.ts';

export const PACKET_BYTES = 100;
export const NETWORK_ID = new Uint8Array(32).fill(9);
export const INITIATOR = generateKeyPair();
export const RESPONDER = generateKeyPair();

/** Hands on what passes, in pieces that it chooses; `back` is from the responder. */
export type OnTheLine = (chunk: Buffer, direction: 'there' | 'back') => Iterable<Buffer>;

export function streamPair(): [MemoryStream, MemoryStream] {
  const line = { clock: SYSTEM_CLOCK, delayMilliseconds: () => 0 };
  return MemoryStream.pair([line, line]);
}

/** Two ends with somebody between them. */
export function tappedPair(onTheLine: OnTheLine): [Duplex, Duplex] {
  const [initiator, near] = streamPair();
  const [far, responder] = streamPair();
  const relay = (from: Duplex, to: Duplex, direction: 'there' | 'back') => {
    from.on('data', (chunk: Buffer) => {
      for (const piece of onTheLine(chunk, direction)) to.write(piece);
    });
    from.on('end', () => to.end());
    from.on('close', () => to.destroy());
  };
  relay(near, far, 'there');
  relay(far, near, 'back');
  return [initiator, responder];
}

export interface StageOptions {
  streams?: readonly [Duplex, Duplex];
  both?: Partial<LinkOptions>;
  initiator?: Partial<LinkOptions> & { remoteStatic?: Uint8Array };
  responder?: Partial<LinkOptions>;
  admit?: (staticKey: Uint8Array, remoteAddress: string) => Admission<string> | Promise<Admission<string>>;
}

/** What became of both ends of a handshake. */
export async function handshakes(
  options: StageOptions = {},
): Promise<[PromiseSettledResult<Link>, PromiseSettledResult<Link<string>>]> {
  const [near, far] = options.streams ?? streamPair();
  const common = { networkId: NETWORK_ID, packetBytes: PACKET_BYTES, ...options.both };
  return Promise.allSettled([
    openLink(near, { ...common, static: INITIATOR, remoteStatic: RESPONDER.publicKey, ...options.initiator }),
    acceptLink(far, {
      ...common,
      static: RESPONDER,
      remoteAddress: 'initiator',
      admit: options.admit ?? (() => ({ admitted: true, context: 'known' })),
      ...options.responder,
    }),
  ]);
}

export async function linkPair(options: StageOptions = {}): Promise<[Link, Link<string>]> {
  const [near, far] = await handshakes(options);
  if (near.status === 'rejected') throw near.reason;
  if (far.status === 'rejected') throw far.reason;
  return [near.value, far.value];
}

/** Starts a link; collects what comes, packets as copies. */
export function collect(link: Link<unknown>, changes: Partial<LinkHandlers> = {}) {
  const packets: Buffer[] = [];
  const controls: unknown[] = [];
  const all: (Buffer | { control: unknown })[] = [];
  const ended = Promise.withResolvers<LinkEnd>();
  link.start({
    onPackets(message, { offset, stride, count }) {
      for (let index = 0; index < count; index += 1) {
        const at = offset + index * stride;
        packets.push(Buffer.from(message.subarray(at, at + link.packetBytes)));
        all.push(packets.at(-1) as Buffer);
      }
    },
    onControl(control) {
      controls.push(control);
      all.push({ control });
    },
    onClose: ended.resolve,
    ...changes,
  });
  return { packets, controls, all, ended: ended.promise };
}

/** A responder's peer that has shaken hands correctly and then says what a test wants. */
export interface RawPeer {
  stream: Duplex;
  ciphers: TransportCiphers;
  link: Link<string>;
  /** One message with these bytes as its text. */
  say(text: Uint8Array): void;
}

export async function rawPeer(options: Partial<LinkOptions> = {}): Promise<RawPeer> {
  const [stream, far] = streamPair();
  const common = { networkId: NETWORK_ID, packetBytes: PACKET_BYTES, ...options };
  const admit = () => ({ admitted: true as const, context: 'raw' });
  const accepted = acceptLink(far, { ...common, static: RESPONDER, remoteAddress: 'raw', admit });
  const handshake = await shakeHands(stream);
  const link = await accepted;
  const ciphers = handshake.split();
  const length = (await readExactly(stream, 2)).readUInt16BE();
  ciphers.receive.decrypt(await readExactly(stream, length));
  return { stream, ciphers, link, say: (text) => stream.write(frame(ciphers.send.encrypt(text))) };
}

/** The initiator's part up to its last message of Noise, written down once more. */
export async function shakeHands(stream: Duplex): Promise<Handshake> {
  const hello = encodeHello({ networkId: NETWORK_ID, versions: [1] });
  stream.write(hello);
  const answer = await readExactly(stream, ANSWER_HEAD_BYTES + 2);
  const handshake = new Handshake({
    protocolName: 'Noise_XK_25519_ChaChaPoly_SHA256',
    isInitiator: true,
    prologue: prologueOf(hello, answer, 1, NETWORK_ID),
    static: INITIATOR,
    remoteStatic: RESPONDER.publicKey,
  });
  stream.write(handshake.writeMessage());
  handshake.readMessage(await readExactly(stream, 48));
  stream.write(handshake.writeMessage());
  return handshake;
}

export function frame(message: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** Lets everything that is under way arrive. */
export async function settled(rounds = 20): Promise<void> {
  for (let round = 0; round < rounds; round += 1) await nextRound();
}

/** Time that stands still until it is told to go on. */
export function manualClock(): Clock & { advance(milliseconds: number): Promise<void> } {
  let now = 0;
  const timers = new Map<object, { due: number; callback: () => void }>();
  return {
    now: () => now,
    setTimer(milliseconds, callback) {
      const timer = { cancel: () => void timers.delete(timer) };
      timers.set(timer, { due: now + milliseconds, callback });
      return timer;
    },
    async advance(milliseconds) {
      const end = now + milliseconds;
      for (;;) {
        const due = [...timers].filter(([, timer]) => timer.due <= end).sort(([, a], [, b]) => a.due - b.due)[0];
        if (due === undefined) break;
        timers.delete(due[0]);
        now = Math.max(now, due[1].due);
        due[1].callback();
        await settled();
      }
      now = end;
    },
  };
}
