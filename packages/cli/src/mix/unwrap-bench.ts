/** Unwrapping, measured on one core for each way that this machine has. */
import { randomBytes } from 'node:crypto';
import { FogError } from '@fog/contract';
import {
  type BackendName,
  createNativeBackend,
  createPacket,
  DEFAULT_GEOMETRY_CHOICE,
  geometryOf,
  loadSodium,
  OUTCOME_BYTES,
  OUTCOME_STATUS,
  SPHINX_LIMITS,
  type SphinxBackend,
  TYPESCRIPT_BACKEND,
  X25519_TIERS,
  x25519PublicKey,
} from '@fog/sphinx';
import { CLI_LIMITS } from '../limits.ts';

export interface UnwrapTier {
  tier: string;
  /** Null where it cannot run, for that reason. */
  backend: SphinxBackend | null;
  reason: string | null;
}

/** All ways, or those of one backend, the fastest first. */
export function unwrapTiers(only?: BackendName): UnwrapTier[] {
  const tiers = X25519_TIERS.toReversed().map((x25519) => tierOf(`native ${x25519}`, createNativeBackend({ x25519 })));
  const all = [
    ...tiers,
    tierOf('sodium', loadSodium()),
    tierOf('typescript', { available: true, backend: TYPESCRIPT_BACKEND }),
  ];
  return all.filter(({ tier }) => only === undefined || tier.split(' ')[0] === only);
}

function tierOf(
  tier: string,
  loaded: { available: true; backend: SphinxBackend } | { available: false; reason: string },
): UnwrapTier {
  if (loaded.available) return { tier, backend: loaded.backend, reason: null };
  return { tier, backend: null, reason: loaded.reason };
}

/** Packets a second, whole. The time to lay packets out is not counted. Throws `internal` when one is not opened. */
export function measureUnwrapping(backend: SphinxBackend): number {
  const geometry = geometryOf(DEFAULT_GEOMETRY_CHOICE);
  const privateKey = randomBytes(32);
  const path = [
    { id: randomBytes(32), publicKey: x25519PublicKey(privateKey), delayMilliseconds: 1 },
    { id: randomBytes(32), publicKey: x25519PublicKey(randomBytes(32)), delayMilliseconds: 0 },
  ];
  const payload = new Uint8Array(geometry.payloadBytes);
  const fresh = Buffer.concat(
    Array.from({ length: SPHINX_LIMITS.batchPackets }, () =>
      createPacket({ geometry, path, recipient: randomBytes(32), payload }),
    ),
  );
  const count = SPHINX_LIMITS.batchPackets;
  const packets = Buffer.alloc(fresh.length);
  const outcomes = new Uint8Array(count * OUTCOME_BYTES);
  using unwrapper = backend.createUnwrapper({ geometry, privateKey, tagKey: randomBytes(32) });
  const unwrapOnce = (): number => {
    packets.set(fresh);
    const startedAt = performance.now();
    unwrapper.unwrapBatch(packets, outcomes, count);
    return performance.now() - startedAt;
  };
  unwrapOnce();
  for (let index = 0; index < count; index += 1) {
    if (outcomes[index * OUTCOME_BYTES] === OUTCOME_STATUS.forward) continue;
    throw new FogError('internal', `the ${backend.name} backend did not open a packet that was made for it`);
  }
  let batches = 0;
  let spent = 0;
  while (spent < CLI_LIMITS.benchMilliseconds) {
    spent += unwrapOnce();
    batches += 1;
  }
  return Math.round((batches * count * 1000) / spent);
}
