/** Where packets go: takes the node's link, counts, and keeps a few to see whether they came through whole. */
import { randomBytes } from 'node:crypto';
import { NODE_LIMITS } from '../../packages/betanet/src/node/limits.ts';
import {
  chooseBackend,
  type Geometry,
  type GeometryChoice,
  geometryOf,
  OUTCOME_BYTES,
  PAYLOAD_TAG_BYTES,
  readOutcome,
  requestTimeSlice,
  x25519PublicKey,
} from '../../packages/sphinx/src/index.ts';
import {
  generateKeyPair,
  type LinkListener,
  listenForLinks,
  tcpTransport,
} from '../../packages/transport/src/index.ts';
import { serveParent } from '../child-program.ts';
import { clockMilliseconds } from '../clock.ts';
import { type Usage, usageWith } from './usage.ts';

export interface SinkAddress {
  address: string;
  linkKey: string;
  id: string;
  publicKey: string;
  recipient: string;
}

export interface SampleResult {
  checked: number;
  intact: number;
}

/** A packet of a sample, by the number in its payload. */
export interface Arrival {
  number: number;
  /** Of the machine's monotonic clock. */
  atMilliseconds: number;
}

const SAMPLE_EVERY = 128;
/** Kept at a time; then no more are, until they are asked for. */
const MOST_SAMPLES = 4096;

requestTimeSlice(NODE_LIMITS.timeSliceMilliseconds);
const linkKeys = generateKeyPair();
const sphinxKey = Uint8Array.from(randomBytes(32));
const recipient = randomBytes(32);
let samples: { packet: Uint8Array; atMilliseconds: number }[] = [];
const result: SampleResult = { checked: 0, intact: 0 };
let geometry: Geometry | null = null;
let listener: LinkListener | null = null;
let received = 0;

interface SinkOptions {
  geometry: GeometryChoice;
  networkId: string;
}

async function start({ geometry: choice, networkId }: SinkOptions): Promise<SinkAddress> {
  geometry = geometryOf(choice);
  const { packetBytes } = geometry;
  listener = await listenForLinks({
    transport: tcpTransport,
    address: '127.0.0.1:0',
    networkId: Buffer.from(networkId, 'hex'),
    static: linkKeys,
    packetBytes,
    admit: () => ({ admitted: true, context: undefined }),
    onLink: (link) =>
      link.start({
        onPackets(message, { offset, stride, count }) {
          const isSampled = Math.floor(received / SAMPLE_EVERY) !== Math.floor((received + count) / SAMPLE_EVERY);
          if (isSampled && samples.length < MOST_SAMPLES) {
            const at = offset + (count - 1) * stride;
            const packet = Uint8Array.from(message.subarray(at, at + packetBytes));
            samples.push({ packet, atMilliseconds: clockMilliseconds() });
          }
          received += count;
        },
        onClose: () => {},
      }),
  });
  return {
    address: listener.address,
    linkKey: Buffer.from(linkKeys.publicKey).toString('hex'),
    id: randomBytes(32).toString('hex'),
    publicKey: Buffer.from(x25519PublicKey(sphinxKey)).toString('hex'),
    recipient: recipient.toString('hex'),
  };
}

/**
 * Unwraps what was kept since the last call: each packet must be for this sink's recipient, with its payload unharmed.
 * Answers those that were.
 */
function arrivals(): Arrival[] {
  if (geometry === null) throw new Error('not started');
  using unwrapper = chooseBackend().backend.createUnwrapper({
    geometry,
    privateKey: sphinxKey,
    tagKey: Uint8Array.from(randomBytes(32)),
  });
  const outcomes = new Uint8Array(OUTCOME_BYTES);
  const arrived: Arrival[] = [];
  for (const { packet, atMilliseconds } of samples) {
    unwrapper.unwrapBatch(packet, outcomes, 1);
    const { status, id } = readOutcome(outcomes);
    if (status !== 'deliver' || !recipient.equals(id)) continue;
    const number = new DataView(packet.buffer).getFloat64(geometry.headerBytes + PAYLOAD_TAG_BYTES, true);
    arrived.push({ number, atMilliseconds });
  }
  result.checked += samples.length;
  result.intact += arrived.length;
  samples = [];
  return arrived;
}

function check(): SampleResult {
  arrivals();
  return result;
}

const usage = (): Usage => usageWith(received);
serveParent({ start, arrivals, check, usage }, () => listener?.close());
