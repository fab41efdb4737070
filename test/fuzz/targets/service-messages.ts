/** Payloads between clients and services, and a service that is given whatever was put into them. */
import assert from 'node:assert/strict';
import { CLIENT_LIMITS, ServiceCore } from '@fog/betanet';
import {
  BITMAP_BYTES,
  EMPTY_PAYLOAD,
  encodePayload,
  HEADER_BYTES,
  type Payload,
  parsePayload,
} from '../../../packages/betanet/src/client/service-messages.ts';
import type { FuzzRandom } from '../fuzz-random.ts';
import { type FuzzTarget, oneByOne } from '../fuzz-target.ts';

const SIZES = { payloadBytes: 420, replyBlockBytes: 90 };
const REPLY_SIZES = { payloadBytes: 512, replyBlockBytes: 90 };
const SENDERS = 60;
const SESSIONS = 50;
const BATCH = 256;
const TIMES = { genesisMilliseconds: 0, epochMilliseconds: 1_200_000, graceMilliseconds: 120_000 };

/** Invariants: nothing is thrown; what parses is byte for byte what would be written. */
export const SERVICE_MESSAGES = oneByOne(
  { summary: 'the parser of payloads: damaged in their heads and anywhere, cut, noise', share: 1 / 4 },
  () => (random) => {
    const payload = payloadOf(random);
    const content = parsePayload(payload, SIZES);
    if (content === null) return 'refused';
    assert.ok(Buffer.from(encodePayload(content, SIZES)).equals(payload), 'one content has one encoding');
    return content.kind;
  },
);

function payloadOf(random: FuzzRandom): Uint8Array {
  const kind = random.below(8);
  if (kind === 0) return random.bytes(random.once(2) ? SIZES.payloadBytes : random.below(900));
  const payload = encodePayload(contentOf(random), SIZES);
  if (kind === 1) return payload.subarray(0, random.below(payload.length));
  if (kind > 5) return payload;
  for (let changes = random.below(3); changes >= 0; changes -= 1) {
    const at = random.below(random.once(2) ? HEADER_BYTES : payload.length);
    payload[at] = random.once(4) ? 255 : random.below(8);
  }
  return payload;
}

function contentOf(random: FuzzRandom): Payload {
  const kind = random.pick(['cover', 'request', 'request', 'reply'] as const);
  if (kind === 'cover') return { ...EMPTY_PAYLOAD, kind, pseudonym: random.bytes(16) };
  if (kind === 'request') return requestOf(random);
  const asked = { blocksWanted: random.below(70), blocksSeen: random.below(50) };
  return { ...EMPTY_PAYLOAD, ...datagramOf(random), ...asked, kind };
}

function datagramOf(random: FuzzRandom): Pick<Payload, 'acknowledgements' | 'fragment'> {
  return {
    acknowledgements: Array.from({ length: random.below(3) }, () => ({
      sequence: random.once(2) ? random.uint32() : random.below(4),
      bitmap: random.bytes(BITMAP_BYTES),
    })),
    fragment: random.once(3) ? null : fragmentOf(random),
  };
}

function requestOf(random: FuzzRandom): Payload {
  const numbered = () => ({ number: random.below(50), expiresAt: random.uint32() * 1000 });
  return {
    ...EMPTY_PAYLOAD,
    ...datagramOf(random),
    kind: 'request',
    pseudonym: pseudonymOf(random.below(SENDERS)),
    ownBlock: random.once(2) ? null : numbered(),
    blocks: random.once(2) ? [] : [{ ...numbered(), block: random.bytes(SIZES.replyBlockBytes) }],
    blocksFrom: random.once(20) ? random.uint32() : 0,
  };
}

function fragmentOf(random: FuzzRandom): NonNullable<Payload['fragment']> {
  const sequence = random.once(3) ? random.uint32() : random.below(5);
  const count = random.once(2) ? 1 + random.below(3) : 1 + random.below(CLIENT_LIMITS.fragmentsPerMessage);
  return {
    sequence,
    oldest: random.below(sequence + 1),
    answers: random.once(2) ? null : random.below(10),
    count,
    index: random.below(count),
    data: random.bytes(random.below(120)),
  };
}

function pseudonymOf(sender: number): Uint8Array {
  return new Uint8Array(16).fill(1 + sender);
}

/**
 * A service from its beginning, and so many deliveries in a row. Invariants: nothing is thrown; what is due has been
 * done; sessions, reply blocks and bytes stay within their bounds.
 */
export const DATAGRAMS: FuzzTarget = {
  summary: 'fragments, acknowledgements and reply blocks that a service is given, in any order',
  share: 1 / 20,
  batchInputs: BATCH,
  prepare: () => (_batch, random, notes) => {
    const service = new ServiceCore({ request: SIZES, reply: REPLY_SIZES, sessions: SESSIONS, times: TIMES });
    let now = 0;
    for (let offset = 0; offset < BATCH; offset += 1) {
      now += random.below(random.once(64) ? CLIENT_LIMITS.sessionMemoryMilliseconds : 400);
      try {
        deliver(service, random, now);
      } catch (error) {
        notes.finding(offset, error instanceof Error ? (error.stack ?? error.message) : String(error));
        return;
      }
    }
    const { fragments, replyBlocks, ...others } = service.counters;
    for (const [name, amount] of Object.entries({ ...others, ...fragments, ...replyBlocks })) notes.work(name, amount);
  },
};

function deliver(service: ServiceCore, random: FuzzRandom, now: number): void {
  const payload = random.once(2) ? payloadOf(random) : encodePayload(requestOf(random), SIZES);
  const hasBlock = parsePayload(payload, SIZES)?.ownBlock != null;
  const replyBlock = hasBlock !== random.once(16) ? random.bytes(SIZES.replyBlockBytes) : null;
  for (const effect of service.receive({ payload, replyBlock }, now)) {
    if (effect.kind !== 'request' || random.once(2)) continue;
    const { sender, request } = effect;
    service.reply({ sender, request, bytes: random.bytes(random.below(900)) }, now);
  }
  service.tick(now);
  if (random.once(2)) service.slot(now);
  const { sessions, replyBlocks, reassemblyBytes } = service.held;
  assert.ok(service.nextDueAt() > now, 'what is due has been done');
  assert.ok(sessions <= SESSIONS && replyBlocks <= SESSIONS * CLIENT_LIMITS.replyBlocksPerSender);
  assert.ok(reassemblyBytes <= SESSIONS * CLIENT_LIMITS.reassemblyBytesPerSender);
}
