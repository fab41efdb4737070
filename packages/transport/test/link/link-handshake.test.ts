/** Failures of properties print their seed; FOG_FUZZ_RUNS raises the number of inputs that are made up. */
import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { acceptLink, generateKeyPair, HANDSHAKE_FAULTS, handshakeFaultOf, openLink } from '@fog/transport';
import fc from 'fast-check';
import {
  collect,
  handshakes,
  INITIATOR,
  linkPair,
  NETWORK_ID,
  PACKET_BYTES,
  RESPONDER,
  settled,
  shakeHands,
  streamPair,
  tappedPair,
} from './link-stage.ts';

const options = { networkId: NETWORK_ID, packetBytes: PACKET_BYTES };
const admit = () => ({ admitted: true as const, context: 'known' });
const accepting = { ...options, static: RESPONDER, remoteAddress: 'stranger', admit };
const opening = { ...options, static: INITIATOR, remoteStatic: RESPONDER.publicKey };

function faultsOf(results: readonly PromiseSettledResult<unknown>[]): string[] {
  return results.map((result) => (result.status === 'rejected' ? handshakeFaultOf(result.reason) : 'linked'));
}

test('both ends know each other, and the version they speak', async () => {
  const admitted: unknown[] = [];
  const [near, far] = await linkPair({
    both: { versions: [1] },
    admit: async (...args) => {
      admitted.push(...args);
      return { admitted: true, context: 'a mix' };
    },
  });
  assert.deepEqual(Buffer.from(near.remoteStaticKey), Buffer.from(RESPONDER.publicKey));
  assert.deepEqual(Buffer.from(far.remoteStaticKey), Buffer.from(INITIATOR.publicKey));
  assert.deepEqual(admitted, [far.remoteStaticKey, 'initiator']);
  assert.deepEqual(near.handshakeHash, far.handshakeHash);
  assert.deepEqual([near.version, far.version, far.context], [1, 1, 'a mix']);
});

test('the highest common version is chosen', async () => {
  const [near, far] = await linkPair({ initiator: { versions: [7, 4, 3, 1] }, responder: { versions: [5, 4, 3] } });
  assert.deepEqual([near.version, far.version], [4, 4]);
});

test('without a common version both ends learn what either speaks', async () => {
  const results = await handshakes({ initiator: { versions: [3, 2] }, responder: { versions: [1] } });
  const [near, far] = results.map((result) => (result.status === 'rejected' ? result.reason : null));
  assert.deepEqual([near.code, far.code], ['protocol-version', 'protocol-version']);
  assert.deepEqual(near.details, { own: [3, 2], theirs: [1], cause: 'protocol-version' });
  assert.deepEqual(far.details, { own: [1], theirs: [3, 2], cause: 'protocol-version' });
  assert.match(near.message, /here 3, 2, there 1/);
});

test('a node of another network, or with another key, is not linked to', async () => {
  const otherNetwork = await handshakes({ initiator: { networkId: new Uint8Array(32) } });
  assert.deepEqual(faultsOf(otherNetwork), ['other-network', 'other-network']);
  const otherKey = await handshakes({ initiator: { remoteStatic: generateKeyPair().publicKey } });
  assert.deepEqual(faultsOf(otherKey), ['cut', 'not-authentic']);
  const lowOrder = await handshakes({ initiator: { remoteStatic: new Uint8Array(32) } });
  assert.deepEqual(faultsOf(lowOrder), ['low-order-key', 'cut']);
});

test('whoever removes the newer version on the way gets no older one, but none', async () => {
  const older = Buffer.from([1, 0, 1]);
  const streams = tappedPair((chunk, direction) => {
    if (direction === 'back' || chunk.toString('ascii', 0, 4) !== 'FOGL') return [chunk];
    return [Buffer.concat([chunk.subarray(0, 36), older])];
  });
  const results = await handshakes({ streams, both: { versions: [2, 1] } });
  assert.deepEqual(faultsOf(results), ['cut', 'not-authentic']);
});

test('whatever byte is changed in what both say first, there is no link', async () => {
  const lengths = { there: 4 + 32 + 1 + 4 + 48 + 64, back: 4 + 1 + 1 + 2 + 48 };
  for (const direction of ['there', 'back'] as const) {
    for (let position = 0; position < lengths[direction]; position += 3) {
      let passed = 0;
      const streams = tappedPair((chunk, way) => {
        const at = position - passed;
        if (way !== direction) return [chunk];
        passed += chunk.length;
        const changed = Buffer.from(chunk);
        if (at >= 0 && at < chunk.length) changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
        return [changed];
      });
      const results = await handshakes({ streams, both: { versions: [2, 1], handshakeMilliseconds: 40 } });
      assert.ok(!faultsOf(results).includes('linked'), `${direction} at ${position}: ${faultsOf(results)}`);
    }
  }
});

test('a handshake that was recorded is of no use later', async () => {
  const recorded: Buffer[] = [];
  const streams = tappedPair((chunk, direction) => {
    if (direction === 'there') recorded.push(chunk);
    return [chunk];
  });
  assert.deepEqual(faultsOf(await handshakes({ streams })), ['linked', 'linked']);
  const [stream, far] = streamPair();
  stream.resume();
  const replayed = acceptLink(far, accepting);
  for (const chunk of recorded) stream.write(chunk);
  await assert.rejects(replayed, { details: { cause: 'not-authentic' } });
});

test('who is not admitted is told why, and nothing that it sent is looked at', async () => {
  const results = await handshakes({
    admit: () => ({ admitted: false, code: 'wrong-layer', reason: 'layer 3\nto layer 2' }),
  });
  const [near, far] = results.map((result) => (result.status === 'rejected' ? result.reason : null));
  assert.deepEqual(near.details, { goodbye: 'wrong-layer', reason: 'layer 3 to layer 2', cause: 'refused' });
  assert.deepEqual([near.code, far.code, far.details.goodbye], ['forbidden', 'forbidden', 'wrong-layer']);
});

test('what comes before the admission is decided waits for it', async () => {
  const decision = Promise.withResolvers<{ admitted: true; context: string }>();
  const [stream, far] = streamPair();
  const accepted = acceptLink(far, { ...accepting, admit: () => decision.promise });
  const { send } = (await shakeHands(stream)).split();
  const ping = send.encrypt(Buffer.from([4, 0, 0, 0]));
  stream.write(Buffer.concat([Buffer.from([0, ping.length]), ping]));
  await settled();
  decision.resolve({ admitted: true, context: 'known' });
  const link = await accepted;
  collect(link);
  await settled();
  assert.equal(link.counters.messagesReceived, 1);
});

test('an admission that fails or takes too long ends the handshake', async () => {
  const failing = () => Promise.reject(new Error('no consensus'));
  assert.deepEqual(faultsOf(await handshakes({ admit: failing })), ['cut', 'internal']);
  const never = () => new Promise<never>(() => {});
  const slow = await handshakes({ admit: never, responder: { handshakeMilliseconds: 20 } });
  assert.deepEqual(faultsOf(slow), ['cut', 'timed-out']);
});

test('who says nothing, or a byte at a time, is cut when the time is over', async () => {
  for (const interval of [0, 2]) {
    const [stream, far] = streamPair();
    stream.write(Buffer.from('FOGL'));
    const drip = interval === 0 ? undefined : setInterval(() => stream.write(Buffer.alloc(1)), interval);
    const accepted = acceptLink(far, { ...accepting, handshakeMilliseconds: 30 });
    await assert.rejects(accepted, { code: 'timed-out', details: { cause: 'timed-out' } });
    clearInterval(drip);
    await settled();
    assert.ok(stream.destroyed);
  }
});

test('an abort ends the handshake of either side', async () => {
  const before = await handshakes({ initiator: { signal: AbortSignal.abort() } });
  assert.deepEqual(faultsOf(before), ['cancelled', 'cut']);
  const abort = new AbortController();
  const within = handshakes({
    responder: { signal: abort.signal },
    admit: () => {
      abort.abort();
      return { admitted: true, context: '' };
    },
  });
  assert.deepEqual(faultsOf(await within), ['cut', 'cancelled']);
});

test('a stream that ends or breaks at any stage is told as cut', async () => {
  for (const messages of [0, 1, 2, 3]) {
    for (const isClean of [true, false]) {
      let passed = 0;
      const streams = tappedPair((chunk) => {
        passed += 1;
        if (passed <= messages) return [chunk];
        if (isClean) streams[0].end();
        else streams[0].destroy(new Error('ECONNRESET'));
        return [];
      });
      const results = await handshakes({ streams, both: { handshakeMilliseconds: 50 } });
      const faults = faultsOf(results);
      assert.ok(!faults.includes('linked') && !faults.includes('internal'), `${messages} ${isClean}: ${faults}`);
    }
  }
});

test('garbage after any part of a handshake is refused with a cause', async () => {
  const [recording, recordingFar] = streamPair();
  const whole: Buffer[] = [];
  const write = recording.write.bind(recording);
  recording.write = ((chunk: Buffer) => whole.push(chunk) > 0 && write(chunk)) as typeof recording.write;
  const recorded = acceptLink(recordingFar, accepting);
  await shakeHands(recording);
  await recorded;
  const good = Buffer.concat(whole);
  const run = async (kept: number, garbage: Uint8Array) => {
    const [stream, far] = streamPair();
    stream.resume();
    stream.end(Buffer.concat([good.subarray(0, kept), garbage]));
    await assert.rejects(acceptLink(far, { ...accepting, handshakeMilliseconds: 1000 }), (error) => {
      return HANDSHAKE_FAULTS.includes(handshakeFaultOf(error)) && handshakeFaultOf(error) !== 'internal';
    });
  };
  await fc.assert(fc.asyncProperty(fc.nat(good.length - 1), fc.uint8Array({ minLength: 1, maxLength: 200 }), run), {
    numRuns: 300,
  });
});

test('a responder that answers with garbage is refused with a cause', async () => {
  const run = async (isAnswer: boolean, garbage: Uint8Array) => {
    const [near, stream] = streamPair();
    stream.resume();
    const answer = isAnswer ? Buffer.from('FOGL\u0000\u0001\u0000\u0001', 'latin1') : Buffer.alloc(0);
    stream.end(Buffer.concat([answer, garbage]));
    await assert.rejects(openLink(near, opening), (error) => handshakeFaultOf(error) !== 'internal');
  };
  await fc.assert(fc.asyncProperty(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 200 }), run), {
    numRuns: 300,
  });
});

test('a version that was not offered is not taken', async () => {
  const [near, stream] = streamPair();
  stream.write(Buffer.from('FOGL\u0000\u0001\u0000\u0002', 'latin1'));
  await assert.rejects(openLink(near, opening), { message: /chose version 2/, details: { cause: 'malformed-hello' } });
});

test('any stream will do, also one whose errors nobody listens to', async () => {
  const [near, far] = duplexPair();
  const [opened, accepted] = await handshakes({ streams: [near, far] });
  assert.deepEqual(faultsOf([opened, accepted]), ['linked', 'linked']);
  const [left, right] = duplexPair();
  const cut = handshakes({ streams: [left, right], both: { handshakeMilliseconds: 50 } });
  left.destroy(new Error('broken'));
  assert.ok(!faultsOf(await cut).includes('linked'));
});

test('a network id or versions of a wrong form are told before anything is said', () => {
  const wrong = { code: 'invalid-configuration' };
  const [stream] = streamPair();
  assert.throws(() => openLink(stream, { ...opening, networkId: new Uint8Array(31) }), wrong);
  assert.throws(() => openLink(stream, { ...opening, versions: [] }), wrong);
  assert.throws(() => openLink(stream, { ...opening, versions: [1, 2] }), wrong);
  assert.throws(() => openLink(stream, { ...opening, packetBytes: 65_536 }), wrong);
});
