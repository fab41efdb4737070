/** Random histories of a job: results in any order, told twice, late, by coordinators that decide again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { accountId } from '../../src/chart.ts';
import {
  balanceOf,
  closeEscrow,
  coverOf,
  type Escrow,
  type EscrowRecord,
  type JudgedResult,
  NOTHING_PAID,
  noteWaits,
  openEscrow,
  oversightLeft,
  payOversight,
  type SettledLease,
  settleCancelled,
  settleTask,
  type TaskSettlement,
} from '../../src/escrow/index.ts';
import { assertDone, Balances, payoutId } from './balances.ts';
import { resultsArbitrary, termsArbitrary } from './examples.ts';

const OVER = { hasEnded: true, liveLeases: 0, reopenedTasks: 0 };

interface Telling {
  partition: number;
  results: JudgedResult[];
}
interface History {
  escrow: Escrow;
  tellings: Telling[];
  /** Which of them are told again, each after the one at this place. */
  repeated: number[];
  waits: number[];
  cancelled: { partition: number; fence: number; quote: bigint; ran: number }[];
  checks: { fence: number; price: bigint }[];
}

const history: fc.Arbitrary<History> = termsArbitrary.chain((terms) =>
  fc.record({
    escrow: fc.constant({ job: 'j1', buyer: 'alice', terms }),
    tellings: fc.array(fc.record({ partition: fc.nat({ max: terms.tasks - 1 }), results: resultsArbitrary(terms) }), {
      maxLength: 6,
    }),
    repeated: fc.array(fc.nat({ max: 5 }), { maxLength: 4 }),
    waits: fc.array(fc.nat({ max: 20_000 }), { maxLength: 5 }),
    cancelled: fc.array(
      fc.record({
        partition: fc.nat({ max: terms.tasks - 1 }),
        fence: fc.integer({ min: 1, max: 12 }),
        quote: fc.bigInt({ min: 0n, max: terms.maximumPrice }),
        ran: fc.nat({ max: 2000 }),
      }),
      { maxLength: 3 },
    ),
    checks: fc.array(
      fc.record({ fence: fc.integer({ min: 1, max: 4 }), price: fc.bigInt({ min: 0n, max: 1n << 64n }) }),
      {
        maxLength: 4,
      },
    ),
  }),
);

interface Played {
  balances: Balances;
  record: EscrowRecord;
  leases: (SettledLease & { partition: number })[];
  settlements: Map<number, TaskSettlement>;
}

function play({ escrow, tellings, repeated, waits, cancelled, checks }: History): Played {
  const balances = new Balances();
  const { currency } = escrow.terms;
  assert.ok(currency);
  const start = openEscrow(escrow, coverOf(escrow.terms));
  balances.open(start.accounts);
  const cover = start.transfers[0]?.amount ?? 0n;
  // The wallet has just enough: it is below nothing from now on, and what comes back shows.
  balances.apply(start.transfers);
  let { record } = start;
  const leases: Played['leases'] = [];
  const settlements = new Map<number, TaskSettlement>();
  const told = [...tellings, ...repeated.flatMap((at) => tellings[at] ?? [])];
  for (const { partition, results } of told) {
    const before = settlements.get(partition) ?? NOTHING_PAID;
    const step = settleTask(escrow, record, before, { partition, results });
    // Another coordinator that decides on the same records decides the same.
    assert.deepEqual(settleTask(escrow, record, before, { partition, results: results.toReversed() }), step);
    assertDone(balances.apply(step.transfers));
    assertDone(balances.apply(step.transfers));
    record = step.record;
    settlements.set(partition, step.settlement);
    leases.push(...step.leases.map((lease) => ({ ...lease, partition })));
  }
  for (const { partition, fence, quote, ran } of cancelled) {
    const lease = { fence, provider: 'frank', price: { quote, perPetaFuel: null }, ranMilliseconds: ran };
    const step = settleCancelled(escrow, record, settlements.get(partition) ?? NOTHING_PAID, {
      partition,
      leases: [{ ...lease, expectedMilliseconds: 1000 }],
    });
    assertDone(balances.apply(step.transfers));
    record = step.record;
    settlements.set(partition, step.settlement);
  }
  for (const waitMilliseconds of waits) record = noteWaits(record, escrow.terms, { waitMilliseconds, tasks: 1 });
  const isChecked = new Map<number, TaskSettlement>();
  const check = ({ fence, price }: { fence: number; price: bigint }) => {
    const capped = price > (1n << 64n) - 1n ? (1n << 64n) - 1n : price;
    const work = { job: 'hidden', partition: 0, fence, provider: 'grace', price: capped };
    const step = payOversight(escrow, record, isChecked.get(fence) ?? NOTHING_PAID, work);
    assertDone(balances.apply(step.transfers));
    record = step.record;
    isChecked.set(fence, step.settlement);
  };
  checks.slice(0, 2).forEach(check);
  const escrowId = accountId(currency, 'escrow', escrow.job);
  assert.equal(balances.balance(escrowId), balanceOf(record), 'the record knows what lies in the account');
  const end = closeEscrow(escrow, record, OVER);
  assert.ok(end);
  assertDone(balances.apply(end.transfers));
  record = end.record;
  checks.slice(2).forEach(check);
  assert.equal(balances.balance(escrowId), 0n, 'nothing stays in escrow');
  assert.equal(record.deposited, cover);
  return { balances, record, leases, settlements };
}

test('property: paid + oversight + fees + credits + refund = deposited, to the last unit, also in the ledger', () => {
  fc.assert(
    fc.property(history, (story) => {
      const { balances, record } = play(story);
      const { deposited, paid, oversight, fees, credits, refunded, lateOversight } = record;
      assert.equal(paid + oversight + fees + credits + refunded, deposited);
      assert.equal(balances.total(), 0n);
      const currency = story.escrow.terms.currency ?? 'fog';
      assert.equal(balances.balance(accountId(currency, 'treasury')), fees - lateOversight);
      assert.equal(balances.wallet('alice', currency), credits + refunded - deposited);
    }),
    { numRuns: 400 },
  );
});

test('property: escrow never pays more than was deposited, no task more than its cover, and the treasury never loses', () => {
  fc.assert(
    fc.property(history, (story) => {
      const { record, settlements } = play(story);
      const { maximumPrice, mostResults } = story.escrow.terms;
      assert.ok(record.paid + record.oversight <= record.deposited);
      assert.ok(record.fees >= record.lateOversight && record.fees >= 0n);
      for (const { leases } of settlements.values()) {
        const charged = leases.reduce((sum, { price }) => sum + price, 0n);
        assert.ok(charged <= maximumPrice * BigInt(mostResults));
      }
      assert.equal(oversightLeft(story.escrow, record) >= 0n, true);
    }),
    { numRuns: 300 },
  );
});

test('property: no result that is judged invalid is paid by that, and no price is above its quote', () => {
  fc.assert(
    fc.property(history, (story) => {
      const { escrow, tellings } = story;
      for (const { partition, results } of tellings) {
        const { record } = openEscrow(escrow, coverOf(escrow.terms));
        const step = settleTask(escrow, record, NOTHING_PAID, { partition, results });
        const paid = new Set(step.transfers.map(({ id }) => id));
        for (const { fence, verdict, price, provider } of results) {
          const lease = step.leases.find((one) => one.fence === fence);
          assert.ok(lease && lease.price <= price.quote && lease.payout <= lease.price);
          const isWrong = ['invalid', 'withheld', 'inconclusive'].includes(verdict);
          if (isWrong || provider === 'alice')
            assert.ok(!paid.has(payoutId('j1', partition, fence)) && lease.price === 0n);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('property: in whatever order the tasks of a job are settled, everybody gets the same', () => {
  fc.assert(
    fc.property(history, fc.integer(), (story, seed) => {
      // Each task once: what is told of one task is told together.
      const single = story.tellings.filter(
        ({ partition }, index, all) => all.findIndex((other) => other.partition === partition) === index,
      );
      const shuffled = single.toSorted((a, b) => ((a.partition * 7 + seed) % 5) - ((b.partition * 7 + seed) % 5));
      const plain = { ...story, repeated: [], cancelled: [], checks: [] };
      const left = play({ ...plain, tellings: single });
      const right = play({ ...plain, tellings: shuffled });
      assert.deepEqual(right.record, left.record);
      for (const provider of ['alice', 'bob', 'carol', 'dave', 'erin']) {
        const currency = story.escrow.terms.currency ?? 'fog';
        assert.equal(right.balances.wallet(provider, currency), left.balances.wallet(provider, currency));
      }
    }),
    { numRuns: 200 },
  );
});

test('property: what is told twice changes nothing', () => {
  fc.assert(
    fc.property(history, (story) => {
      const once = play({ ...story, repeated: [] });
      const twice = play(story);
      const { currency } = story.escrow.terms;
      assert.deepEqual(twice.record, once.record);
      for (const provider of ['bob', 'carol', 'dave', 'erin', 'frank', 'grace']) {
        assert.equal(
          twice.balances.wallet(provider, currency ?? 'fog'),
          once.balances.wallet(provider, currency ?? 'fog'),
        );
      }
    }),
    { numRuns: 200 },
  );
});
