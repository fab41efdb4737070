/** The content of payloads: one encoding for each content, and nothing that a stranger writes breaks the parser. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { CLIENT_LIMITS } from '../../src/client/limits.ts';
import {
  BITMAP_BYTES,
  coverRecipient,
  EMPTY_PAYLOAD,
  encodePayload,
  fragmentBytes,
  HEADER_BYTES,
  type Payload,
  parsePayload,
  serviceRecipient,
} from '../../src/client/service-messages.ts';
import { FUZZ_RUNS } from './fuzz-runs.ts';
import { SeededRandom } from './seeded-random.ts';

const SIZES = { payloadBytes: 700, replyBlockBytes: 90 };

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const PLAIN = { noNullPrototype: true };
const record = { number: uint32, expiresAt: fc.integer({ min: 0, max: 2 ** 48 - 1 }) };
const fragment = fc
  .record(
    {
      sequence: uint32,
      oldest: uint32,
      answers: fc.option(fc.integer({ min: 0, max: 0xffff_fffe })),
      index: fc.integer({ min: 0, max: 255 }),
      count: fc.integer({ min: 1, max: CLIENT_LIMITS.fragmentsPerMessage }),
      data: fc.uint8Array({ maxLength: 120 }),
    },
    PLAIN,
  )
  .map((drawn) => ({
    ...drawn,
    oldest: Math.min(drawn.oldest, drawn.sequence),
    index: drawn.index % drawn.count,
  }));
const acknowledgements = fc.array(fc.record({ sequence: uint32, bitmap: bytes(BITMAP_BYTES) }, PLAIN), {
  maxLength: 4,
});

const request: fc.Arbitrary<Payload> = fc.record(
  {
    kind: fc.constant('request' as const),
    pseudonym: bytes(16),
    acknowledgements,
    ownBlock: fc.option(fc.record(record, PLAIN)),
    blocks: fc.array(fc.record({ ...record, block: bytes(SIZES.replyBlockBytes) }, PLAIN), { maxLength: 2 }),
    fragment: fc.option(fragment),
    blocksWanted: fc.constant(0),
    blocksSeen: fc.constant(0),
    blocksFrom: uint32,
  },
  PLAIN,
);
const reply: fc.Arbitrary<Payload> = fc.record(
  {
    kind: fc.constant('reply' as const),
    pseudonym: fc.constant(new Uint8Array(16)),
    acknowledgements,
    ownBlock: fc.constant(null),
    blocks: fc.constant([]),
    fragment: fc.option(fragment),
    blocksWanted: fc.integer({ min: 0, max: 0xffff }),
    blocksSeen: uint32,
    blocksFrom: fc.constant(0),
  },
  PLAIN,
);
const cover: fc.Arbitrary<Payload> = bytes(16).map((pseudonym) => ({ ...EMPTY_PAYLOAD, kind: 'cover', pseudonym }));
const payload = fc.oneof(request, reply, cover);

test('property: what is encoded has the full size and parses to the same', () => {
  fc.assert(
    fc.property(payload, (content) => {
      const encoded = encodePayload(content, SIZES);
      assert.equal(encoded.length, SIZES.payloadBytes);
      assert.deepEqual(parsePayload(encoded, SIZES), content);
    }),
    { numRuns: 300 },
  );
});

test(`fuzz: of ${FUZZ_RUNS} damaged payloads none breaks the parser, and what parses is what would be written`, () => {
  const random = new SeededRandom(1);
  const originals = fc.sample(payload, { numRuns: 200, seed: 1 }).map((content) => encodePayload(content, SIZES));
  let parsed = 0;
  for (let run = 0; run < FUZZ_RUNS; run += 1) {
    const damaged = Uint8Array.from(originals[run % originals.length] as Uint8Array);
    const flips = 1 + random.below(3);
    // Half of the damage in the head, where the lengths are.
    for (let flip = 0; flip < flips; flip += 1) {
      const at = random.below(random.below(2) === 0 ? HEADER_BYTES : damaged.length);
      damaged[at] = random.below(4) === 0 ? 255 : random.below(8);
    }
    const content = parsePayload(damaged, SIZES);
    if (content === null) continue;
    parsed += 1;
    assert.deepEqual(Buffer.from(encodePayload(content, SIZES)), Buffer.from(damaged), `seed 1, run ${run}`);
  }
  assert.ok(parsed > FUZZ_RUNS / 20 && parsed < FUZZ_RUNS, `${parsed} parsed`);
});

test(`fuzz: noise of any length parses to nothing and breaks nothing (${FUZZ_RUNS} inputs)`, () => {
  const random = new SeededRandom(2);
  for (let run = 0; run < FUZZ_RUNS; run += 1) {
    const noise = random.bytes(run % 4 === 0 ? 6 + random.below(800) : SIZES.payloadBytes);
    if (run % 2 === 0) noise.set([1, random.below(3), random.below(9), random.below(9), random.below(4), 0]);
    assert.equal(parsePayload(noise, SIZES), null, `seed 2, run ${run}`);
  }
});

test('what does not belong into a kind of payload is not taken', () => {
  const changed = (content: Partial<Payload> & Pick<Payload, 'kind'>, change: (encoded: Uint8Array) => void) => {
    const encoded = encodePayload({ ...EMPTY_PAYLOAD, ...content }, SIZES);
    change(encoded);
    return parsePayload(encoded, SIZES);
  };
  const part = { sequence: 5, oldest: 5, answers: null, index: 0, count: 1, data: new Uint8Array(3) };
  assert.ok(changed({ kind: 'request', fragment: part }, () => {}));
  const faults: [what: string, kind: Payload['kind'], at: number, value: number][] = [
    ['another version', 'request', 0, 2],
    ['an unknown kind', 'request', 1, 3],
    ['cover with a fragment', 'request', 1, 0],
    ['too many acknowledgements', 'request', 2, 255],
    ['more reply blocks than fit', 'request', 3, 8],
    ['an unknown flag', 'request', 4, 5],
    ['the reserved byte', 'request', 5, 1],
    ['a request that wants reply blocks', 'request', 7, 1],
    ['a reply with a pseudonym', 'reply', 12, 1],
    ['an oldest message beyond this one', 'request', HEADER_BYTES + 7, 6],
    ['an index that is not below the count', 'request', HEADER_BYTES + 13, 1],
    ['no fragments', 'request', HEADER_BYTES + 15, 0],
    ['data beyond the end', 'request', HEADER_BYTES + 16, 255],
    ['something behind the data', 'request', SIZES.payloadBytes - 1, 1],
  ];
  for (const [what, kind, at, value] of faults) {
    assert.equal(
      changed({ kind, fragment: part }, (encoded) => encoded.fill(value, at, at + 1)),
      null,
      what,
    );
  }
});

test('a content that does not fit, or breaks the format, is not written', () => {
  const large = { sequence: 0, oldest: 0, answers: null, index: 0, count: 1, data: new Uint8Array(660) };
  assert.throws(() => encodePayload({ ...EMPTY_PAYLOAD, kind: 'request', fragment: large }, SIZES), RangeError);
  assert.throws(() => encodePayload({ ...EMPTY_PAYLOAD, kind: 'cover', blocksWanted: 1 }, SIZES), RangeError);
});

test('a full fragment leaves room for an acknowledgement and the record of a reply block', () => {
  const data = new Uint8Array(fragmentBytes(SIZES.payloadBytes));
  const content: Payload = {
    ...EMPTY_PAYLOAD,
    kind: 'request',
    fragment: { sequence: 1, oldest: 0, answers: 0, index: 255, count: 256, data },
    acknowledgements: [{ sequence: 9, bitmap: new Uint8Array(BITMAP_BYTES) }],
    ownBlock: { number: 3, expiresAt: 4 },
  };
  assert.deepEqual(parsePayload(encodePayload(content, SIZES), SIZES), content);
  assert.throws(() => fragmentBytes(90), { code: 'invalid-configuration' });
});

test('vector: the recipient of a service is SHA-256 of label, line end and name', () => {
  assert.equal(Buffer.from(serviceRecipient('echo')).toString('hex'), hash('sha256', 'fog-mix-service-v1\necho'));
  assert.notDeepEqual(serviceRecipient('echo'), coverRecipient());
  for (const name of ['', 'Echo', 'a b', '-a', 'a-', 'ä', 'a'.repeat(64)]) {
    assert.throws(() => serviceRecipient(name), { code: 'invalid-request' }, name);
  }
});
