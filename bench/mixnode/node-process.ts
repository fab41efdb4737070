/**
 * A mix with everything that a packet meets in one: links with Noise, the rate limit of a relay's link, unwrapping
 * threads, replay set and its log on the disk, delay queue (of which nothing asks for a delay here). What it lacks is
 * what no packet meets: directory, registration, its own loops.
 */
import { randomBytes, randomFillSync, timingSafeEqual } from 'node:crypto';
import { DropCounters } from '../../packages/betanet/src/mixing/drop-counters.ts';
import { RandomNumbers } from '../../packages/betanet/src/mixing/random-numbers.ts';
import { TokenBucket } from '../../packages/betanet/src/mixing/token-bucket.ts';
import { bootId } from '../../packages/betanet/src/node/boot-id.ts';
import { type EpochKey, EpochKeyStore } from '../../packages/betanet/src/node/epoch-key-store.ts';
import { NODE_LIMITS } from '../../packages/betanet/src/node/limits.ts';
import { MixEngine } from '../../packages/betanet/src/node/mix-engine.ts';
import { NextHops } from '../../packages/betanet/src/node/next-hops.ts';
import { preferShortPauses } from '../../packages/betanet/src/node/short-pauses.ts';
import { chooseBackend, type GeometryChoice, geometryOf } from '../../packages/sphinx/src/index.ts';
import {
  generateKeyPair,
  type Link,
  type LinkListener,
  listenForLinks,
  parseTcpAddress,
  SYSTEM_CLOCK,
  tcpTransport,
} from '../../packages/transport/src/index.ts';
import { serveParent } from '../child-program.ts';
import type { SinkAddress } from './sink-process.ts';
import { type Usage, usageWith } from './usage.ts';

const EPOCH = 0;
const DELAY_CAP_MILLISECONDS = 60_000;

export interface NodeOptions {
  geometry: GeometryChoice;
  networkId: string;
  folder: string;
  threads: number;
  senderLinkKey: string;
  sink: SinkAddress;
}

export interface NodeAddress {
  address: string;
  linkKey: string;
  id: string;
  publicKey: string;
  backend: string;
}

export interface NodeUsage extends Usage {
  /** In the node at this moment. */
  inside: number;
  drops: Record<string, number>;
  replayTags: number;
  replayBytes: number;
}

export interface Processing {
  count: number;
  p50: number;
  p99: number;
}

preferShortPauses(); // as `fog mix node` does
const drops = new DropCounters();
const linkKeys = generateKeyPair();
const links = new Set<Link>();
let keys: EpochKeyStore | null = null;
let engine: MixEngine | null = null;
let nextHops: NextHops | null = null;
let listener: LinkListener | null = null;

async function start(options: NodeOptions): Promise<NodeAddress> {
  const geometry = geometryOf(options.geometry);
  const networkId = Buffer.from(options.networkId, 'hex');
  const link = { networkId, static: linkKeys, packetBytes: geometry.packetBytes };
  const retired = () => {};
  keys = await EpochKeyStore.open({ folder: options.folder, bootId: await bootId(), retired });
  const [key] = (await keys.require([EPOCH])) as [EpochKey];
  await connectTo(options.sink, link);
  engine = new MixEngine({
    geometry,
    threads: options.threads,
    keys,
    queueCapacity: NODE_LIMITS.heldPackets,
    delayCapMilliseconds: DELAY_CAP_MILLISECONDS,
    random: new RandomNumbers(randomFillSync),
    drops,
    now: () => performance.now(),
    accepts: (epoch) => epoch === EPOCH,
    nextHop: (id) => nextHops?.indexOf(id) ?? -1,
    forward: (index, packet) => nextHops?.send(index, packet),
    deliver: () => drops.add('unknown-recipient'),
    hold: () => {
      for (const each of links) each.pause();
    },
    release: () => {
      for (const each of links) each.resume();
    },
    failed: fail,
  });
  engine.setKeys([key]);
  const senderLinkKey = Buffer.from(options.senderLinkKey, 'hex');
  listener = await listenForLinks({
    ...link,
    transport: tcpTransport,
    address: '127.0.0.1:0',
    admit: (staticKey) =>
      timingSafeEqual(staticKey, senderLinkKey)
        ? { admitted: true, context: undefined }
        : { admitted: false, code: 'unknown-node' },
    onLink: welcome,
  });
  return {
    address: listener.address,
    linkKey: Buffer.from(linkKeys.publicKey).toString('hex'),
    id: randomBytes(32).toString('hex'),
    publicKey: Buffer.from(key.publicKey).toString('hex'),
    backend: chooseBackend().backend.description,
  };
}

async function connectTo(
  { address, linkKey, id }: SinkAddress,
  link: { networkId: Uint8Array; static: typeof linkKeys; packetBytes: number },
): Promise<void> {
  const opened = Promise.withResolvers<void>();
  nextHops = new NextHops({
    transport: tcpTransport,
    link,
    drops,
    troubled: (_relay, error) => fail(error as Error),
    opened: () => opened.resolve(),
    now: () => performance.now(),
    setTimer: SYSTEM_CLOCK.setTimer,
  });
  nextHops.setAllowed([
    {
      id: Buffer.from(id, 'hex'),
      idText: id,
      linkKey: Buffer.from(linkKey, 'hex'),
      role: 'mix',
      addresses: [parseTcpAddress(address)],
    },
  ]);
  await opened.promise;
}

function welcome(link: Link): void {
  links.add(link);
  const rule = { tokensPerSecond: NODE_LIMITS.linkPacketsPerSecond, burstTokens: NODE_LIMITS.linkPacketsPerSecond };
  const bucket = new TokenBucket(rule, performance.now());
  link.start({
    onPackets(message, { offset, stride, count }) {
      const allowed = Math.min(count, bucket.available(performance.now()));
      bucket.take(performance.now(), allowed);
      if (allowed < count) drops.add('over-limit', count - allowed);
      const { receivedMilliseconds } = link;
      engine?.receive({ packets: message.subarray(offset), count: allowed, stride, sender: 0, receivedMilliseconds });
    },
    onClose: () => links.delete(link),
  });
}

function fail(error: Error): void {
  process.stderr.write(`the node cannot go on: ${error.stack ?? error.message}\n`);
  process.exit(1);
}

function usage(): NodeUsage {
  const { received = 0, held = 0, unwrapping = 0 } = engine?.counters() ?? {};
  const [set] = keys?.replaySets() ?? [];
  return {
    ...usageWith(received),
    inside: held + unwrapping,
    drops: Object.fromEntries(drops.entries().filter(([, count]) => count > 0)),
    replayTags: set?.tags ?? 0,
    replayBytes: set?.bytes ?? 0,
  };
}

/** Of the packets since the last call. */
function processing(): Processing {
  const histogram = engine?.processing;
  const percentile = (percent: number) => histogram?.percentile(percent) ?? 0;
  const result = { count: histogram?.count ?? 0, p50: percentile(50), p99: percentile(99) };
  histogram?.reset();
  return result;
}

async function stop(): Promise<void> {
  await listener?.close();
  for (const link of links) link.destroy();
  nextHops?.close();
  await engine?.[Symbol.asyncDispose]();
  keys?.[Symbol.dispose]();
}

serveParent({ start, usage, processing }, stop);
