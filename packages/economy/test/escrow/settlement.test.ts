import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { accountId } from '../../src/chart.ts';
import {
  balanceOf,
  chargedFor,
  closeEscrow,
  dividePrice,
  type JudgedResult,
  leasePrice,
  NOTHING_PAID,
  noteWaits,
  openEscrow,
  oversightLeft,
  payOversight,
  pricesOf,
  settleCancelled,
  settleTask,
} from '../../src/escrow/index.ts';
import { escrowAccount } from '../../src/escrow/transfers.ts';
import { TRANSFER_FLAGS } from '../../src/ledger/index.ts';
import { assertDone, Balances, payoutId } from './balances.ts';
import { escrowWith, resultOf, TERMS } from './examples.ts';

const OVER = { hasEnded: true, liveLeases: 0, reopenedTasks: 0 };

function opened(changes = {}, wallet = 1_000_000n) {
  const escrow = escrowWith(changes);
  const balances = new Balances();
  balances.give('alice', wallet);
  const { record, accounts, transfers } = openEscrow(escrow, balances.wallet('alice'));
  balances.open(accounts);
  assertDone(balances.apply(transfers));
  return { escrow, balances, record };
}

test('a job without cover is refused, with the amount that is missing', () => {
  const escrow = escrowWith();
  assert.throws(
    () => openEscrow(escrow, 5999n),
    ({ code, details, message }) => {
      assert.equal(code, 'insufficient-funds');
      assert.deepEqual(details, { needed: '6000', available: '5999', missing: '1' });
      assert.match(message, /0\.006 FOG; 0\.000001 FOG is missing/);
      return true;
    },
  );
  assert.equal(openEscrow(escrow, 6000n).record.deposited, 6000n);
});

test('two replicas are paid, the fee goes to the treasury at the end, the rest returns', () => {
  const { escrow, balances, record } = opened();
  const results = [resultOf(1, { provider: 'bob' }), resultOf(2, { provider: 'carol', quote: 500n })];
  const step = settleTask(escrow, record, NOTHING_PAID, { partition: 0, results });
  assertDone(balances.apply(step.transfers));
  assert.equal(step.transfers[0]?.id, payoutId('j1', 0, 1));
  assert.deepEqual([balances.wallet('bob'), balances.wallet('carol')], [950n, 475n]);
  assert.equal(closeEscrow(escrow, step.record, { ...OVER, liveLeases: 1 }), null);
  assert.equal(closeEscrow(escrow, step.record, { ...OVER, reopenedTasks: 1 }), null);
  assert.equal(closeEscrow(escrow, step.record, { ...OVER, hasEnded: false }), null);
  const end = closeEscrow(escrow, step.record, OVER);
  assert.ok(end);
  assertDone(balances.apply(end.transfers));
  const { paid, fees, credits, refunded } = end.record;
  assert.deepEqual([paid, fees, credits, refunded], [1425n, 75n, 0n, 4500n]);
  assert.equal(balances.wallet('alice'), 998_500n);
  assert.equal(closeEscrow(escrow, end.record, OVER), null, 'closed once');
});

test('the end happens as one or not at all, and a part of the fees burns where the terms say so', () => {
  const { escrow, balances, record } = opened({ feeBurnPpm: 250_000n });
  const step = settleTask(escrow, record, NOTHING_PAID, { partition: 0, results: [resultOf(1), resultOf(2)] });
  const end = closeEscrow(escrow, step.record, OVER);
  assert.ok(end);
  assert.deepEqual(end.transfers.map(({ amount }) => amount).slice(0, 2), [75n, 25n]);
  assert.deepEqual([end.record.fees, end.record.burned], [100n, 25n]);
  // Nothing lies in this account: the fee is refused, and so is what comes after it.
  const empty = new Balances();
  empty.open([escrowAccount('fog', 'j1')]);
  assert.deepEqual(empty.apply(end.transfers), ['exceeds-credits', 'exceeds-credits', 'linked-failed']);
  assertDone(balances.apply(step.transfers));
  assertDone(balances.apply(end.transfers));
  assert.equal(balances.balance(accountId('fog', 'issuance')), 25n);
});

test('a check is paid out of what is kept of the job that brought it, once, and never more than that', () => {
  const { escrow, balances, record } = opened();
  const { record: earned } = settleTask(escrow, record, NOTHING_PAID, {
    partition: 0,
    results: [resultOf(1), resultOf(2)],
  });
  assert.equal(oversightLeft(escrow, earned), 50n);
  const work = { job: 'hidden', partition: 0, fence: 1, provider: 'grace', price: 30n };
  const first = payOversight(escrow, earned, NOTHING_PAID, work);
  assertDone(balances.apply(first.transfers));
  assert.equal(balances.wallet('grace'), 29n);
  assert.deepEqual(payOversight(escrow, first.record, first.settlement, work).transfers, []);
  const second = payOversight(escrow, first.record, NOTHING_PAID, { ...work, job: 'other' });
  assert.equal(second.transfers[0]?.amount, 21n);
  assert.equal(oversightLeft(escrow, second.record), 0n);
  const end = closeEscrow(escrow, second.record, OVER);
  assert.equal(end?.record.fees, 50n);
  const later = payOversight(escrow, end.record, NOTHING_PAID, { ...work, job: 'later' });
  assert.deepEqual(later.transfers, [], 'its share is used up');
  const rich = closeEscrow(escrow, first.record, OVER);
  assert.ok(rich);
  const [late] = payOversight(escrow, rich.record, NOTHING_PAID, { ...work, job: 'later' }).transfers;
  assert.equal(late?.debitAccount, accountId('fog', 'treasury'));
  assert.equal(late?.flags, TRANSFER_FLAGS.balancingDebit, 'a treasury that members have spent refuses nothing');
  assert.throws(() => payOversight(escrow, earned, NOTHING_PAID, { ...work, price: -1n }), { code: 'invalid-request' });
});

test('invalid, withheld and inconclusive results get nothing, and a lie that was paid before is told as refuted', () => {
  const { escrow, record } = opened();
  const alone = settleTask(escrow, record, NOTHING_PAID, {
    partition: 1,
    results: [resultOf(1, { verdict: 'alone' })],
  });
  const results: JudgedResult[] = [
    resultOf(1, { verdict: 'invalid' }),
    resultOf(2),
    resultOf(3),
    resultOf(4, { verdict: 'withheld' }),
    resultOf(5, { verdict: 'inconclusive' }),
  ];
  const step = settleTask(escrow, alone.record, alone.settlement, { partition: 1, results });
  assert.deepEqual(
    step.leases.map(({ outcome }) => outcome),
    ['refuted', 'paid', 'paid', 'not-valid', 'not-valid'],
  );
  assert.deepEqual(
    step.transfers.map(({ id }) => id),
    [payoutId('j1', 1, 2), payoutId('j1', 1, 3)],
  );
  assert.equal(chargedFor(step.settlement), 3000n, 'what a compensation for the task is bounded by');
});

test('a task is paid out of its own cover: the last of its results in part, further ones not at all', () => {
  const { escrow, record } = opened({ mostResults: 2 });
  const results = [resultOf(1, { quote: 900n }), resultOf(2), resultOf(3), resultOf(4)];
  const step = settleTask(escrow, record, NOTHING_PAID, { partition: 0, results });
  assert.deepEqual(
    step.leases.map(({ outcome, price }) => [outcome, price]),
    [
      ['paid', 900n],
      ['paid', 1000n],
      ['paid', 100n],
      ['cover-spent', 0n],
    ],
  );
  const other = settleTask(escrow, step.record, NOTHING_PAID, { partition: 1, results: [resultOf(1), resultOf(2)] });
  assert.equal(chargedFor(other.settlement), 2000n);
});

test('a result that comes after the end pays nothing and breaks nothing, whichever record a coordinator saw', () => {
  const { escrow, balances, record } = opened();
  const end = closeEscrow(escrow, record, OVER);
  assert.ok(end);
  const late = { partition: 0, results: [resultOf(1, { provider: 'bob' })] };
  const step = settleTask(escrow, end.record, NOTHING_PAID, late);
  assert.deepEqual([step.leases[0]?.outcome, step.transfers], ['escrow-closed', []]);
  assert.deepEqual(step.record, end.record);
  // A coordinator that was cut off decided on the record before; its transaction does not commit, and if it did:
  assertDone(balances.apply(end.transfers));
  const stale = settleTask(escrow, record, NOTHING_PAID, late);
  assert.deepEqual(balances.apply(stale.transfers), ['exceeds-credits']);
  assert.deepEqual([balances.wallet('bob'), balances.wallet('alice')], [0n, 1_000_000n]);
});

test('a cancelled job pays the part that its leases ran, once, and a result of such a lease is not paid again', () => {
  const { escrow, balances, record } = opened();
  const price = { quote: 800n, perPetaFuel: null };
  const leases = [
    { fence: 2, provider: 'carol', price, ranMilliseconds: 9000, expectedMilliseconds: 1000 },
    { fence: 1, provider: 'bob', price, ranMilliseconds: 251, expectedMilliseconds: 1000 },
    { fence: 3, provider: 'dave', price, ranMilliseconds: 0, expectedMilliseconds: 1000 },
  ];
  const step = settleCancelled(escrow, record, NOTHING_PAID, { partition: 0, leases });
  assert.deepEqual(
    step.leases.map(({ fence, outcome, price: charged }) => [fence, outcome, charged]),
    [
      [1, 'paid', 100n],
      [2, 'paid', 400n],
      [3, 'free', 0n],
    ],
  );
  assertDone(balances.apply(step.transfers));
  const again = settleTask(escrow, step.record, step.settlement, { partition: 0, results: [resultOf(2)] });
  assert.deepEqual([again.leases[0]?.outcome, again.transfers], ['paid-before', []]);
  const end = closeEscrow(escrow, step.record, OVER);
  assert.ok(end);
  assertDone(balances.apply(end.transfers));
  assert.equal(balances.wallet('alice'), 999_500n);
});

test('a fog without money asks for none, and work on the own nodes of the buyer costs nothing', () => {
  const free = escrowWith({ currency: null });
  const { record, accounts, transfers } = openEscrow(free, 0n);
  assert.deepEqual([accounts, transfers], [[], []]);
  const step = settleTask(free, record, NOTHING_PAID, { partition: 0, results: [resultOf(1)] });
  assert.deepEqual([step.leases[0]?.outcome, step.transfers], ['free', []]);
  assert.deepEqual(closeEscrow(free, step.record, OVER)?.transfers, []);
  const own = opened();
  const ownStep = settleTask(own.escrow, own.record, NOTHING_PAID, {
    partition: 0,
    results: [resultOf(1, { provider: 'alice' })],
  });
  assert.deepEqual([ownStep.leases[0]?.outcome, ownStep.transfers], ['own-node', []]);
});

test('fuel is paid where the meters agree, and the nodes of the buyer have no say', () => {
  const terms = { ...TERMS, meter: 'fuel' as const };
  const price = { quote: 900n, perPetaFuel: 100n * 10n ** 9n };
  const metered = (fence: number, fuel: bigint | null, more: Partial<JudgedResult> = {}) =>
    resultOf(fence, { price, fuel, ...more });
  const prices = (results: JudgedResult[]) => pricesOf(results, 'alice', terms);
  assert.deepEqual(prices([metered(1, 3_500_009n), metered(2, 3_500_009n)]), [351n, 351n], 'they agree');
  assert.deepEqual(prices([metered(1, 1n), metered(2, 1n)]), [1n, 1n], 'little is not free');
  assert.deepEqual(prices([metered(1, 50_000_000n), metered(2, 50_000_000n)]), [900n, 900n], 'not above the quote');
  assert.deepEqual(prices([metered(1, 1_000_000n), metered(2, 2_000_000n)]), [900n, 900n], 'they differ');
  assert.deepEqual(prices([metered(1, 1_000_000n)]), [900n], 'one is no agreement');
  assert.deepEqual(prices([metered(1, 1_000_000n, { isTrusted: true })]), [100n], 'a trusted one is');
  assert.deepEqual(prices([metered(1, null), metered(2, 1_000_000n)]), [900n, 900n]);
  const own = metered(3, 0n, { provider: 'alice', isTrusted: true });
  assert.deepEqual(prices([metered(1, 2_000_000n), metered(2, 2_000_000n), own]).slice(0, 2), [200n, 200n]);
});

test('property: a result alone costs what it costs beside one of the buyer, who has no say', () => {
  const amount = fc.bigInt({ min: 0n, max: 2000n });
  fc.assert(
    fc.property(
      fc.record({
        fuel: fc.option(fc.bigInt({ min: 0n, max: 10n ** 10n })),
        costMicroFog: fc.option(amount),
        isTrusted: fc.boolean(),
        price: fc.record({ quote: amount, perPetaFuel: fc.option(amount.map((each) => each * 10n ** 9n)) }),
        provider: fc.constantFrom('alice', 'bob'),
      }),
      fc.constantFrom('quote' as const, 'lowest-report' as const),
      fc.constantFrom('fuel' as const, null),
      (more, priceRule, meter) => {
        const terms = { ...TERMS, priceRule, meter };
        const result = resultOf(1, more);
        const own = resultOf(2, { provider: 'alice', isTrusted: true, fuel: 7n, costMicroFog: 0n });
        const [alone] = pricesOf([result], 'alice', terms);
        assert.equal(alone, pricesOf([result, own], 'alice', terms)[0]);
      },
    ),
  );
});

test('the lowest report of a valid result is paid to all, never above a quote; not that of an invalid one', () => {
  const { escrow, record } = opened({ priceRule: 'lowest-report' });
  const results = [
    resultOf(1, { costMicroFog: 700n }),
    resultOf(2, { costMicroFog: 600n, quote: 650n }),
    resultOf(3, { costMicroFog: 2000n, quote: 500n }),
    resultOf(4, { costMicroFog: 1n, verdict: 'invalid' }),
    resultOf(5, { costMicroFog: 1n, provider: 'alice' }),
  ];
  const step = settleTask(escrow, record, NOTHING_PAID, { partition: 0, results });
  assert.deepEqual(
    step.leases.map(({ price }) => price),
    [600n, 600n, 500n, 0n, 0n],
  );
});

test('the premium of a tier is the treasury’s part, and its credits come out of it', () => {
  const gold = { tier: 'gold' as const, pricePpm: 5_000_000n, promisedWaitMilliseconds: 400 };
  assert.deepEqual(dividePrice(1000n, { ...TERMS, ...gold }), { payout: 190n, retained: 810n });
  assert.deepEqual(dividePrice(1000n, { ...TERMS, ...gold, premiumPpm: 500_000n }), { payout: 570n, retained: 430n });
  const { escrow, record } = opened(gold);
  const results = [resultOf(1), resultOf(2)];
  const step = settleTask(escrow, record, NOTHING_PAID, { partition: 0, results });
  const close = (waitMilliseconds: number, tasks = 100) => {
    const waited = noteWaits(noteWaits(step.record, escrow.terms, { waitMilliseconds: 1, tasks: 19 }), escrow.terms, {
      waitMilliseconds,
      tasks,
    });
    const { fees, credits } = closeEscrow(escrow, waited, OVER)?.record ?? {};
    return [fees, credits];
  };
  assert.deepEqual(close(400), [1620n, 0n], 'as promised');
  assert.deepEqual(close(401), [1420n, 200n], 'a tenth of the price');
  assert.deepEqual(close(1601), [0n, 1620n], 'all of it, as far as the treasury has it');
  assert.deepEqual(close(1601, 1), [1620n, 0n], 'one of twenty may wait');
});

test('a quote is what placement expects, rounded up, and never above the maximum', () => {
  assert.deepEqual(leasePrice(10.1, null, TERMS), { quote: 11n, perPetaFuel: null });
  assert.equal(leasePrice(5000, 1n, TERMS).quote, 1000n);
  for (const bad of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
    assert.throws(() => leasePrice(bad, null, TERMS), { code: 'invalid-request' });
  }
});

test('malformed results are refused before anything is decided', () => {
  const { escrow, record } = opened();
  const bad: Partial<JudgedResult>[] = [
    { fence: 0 },
    { fence: 1.5 },
    { price: { quote: 1001n, perPetaFuel: null } },
    { price: { quote: -1n, perPetaFuel: null } },
    { fuel: -1n },
    { costMicroFog: 1n << 128n },
    { provider: '' },
    { provider: 'x'.repeat(257) },
  ];
  for (const change of bad) {
    const results = [resultOf(1, change)];
    assert.throws(() => settleTask(escrow, record, NOTHING_PAID, { partition: 0, results }), {
      code: 'invalid-request',
    });
  }
  const price = { quote: 1n, perPetaFuel: null };
  const leases = [{ fence: 1, provider: 'bob', price, ranMilliseconds: 1, expectedMilliseconds: 0 }];
  assert.throws(() => settleCancelled(escrow, record, NOTHING_PAID, { partition: 0, leases }), {
    code: 'invalid-request',
  });
  const many = Array.from({ length: 129 }, (_, index) => resultOf(index + 1));
  assert.throws(() => settleTask(escrow, record, NOTHING_PAID, { partition: 0, results: many }), {
    code: 'invalid-request',
  });
  assert.equal(balanceOf(record), 6000n);
});
