/** Random histories of a whole network: what holds in all of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import fc from 'fast-check';
import { accountId } from '../../src/chart.ts';
import { PROPOSAL_STATES, type ProposalState, recount } from '../../src/governance/index.ts';
import { DAY, Dao, FOG } from './dao.ts';

const NAMES = ['ann', 'bo', 'cy', 'dee'] as const;
const name = fc.constantFrom(...NAMES);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('pass' as const), days: fc.integer({ min: 1, max: 8 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('vote' as const),
      by: name,
      choice: fc.constantFrom('for', 'against', 'abstain'),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'all' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('propose' as const), by: name }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('bond' as const), by: name, fog: fc.nat(2000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delegate' as const), by: name, to: name }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'veto' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'execute' as const }) },
);

const RANK: Readonly<Record<ProposalState, number>> = {
  pending: 0,
  active: 1,
  succeeded: 2,
  queued: 2,
  executed: 3,
  defeated: 3,
  expired: 3,
  cancelled: 3,
  vetoed: 3,
};

type Steps = (typeof step extends fc.Arbitrary<infer One> ? One : never)[];

function play(steps: Steps, reached: Set<ProposalState>): void {
  const dao = new Dao();
  for (const [index, voter] of NAMES.entries()) dao.join(voter, BigInt(200 * (index + 1)) * FOG);
  let last = '';
  const states = new Map<string, ProposalState>();
  for (const one of steps) {
    try {
      if (one.kind === 'pass') dao.pass(one.days * DAY);
      else if (one.kind === 'vote') dao.vote(last, one.by, one.choice as 'for');
      else if (one.kind === 'bond') dao.bond(one.by, BigInt(one.fog) * FOG);
      else if (one.kind === 'delegate') dao.delegate(one.by, one.to);
      else if (one.kind === 'all') for (const voter of NAMES) dao.vote(last, voter, 'for');
      else if (one.kind === 'veto') dao.veto(last);
      else if (one.kind === 'execute') dao.execute(last);
      else last = dao.propose(one.by, { kind: 'treasury', grants: [{ to: 'ed', amountMicroFog: 5n }] }).id;
    } catch (error) {
      assert.ok(error instanceof FogError || /no proposal/.test(String(error)), String(error));
    }
    for (const { id, state, tally, snapshotSequence, createdSequence, supplyMicroFog } of dao.proposals.values()) {
      const before = states.get(id) ?? 'pending';
      assert.ok(state === before || RANK[state] > RANK[before], `${before} -> ${state}`);
      states.set(id, state);
      reached.add(state);
      if (snapshotSequence === null) continue;
      const sum = tally.for + tally.against + tally.abstain;
      for (const tick of [createdSequence - 1, snapshotSequence]) {
        const supply = dao.book.pastSupply(tick, dao.sequence + 1);
        assert.ok(sum <= supply && (supplyMicroFog ?? 0n) <= supply, 'votes beyond the past supply');
      }
    }
  }
  for (const [id, state] of states) {
    if (state === 'pending' || !dao.snapshots.has(id)) continue;
    const { proposal, snapshot, ballots } = dao.record(id);
    const counted = recount(proposal, snapshot, ballots);
    assert.deepEqual([counted.faults, counted.tally], [[], proposal.tally]);
  }
  const ids = dao.transfers.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, 'a transfer twice');
  const held = new Map<bigint, bigint>();
  for (const { debitAccount, creditAccount, amount } of dao.transfers) {
    held.set(debitAccount, (held.get(debitAccount) ?? 0n) - amount);
    held.set(creditAccount, (held.get(creditAccount) ?? 0n) + amount);
  }
  for (const { id, deposit } of dao.proposals.values()) {
    const expected = deposit === 'held' ? 100n * FOG : 0n;
    assert.equal(held.get(accountId('fog', 'deposit', id)), expected, 'a deposit is in or out, whole');
  }
}

test('property: states only go forward, votes are within the past supply, recounts agree, and money is settled once', () => {
  const steps = fc.array(step, { minLength: 15, maxLength: 60 });
  const reached = new Set<ProposalState>();
  const property = fc.property(steps, (history) => play(history, reached));
  fc.assert(property, { numRuns: 100, seed: 6 });
  // Without a timelock a proposal succeeds, and nobody cancels here.
  const others = ['succeeded', 'cancelled'];
  assert.deepEqual(
    PROPOSAL_STATES.filter((state) => !reached.has(state)),
    others as ProposalState[],
  );
  fc.assert(property, { numRuns: 50 });
});

test('property: the quorum goes by the snapshot, whatever is bonded later', () => {
  const amounts = fc.tuple(fc.integer({ min: 100, max: 5000 }), fc.nat(5000), fc.nat(5000));
  fc.assert(
    fc.property(amounts, ([before, between, after]) => {
      const dao = new Dao();
      dao.join('ann', BigInt(before) * FOG);
      const { id } = dao.propose('ann');
      dao.join('bo', BigInt(between) * FOG);
      dao.pass(DAY + 1);
      const { quorumMicroFog } = dao.get(id);
      assert.equal(quorumMicroFog, BigInt(before) * 100_000n);
      dao.join('cy', BigInt(after) * FOG);
      dao.pass(DAY);
      assert.equal(dao.get(id).quorumMicroFog, quorumMicroFog);
    }),
    { numRuns: 30 },
  );
});
