/**
 * The primitives of the native backend, each against an implementation that is not ours: OpenSSL by node:crypto, and
 * noble for a smaller share. Inputs are random, at the edges, and of low order.
 */
import assert from 'node:assert/strict';
import { createCipheriv, createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { aezDecrypt, aezEncrypt, hkdfExpand, nodePrimitives, PURE_PRIMITIVES } from '@fog/sphinx';
import { createNativeBackend, type NativeBackend } from '../src/backends/native.ts';
import {
  assertSameBytes,
  BATCH,
  below,
  FUZZ_RUNS,
  LOW_ORDER,
  opensslX25519,
  SEED,
  SKIP,
  SYMMETRIC_FORMS,
  seededStream,
  X25519_FORMS,
  x25519Inputs,
} from './native-tiers.ts';
import { BASE, RFC_7748_ITERATED, RFC_7748_VECTORS } from './rfc-7748.ts';

const repeated = (bytes: Uint8Array, times: number) =>
  Uint8Array.from({ length: times * bytes.length }, (_, at) => bytes[at % bytes.length] as number);
const LABEL = new TextEncoder().encode('katzenpost-kdf-v0-hkdf-sha256');
const BYTES = 32;

describe('the vectors of RFC 7748', { skip: SKIP }, () => {
  for (const tier of X25519_FORMS) {
    it(`section 5.2 and its 1,000 iterations: ${tier.description}`, () => {
      for (const { scalar, element, product } of RFC_7748_VECTORS) {
        assert.deepEqual(tier.x25519(scalar, element), product);
        const lanes = tier.x25519Batch(repeated(scalar, 9), repeated(element, 9), 9);
        assert.deepEqual(lanes, repeated(product, 9), 'in every lane');
      }
      const lanes = 8;
      let scalars = repeated(BASE, lanes);
      let elements = scalars;
      for (let iteration = 1; iteration <= 1_000; iteration += 1) {
        const products = tier.x25519Batch(scalars, elements, lanes) as Uint8Array<ArrayBuffer>;
        [elements, scalars] = [scalars, products];
        if (iteration === 1) assert.deepEqual(scalars, repeated(RFC_7748_ITERATED.once, lanes));
      }
      assert.deepEqual(scalars, repeated(RFC_7748_ITERATED.thousandTimes, lanes));
    });
  }
});

describe(`X25519 in every form (seed ${SEED})`, { skip: SKIP }, () => {
  it('is that of OpenSSL, whatever stands in the other lanes', () => {
    const stream = seededStream(SEED);
    for (let run = 0; run < FUZZ_RUNS; run += BATCH) {
      const { scalars, elements } = x25519Inputs(stream);
      const expected = new Uint8Array(BATCH * BYTES);
      for (let at = 0; at < expected.length; at += BYTES) {
        expected.set(opensslX25519(scalars.subarray(at, at + BYTES), elements.subarray(at, at + BYTES)), at);
      }
      for (const tier of X25519_FORMS) {
        assertSameBytes(tier.x25519Batch(scalars, elements, BATCH), expected, `${tier.description}, run ${run}`);
      }
    }
  });

  it('is that of noble', () => {
    const stream = seededStream(SEED + 1);
    for (let run = 0; run < FUZZ_RUNS / 20; run += BATCH) {
      const { scalars, elements } = x25519Inputs(stream);
      const products = X25519_FORMS.map((tier) => tier.x25519Batch(scalars, elements, BATCH));
      for (let at = 0; at < BATCH * BYTES; at += BYTES) {
        const expected = PURE_PRIMITIVES.x25519(scalars.subarray(at, at + BYTES), elements.subarray(at, at + BYTES));
        for (const product of products) assert.deepEqual(product.subarray(at, at + BYTES), expected);
      }
    }
  });

  it('is the same for every size of a batch', () => {
    const { scalars, elements } = x25519Inputs(seededStream(SEED + 2));
    for (const tier of X25519_FORMS) {
      const whole = tier.x25519Batch(scalars, elements, BATCH);
      for (let count = 0; count <= BATCH; count += 1) {
        const end = count * BYTES;
        const part = tier.x25519Batch(scalars.subarray(0, end), elements.subarray(0, end), count);
        assertSameBytes(part, whole.subarray(0, end), `${tier.description}, ${count}`);
      }
    }
  });

  it('gives zeros for points of low order, in any lane and in all', () => {
    const scalars = seededStream(SEED + 3)(BATCH * BYTES);
    for (const tier of X25519_FORMS) {
      for (const element of LOW_ORDER) {
        assert.deepEqual(tier.x25519(scalars.subarray(0, BYTES), element), new Uint8Array(BYTES));
      }
      const elements = Buffer.concat(Array.from({ length: BATCH }, (_, at) => LOW_ORDER[at % 7] as Uint8Array));
      assert.deepEqual(tier.x25519Batch(scalars, elements, BATCH), new Uint8Array(BATCH * BYTES), tier.description);
    }
  });
});

describe(`symmetric primitives in both forms (seed ${SEED})`, { skip: SKIP }, () => {
  const eachForm = (check: (form: NativeBackend) => void) => SYMMETRIC_FORMS.forEach(check);
  /** Mostly short, so that all rests of blocks come often, and sometimes as long as a body. */
  const lengthOf = (stream: (length: number) => Uint8Array) =>
    below(stream, 64) === 0 ? below(stream, 4_000) : below(stream, 400);

  it('AEZ is that of the TypeScript reference, and its own inverse', () => {
    const stream = seededStream(SEED + 4);
    for (let run = 0; run < FUZZ_RUNS; run += 1) {
      const [key, nonce] = [stream(48), stream(16)];
      const message = stream(32 + lengthOf(stream));
      const encrypted = aezEncrypt({ key, nonce }, message);
      const decrypted = run % 4 === 0 ? aezDecrypt({ key, nonce }, message) : null;
      eachForm((form) => {
        const data = message.slice();
        form.aezEncrypt(key, nonce, data);
        assertSameBytes(data, encrypted, `${form.description}, run ${run}, ${message.length} bytes`);
        form.aezDecrypt(key, nonce, data);
        assertSameBytes(data, message, `${form.description}, run ${run}: back`);
        if (decrypted === null) return;
        form.aezDecrypt(key, nonce, data);
        assertSameBytes(data, decrypted, `${form.description}, run ${run}: decrypted first`);
      });
    }
  });

  it('AES-256-CTR is that of OpenSSL, also where the counter overflows', () => {
    const stream = seededStream(SEED + 5);
    for (let run = 0; run < FUZZ_RUNS; run += 1) {
      const [key, counter] = [stream(32), stream(16)];
      if (run % 3 === 0) counter.fill(0xff, below(stream, 16));
      const message = stream(lengthOf(stream));
      const expected = createCipheriv('aes-256-ctr', key, counter).update(message);
      eachForm((form) => {
        const data = message.slice();
        form.aesCtr(key, counter, data);
        assert.ok(expected.equals(data), `${form.description}, run ${run}, ${message.length} bytes`);
      });
    }
  });

  it('HMAC-SHA-256 is that of OpenSSL, for keys and messages of any length', () => {
    const stream = seededStream(SEED + 6);
    for (let run = 0; run < FUZZ_RUNS; run += 1) {
      const key = stream(run % 2 === 0 ? 32 : below(stream, 200));
      const message = stream(lengthOf(stream));
      const expected = createHmac('sha256', key).update(message).digest();
      eachForm((form) => assert.ok(expected.equals(form.hmacSha256(key, message)), `${form.description}, run ${run}`));
    }
  });

  it('HKDF-Expand is that over the HMAC of OpenSSL', () => {
    const stream = seededStream(SEED + 7);
    const primitives = nodePrimitives(opensslX25519);
    for (let run = 0; run < FUZZ_RUNS; run += 1) {
      const key = stream(32);
      const length = run % 100 === 0 ? below(stream, 8_161) : below(stream, 200);
      const expected = hkdfExpand(primitives, key, LABEL, length);
      eachForm((form) => assertSameBytes(form.hkdfExpand(key, length), expected, `${form.description}, run ${run}`));
    }
  });

  it('ChaCha20 is that of OpenSSL', () => {
    const stream = seededStream(SEED + 8);
    const [form] = SYMMETRIC_FORMS;
    assert.ok(form !== undefined);
    for (let run = 0; run < FUZZ_RUNS; run += 1) {
      const key = stream(32);
      const length = run % 2 === 0 ? 32 : below(stream, 300);
      const expected = createCipheriv('chacha20', key, new Uint8Array(16)).update(new Uint8Array(length));
      assert.ok(expected.equals(form.chacha20(key, length)), `run ${run}, ${length} bytes`);
    }
  });
});

describe('arguments that cannot be', { skip: SKIP }, () => {
  it('are a TypeError, whatever they are', () => {
    const [backend] = X25519_FORMS;
    assert.ok(backend !== undefined);
    const [key, block, element] = [new Uint8Array(48), new Uint8Array(16), new Uint8Array(32)];
    const detached = new Uint8Array(32);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const notBytes = [31, null, undefined, 'x'.repeat(32), {}, [], new Uint16Array(16), new DataView(element.buffer)];
    const wrongElements = [...notBytes, new Uint8Array(31), new Uint8Array(33), detached] as Uint8Array[];
    for (const wrong of wrongElements) {
      assert.throws(() => backend.x25519(wrong, element), TypeError);
      assert.throws(() => backend.x25519(element, wrong), TypeError);
      assert.throws(() => backend.aesCtr(wrong, block, element), TypeError);
      assert.throws(() => backend.chacha20(wrong, 32), TypeError);
      assert.throws(() => backend.hkdfExpand(wrong, 32), TypeError);
    }
    for (const wrong of notBytes as Uint8Array[]) {
      assert.throws(() => backend.hmacSha256(element, wrong), TypeError);
      assert.throws(() => backend.aesCtr(element, block, wrong), TypeError);
    }
    assert.throws(() => backend.aezEncrypt(key.subarray(1), block, element), TypeError);
    assert.throws(() => backend.aezDecrypt(key, block.subarray(1), element), TypeError);
    assert.throws(() => backend.aezDecrypt(key, block, element.subarray(1)), TypeError);
    assert.throws(() => backend.hkdfExpand(element, 255 * 32 + 1), TypeError);
    assert.throws(() => backend.x25519Batch(new Uint8Array(65 * 32), new Uint8Array(65 * 32), 65), TypeError);
    assert.throws(() => backend.x25519Batch(element, element, 2), TypeError);
    for (const count of [-1, 0.5, Number.NaN]) {
      assert.throws(() => backend.x25519Batch(element, element, count), /TypeError|RangeError/);
    }
  });

  it('a way to compute that the processor has not is a reason, not an error', () => {
    for (const x25519 of ['portable', 'avx2', 'avx512-ifma', 'best'] as const) {
      const made = createNativeBackend({ x25519 });
      if (!made.available) assert.match(made.reason, /no instructions for/);
      else if (x25519 !== 'best') assert.equal(made.backend.x25519Tier, x25519);
    }
  });
});
