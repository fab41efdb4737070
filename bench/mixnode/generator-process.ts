/**
 * The sender: has all packets in memory before it sends the first one, and sends them over one link, as fast as the node
 * takes them or at a rate.
 */
import { availableParallelism } from 'node:os';
import { setImmediate as nextRound } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { NODE_LIMITS } from '../../packages/betanet/src/node/limits.ts';
import { type GeometryChoice, geometryOf, requestTimeSlice } from '../../packages/sphinx/src/index.ts';
import { dialLink, generateKeyPair, type Link, tcpTransport } from '../../packages/transport/src/index.ts';
import { serveParent } from '../child-program.ts';
import { clockMilliseconds } from '../clock.ts';
import type { PacketWorkerData } from './packet-worker.ts';
import type { PacketPath } from './packets.ts';
import type { Arrival } from './sink-process.ts';
import { type Usage, usageWith } from './usage.ts';

export interface Connection {
  geometry: GeometryChoice;
  networkId: string;
  address: string;
  linkKey: string;
  first: { id: string; publicKey: string };
  last: { id: string; publicKey: string };
  recipient: string;
}

export interface Sending {
  /** Numbers of packets: from the first, to before the last. */
  from: number;
  to: number;
  /** 0: as fast as the node takes them. */
  packetsPerSecond: number;
  /** Ends then, whatever is left. */
  seconds: number;
}

/** Packets in one piece of memory. */
const CHUNK_PACKETS = 1 << 15;
/** Far less than a link may hold: what waits here waits in the processor's cache. */
const SEND_BUFFER_BYTES = 1 << 19;
/** How often packets are sent at a rate. Finer than any timer of Node, so the thread sleeps between. */
const PACE_MILLISECONDS = 0.25;
const CLOCK_EVERY_PACKETS = 32;

requestTimeSlice(NODE_LIMITS.timeSliceMilliseconds);
const keys = generateKeyPair();
const sleeper = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
const chunks: Uint8Array<SharedArrayBuffer>[] = [];
let path: PacketPath | null = null;
let packetBytes = 0;
let link: Link | null = null;
let sent = 0;
/** When the packet of each number was sent last. */
let sentAt = new Float64Array();
let drained: (() => void) | null = null;

async function connect(connection: Connection): Promise<void> {
  const { geometry: choice, networkId, address, linkKey, first, last, recipient } = connection;
  const geometry = geometryOf(choice);
  const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));
  const waypoint = ({ id, publicKey }: { id: string; publicKey: string }) => {
    return { id: bytes(id), publicKey: bytes(publicKey) };
  };
  path = { geometry, first: waypoint(first), last: waypoint(last), recipient: bytes(recipient) };
  packetBytes = geometry.packetBytes;
  link = await dialLink({
    transport: tcpTransport,
    address,
    remoteStatic: bytes(linkKey),
    networkId: bytes(networkId),
    static: keys,
    packetBytes,
    sendBufferBytes: SEND_BUFFER_BYTES,
  });
  link.start({
    onPackets: () => {},
    onDrain: () => drained?.(),
    onClose: () => drained?.(),
  });
}

/** Makes packets until there are at least so many, a thread on each processor. Answers how many there are. */
async function make({ count }: { count: number }): Promise<number> {
  const threads = Array.from({ length: availableParallelism() }, async () => {
    while (chunks.length * CHUNK_PACKETS < count) {
      const target = new Uint8Array(new SharedArrayBuffer(CHUNK_PACKETS * packetBytes));
      const firstNumber = chunks.push(target) * CHUNK_PACKETS - CHUNK_PACKETS;
      await fill(target, firstNumber);
    }
  });
  await Promise.all(threads);
  const before = sentAt;
  sentAt = new Float64Array(chunks.length * CHUNK_PACKETS);
  sentAt.set(before);
  return chunks.length * CHUNK_PACKETS;
}

function fill(target: Uint8Array<SharedArrayBuffer>, firstNumber: number): Promise<void> {
  if (path === null) throw new Error('not connected');
  const data: PacketWorkerData = { path, firstNumber, target };
  const worker = new Worker(new URL('./packet-worker.ts', import.meta.url), { workerData: data });
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', () => resolve());
  });
}

/** Answers the number of the packet that would be next. */
async function send({ from, to, packetsPerSecond, seconds }: Sending): Promise<number> {
  const begin = clockMilliseconds();
  const end = begin + 1000 * seconds;
  return packetsPerSecond === 0 ? sendAll(from, to, end) : sendPaced(from, to, end, packetsPerSecond / 1000);
}

async function sendAll(from: number, to: number, end: number): Promise<number> {
  let next = from;
  let now = clockMilliseconds();
  while (next < to && openLink().isOpen) {
    if (next % CLOCK_EVERY_PACKETS === 0) now = clockMilliseconds();
    if (now >= end) break;
    if (sendOne(next, now)) next += 1;
    else await new Promise<void>((resolve) => (drained = resolve));
  }
  await nextRound();
  return next;
}

/** Packets leave when their time has come, a quarter of a millisecond late at most while the processor is free. */
async function sendPaced(from: number, to: number, end: number, perMillisecond: number): Promise<number> {
  const begin = clockMilliseconds();
  let next = from;
  for (let now = begin; now < end && next < to && openLink().isOpen; now = clockMilliseconds()) {
    const due = Math.min(to, from + Math.floor((now - begin) * perMillisecond));
    while (next < due && sendOne(next, now)) next += 1;
    openLink().flush();
    await nextRound();
    Atomics.wait(sleeper, 0, 0, PACE_MILLISECONDS);
  }
  return next;
}

function sendOne(number: number, now: number): boolean {
  const at = (number % CHUNK_PACKETS) * packetBytes;
  const chunk = chunks[Math.floor(number / CHUNK_PACKETS)] as Uint8Array;
  if (openLink().sendPacket(chunk.subarray(at, at + packetBytes)) !== 'sent') return false;
  sent += 1;
  sentAt[number] = now;
  return true;
}

function openLink(): Link {
  if (link === null) throw new Error('not connected');
  return link;
}

const linkKey = () => Buffer.from(keys.publicKey).toString('hex');
/** Of packets that arrived: how long each was on its way. */
function journeys({ arrivals }: { arrivals: readonly Arrival[] }): number[] {
  return arrivals.map(({ number, atMilliseconds }) => atMilliseconds - (sentAt[number] as number));
}

const usage = (): Usage => usageWith(sent);
serveParent({ linkKey, connect, make, send, journeys, usage }, () => link?.destroy());
