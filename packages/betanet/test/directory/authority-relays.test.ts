/** What an authority takes from relays and probers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type AuthorityEvent,
  type AuthorityState,
  authorityStateSchema,
  DIRECTORY_LIMITS,
  type Genesis,
  keyedOperator,
  makeDrawProof,
  networkIdOf,
  stepEnd,
  vrfVerify,
} from '../../src/index.ts';
import { EPOCH, GENESIS_TIME, relayOf, SOURCE, secretOf, smallGenesis, smallRelays } from './members.ts';
import { runRound } from './one-round.ts';
import { loopsOf, Told } from './told-authority.ts';

const GENESIS = smallGenesis();
const RELAYS = smallRelays(3);
const NETWORK = networkIdOf(GENESIS);

describe('authority: relays', () => {
  const mix = relayOf('mix-1');
  const descriptor = (given: Parameters<typeof mix.describe>[2] = {}, epoch = 0): AuthorityEvent => ({
    kind: 'descriptor',
    source: SOURCE,
    document: mix.describe(GENESIS, epoch, given),
  });

  test('a newer descriptor replaces an older one, and no other does', () => {
    const told = new Told();
    assert.equal(told.refusal(descriptor()), null);
    assert.equal(told.refusal(descriptor()), 'known');
    assert.equal(told.refusal(descriptor({ sequence: 0 })), 'older');
    assert.equal(told.refusal(descriptor({ sequence: 1, protocolVersions: [2] })), 'older');
    told.now += EPOCH / 20;
    assert.equal(told.refusal(descriptor({ sequence: 2, protocolVersions: [2] })), null);
    assert.equal(told.refusal(descriptor({}, 1)), null, 'for the next epoch too');
    assert.equal(told.state.descriptors.length, 2);
  });

  test('descriptors that are no good are refused, each for its reason', () => {
    const { body, signature } = mix.describe(GENESIS, 0);
    const earnest = smallGenesis({ test: false });
    const cases: [string, AuthorityEvent, Genesis?][] = [
      ['malformed', { kind: 'descriptor', source: SOURCE, document: { body, signature, more: 1 } }],
      ['malformed', { kind: 'descriptor', source: SOURCE, document: null }],
      ['malformed', descriptor({ sphinxKeys: body.sphinxKeys.slice(1) })],
      ['malformed', descriptor({ sphinxKeys: body.sphinxKeys.toReversed() })],
      ['wrong-epoch', descriptor({}, 2)],
      [
        'bad-signature',
        { kind: 'descriptor', source: SOURCE, document: { body: { ...body, role: 'service' }, signature } },
      ],
      ['wrong-network', { kind: 'descriptor', source: SOURCE, document: mix.describe(earnest, 0) }],
      ['bad-key', descriptor({ linkKey: '00'.repeat(32) })],
      ['bad-key', descriptor({ vrfKey: `01${'00'.repeat(31)}` })],
      ['registered-in-the-future', descriptor({ registeredEpoch: 1 })],
      ['private-address', { kind: 'descriptor', source: SOURCE, document: mix.describe(earnest, 0) }, earnest],
    ];
    for (const [reason, event, genesis] of cases) assert.equal(new Told(genesis).refusal(event), reason);
    assert.equal(new Told().at(0).refusal(descriptor()), 'before-first-round');
    assert.equal(new Told().at(stepEnd(GENESIS, 0, 'descriptors')).refusal(descriptor()), 'late');
  });

  test('a key in the lottery can only be changed by registering it anew', () => {
    const told = new Told();
    told.tell(descriptor());
    told.at(GENESIS_TIME + 3 * EPOCH);
    const other = relayOf('mix-2').describe(GENESIS, 0).body.vrfKey;
    assert.equal(told.refusal(descriptor({}, 4)), null);
    told.now += EPOCH / 20;
    assert.equal(told.refusal(descriptor({ sequence: 2, vrfKey: other }, 4)), 'vrf-key-changed');
    assert.equal(told.refusal(descriptor({ sequence: 2, vrfKey: other, registeredEpoch: 3 }, 4)), null);
  });

  test("a name that is the hash of a key is its owner's alone", () => {
    const secretKey = secretOf('operator');
    const { identityKey } = mix.describe(GENESIS, 0).body;
    const proven = keyedOperator(secretKey, { network: NETWORK, identityKey });
    assert.equal(new Told().refusal(descriptor(proven)), null);
    const thief = keyedOperator(secretOf('thief'), { network: NETWORK, identityKey });
    for (const given of [
      { operator: proven.operator },
      { ...thief, operator: proven.operator },
      { ...proven, operator: 'a-name' },
      keyedOperator(secretKey, { network: NETWORK, identityKey: 'ab'.repeat(32) }),
      keyedOperator(secretKey, { network: 'ab'.repeat(32), identityKey }),
    ]) {
      assert.equal(new Told().refusal(descriptor(given)), 'operator-not-proven', JSON.stringify(given));
    }
  });

  test('a descriptor is not replaced again and again', () => {
    const told = new Told();
    told.tell(descriptor());
    assert.equal(told.refusal(descriptor({ sequence: 2 })), 'too-soon');
    assert.equal(told.at(told.now + EPOCH / 20).refusal(descriptor({ sequence: 2 })), null);
    assert.equal(told.refusal(descriptor({ sequence: 3 })), 'too-soon');
  });

  const earnest = smallGenesis({ test: false });
  const from = (source: string, name: string, given: Parameters<typeof mix.describe>[2] = {}): AuthorityEvent => ({
    kind: 'descriptor',
    source,
    document: relayOf(name).describe(earnest, 0, { addresses: [{ host: '8.8.8.8', port: 4000 }], ...given }),
  });

  test('one source brings in a few relays only, whatever addresses they name', () => {
    const told = new Told(earnest);
    for (let at = 0; at < DIRECTORY_LIMITS.relaysPerSource; at += 1) {
      assert.equal(told.refusal(from('9.9.9.9/32', `m${at}`)), null);
    }
    const elsewhere = { addresses: [{ host: '8.8.4.4', port: 4000 }] };
    assert.equal(told.refusal(from('9.9.9.9/32', 'one-more', elsewhere)), 'too-many-of-source');
    assert.equal(told.refusal(from('8.8.8.8/32', 'one-more')), null, 'nobody else has used up its room');
  });

  test('where a source is full, its newest stranger makes way for a relay of the consensus, and for no other', () => {
    const told = new Told(earnest);
    const known = relayOf('known');
    const { consensus } = runRound(GENESIS, [...RELAYS, known]);
    told.state = { ...told.state, latest: consensus };
    for (let at = 0; at < DIRECTORY_LIMITS.relaysPerSource; at += 1) {
      told.at(told.now + 1).tell(from('9.9.9.9/32', `m${at}`));
    }
    assert.equal(told.refusal(from('9.9.9.9/32', 'known')), null);
    const ids = told.state.descriptors.map(({ id }) => id);
    assert.equal(ids.length, DIRECTORY_LIMITS.relaysPerSource);
    assert.ok(ids.includes(known.id) && ids.includes(relayOf('m0').id));
    assert.ok(!ids.includes(relayOf(`m${DIRECTORY_LIMITS.relaysPerSource - 1}`).id));
  });

  test('proofs are taken once the seed is known, of mixes that were voted for, if they are right', () => {
    const { states, notices } = runRound(GENESIS, RELAYS);
    const seed = notices[0]?.body.seed ?? '';
    const told = new Told();
    told.state = states.get('alice') as AuthorityState;
    told.at(GENESIS_TIME - 1);
    const proof = makeDrawProof({ network: NETWORK, epoch: 0, seed, id: mix.id }, mix.vrfSecret);
    assert.equal(told.refusal({ kind: 'proof', document: proof }), 'late');
    assert.equal(told.refusal({ kind: 'proof', document: { ...proof, epoch: 1 } }), 'wrong-epoch');
    assert.equal(told.refusal({ kind: 'proof', document: { ...proof, network: seed } }), 'wrong-network');
    assert.equal(told.refusal({ kind: 'proof', document: 'no' }), 'malformed');
    assert.equal(new Told().refusal({ kind: 'proof', document: proof }), 'seed-unknown');
    const round = { ...told.state.round, step: 'proofs', proofs: {} } as NonNullable<AuthorityState['round']>;
    const open = new Told(GENESIS, { verifyProof: vrfVerify }).at(stepEnd(GENESIS, 0, 'proofs') - 1);
    open.state = { ...told.state, round };
    assert.equal(open.refusal({ kind: 'proof', document: { ...proof, id: seed } }), 'unknown-relay');
    assert.equal(open.refusal({ kind: 'proof', document: { ...proof, proof: 'ab'.repeat(80) } }), 'bad-proof');
    assert.equal(open.refusal({ kind: 'proof', document: { ...proof, id: RELAYS[1]?.id } }), 'bad-proof', 'of another');
    assert.equal(open.refusal({ kind: 'proof', document: proof }), null);
    assert.equal(open.refusal({ kind: 'proof', document: proof }), 'known');
  });

  test('probe loops are of known relays, and are forgotten after some rounds', () => {
    const told = new Told();
    const measured = (...relays: string[]) => ({ kind: 'measured' as const, loops: loopsOf(relays, 2, 1) });
    assert.equal(told.refusal(measured(mix.id)), 'unknown-relay');
    told.tell(descriptor());
    assert.equal(told.refusal(measured(mix.id, 'ab'.repeat(32))), 'unknown-relay');
    assert.equal(told.refusal(measured(mix.id)), null);
    const [round] = told.state.probes;
    assert.deepEqual(told.state.probes, [{ epoch: 0, relays: [mix.id], returned: [2], lost: [[0]] }]);
    assert.deepEqual(authorityStateSchema.parse(JSON.parse(JSON.stringify(told.state))), told.state);
    told.at(GENESIS_TIME + EPOCH * (DIRECTORY_LIMITS.probeRounds - 2)).tell({ kind: 'tick' });
    assert.deepEqual(told.state.probes, [round]);
    told.at(GENESIS_TIME + EPOCH * (DIRECTORY_LIMITS.probeRounds - 1)).tell({ kind: 'tick' });
    assert.deepEqual(told.state.probes, [], 'and are forgotten');
  });
});
