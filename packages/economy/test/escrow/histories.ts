/** Random histories of a job: results in any order, told twice, late, by coordinators that decide again. */
import assert from 'node:assert/strict';
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
  payOversight,
  type SettledLease,
  settleCancelled,
  settleTask,
  type TaskSettlement,
} from '../../src/escrow/index.ts';
import { assertDone, Balances } from './balances.ts';
import { resultsArbitrary, termsArbitrary } from './examples.ts';

export const OVER = { hasEnded: true, liveLeases: 0, reopenedTasks: 0 };

/** Where the money is: the model, or the ledger. */
export type Home = Pick<Balances, 'open' | 'apply' | 'balance' | 'wallet' | 'total'>;

interface Telling {
  partition: number;
  results: JudgedResult[];
}
export interface History {
  escrow: Escrow;
  tellings: Telling[];
  /** Which of them are told again, each after the one at this place. */
  repeated: number[];
  waits: number[];
  cancelled: { partition: number; fence: number; quote: bigint; ran: number }[];
  checks: { fence: number; price: bigint }[];
}

export const history: fc.Arbitrary<History> = termsArbitrary.chain((terms) =>
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

export interface Played {
  balances: Home;
  record: EscrowRecord;
  leases: (SettledLease & { partition: number })[];
  settlements: Map<number, TaskSettlement>;
}

export function play(
  { escrow, tellings, repeated, waits, cancelled, checks }: History,
  balances: Home = new Balances(),
): Played {
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
