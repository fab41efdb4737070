/** What somebody gains by cheating: nothing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { faultOf } from '../../src/governance/index.ts';
import { DAY, FOG, openDao, secretOf, signed, smallDao } from './dao.ts';

describe('attacks on a vote', () => {
  test('double vote: a second ballot is refused, with the same choice and with another', () => {
    const { dao, id } = openDao();
    dao.vote(id, 'bo', 'for');
    for (const choice of ['for', 'against'] as const) {
      assert.throws(() => dao.vote(id, 'bo', choice), { code: 'conflict', details: { fault: 'already-voted' } });
    }
    assert.equal(dao.get(id).tally.for, 700n * FOG);
  });

  test('flash delegation: stake that comes after the proposal has no say', () => {
    const dao = smallDao();
    const { id } = dao.propose('ann');
    dao.join('whale', 1_000_000n * FOG);
    dao.pass(DAY + 1);
    dao.bond('whale', 0n);
    assert.throws(() => dao.vote(id, 'whale', 'against'), { code: 'forbidden', details: { fault: 'no-power' } });
    assert.equal(dao.get(id).supplyMicroFog, 2000n * FOG, 'and it does not raise the quorum');
  });

  test('flash delegation: stake that is gone at the snapshot has no say, and leaves no power behind', () => {
    const dao = smallDao();
    dao.join('guest', 5000n * FOG);
    const { id } = dao.propose('ann');
    dao.bond('guest', 0n);
    dao.pass(DAY + 1);
    assert.throws(() => dao.vote(id, 'guest', 'for'), { code: 'forbidden' });
    assert.equal(dao.get(id).supplyMicroFog, 2000n * FOG);
  });

  test('borrowed votes: delegated to another between proposal and snapshot, they count for neither', () => {
    const dao = smallDao();
    const { id } = dao.propose('ann');
    dao.delegate('bo', 'cy');
    dao.pass(DAY + 1);
    assert.throws(() => dao.vote(id, 'bo', 'for'), { code: 'forbidden' });
    assert.equal(dao.vote(id, 'cy', 'for').powerMicroFog, 300n * FOG);
  });

  test('vote and run: stake that voted stays, whoever cast the ballot', () => {
    const dao = smallDao();
    dao.bond('dee', 400n * FOG);
    dao.delegate('dee', 'bo');
    const { id } = dao.propose('ann', { kind: 'parameter', changes: [{ name: 'feePpm', value: 1n }] });
    dao.pass(DAY + 1);
    assert.equal(dao.lockedUntil('dee'), null);
    dao.vote(id, 'bo', 'for');
    dao.delegate('dee', 'cy');
    const latest = (dao.get(id).votesUntilMilliseconds ?? 0) + 2 * DAY;
    for (const owner of ['bo', 'dee']) assert.equal(dao.lockedUntil(owner), latest, owner);
    assert.equal(dao.lockedUntil('cy'), null);
    dao.now += 8 * DAY;
    assert.equal(dao.lockedUntil('dee'), dao.now + 2 * DAY, 'the end of the vote was not noticed yet');
    dao.pass(1);
    assert.equal(dao.lockedUntil('dee'), dao.get(id).executableAtMilliseconds);
    dao.pass(2 * DAY);
    assert.equal(dao.lockedUntil('dee'), null);
  });

  test('who delegates anew between proposal and snapshot is bound by both', () => {
    const dao = smallDao();
    const { id } = dao.propose('ann');
    dao.delegate('bo', 'cy');
    dao.pass(DAY + 1);
    dao.vote(id, 'cy', 'for');
    assert.ok(dao.lockedUntil('bo') !== null);
    assert.equal(dao.lockedUntil('ann'), null);
  });

  test('stake that begins to leave after the snapshot and votes then is held back from leaving', () => {
    const { dao, id } = openDao();
    dao.bond('bo', 0n);
    assert.equal(dao.vote(id, 'bo', 'for').powerMicroFog, 700n * FOG);
    assert.ok((dao.lockedUntil('bo') ?? 0) >= dao.now + 9 * DAY);
    const { votingPeriodMilliseconds: period, lateQuorumMilliseconds: late, unbondingMilliseconds } = dao.parameters;
    assert.ok(period + late <= unbondingMilliseconds);
    const changes = [{ name: 'votingPeriodMilliseconds', value: unbondingMilliseconds }] as const;
    assert.throws(
      () => dao.propose('cy', { kind: 'parameter', changes }),
      (error) => faultOf(error) === 'out-of-range',
    );
  });

  test('stake of a proposal that was defeated is free', () => {
    const { dao, id } = openDao();
    dao.vote(id, 'ann', 'against');
    assert.ok(dao.lockedUntil('ann') !== null);
    dao.pass(7 * DAY + 1);
    assert.equal(dao.lockedUntil('ann'), null);
  });

  test('a vote after the deadline, and one before the vote is open', () => {
    const { dao, id } = openDao();
    dao.now += 7 * DAY + 1;
    assert.throws(() => dao.vote(id, 'bo', 'for'), {
      code: 'conflict',
      details: { fault: 'unexpected-state', state: 'defeated' },
    });
    const early = smallDao();
    const proposal = early.propose('ann');
    assert.throws(() => early.vote(proposal.id, 'bo', 'for'), {
      code: 'conflict',
      details: { fault: 'unexpected-state', state: 'pending' },
    });
  });

  test('a ballot that is replayed on another proposal, or comes from another network', () => {
    const { dao, id } = openDao();
    const ballot = signed(dao.get(id), 'bo', 'for');
    const other = dao.propose('cy').id;
    dao.pass(DAY + 1);
    assert.throws(() => dao.cast(other, ballot), { code: 'invalid-request', message: /another proposal/ });
    assert.throws(() => dao.cast(other, { ...ballot, proposal: other }), {
      code: 'forbidden',
      details: { fault: 'bad-signature' },
    });
    const foreign = signed({ id, network: 'other-net' }, 'bo', 'for');
    assert.throws(() => dao.cast(id, foreign), { code: 'invalid-request', message: /network/ });
    assert.throws(() => dao.cast(id, { ...foreign, network: 'test-net' }), { code: 'forbidden' });
    dao.cast(id, ballot);
  });

  test('a ballot that somebody else signed, or that was changed', () => {
    const { dao, id } = openDao();
    const forged = signed(dao.get(id), 'bo', 'for', secretOf('ann'));
    assert.throws(() => dao.cast(id, forged), { details: { fault: 'bad-signature' } });
    const honest = signed(dao.get(id), 'bo', 'for');
    assert.throws(() => dao.cast(id, { ...honest, choice: 'against' }), { details: { fault: 'bad-signature' } });
    assert.throws(() => dao.cast(id, { ...honest, voter: 'ann' }), { details: { fault: 'bad-signature' } });
    assert.throws(() => dao.cast(id, { ...honest, nonce: '00'.repeat(16) }), { details: { fault: 'bad-signature' } });
    assert.throws(() => dao.cast(id, { ...honest, nonce: 'zz' }), { code: 'invalid-request' });
    assert.throws(() => dao.cast(id, { ...honest, choice: 'twice' as never }), {
      details: { fault: 'invalid-vote-type' },
    });
  });

  test('a parameter out of its range is refused when it is proposed, and again when it is executed', () => {
    const dao = smallDao();
    const action = (value: bigint) => ({ kind: 'parameter', changes: [{ name: 'goldPricePpm', value }] }) as const;
    assert.throws(() => dao.propose('ann', action(40_000_001n)), {
      code: 'invalid-request',
      message: /goldPricePpm cannot be/,
    });
    const { id } = dao.propose('ann', action(3_000_000n));
    dao.pass(DAY + 1);
    dao.vote(id, 'ann', 'for');
    dao.pass(7 * DAY + 1);
    dao.pass(2 * DAY);
    // Since then silver costs more than gold would.
    dao.parameters = { ...dao.parameters, silverPricePpm: 3_500_000n };
    assert.throws(() => dao.execute(id), {
      code: 'invalid-request',
      details: { fault: 'out-of-range', parameter: 'silverPricePpm', most: '3000000' },
    });
    assert.deepEqual([dao.get(id).state, dao.executions.length], ['queued', 0]);
  });

  test('no majority votes away the time to notice, the quorum, or that it is a majority', () => {
    const dao = smallDao();
    for (const [name, value] of [
      ['timelockMilliseconds', 1000n],
      ['quorumPpm', 0n],
      ['approvalPpm', 499_999n],
      ['votingPeriodMilliseconds', 60_000n],
      ['votingDelayMilliseconds', 0n],
    ] as const) {
      const action = { kind: 'parameter', changes: [{ name, value }] } as const;
      assert.throws(
        () => dao.propose('ann', action),
        (error) => faultOf(error) === 'out-of-range',
        name,
      );
    }
  });

  test('proposal spam: it takes power and a deposit, and one at a time', () => {
    const dao = smallDao();
    dao.join('poor', 99n * FOG);
    assert.throws(() => dao.propose('poor'), { code: 'forbidden', details: { fault: 'insufficient-proposer-votes' } });
    // Power that comes with the proposal is too late.
    dao.book.apply({ owner: 'poor', sequence: dao.sequence + 1, bondedMicroFog: 500n * FOG });
    assert.throws(() => dao.propose('poor'), { code: 'forbidden' });
    dao.propose('ann');
    assert.throws(() => dao.propose('ann'), { code: 'conflict', details: { fault: 'live-proposal' } });
    dao.pass(DAY + 1);
    dao.pass(7 * DAY + 1);
    dao.propose('ann');
    assert.equal(dao.transfers.filter(({ amount }) => amount === 100n * FOG).length, 3, 'two deposits, one kept');
  });

  test('execution twice pays once', () => {
    const { dao, id } = openDao({ kind: 'treasury', grants: [{ to: 'dee', amountMicroFog: FOG }] });
    dao.vote(id, 'ann', 'for');
    dao.pass(7 * DAY + 1);
    dao.pass(2 * DAY);
    const { transfers } = dao.execute(id);
    assert.throws(() => dao.execute(id), {
      code: 'conflict',
      details: { fault: 'unexpected-state', state: 'executed' },
    });
    assert.equal(transfers.length, 1);
    assert.equal(dao.executions.length, 1);
  });

  test('a guardian stops what has not happened, and nothing that has; others stop nothing', () => {
    const { dao, id } = openDao();
    dao.vote(id, 'ann', 'for');
    dao.pass(7 * DAY + 1);
    assert.throws(() => dao.veto(id, 'ann'), { code: 'forbidden', details: { fault: 'not-guardian' } });
    dao.pass(2 * DAY);
    dao.execute(id);
    assert.throws(() => dao.veto(id), { code: 'conflict', details: { fault: 'unexpected-state', state: 'executed' } });
    const queued = openDao();
    queued.dao.vote(queued.id, 'ann', 'for');
    queued.dao.pass(7 * DAY + 1);
    assert.equal(queued.dao.veto(queued.id).state, 'vetoed');
    queued.dao.pass(2 * DAY);
    assert.throws(() => queued.dao.execute(queued.id), { code: 'conflict' });
  });
});
