/** Failures print their seed; FOG_FUZZ_RUNS raises the number of messages that are made up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import {
  generateKeyPair,
  Handshake,
  type HandshakeOptions,
  keyPairFrom,
  PATTERN_NAMES,
  protocolOf,
} from '@fog/transport';
import fc from 'fast-check';

const FUZZ_RUNS = Number(process.env.FOG_FUZZ_RUNS ?? 10_000);
const HASHES = ['SHA256', 'BLAKE2s'] as const;

/** Both sides of a protocol, with whatever keys its pattern asks for. */
function sidesOf(protocolName: string, changes: Partial<HandshakeOptions> = {}): [Handshake, Handshake] {
  const { pattern } = protocolOf(protocolName);
  const keys = [generateKeyPair(), generateKeyPair()] as const;
  const count = pattern.messages.flat().filter((token) => token === 'psk').length;
  const preSharedKeys = Array.from({ length: count }, (_, index) => new Uint8Array(32).fill(index + 1));
  const common = { protocolName, preSharedKeys, prologue: Buffer.from('prologue') };
  return [
    new Handshake({
      ...common,
      isInitiator: true,
      static: keys[0],
      remoteStatic: pattern.isResponderKnown ? keys[1].publicKey : undefined,
      ...changes,
    }),
    new Handshake({
      ...common,
      isInitiator: false,
      static: keys[1],
      remoteStatic: pattern.isInitiatorKnown ? keys[0].publicKey : undefined,
    }),
  ];
}

/** Runs the handshake; `change` may alter a message on its way. */
function run(sides: [Handshake, Handshake], change = (message: Buffer, _number: number) => message): void {
  for (let number = 0; !(sides[0].isFinished && sides[1].isFinished); number += 1) {
    const [writer, reader] = sides[0].isOurTurn ? sides : [sides[1], sides[0]];
    const payload = Buffer.from(`payload ${number}`);
    assert.deepEqual(reader.readMessage(change(writer.writeMessage(payload), number)), payload);
  }
}

const withModifier = (base: string): string[] => {
  const { messages } = protocolOf(`Noise_${base}_25519_ChaChaPoly_SHA256`).pattern;
  return [base, ...Array.from({ length: messages.length + 1 }, (_, place) => `${base}psk${place}`)];
};
const ALL_PATTERNS = PATTERN_NAMES.flatMap(withModifier);

test('in every pattern both sides end with the same hash, the same keys, and each other', () => {
  for (const [index, base] of ALL_PATTERNS.entries()) {
    const protocolName = `Noise_${base}_25519_ChaChaPoly_${HASHES[index % 2]}`;
    const [initiator, responder] = sidesOf(protocolName);
    run([initiator, responder]);
    assert.deepEqual(initiator.handshakeHash, responder.handshakeHash, base);
    const [ours, theirs] = [initiator.split(), responder.split()];
    const text = Buffer.from('after the handshake');
    assert.deepEqual(theirs.receive.decrypt(ours.send.encrypt(text)), text, base);
    assert.deepEqual(ours.receive.decrypt(theirs.send.encrypt(text)), text, base);
  }
});

test('whatever bit of a handshake is flipped, it does not end well for both', () => {
  fc.assert(
    fc.property(fc.constantFrom(...ALL_PATTERNS), fc.nat(2), fc.nat(), (base, at, bit) => {
      const sides = sidesOf(`Noise_${base}_25519_ChaChaPoly_SHA256`);
      let isChanged = false;
      const flip = (message: Buffer, number: number): Buffer => {
        if (number !== at) return message;
        isChanged = true;
        const position = bit % (message.length * 8);
        message[position >> 3] = (message[position >> 3] ?? 0) ^ (1 << (position & 7));
        return message;
      };
      try {
        run(sides, flip);
      } catch {
        return; // a message was refused
      }
      if (!isChanged) return;
      // Without a key nothing can be refused at once; then the hashes differ, and with them all that follows.
      assert.notDeepEqual(sides[0].handshakeHash, sides[1].handshakeHash);
    }),
    { numRuns: 150 },
  );
});

test('another prologue, pre-shared key or static key lets the handshake fail', () => {
  const name = 'Noise_XKpsk3_25519_ChaChaPoly_SHA256';
  const refused = { code: 'protocol-violation', details: { cause: 'not-authentic' } };
  assert.throws(() => run(sidesOf(name, { prologue: Buffer.from('other') })), refused);
  assert.throws(() => run(sidesOf(name, { preSharedKeys: [new Uint8Array(32)] })), refused);
  assert.throws(() => run(sidesOf(name, { remoteStatic: generateKeyPair().publicKey })), refused);
});

test('with a pre-shared key the ephemeral key already makes one, so that no payload goes in clear', () => {
  const [plain] = sidesOf('Noise_NN_25519_ChaChaPoly_SHA256');
  const [keyed] = sidesOf('Noise_NNpsk2_25519_ChaChaPoly_SHA256');
  const payload = Buffer.from('secret');
  assert.equal(plain.writeMessage(payload).length, 32 + payload.length);
  assert.equal(keyed.writeMessage(payload).length, 32 + payload.length + 16);
});

test('a handshake that has failed stays so', () => {
  const [initiator, responder] = sidesOf('Noise_XK_25519_ChaChaPoly_SHA256');
  const message = initiator.writeMessage();
  const bad = Buffer.from(message);
  bad.writeUInt8((bad.at(-1) ?? 0) ^ 1, bad.length - 1);
  assert.throws(() => responder.readMessage(bad), { code: 'protocol-violation' });
  assert.throws(() => responder.readMessage(message), { code: 'internal' });
  assert.throws(() => responder.split(), { code: 'internal' });
  assert.throws(() => responder.handshakeHash, { code: 'internal' });
});

test('a key of low order is refused', () => {
  // The orders 1, 2, 4 and 8 of RFC 7748's curve and of its twist, and numbers beyond the prime that mean the same.
  const prime = 2n ** 255n - 19n;
  const eights = [
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  ];
  const little = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse();
  const points = [0n, 1n, prime - 1n, prime, prime + 1n].map(little);
  for (const point of [...points, ...eights.map((text) => Buffer.from(text, 'hex'))]) {
    const [, responder] = sidesOf('Noise_NK_25519_ChaChaPoly_SHA256');
    const message = Buffer.concat([point, Buffer.alloc(16)]);
    assert.throws(() => responder.readMessage(message), { details: { cause: 'low-order-key' } }, point.toString('hex'));
  }
});

test('messages are written and read in turn', () => {
  const [initiator, responder] = sidesOf('Noise_XX_25519_ChaChaPoly_SHA256');
  assert.throws(() => responder.writeMessage(), { code: 'internal' });
  assert.throws(() => initiator.readMessage(Buffer.alloc(99)), { code: 'internal' });
  run([initiator, responder]);
  assert.throws(() => initiator.writeMessage(), { code: 'internal' });
  initiator.split();
  assert.throws(() => initiator.split(), { code: 'internal' });
});

test('missing and superfluous keys are told before anything is said', () => {
  const invalid = (changes: Partial<HandshakeOptions>, about: RegExp, name = 'XK') => {
    const protocolName = `Noise_${name}_25519_ChaChaPoly_SHA256`;
    assert.throws(() => sidesOf(protocolName, changes), { code: 'invalid-configuration', message: about });
  };
  invalid({ static: undefined }, /static key is missing/);
  invalid({ remoteStatic: undefined }, /is missing/);
  invalid({ remoteStatic: new Uint8Array(32) }, /has no place/, 'XX');
  invalid({ remoteStatic: new Uint8Array(31) }, /too short/);
  invalid({ preSharedKeys: [new Uint8Array(32)] }, /1 pre-shared keys instead of 0/);
  invalid({ preSharedKeys: [new Uint8Array(16)] }, /not 32 bytes/, 'XKpsk3');
  assert.throws(() => keyPairFrom(new Uint8Array(31)), { code: 'invalid-configuration' });
});

test('names that are not known are refused', () => {
  const parts = ['XXfallback_25519_ChaChaPoly_SHA256', 'XK_448_ChaChaPoly_SHA256', 'XK_25519_AESGCM_SHA256'];
  const more = ['XK_25519_ChaChaPoly_SHA512', 'XKpsk4_25519_ChaChaPoly_SHA256', 'XKpsk_25519_ChaChaPoly_SHA256'];
  const odd = ['XKpsk1+psk1_25519_ChaChaPoly_SHA256', 'toString_25519_ChaChaPoly_SHA256', 'XK_25519_ChaChaPoly_'];
  for (const part of [...parts, ...more, ...odd]) {
    assert.throws(() => protocolOf(`Noise_${part}`), { code: 'unsupported' }, part);
  }
});

test('what strangers send as a handshake message never throws anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.boolean(), (bytes, isLong) => {
      const [, responder] = cheapSides();
      const message = isLong ? Buffer.concat([bytes, Buffer.alloc(65_536)]) : bytes;
      assert.throws(
        () => responder.readMessage(message),
        (error) => error instanceof FogError && error.code === 'protocol-violation',
      );
    }),
    { numRuns: FUZZ_RUNS },
  );
});

const PAIRS = [generateKeyPair(), generateKeyPair()] as const;
function cheapSides(): [Handshake, Handshake] {
  const common = { protocolName: 'Noise_XK_25519_ChaChaPoly_SHA256' };
  return [
    new Handshake({ ...common, isInitiator: true, static: PAIRS[0], remoteStatic: PAIRS[1].publicKey }),
    new Handshake({ ...common, isInitiator: false, static: PAIRS[1] }),
  ];
}
