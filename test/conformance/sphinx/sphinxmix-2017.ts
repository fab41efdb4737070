/** The file of 2017: packets made from a seed, compared on their arrival at the last hop, and read there. */
import assert from 'node:assert/strict';
import { createHeader, type HeaderSuite, hopChain, lastRegionBytes, openHeader, PURE_PRIMITIVES } from '@fog/sphinx';
import { z } from 'zod';
import { assertBytes, type Check, hex, hexOfLength, parseShape } from '../vector-shape.ts';
import { LIONESS_2017 } from './lioness-2017.ts';

const fileSchema = z.strictObject({
  source: z.string(),
  params: z.strictObject({
    maxHops: z.int().min(1),
    payload: z.int().min(64),
    alpha: z.literal(32),
    beta: z.int(),
    gamma: z.literal(16),
  }),
  rng: z.string().regex(/^ChaCha20 \(8-byte zero nonce\) keystream keyed by seed/),
  seed: hexOfLength(32),
  nodes: z.array(z.strictObject({ id: hexOfLength(16), public: hexOfLength(32), private: hexOfLength(32) })).min(1),
  cases: z.array(
    z.strictObject({
      name: z.enum(['test_client_surb', 'test_end_to_end']),
      message: z.string(),
      stateAfterHopTo: hexOfLength(16),
      alpha: hexOfLength(32),
      beta: hex,
      gamma: hexOfLength(16),
      delta: hex,
      clientId: hex.optional(),
      messageId: hexOfLength(16).optional(),
    }),
  ),
});
type VectorFile2017 = z.output<typeof fileSchema>;
type Case2017 = VectorFile2017['cases'][number];

/** Marks a payload that is for somebody outside of the network. */
const EXIT = new Uint8Array([0]);

export function sphinxmix2017Checks(content: unknown): Check[] {
  const file = parseShape(fileSchema, content);
  return file.cases.map((vector) => ({ name: vector.name, run: () => check(file, vector) }));
}

function check(file: VectorFile2017, vector: Case2017): void {
  const format: HeaderSuite = { suite: LIONESS_2017, primitives: PURE_PRIMITIVES, maxHops: file.params.maxHops };
  const random = seededReader(file.seed);
  const isReply = vector.name === 'test_client_surb';
  const { header, secrets, replyKey } = made(format, file, vector, random, isReply);
  const message = new TextEncoder().encode(vector.message);
  const tag = new Uint8Array(LIONESS_2017.payloadTagBytes);
  const last = file.nodes.at(-1);
  assert.ok(last !== undefined);
  const destination = [new Uint8Array([last.id.length]), last.id];

  let body = padded(Buffer.concat(isReply ? [tag, message] : [tag, ...destination, message]), file.params.payload);
  if (isReply) body = LIONESS_2017.replyCipher(PURE_PRIMITIVES, replyKey).encrypt(body);
  else for (const secret of secrets.toReversed()) body = secret.encrypt(body);

  let packet = { header, body };
  for (const node of file.nodes) {
    if (Buffer.from(node.id).equals(vector.stateAfterHopTo)) assertState(vector, packet);
    const { opened, fault } = openHeader(format, node.private, packet.header);
    assert.equal(fault, undefined, 'the header is authentic');
    assert.ok(opened !== undefined);
    packet = {
      header: opened.next(opened.routing.slice(16, 32)),
      body: opened.secrets.decrypt(packet.body),
    };
  }
  const read = isReply ? opened(packet.body, secrets, replyKey) : packet.body;
  assertBytes(
    read,
    padded(Buffer.concat(isReply ? [tag, message] : [tag, ...destination, message]), read.length),
    'payload',
  );
}

function made(
  format: HeaderSuite,
  { nodes }: VectorFile2017,
  { clientId, messageId }: Case2017,
  random: (length: number) => Uint8Array,
  isReply: boolean,
) {
  const chain = hopChain(
    format,
    random(32),
    nodes.map((node) => node.public),
  );
  const told = isReply
    ? Buffer.concat([clientId ?? new Uint8Array(0), messageId ?? new Uint8Array(0)])
    : Buffer.concat([EXIT, new Uint8Array(16)]);
  const padding = random(lastRegionBytes(format, nodes.length) - told.length);
  const slots = nodes.slice(1).map(({ id }) => ({ bytes: Buffer.concat([id, new Uint8Array(16)]), macAt: 16 }));
  const header = createHeader(format, chain, { slots, lastRegion: Buffer.concat([told, padding]) });
  return { header, secrets: chain.secrets, replyKey: random(LIONESS_2017.replyKeyBytes) };
}

function opened(body: Uint8Array, secrets: ReturnType<typeof hopChain>['secrets'], replyKey: Uint8Array): Uint8Array {
  let payload = body;
  for (const secret of secrets.toReversed()) payload = secret.encrypt(payload);
  return LIONESS_2017.replyCipher(PURE_PRIMITIVES, replyKey).decrypt(payload);
}

function assertState(vector: Case2017, { header, body }: { header: Uint8Array; body: Uint8Array }): void {
  const betaEnd = 32 + vector.beta.length;
  assertBytes(header.subarray(0, 32), vector.alpha, 'alpha');
  assertBytes(header.subarray(32, betaEnd), vector.beta, 'beta');
  assertBytes(header.subarray(betaEnd), vector.gamma, 'gamma');
  assertBytes(body, vector.delta, 'delta');
}

/** Zeros, and in the last two bytes how much was added, little-endian. */
function padded(bytes: Uint8Array, length: number): Uint8Array {
  const result = new Uint8Array(length);
  result.set(bytes);
  new DataView(result.buffer).setUint16(length - 2, length - bytes.length, true);
  return result;
}

/** The generator of the vectors: one ChaCha20 key stream, read in order. */
function seededReader(seed: Uint8Array): (length: number) => Uint8Array {
  const stream = PURE_PRIMITIVES.chacha20Stream(seed, 1 << 12);
  let at = 0;
  return (length) => {
    at += length;
    assert.ok(at <= stream.length, 'the vectors need more randomness than expected');
    return stream.slice(at - length, at);
  };
}
