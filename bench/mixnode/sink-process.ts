/** Where packets go: takes the node's link, counts, and keeps a few to see whether they came through whole. */
import { randomBytes } from 'node:crypto';
import {
  chooseBackend,
  type Geometry,
  type GeometryChoice,
  geometryOf,
  OUTCOME_BYTES,
  readOutcome,
  x25519PublicKey,
} from '../../packages/sphinx/src/index.ts';
import {
  generateKeyPair,
  type LinkListener,
  listenForLinks,
  tcpTransport,
} from '../../packages/transport/src/index.ts';
import { serveParent } from '../child-program.ts';
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

const SAMPLE_EVERY = 4096;
const MOST_SAMPLES = 1024;

const linkKeys = generateKeyPair();
const sphinxKey = Uint8Array.from(randomBytes(32));
const recipient = randomBytes(32);
const samples: Uint8Array[] = [];
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
            samples.push(Uint8Array.from(message.subarray(at, at + packetBytes)));
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

/** Unwraps what was kept: each packet must be for this sink's recipient, with its payload unharmed. */
function check(): SampleResult {
  if (geometry === null) throw new Error('not started');
  using unwrapper = chooseBackend().backend.createUnwrapper({
    geometry,
    privateKey: sphinxKey,
    tagKey: Uint8Array.from(randomBytes(32)),
  });
  const outcomes = new Uint8Array(OUTCOME_BYTES);
  let intact = 0;
  for (const sample of samples) {
    unwrapper.unwrapBatch(sample, outcomes, 1);
    const { status, id } = readOutcome(outcomes);
    if (status === 'deliver' && recipient.equals(id)) intact += 1;
  }
  return { checked: samples.length, intact };
}

const usage = (): Usage => usageWith(received);
serveParent({ start, check, usage }, () => listener?.close());
