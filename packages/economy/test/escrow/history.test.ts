/** The invariants of escrow, over random histories. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { accountId } from '../../src/chart.ts';
import { coverOf, NOTHING_PAID, openEscrow, oversightLeft, settleTask } from '../../src/escrow/index.ts';
import { payoutId } from './balances.ts';
import { history, play } from './histories.ts';

test('property: paid + oversight + fees + credits + refund = deposited, to the last unit, also in the ledger', () => {
  fc.assert(
    fc.property(history, (story) => {
      const { balances, record } = play(story);
      const { deposited, paid, oversight, fees, credits, refunded, burned, lateOversight } = record;
      assert.equal(paid + oversight + fees + credits + refunded, deposited);
      assert.equal(balances.total(), 0n);
      const currency = story.escrow.terms.currency ?? 'fog';
      assert.equal(balances.balance(accountId(currency, 'treasury')), fees - burned - lateOversight);
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
      assert.ok(record.fees - record.burned >= record.lateOversight && record.burned >= 0n);
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
