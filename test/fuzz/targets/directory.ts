/** Documents of the directory: as text, as a consensus, and as what an authority is told in the midst of a round. */
import assert from 'node:assert/strict';
import {
  type AuthorityEvent,
  type AuthorityState,
  authorityMessageSchema,
  CONSENSUS_REFUSALS,
  type Consensus,
  canonicalJson,
  consensusSchema,
  DIRECTORY_LIMITS,
  documentDigest,
  drawProofSchema,
  type Genesis,
  genesisSchema,
  REFUSALS,
  readDocument,
  seedNoticeSchema,
  signDocument,
  signedDescriptorSchema,
  signedSchema,
  stepAuthority,
  verifyConsensus,
} from '@fog/betanet';
import { authorityStateSchema } from '../../../packages/betanet/src/directory/authority-state.ts';
import { endorsementOf } from '../../../packages/betanet/src/directory/documents.ts';
import {
  contextOf,
  signerOf,
  smallGenesis,
  smallRelays,
  verifyCheapProof,
} from '../../../packages/betanet/test/directory/members.ts';
import { runRound } from '../../../packages/betanet/test/directory/one-round.ts';
import { replaceAt } from '../../../packages/betanet/test/directory/replace-at.ts';
import type { FuzzRandom } from '../fuzz-random.ts';
import { oneByOne } from '../fuzz-target.ts';
import { roundOf } from './authority-round.ts';

const RELAYS = 3;

/** Invariants: damaged text is refused in words or is a document, which written again reads the same. */
export const DIRECTORY_DOCUMENTS = oneByOne(
  { summary: 'the text of every document of the directory, damaged', share: 1 / 100 },
  () => {
    const genesis = smallGenesis();
    const round = runRound(genesis, smallRelays(RELAYS));
    const texts = [
      { schema: genesisSchema, values: [genesis] },
      { schema: signedDescriptorSchema, values: round.descriptors },
      { schema: drawProofSchema, values: round.proofs },
      { schema: signedSchema(seedNoticeSchema), values: round.notices },
      { schema: authorityMessageSchema, values: round.messages },
      { schema: consensusSchema, values: [round.consensus] },
    ].map(({ schema, values }) => ({ schema, texts: values.map((value) => JSON.stringify(value)) }));
    return (random) => {
      const { schema, texts: whole } = random.pick(texts);
      const read = readDocument(damagedText(random.pick(whole), random), schema, DIRECTORY_LIMITS.consensusBytes);
      if ('fault' in read) return read.fault === 'is not JSON' ? 'refused: not JSON' : 'refused: not of its form';
      const text = canonicalJson(read.document);
      const again = readDocument(text, schema, DIRECTORY_LIMITS.consensusBytes);
      // As text: JSON knows a zero below zero, which canonical JSON writes as the other.
      assert.equal('fault' in again ? again.fault : canonicalJson(again.document), text);
      return 'a document';
    };
  },
);

function damagedText(text: string, random: FuzzRandom): string {
  const at = random.below(text.length);
  const kind = random.below(4);
  if (kind === 0) return text.slice(0, at) + random.pick(['', '"', '}', ',', '\\', '\ud800', '\0', '9'.repeat(400)]);
  if (kind === 1) return text.slice(0, at) + text.slice(at + 1 + random.below(40));
  // One character for another: most of them stand in keys and signatures.
  const character = random.once(4) ? String.fromCharCode(random.below(0x3000)) : random.pick([...'0123456789abcdef']);
  return text.slice(0, at) + character + text.slice(at + 1);
}

/** Invariants: nothing is thrown; a consensus is taken only as it was endorsed. */
export const CONSENSUS = oneByOne(
  { summary: 'a consensus with other values in it, some endorsed by all authorities', share: 1 / 200 },
  () => {
    const genesis = smallGenesis();
    const { consensus } = runRound(genesis, smallRelays(RELAYS));
    const original = canonicalJson(consensus);
    return (random) => {
      const copy = structuredClone(consensus);
      replaceValues(copy, random);
      const isEndorsed = random.once(2) && endorse(copy, genesis);
      const verdict = verifyConsensus(copy, {
        genesis,
        now: genesis.genesisMilliseconds + random.below(30_000),
        verifyProof: verifyCheapProof,
        checksLottery: random.once(4),
      });
      if (verdict.valid) {
        assert.ok(isEndorsed || canonicalJson(copy) === original, 'what nobody endorsed is not valid');
        return isEndorsed ? 'valid, endorsed as changed' : 'valid, unchanged';
      }
      assert.ok(CONSENSUS_REFUSALS.includes(verdict.reason));
      return `refused: ${verdict.reason}`;
    };
  },
);

/** As if all authorities had agreed to it; false for what cannot be signed. */
function endorse(consensus: Consensus, genesis: Genesis): boolean {
  try {
    const digest = documentDigest(consensus.body);
    consensus.signatures = genesis.authorities.map(({ id: authority }) => {
      const entry = { authority, signedMilliseconds: genesis.genesisMilliseconds };
      const { signature } = signDocument(endorsementOf(consensus.body, digest, entry), signerOf(authority));
      return { ...entry, signature };
    });
    return true;
  } catch {
    return false;
  }
}

/**
 * Invariants: nothing is thrown; what is refused changes nothing; what is taken leaves a state that can be read back
 * after a restart, and from which the round goes on to its end.
 */
export const AUTHORITY_MESSAGES = oneByOne(
  { summary: 'what an authority is told in each step of a round, changed, half of it rightly signed', share: 1 / 400 },
  () => {
    const genesis = smallGenesis();
    const { moments, events, end } = roundOf(genesis, smallRelays(RELAYS));
    return (random) => {
      const { state, now } = random.pick(moments);
      const context = contextOf('alice', genesis);
      const event = structuredClone(random.pick(events)) as Exclude<AuthorityEvent, { kind: 'tick' | 'measured' }>;
      if (!random.once(8)) replaceValues(event.document as object, random);
      const isSigned = random.once(2) && signAnew(event.document);
      const step = stepAuthority(state, event, now, context);
      const refused = step.effects.find((effect) => effect.kind === 'refused');
      if (refused !== undefined) {
        assert.ok(REFUSALS.includes(refused.reason));
        assert.equal(step.state, state, 'what is refused changes nothing');
        return `refused: ${refused.reason}`;
      }
      const stored: AuthorityState = authorityStateSchema.parse(JSON.parse(JSON.stringify(step.state)));
      if (random.once(4)) stepAuthority(stored, { kind: 'tick' }, end, context);
      return `taken: ${event.kind}${isSigned ? ', signed anew' : ''}`;
    };
  },
);

/** Signs a message with the key of the authority that it names, if there is such. */
function signAnew(document: unknown): boolean {
  const { body } = document as { body?: { kind: string; authority?: unknown } };
  if (typeof body?.authority !== 'string') return false;
  try {
    const { signature } = signDocument(body, signerOf(body.authority));
    (document as { signature: string }).signature = signature;
    return true;
  } catch {
    return false;
  }
}

/** Puts other values into one to three places. */
function replaceValues(of: object, random: FuzzRandom): void {
  for (let count = 1 + random.below(3); count > 0; count -= 1)
    replaceAt(of, random.uint32(), (value) => otherValue(value, random));
}

/** Mostly of the same type and size, so that it gets past the form of a document. */
function otherValue(value: unknown, random: FuzzRandom): unknown {
  if (random.once(8)) return wildValue(random);
  if (typeof value === 'number') return random.pick([value + 1, value - 1, -value, 0, random.below(1_000_000)]);
  if (typeof value === 'boolean') return !value;
  if (Array.isArray(value)) return otherList(value, random);
  if (typeof value !== 'string') return value === null ? 1 : null;
  if (!/^([0-9a-f]{2})+$/.test(value))
    return random.pick(['alice', 'bob', 'carol', 'mallory', 'vote', 'reveal', 'mix']);
  const bytes = Buffer.from(value, 'hex');
  if (random.once(2)) random.flip(bytes);
  else bytes.fill(random.pick([0, 255]));
  return bytes.toString('hex');
}

function otherList(list: readonly unknown[], random: FuzzRandom): unknown[] {
  const kind = random.below(3);
  if (kind === 0) return list.slice(1);
  if (kind === 1) return list.toReversed();
  return list.length === 0 ? ['alice'] : [...list, structuredClone(list[0])];
}

function wildValue(random: FuzzRandom): unknown {
  const kind = random.below(3);
  if (kind === 0) return Buffer.from(random.bytes(random.pick([31, 32, 32, 64, 80]))).toString('hex');
  if (kind === 1) return random.pick(['', '__proto__', '0'.repeat(64), 'f'.repeat(64), '\ud800', '9'.repeat(21)]);
  return random.pick([-1, 1.5, 1e300, 2 ** 60, null, true, [], {}, [[]], { kind: 'vote' }]);
}
