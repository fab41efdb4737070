/** How many packets one processor unwraps, by each backend and by a naive program, and what OpenSSL does beside. */
import { execFileSync } from 'node:child_process';
import crypto, { randomBytes } from 'node:crypto';
import { createUnwrapper } from '../../packages/sphinx/src/backends/unwrapper.ts';
import {
  createNativeBackend,
  type Geometry,
  type GeometryChoice,
  geometryOf,
  loadSodium,
  nodePrimitives,
  OUTCOME_BYTES,
  OUTCOME_STATUS,
  SPHINX_LIMITS,
  type SphinxBackend,
  TYPESCRIPT_BACKEND,
  type Unwrapper,
  x25519PublicKey,
} from '../../packages/sphinx/src/index.ts';
import { clockMilliseconds } from '../clock.ts';
import { makePackets } from './packets.ts';

export const UNWRAP_NAMES = ['nativeIfma', 'nativeAvx2', 'nativePortable', 'sodium', 'typescript', 'naive'] as const;
export type UnwrapName = (typeof UNWRAP_NAMES)[number];
export type UnwrapRates = Record<UnwrapName, number | null>;

interface Bench {
  geometry: Geometry;
  privateKey: Uint8Array;
  tagKey: Uint8Array;
  packets: Uint8Array;
}

type Loaded =
  | { available: true; backend: Pick<SphinxBackend, 'createUnwrapper'> }
  | { available: false; reason: string };

/** A batch as a busy node has it. */
const BATCH = SPHINX_LIMITS.batchPackets;

const LOADERS: Record<UnwrapName, () => Loaded> = {
  nativeIfma: () => createNativeBackend({ x25519: 'avx512-ifma' }),
  nativeAvx2: () => createNativeBackend({ x25519: 'avx2' }),
  nativePortable: () => createNativeBackend({ x25519: 'portable' }),
  sodium: loadSodium,
  typescript: () => ({ available: true, backend: TYPESCRIPT_BACKEND }),
  naive: () => ({
    available: true,
    backend: { createUnwrapper: (options) => createUnwrapper(nodePrimitives(naiveX25519), options) },
  }),
};

/**
 * Packets a second of processor time, one thread. What cannot run here is null, and its reason is told. `naive` takes
 * one packet at a time and everything that node:crypto has from there; AEZ, which it has not, is the reference's.
 */
export function measureUnwrapping(
  choice: GeometryChoice,
  seconds: number,
  unavailable: (name: UnwrapName, reason: string) => void,
): UnwrapRates {
  const bench = prepare(choice);
  const rate = (name: UnwrapName): number | null => {
    const loaded = LOADERS[name]();
    if (!loaded.available) {
      unavailable(name, loaded.reason);
      return null;
    }
    const { geometry, privateKey, tagKey } = bench;
    using unwrapper = loaded.backend.createUnwrapper({ geometry, privateKey, tagKey });
    return measure(bench, unwrapper, name.startsWith('native') ? BATCH : 1, seconds);
  };
  return Object.fromEntries(UNWRAP_NAMES.map((name) => [name, rate(name)])) as UnwrapRates;
}

function prepare(choice: GeometryChoice): Bench {
  const geometry = geometryOf(choice);
  const privateKey = Uint8Array.from(randomBytes(32));
  const hop = (key: Uint8Array) => ({ id: randomBytes(32), publicKey: x25519PublicKey(key) });
  const packets = new Uint8Array(BATCH * geometry.packetBytes);
  const path = { geometry, first: hop(privateKey), last: hop(randomBytes(32)), recipient: randomBytes(32) };
  makePackets(path, 0, packets);
  return { geometry, privateKey, tagKey: Uint8Array.from(randomBytes(32)), packets };
}

function measure({ geometry, packets }: Bench, unwrapper: Unwrapper, batch: number, seconds: number): number {
  const copy = new Uint8Array(batch * geometry.packetBytes);
  const outcomes = new Uint8Array(batch * OUTCOME_BYTES);
  const warmUntil = clockMilliseconds() + 200 * seconds;
  const until = warmUntil + 1000 * seconds;
  let [microseconds, unwrapped] = [0, 0];
  for (let round = 0; clockMilliseconds() < until; round += 1) {
    const at = ((round * batch) % BATCH) * geometry.packetBytes;
    copy.set(packets.subarray(at, at + copy.length));
    const before = process.threadCpuUsage();
    unwrapper.unwrapBatch(copy, outcomes, batch);
    const { user, system } = process.threadCpuUsage(before);
    if (outcomes[0] !== OUTCOME_STATUS.forward) throw new Error(`a packet was not unwrapped: status ${outcomes[0]}`);
    if (clockMilliseconds() < warmUntil) continue;
    microseconds += user + system;
    unwrapped += batch;
  }
  return unwrapped / (microseconds / 1e6);
}

function naiveX25519(scalar: Uint8Array, element: Uint8Array): Uint8Array {
  const asymmetricKeyType = 'x25519';
  const privateKey = crypto.createPrivateKey({ key: Buffer.from(scalar), format: 'raw-private', asymmetricKeyType });
  const publicKey = crypto.createPublicKey({ key: Buffer.from(element), format: 'raw-public', asymmetricKeyType });
  return crypto.diffieHellman({ privateKey, publicKey });
}

export interface OpensslRate {
  perSecond: number;
  source: string;
}

/** X25519 of `openssl speed`, or of node:crypto where there is no such program. */
export function measureOpensslX25519(): OpensslRate {
  try {
    const stdio: ['ignore', 'pipe', 'ignore'] = ['ignore', 'pipe', 'ignore'];
    const text = execFileSync('openssl', ['speed', '-seconds', '2', 'ecdhx25519'], { encoding: 'utf8', stdio });
    const perSecond = Number(/X25519\)\s+[\d.]+s\s+([\d.]+)/.exec(text)?.[1]);
    const version = execFileSync('openssl', ['version'], { encoding: 'utf8' }).trim();
    if (perSecond > 0) return { perSecond, source: `openssl speed ecdhx25519 (${version})` };
  } catch {
    // There is no such program, or it is too old to know X25519: Node brings the same library.
  }
  const pair = crypto.generateKeyPairSync('x25519');
  const begin = clockMilliseconds();
  let products = 0;
  for (; clockMilliseconds() < begin + 2000; products += 1) crypto.diffieHellman(pair);
  return {
    perSecond: (1000 * products) / (clockMilliseconds() - begin),
    source: `node:crypto (OpenSSL ${process.versions.openssl})`,
  };
}
