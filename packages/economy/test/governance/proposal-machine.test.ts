import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { accountId, TRANSFER_CODES } from '../../src/chart.ts';
import { cancel, type ProposalAction, propose, termsOf } from '../../src/governance/index.ts';
import { GOVERNANCE_LIMITS } from '../../src/governance/limits.ts';
import { DAY, Dao, FOG, HOUR, openDao, smallDao } from './dao.ts';

const CHANGE: ProposalAction = { kind: 'parameter', changes: [{ name: 'feePpm', value: 20_000n }] };
const GRANT: ProposalAction = {
  kind: 'treasury',
  grants: [
    { to: 'dee', amountMicroFog: 5n * FOG },
    { to: 'ed', amountMicroFog: 7n },
  ],
};

describe('a proposal', () => {
  test('is voted on, waits for its timelock, and changes a parameter with an entry for the record', () => {
    const { dao, id } = openDao(CHANGE);
    assert.equal(dao.get(id).state, 'active');
    dao.vote(id, 'ann', 'for');
    dao.vote(id, 'cy', 'against');
    dao.pass(7 * DAY + 1);
    const { state, executableAtMilliseconds } = dao.get(id);
    assert.deepEqual([state, executableAtMilliseconds], ['queued', dao.now + 2 * DAY]);
    dao.pass(2 * DAY - 1);
    assert.throws(() => dao.execute(id), {
      code: 'conflict',
      details: { fault: 'timelock-runs', executableAtMilliseconds },
    });
    dao.pass(1);
    const { changes, audit, transfers } = dao.execute(id);
    assert.deepEqual(changes, [{ name: 'feePpm', before: 50_000n, after: 20_000n }]);
    assert.equal(dao.parameters.feePpm, 20_000n);
    assert.deepEqual(transfers, []);
    const { tally, by, supplyMicroFog, kind } = audit;
    assert.deepEqual(tally, { for: 1000n * FOG, against: 300n * FOG, abstain: 0n });
    assert.deepEqual([by, kind, supplyMicroFog, audit.changes], ['anybody', 'parameter', 2000n * FOG, changes]);
    assert.equal(dao.get(id).state, 'executed');
  });

  test('pays from the treasury, bounded by what it has when it is executed', () => {
    const { dao, id } = openDao(GRANT);
    dao.vote(id, 'ann', 'for');
    dao.pass(7 * DAY + 1);
    dao.pass(2 * DAY);
    dao.treasury = 5n * FOG + 6n;
    assert.throws(() => dao.execute(id), {
      code: 'insufficient-funds',
      details: { fault: 'treasury-too-small', missing: '1' },
    });
    assert.equal(dao.get(id).state, 'queued');
    dao.treasury += 1n;
    const { transfers } = dao.execute(id);
    const treasury = accountId('fog', 'treasury');
    assert.deepEqual(
      transfers.map(({ debitAccount, creditAccount, amount, code, ledger }) => [
        debitAccount,
        creditAccount,
        amount,
        code,
        ledger,
      ]),
      [
        [treasury, accountId('fog', 'wallet', 'dee'), 5n * FOG, TRANSFER_CODES.grant, 1],
        [treasury, accountId('fog', 'wallet', 'ed'), 7n, TRANSFER_CODES.grant, 1],
      ],
    );
    assert.equal(new Set(transfers.map(({ id }) => id)).size, 2);
  });

  test('is defeated without a quorum, or without the approval; and then nothing can be done with it', () => {
    const cases: [votes: [string, 'for' | 'against' | 'abstain'][], state: string, deposit: string][] = [
      [
        [
          ['bo', 'for'],
          ['cy', 'for'],
        ],
        'queued',
        'returned',
      ],
      [[], 'defeated', 'forfeited'],
      // 600,000 ppm of 1000 and 700: more are needed.
      [
        [
          ['ann', 'for'],
          ['bo', 'against'],
        ],
        'defeated',
        'returned',
      ],
      [
        [
          ['ann', 'abstain'],
          ['cy', 'for'],
        ],
        'queued',
        'returned',
      ],
      // Those against make no quorum; that they came gives the deposit back.
      [[['ann', 'against']], 'defeated', 'returned'],
    ];
    for (const [votes, state, deposit] of cases) {
      const { dao, id } = openDao(CHANGE);
      for (const [voter, choice] of votes) dao.vote(id, voter, choice);
      dao.pass(7 * DAY + 1);
      const proposal = dao.get(id);
      assert.deepEqual([proposal.state, proposal.deposit], [state, deposit], JSON.stringify(votes));
      if (state === 'defeated')
        assert.throws(() => dao.execute(id), { code: 'conflict', details: { fault: 'unexpected-state', state } });
    }
  });

  test('exactly the quorum is enough, and exactly the approval threshold is not', () => {
    const dao = new Dao();
    dao.join('ann', 600n * FOG);
    dao.join('bo', 400n * FOG);
    dao.bond('idle', 5000n * FOG);
    const { id } = dao.propose('ann', CHANGE);
    dao.pass(DAY + 1);
    assert.equal(dao.get(id).quorumMicroFog, 600n * FOG);
    dao.vote(id, 'ann', 'for');
    assert.notEqual(dao.get(id).quorumReachedAtMilliseconds, null);
    dao.vote(id, 'bo', 'against');
    dao.pass(7 * DAY + 1);
    assert.equal(dao.get(id).state, 'defeated');
  });

  test('takes ballots until its deadline, inclusive', () => {
    const { dao, id } = openDao(CHANGE);
    dao.now = dao.get(id).votesUntilMilliseconds ?? 0;
    dao.vote(id, 'ann', 'for');
    assert.equal(dao.get(id).state, 'active');
  });

  test('expires when nobody executes it', () => {
    const { dao, id } = openDao(CHANGE);
    dao.vote(id, 'ann', 'for');
    dao.pass(7 * DAY + 1);
    dao.pass(16 * DAY - 1);
    assert.equal(dao.get(id).state, 'queued');
    dao.pass(1);
    assert.equal(dao.get(id).state, 'expired');
    assert.throws(() => dao.execute(id), { code: 'conflict' });
  });

  test('a quorum that is reached late puts the deadline off, once', () => {
    const { dao, id } = openDao(CHANGE);
    const until = dao.get(id).votesUntilMilliseconds ?? 0;
    dao.pass(7 * DAY - HOUR);
    dao.vote(id, 'ann', 'for');
    assert.equal(dao.get(id).votesUntilMilliseconds, until - HOUR + DAY);
    dao.pass(2 * HOUR);
    dao.vote(id, 'bo', 'against');
    assert.equal(dao.get(id).votesUntilMilliseconds, until - HOUR + DAY);
    const early = openDao(CHANGE);
    early.dao.vote(early.id, 'ann', 'for');
    assert.equal(early.dao.get(early.id).votesUntilMilliseconds, until);
  });

  test('moves its deposit in and out, once', () => {
    const { dao, id } = openDao(CHANGE);
    dao.vote(id, 'ann', 'for');
    dao.pass(7 * DAY + 1);
    dao.veto(id);
    const [held, wallet] = [accountId('fog', 'deposit', id), accountId('fog', 'wallet', 'ann')];
    assert.deepEqual(
      dao.transfers.map(({ debitAccount, creditAccount, amount, code }) => [debitAccount, creditAccount, amount, code]),
      [
        [wallet, held, 100n * FOG, TRANSFER_CODES.deposit],
        [held, wallet, 100n * FOG, TRANSFER_CODES.depositReturn],
      ],
    );
    const missed = openDao(CHANGE);
    missed.dao.pass(7 * DAY + 1);
    assert.equal(missed.dao.transfers.at(-1)?.creditAccount, accountId('fog', 'treasury'));
    assert.equal(missed.dao.transfers.at(-1)?.code, TRANSFER_CODES.depositForfeit);
  });

  test('is cancelled by its proposer, and by nobody else, before its vote', () => {
    const dao = smallDao();
    const proposal = dao.propose('ann');
    assert.throws(() => cancel(proposal, 'bo', dao.clock), { code: 'forbidden', details: { fault: 'not-proposer' } });
    const step = cancel(proposal, 'ann', dao.clock);
    assert.deepEqual([step.proposal.state, step.proposal.deposit, step.transfers.length], ['cancelled', 'returned', 1]);
    dao.pass(DAY + 1);
    assert.throws(() => cancel(dao.get(proposal.id), 'ann', dao.clock), { code: 'conflict' });
  });

  test('a vote that nobody looked at opens when somebody does, with the snapshot of then', () => {
    const dao = smallDao();
    const { id } = dao.propose('ann');
    dao.now += 30 * DAY;
    dao.sequence += 50;
    dao.vote(id, 'bo', 'for');
    const { state, snapshotSequence, votesUntilMilliseconds } = dao.get(id);
    assert.deepEqual(
      [state, snapshotSequence, votesUntilMilliseconds],
      ['active', dao.sequence - 1, dao.now + 7 * DAY],
    );
  });

  test('terms are frozen: what another vote changes does not hold for it', () => {
    const dao = smallDao();
    const { id } = dao.propose('ann', CHANGE);
    dao.parameters = { ...dao.parameters, votingPeriodMilliseconds: BigInt(DAY), quorumPpm: 500_000n };
    dao.pass(DAY + 1);
    assert.equal(dao.get(id).votesUntilMilliseconds, dao.now + 7 * DAY);
    assert.equal(dao.get(id).quorumMicroFog, 200n * FOG);
  });
});

describe('what cannot be proposed', () => {
  const refused = (action: unknown, change: object = {}) => {
    const dao = smallDao();
    const request = { proposer: 'ann', title: 'a title', text: '', action: action as ProposalAction, ...change };
    return () =>
      propose(request, {
        network: 'net',
        clock: dao.clock,
        terms: termsOf(dao.parameters),
        parameters: dao.parameters,
        thresholdMicroFog: 0n,
        proposerPowerMicroFog: 0n,
        liveOfProposer: 0,
        live: 0,
      });
  };
  const many = <Item>(item: Item) => Array.from({ length: GOVERNANCE_LIMITS.actions + 1 }, () => item);

  test('malformed requests', () => {
    assert.doesNotThrow(refused({ kind: 'text' }));
    const faults: [action: unknown, change?: object][] = [
      [{ kind: 'law' }],
      [{ kind: 'parameter', changes: [] }],
      [{ kind: 'treasury', grants: many({ to: 'ann', amountMicroFog: 1n }) }],
      [{ kind: 'treasury', grants: [{ to: 'a b', amountMicroFog: 1n }] }],
      [{ kind: 'text' }, { title: '' }],
      [{ kind: 'text' }, { title: 'x'.repeat(GOVERNANCE_LIMITS.titleCharacters + 1) }],
      [{ kind: 'text' }, { title: 'two\nlines' }],
      [{ kind: 'text' }, { text: 'half \ud800' }],
      [{ kind: 'text' }, { text: '\u001b[2J' }],
      [{ kind: 'text' }, { proposer: '../x' }],
    ];
    for (const [action, change] of faults) assert.throws(refused(action, change), { code: 'invalid-request' });
    assert.throws(refused({ kind: 'treasury', grants: [{ to: 'ann', amountMicroFog: 0n }] }), {
      code: 'invalid-request',
    });
    assert.throws(refused({ kind: 'treasury', grants: [{ to: 'ann', amountMicroFog: 1n << 128n }] }), {
      code: 'invalid-request',
    });
  });
});
