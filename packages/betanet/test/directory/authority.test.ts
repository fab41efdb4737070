import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type AuthorityContext,
  type AuthorityEffect,
  type AuthorityEvent,
  type AuthorityState,
  authorityStateSchema,
  DIRECTORY_LIMITS,
  firstEmptyLayer,
  type Genesis,
  makeDrawProof,
  NEW_AUTHORITY,
  networkIdOf,
  type ProbedLoop,
  resend,
  roundFor,
  signDocument,
  stepAuthority,
  stepEnd,
  verifyConsensus,
  vrfVerify,
} from '../../src/index.ts';
import {
  contextOf,
  EPOCH,
  GENESIS_TIME,
  relayOf,
  signerOf,
  smallGenesis,
  smallRelays,
  verifyCheapProof,
} from './members.ts';
import { runRound } from './one-round.ts';

const GENESIS = smallGenesis();
const RELAYS = smallRelays(3);
const NETWORK = networkIdOf(GENESIS);

/** One authority that is told things at stated times. */
class Told {
  state: AuthorityState = NEW_AUTHORITY;
  now = roundFor(GENESIS, 0).startsAtMilliseconds;
  readonly context: AuthorityContext;

  constructor(genesis: Genesis = GENESIS, given: Partial<AuthorityContext> = {}) {
    this.context = contextOf('alice', genesis, given);
  }

  tell(event: AuthorityEvent): AuthorityEffect[] {
    const { state, effects } = stepAuthority(this.state, event, this.now, this.context);
    this.state = state;
    return effects;
  }

  refusal(event: AuthorityEvent): string | null {
    const refused = this.tell(event).find(({ kind }) => kind === 'refused');
    return refused?.kind === 'refused' ? refused.reason : null;
  }

  at(now: number): this {
    this.now = now;
    return this;
  }
}

const loopsOf = (relays: readonly string[], returned: number, lost: number): ProbedLoop[] => [
  ...Array.from({ length: returned }, () => ({ relays, isReturned: true })),
  ...Array.from({ length: lost }, () => ({ relays, isReturned: false })),
];

const refusals = (effects: readonly AuthorityEffect[]) =>
  effects.flatMap((effect) => (effect.kind === 'refused' ? [effect.reason] : []));

describe('authority: a round', () => {
  test('with real proofs it comes to a consensus that a client accepts', () => {
    const { consensus, effects } = runRound(GENESIS, RELAYS, { isCheap: false, given: { verifyProof: vrfVerify } });
    const verdict = verifyConsensus(consensus, { genesis: GENESIS, now: GENESIS_TIME - 100 });
    assert.ok(verdict.valid, JSON.stringify(verdict));
    assert.equal(verdict.startsInMilliseconds, 100);
    assert.ok(verdict.endorsedBy.length >= 2);
    const layers = consensus.body.nodes.flatMap(({ role, layer }) => (role === 'mix' ? [layer] : []));
    assert.deepEqual([layers.length, new Set(layers)], [3, new Set([1, 2])]);
    // At the end each tells its endorsement once more.
    assert.deepEqual(new Set(refusals(effects)), new Set(['known']));
  });

  test('rounds are chained: the next seed depends on the one before', () => {
    const first = runRound(GENESIS, RELAYS);
    const second = runRound(GENESIS, RELAYS, { epoch: 1, states: first.states });
    const { previous } = second.consensus.body.randomness;
    assert.deepEqual(previous, { epoch: 0, seed: first.consensus.body.randomness.seed });
  });

  test('what it measured weighs in the lottery, and a relay that loses probes is dropped with the reason', () => {
    const [bad, good] = RELAYS;
    const { consensus } = runRound(GENESIS, RELAYS, {
      after: (step, tell) => {
        if (step !== 'descriptors') return;
        for (const { id } of GENESIS.authorities) {
          tell(id, {
            kind: 'measured',
            loops: [...loopsOf([bad?.id ?? ''], 600, 400), ...loopsOf([good?.id ?? ''], 899, 101)],
          });
        }
      },
    });
    assert.deepEqual(consensus.body.excluded, [{ id: bad?.id, reason: 'performance-below-floor' }]);
    assert.equal(consensus.body.nodes.find(({ id }) => id === good?.id)?.performancePpm, 899_000);
  });

  test('all that the mixes lose, or all at once that fail, leave no layer empty', () => {
    const mixes = RELAYS.filter(({ role }) => role === 'mix');
    const gateway = RELAYS.find(({ role }) => role === 'gateway');
    const { consensus } = runRound(GENESIS, RELAYS, {
      after: (step, tell) => {
        if (step !== 'descriptors') return;
        const loops = [...mixes, gateway].flatMap((relay, index) => loopsOf([relay?.id ?? ''], 40 * index, 1000));
        for (const { id } of GENESIS.authorities) tell(id, { kind: 'measured', loops });
      },
    });
    assert.ok(verifyConsensus(consensus, { genesis: GENESIS, now: GENESIS_TIME, verifyProof: verifyCheapProof }).valid);
    assert.deepEqual(consensus.body.excluded, [{ id: mixes[0]?.id, reason: 'performance-below-floor' }]);
    assert.ok(
      consensus.body.nodes.some(({ id }) => id === gateway?.id),
      'the only gateway stays',
    );
  });

  test('mixes that show no proof do not count as those that stay: the failing ones keep their places', () => {
    const [silent, ...failing] = RELAYS.filter(({ role }) => role === 'mix');
    const { consensus } = runRound(
      GENESIS,
      RELAYS.filter((relay) => relay !== silent),
      {
        after: (step, tell) => {
          if (step !== 'descriptors') return;
          const loops = failing.flatMap(({ id }) => loopsOf([id], 10, 990));
          for (const { id } of GENESIS.authorities) {
            tell(id, { kind: 'descriptor', document: silent?.describe(GENESIS, 0) });
            tell(id, { kind: 'measured', loops });
          }
        },
      },
    );
    assert.deepEqual(consensus.body.excluded, [{ id: silent?.id, reason: 'no-proof' }]);
    assert.equal(firstEmptyLayer(consensus.body), null);
  });

  test('with fewer mixes than layers the consensus says so, and a client refuses it', () => {
    const { consensus } = runRound(GENESIS, RELAYS.slice(2));
    const verdict = verifyConsensus(consensus, { genesis: GENESIS, now: GENESIS_TIME, verifyProof: verifyCheapProof });
    assert.equal(verdict.valid ? null : verdict.reason, 'empty-layer');
    assert.equal(firstEmptyLayer(consensus.body), 1, 'the last layer is filled first');
    const next = stepAuthority(
      { ...NEW_AUTHORITY, latest: consensus },
      { kind: 'tick' },
      GENESIS_TIME + 100,
      contextOf('alice', GENESIS),
    );
    assert.equal(next.state.round?.epoch, 1, 'the authority goes on');
  });

  test('mixes without a proof, without enough stake, or with a key of this very epoch are excluded', () => {
    const [noProof, poor, late] = RELAYS;
    const genesis = smallGenesis({ lottery: { ...GENESIS.lottery, minimumStake: '5', saturationStake: '9' } });
    const stake = (id: string) => (id === poor?.id ? 4n : 5n);
    const { consensus } = runRound(genesis, RELAYS.slice(1), {
      given: { standing: { standingOf: ({ id }) => ({ stake: stake(id), reputationPpm: 1_000_000 }) } },
      describe: (relay, epoch) => relay.describe(genesis, epoch, relay === late ? { registeredEpoch: 0 } : {}),
      after: (step, tell) => {
        const document = noProof?.describe(genesis, 0);
        if (step === 'descriptors')
          for (const { id } of genesis.authorities) tell(id, { kind: 'descriptor', document });
      },
    });
    assert.deepEqual(
      new Map(consensus.body.excluded.map(({ id, reason }) => [id, reason])),
      new Map([
        [noProof?.id, 'no-proof'],
        [poor?.id, 'stake-below-minimum'],
        [late?.id, 'registered-too-late'],
      ]),
    );
  });

  test('alone of three it comes to nothing, says so once, and sends no reveal', () => {
    const told = new Told();
    const effects = ['votes', 'vote-witness', 'reveals', 'proofs', 'consensus'].flatMap((step) => {
      told.at(stepEnd(GENESIS, 0, step as 'votes') - 1);
      return told.tell({ kind: 'tick' });
    });
    const failures = effects.filter(({ kind }) => kind === 'round-failed');
    assert.deepEqual(failures, [{ kind: 'round-failed', epoch: 0, reason: 'too-few-votes' }]);
    const sent = effects.flatMap((effect) => (effect.kind === 'broadcast' ? [effect.document.body.kind] : []));
    assert.deepEqual(sent, ['vote', 'witness']);
    assert.equal(told.at(GENESIS_TIME).tell({ kind: 'tick' }).length, 0);
    assert.equal(told.state.round?.epoch, 1);
  });

  test('one that wakes in the middle of a round sends nothing it should have sent before', () => {
    const told = new Told().at(stepEnd(GENESIS, 0, 'votes') + 1);
    const sent = told
      .tell({ kind: 'tick' })
      .flatMap((effect) => (effect.kind === 'broadcast' ? [effect.document.body] : []));
    assert.deepEqual(
      sent.map(({ kind }) => kind),
      ['witness'],
    );
    assert.equal(told.state.round?.value, null);
  });

  test('it commits once: told again, restarted, or asked to send again, it says the same', () => {
    const told = new Told().at(stepEnd(GENESIS, 0, 'descriptors'));
    const [vote] = told.tell({ kind: 'tick' });
    assert.equal(vote?.kind, 'broadcast');
    assert.deepEqual(told.tell({ kind: 'tick' }), []);
    told.state = JSON.parse(JSON.stringify(told.state));
    assert.deepEqual(resend(told.state, told.context), [vote]);
    told.at(stepEnd(GENESIS, 0, 'votes')).tell({ kind: 'tick' });
    assert.equal(resend(told.state, told.context).length, 1);
  });

  test('time that goes back changes nothing, within a round or into the one before', () => {
    for (const latest of [stepEnd(GENESIS, 0, 'votes'), GENESIS_TIME + 1]) {
      const told = new Told().at(latest);
      told.tell({ kind: 'tick' });
      const { state } = told;
      for (const now of [stepEnd(GENESIS, 0, 'descriptors'), roundFor(GENESIS, 0).startsAtMilliseconds, 0]) {
        assert.deepEqual(told.at(now).tell({ kind: 'tick' }), []);
        assert.equal(told.state, state);
      }
    }
  });
});

describe('authority: relays', () => {
  const mix = relayOf('mix-1');
  const descriptor = (given: Parameters<typeof mix.describe>[2] = {}, epoch = 0): AuthorityEvent => ({
    kind: 'descriptor',
    document: mix.describe(GENESIS, epoch, given),
  });

  test('a newer descriptor replaces an older one, and no other does', () => {
    const told = new Told();
    assert.equal(told.refusal(descriptor()), null);
    assert.equal(told.refusal(descriptor()), 'known');
    assert.equal(told.refusal(descriptor({ sequence: 0 })), 'older');
    assert.equal(told.refusal(descriptor({ sequence: 1, protocolVersions: [2] })), 'older');
    assert.equal(told.refusal(descriptor({ sequence: 2, protocolVersions: [2] })), null);
    assert.equal(told.refusal(descriptor({}, 1)), null, 'for the next epoch too');
    assert.equal(told.state.descriptors.length, 2);
  });

  test('descriptors that are no good are refused, each for its reason', () => {
    const { body, signature } = mix.describe(GENESIS, 0);
    const earnest = smallGenesis({ test: false });
    const cases: [string, AuthorityEvent, Genesis?][] = [
      ['malformed', { kind: 'descriptor', document: { body, signature, more: 1 } }],
      ['malformed', { kind: 'descriptor', document: null }],
      ['malformed', descriptor({ sphinxKeys: body.sphinxKeys.slice(1) })],
      ['malformed', descriptor({ sphinxKeys: body.sphinxKeys.toReversed() })],
      ['wrong-epoch', descriptor({}, 2)],
      ['bad-signature', { kind: 'descriptor', document: { body: { ...body, role: 'service' }, signature } }],
      ['wrong-network', { kind: 'descriptor', document: mix.describe(earnest, 0) }],
      ['bad-key', descriptor({ linkKey: '00'.repeat(32) })],
      ['bad-key', descriptor({ vrfKey: `01${'00'.repeat(31)}` })],
      ['registered-in-the-future', descriptor({ registeredEpoch: 1 })],
      ['private-address', { kind: 'descriptor', document: mix.describe(earnest, 0) }, earnest],
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
    assert.equal(told.refusal(descriptor({ sequence: 2, vrfKey: other }, 4)), 'vrf-key-changed');
    assert.equal(told.refusal(descriptor({ sequence: 2, vrfKey: other, registeredEpoch: 3 }, 4)), null);
  });

  test('one address brings in a few relays only', () => {
    const genesis = smallGenesis({ test: false });
    const told = new Told(genesis);
    const event = (name: string, host: string): AuthorityEvent => ({
      kind: 'descriptor',
      document: relayOf(name).describe(genesis, 0, { addresses: [{ host, port: 4000 }] }),
    });
    for (let at = 0; at < DIRECTORY_LIMITS.relaysPerHost; at += 1)
      assert.equal(told.refusal(event(`m${at}`, '8.8.8.8')), null);
    assert.equal(told.refusal(event('one-more', '8.8.8.8')), 'too-many-of-host');
    assert.equal(told.refusal(event('one-more', '8.8.4.4')), null);
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

describe('authority: messages of others', () => {
  const body = {
    kind: 'vote' as const,
    network: NETWORK,
    epoch: 0,
    authority: 'bob',
    commitment: NETWORK,
    previous: null,
    relays: [],
  };
  const message = (given: object = {}, by = 'bob'): AuthorityEvent => ({
    kind: 'message',
    document: signDocument({ ...body, ...given }, signerOf(by)),
  });

  test('strangers, forgers and fools are refused, each for its reason', () => {
    const told = new Told().at(stepEnd(GENESIS, 0, 'descriptors'));
    const relay = relayOf('mix-1');
    const voted = {
      id: relay.id,
      descriptor: relay.describe(GENESIS, 0),
      stake: '1',
      reputationPpm: 1,
      sent: 0,
      returned: 0,
    };
    assert.equal(told.refusal(message({ network: 'ab'.repeat(32) })), 'wrong-network');
    assert.equal(told.refusal(message({ epoch: 1 })), 'wrong-epoch');
    assert.equal(told.refusal(message({ authority: 'mallory' }, 'mallory')), 'unknown-authority');
    assert.equal(told.refusal(message({}, 'carol')), 'bad-signature');
    assert.equal(told.refusal(message({ authority: 'alice' }, 'alice')), 'known', 'an echo');
    assert.equal(told.refusal(message({ relays: [{ ...voted, id: NETWORK }] })), 'bad-content');
    assert.equal(told.refusal(message({ relays: [{ ...voted, returned: 1 }] })), 'bad-content');
    assert.equal(told.refusal(message({ relays: [voted, voted] })), 'malformed', 'twice the same');
    const forged = { ...voted.descriptor, body: { ...voted.descriptor.body, operator: 'me' } };
    assert.equal(told.refusal(message({ relays: [{ ...voted, descriptor: forged }] })), 'bad-content');
    assert.equal(told.refusal(message({ relays: [voted] })), null);
    assert.equal(told.refusal(message({ relays: [voted] })), 'known');
    assert.equal(told.at(stepEnd(GENESIS, 0, 'votes')).refusal(message({ commitment: relay.id })), 'late');
  });

  test('a second vote is evidence; a third changes nothing', () => {
    const told = new Told().at(stepEnd(GENESIS, 0, 'descriptors'));
    told.tell(message());
    const effects = told.tell(message({ commitment: 'cd'.repeat(32) }));
    assert.deepEqual(
      effects.map(({ kind }) => kind),
      ['evidence'],
    );
    assert.equal(told.refusal(message({ commitment: 'ef'.repeat(32) })), 'known');
  });

  test('a witness that passes on forged documents, or too many, is not heard', () => {
    const told = new Told().at(stepEnd(GENESIS, 0, 'votes'));
    const witness = (seen: object[]): AuthorityEvent => {
      const passedOn = { kind: 'witness', network: NETWORK, epoch: 0, authority: 'bob', of: 'vote', seen };
      return { kind: 'message', document: signDocument(passedOn, signerOf('bob')) };
    };
    const ofCarol = (commitment: string, by = 'carol') =>
      signDocument({ ...body, authority: 'carol', commitment }, signerOf(by));
    assert.equal(told.refusal(witness([ofCarol(NETWORK, 'bob')])), 'bad-content');
    assert.equal(
      told.refusal(witness([ofCarol('11'.repeat(32)), ofCarol('22'.repeat(32)), ofCarol('33'.repeat(32))])),
      'bad-content',
    );
    assert.equal(told.refusal(witness([ofCarol(NETWORK)])), null);
    assert.equal(told.refusal(witness([])), 'known');
    assert.equal(told.at(stepEnd(GENESIS, 0, 'vote-witness')).refusal(witness([])), 'late');
  });

  test('it endorses one consensus only, tells who endorsed another, and takes over what the others agreed on', () => {
    const whole = runRound(GENESIS, RELAYS);
    const told = new Told();
    told.state = { ...(whole.states.get('alice') as AuthorityState), latest: null, previous: null };
    told.at(GENESIS_TIME - 1);
    assert.deepEqual(
      told.tell({ kind: 'consensus', document: whole.consensus }).map(({ kind }) => kind),
      ['adopt'],
    );
    assert.equal(told.refusal({ kind: 'consensus', document: whole.consensus }), 'known');
    assert.deepEqual(told.state.previous, { epoch: 0, seed: whole.consensus.body.randomness.seed });
    const short = { ...whole.consensus, signatures: whole.consensus.signatures.slice(1) };
    const empty = new Told().at(GENESIS_TIME - 1);
    assert.equal(empty.refusal({ kind: 'consensus', document: short }), 'not-endorsed');
    const [endorsement] = whole.messages.filter(
      (sent) => sent.body.kind === 'endorsement' && sent.body.authority === 'bob',
    );
    const round = { ...told.state.round, endorsements: [] } as unknown as NonNullable<AuthorityState['round']>;
    told.state = { ...told.state, round };
    const other = signDocument({ ...endorsement?.body, kind: 'endorsement', digest: NETWORK }, signerOf('bob'));
    const effects = told.tell({ kind: 'message', document: other });
    assert.deepEqual(effects, [{ kind: 'disagreement', authority: 'bob', digest: NETWORK }]);
  });
});
