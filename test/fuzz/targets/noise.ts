import assert from 'node:assert/strict';
import { FogError } from '@fog/contract';
import { Handshake, keyPairFrom, type NoiseKeyPair, protocolOf } from '@fog/transport';
import { EDGES, LOW_ORDER, seededStream } from '../../../packages/sphinx/test/native-tiers.ts';
import type { FuzzRandom } from '../fuzz-random.ts';
import { oneByOne } from '../fuzz-target.ts';

/** The first is that of links; the others have messages without a key, a late one, and a shared secret. */
const PROTOCOLS = ['XK', 'XX', 'IK', 'NK1', 'XKpsk3'].map((pattern) => `Noise_${pattern}_25519_ChaChaPoly_SHA256`);
const ELEMENT_BYTES = 32;

interface Keys {
  initiator: NoiseKeyPair;
  responder: NoiseKeyPair;
  ephemerals: readonly NoiseKeyPair[];
}

/**
 * Invariants: nothing but a refusal is thrown; after a message that was changed both sides do not end with the same
 * hash; with none changed they do.
 */
export const NOISE_HANDSHAKE = oneByOne(
  { summary: 'messages of Noise handshakes: flipped, cut, lengthened, of low order, noise', share: 1 / 200 },
  (seed) => {
    const stream = seededStream(seed);
    const [initiator, responder, ...ephemerals] = Array.from({ length: 10 }, () => keyPairFrom(stream(32)));
    const keys = { initiator, responder, ephemerals } as Keys;
    return (random) => {
      const protocolName = random.once(2) ? (PROTOCOLS[0] as string) : random.pick(PROTOCOLS);
      const sides = sidesOf(protocolName, keys, random);
      const { messages } = protocolOf(protocolName).pattern;
      const changedAt = random.below(messages.length + 1);
      let isChanged = false;
      try {
        for (let number = 0; number < messages.length; number += 1) {
          const [writer, reader] = number % 2 === 0 ? sides : [sides[1], sides[0]];
          const message = writer.writeMessage(random.bytes(random.below(40)));
          const given = number === changedAt ? changed(message, random) : message;
          isChanged ||= !message.equals(given);
          reader.readMessage(given);
        }
      } catch (error) {
        assert.ok(error instanceof FogError && error.code === 'protocol-violation', String(error));
        assert.ok(isChanged, `an untouched message is refused: ${error.message}`);
        return `refused: ${error.details.cause}`;
      }
      const isSame = Buffer.compare(sides[0].handshakeHash, sides[1].handshakeHash) === 0;
      assert.equal(isSame, !isChanged, 'both sides end alike only if nothing was changed');
      return isChanged ? 'ended, with different hashes' : 'ended well';
    };
  },
);

function sidesOf(protocolName: string, keys: Keys, random: FuzzRandom): [Handshake, Handshake] {
  const { pattern } = protocolOf(protocolName);
  const preSharedKeys = pattern.messages.flat().includes('psk') ? [new Uint8Array(ELEMENT_BYTES).fill(7)] : [];
  const tokens = (side: number) => pattern.messages.filter((_, at) => at % 2 === side).flat();
  const side = (isInitiator: boolean, own: NoiseKeyPair, other: NoiseKeyPair) => {
    const isOwnKnown = isInitiator ? pattern.isInitiatorKnown : pattern.isResponderKnown;
    const isOtherKnown = isInitiator ? pattern.isResponderKnown : pattern.isInitiatorKnown;
    const hasStatic = isOwnKnown || tokens(isInitiator ? 0 : 1).includes('s');
    return new Handshake({
      protocolName,
      isInitiator,
      preSharedKeys,
      ephemeral: random.pick(keys.ephemerals),
      static: hasStatic ? own : undefined,
      remoteStatic: isOtherKnown ? other.publicKey : undefined,
    });
  };
  return [side(true, keys.initiator, keys.responder), side(false, keys.responder, keys.initiator)];
}

function changed(message: Buffer, random: FuzzRandom): Buffer {
  const given = Buffer.from(message);
  switch (random.below(6)) {
    case 0:
      return given.subarray(0, random.below(given.length));
    case 1:
      return Buffer.concat([given, random.bytes(random.once(64) ? 65_536 : 1 + random.below(40))]);
    case 2:
      return Buffer.from(random.bytes(random.below(200)));
    case 3:
      if (given.length >= ELEMENT_BYTES) given.set(random.pick(random.once(2) ? LOW_ORDER : EDGES));
      return given;
    default:
      for (let flips = random.below(3); flips >= 0; flips -= 1) random.flip(given);
      return given;
  }
}
