import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type AuthorityEffect,
  type AuthorityEvent,
  type AuthorityState,
  firstEmptyLayer,
  NEW_AUTHORITY,
  networkIdOf,
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
  GENESIS_TIME,
  relayOf,
  SOURCE,
  signerOf,
  smallGenesis,
  smallRelays,
  verifyCheapProof,
} from './members.ts';
import { runRound } from './one-round.ts';
import { loopsOf, Told } from './told-authority.ts';

const GENESIS = smallGenesis();
const RELAYS = smallRelays(3);
const NETWORK = networkIdOf(GENESIS);

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
            tell(id, { kind: 'descriptor', source: SOURCE, document: silent?.describe(GENESIS, 0) });
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

  test('mixes without a proof, relays without enough stake, or mixes with a key of this very epoch are excluded', () => {
    const [noProof, poor, late] = RELAYS;
    const gateway = RELAYS.find(({ role }) => role === 'gateway');
    const service = RELAYS.find(({ role }) => role === 'service');
    const genesis = smallGenesis({ lottery: { ...GENESIS.lottery, minimumStake: '5', saturationStake: '9' } });
    const stake = (id: string) => (id === poor?.id || id === gateway?.id ? 4n : 5n);
    const { consensus } = runRound(genesis, RELAYS.slice(1), {
      given: { standing: { standingOf: ({ id }) => ({ stake: stake(id), reputationPpm: 1_000_000 }) } },
      describe: (relay, epoch) => relay.describe(genesis, epoch, relay === late ? { registeredEpoch: 0 } : {}),
      after: (step, tell) => {
        const document = noProof?.describe(genesis, 0);
        if (step === 'descriptors')
          for (const { id } of genesis.authorities) tell(id, { kind: 'descriptor', source: SOURCE, document });
      },
    });
    assert.deepEqual(
      new Map(consensus.body.excluded.map(({ id, reason }) => [id, reason])),
      new Map([
        [noProof?.id, 'no-proof'],
        [poor?.id, 'stake-below-minimum'],
        [gateway?.id, 'stake-below-minimum'],
        [late?.id, 'registered-too-late'],
      ]),
    );
    assert.ok(!consensus.body.nodes.some(({ id }) => id === gateway?.id));
    const admitted = consensus.body.nodes.find(({ id }) => id === service?.id);
    const weight = `${5n * 10n ** 12n}`;
    assert.deepEqual(admitted?.standing, { stake: '5', reputationPpm: 1_000_000, weight });
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
