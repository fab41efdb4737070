/** Jobs that are paid by the work they do, over both databases. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '@fog/contract';
import { ESCROW_LIMITS } from '@fog/economy/escrow';
import { PARAMETERS } from '@fog/economy/governance';
import { STANDARD_SLICE } from '@fog/scheduler/market';
import { costOf, fuelPriceOf } from '../../src/settlement/job-terms.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import type { FakeAgentOptions } from '../dispatch/fake-agent.ts';
import type { Fog } from '../dispatch/fog-harness.ts';
import { jobRow, taskRow } from '../dispatch/invariants.ts';
import { honest, stranger, submitVerified } from '../dispatch/strangers.ts';
import { assertMoney, walletOf } from './money-invariants.ts';

const PAID = { economy: 'on' as const };
const METERED = { budget: { meter: 'fuel' as const }, timeouts: { attempt: '1h' } };
/** A tenth of a processor for an hour, at 1,000 micro-FOG a slice. */
const QUOTE = 1200n;
/** What costs 1,000 micro-FOG of a tenth of a slice. */
const SLICE_FUEL = Number(PARAMETERS.sliceFuel.default);
const TERMS = { sliceFuel: PARAMETERS.sliceFuel.default };
const TEN_SLICES = 10 * SLICE_FUEL;
/** Less the fee. */
const payout = (price: bigint) => price - price / 20n;

interface Report extends FakeAgentOptions {
  owner: string;
  milliseconds: number;
  fuel?: number;
}

/** What each of these nodes gets when it reports this. */
async function paidFor(fog: Fog, reports: readonly Report[], mode: 'replicate' | 'none'): Promise<bigint[]> {
  for (const { milliseconds, fuel, ...options } of reports) {
    const agent = await stranger(fog, honest, options);
    agent.ran(milliseconds, fuel);
  }
  const job = await submitVerified(fog, { mode }, METERED);
  for (let round = 0; round < 4; round += 1) await fog.advance(6000);
  assert.equal((await jobRow(fog.database, job)).state, 'completed');
  await fog.advance(1000);
  assert.equal(await assertMoney(fog.database), 0);
  return await Promise.all(reports.map(({ owner }) => walletOf(fog.database, owner)));
}

await onBothDatabases('payment by fuel', {
  async 'two that count the same are paid by it, whatever their clocks say'({ open }) {
    const reports = [
      { owner: 'olga', milliseconds: 3_000_000, fuel: TEN_SLICES },
      { owner: 'oleg', milliseconds: 1, fuel: TEN_SLICES },
    ];
    assert.deepEqual(await paidFor(await open(PAID), reports, 'replicate'), [payout(1000n), payout(1000n)]);
  },

  async 'two that count differently are paid by the lower of their clocks'({ open }) {
    const reports = [
      { owner: 'olga', milliseconds: 1_500_000, fuel: TEN_SLICES },
      { owner: 'liza', milliseconds: 3_000_000, fuel: TEN_SLICES + 1 },
    ];
    assert.deepEqual(await paidFor(await open(PAID), reports, 'replicate'), [payout(500n), payout(500n)]);
  },

  async 'the count of one stranger counts for nothing: it is paid by its clock, and never above the quote'({ open }) {
    const most = Number.MAX_SAFE_INTEGER;
    const modest = await paidFor(await open(PAID), [{ owner: 'liza', milliseconds: 300_000, fuel: most }], 'none');
    assert.deepEqual(modest, [payout(100n)]);
  },

  async 'a liar with both gets the quote'({ open }) {
    const report = { owner: 'liza', milliseconds: 10 ** 12, fuel: Number.MAX_SAFE_INTEGER };
    assert.deepEqual(await paidFor(await open(PAID), [report], 'none'), [payout(QUOTE)]);
  },

  async 'two liars that count the same get the quote'({ open }) {
    const fuel = Number.MAX_SAFE_INTEGER;
    const reports = ['liza', 'lars'].map((owner) => ({ owner, milliseconds: 1, fuel }));
    assert.deepEqual(await paidFor(await open(PAID), reports, 'replicate'), [payout(QUOTE), payout(QUOTE)]);
  },

  async 'a trusted node is believed'({ open }) {
    const report = { owner: 'olga', trusted: true, milliseconds: 1, fuel: TEN_SLICES };
    assert.deepEqual(await paidFor(await open(PAID), [report], 'none'), [payout(1000n)]);
  },

  async 'where one reports none, the lower of the clocks counts'({ open }) {
    const reports = [
      { owner: 'olga', milliseconds: 1_500_000, fuel: TEN_SLICES },
      { owner: 'oleg', milliseconds: 3_000_000 },
    ];
    assert.deepEqual(await paidFor(await open(PAID), reports, 'replicate'), [payout(500n), payout(500n)]);
  },

  async 'a node without a meter gets no such job'({ open }) {
    const fog = await open(PAID);
    await stranger(fog, honest, { meter: null });
    const job = await submitVerified(fog, { mode: 'none' }, METERED);
    const other = await submitVerified(fog, { mode: 'none' });
    await fog.settle();
    assert.equal((await taskRow(fog.database, job)).state, 'queued');
    assert.equal((await taskRow(fog.database, other)).state, 'succeeded');
  },

  async 'what is reported without being asked for changes nothing'({ open }) {
    const fog = await open(PAID);
    const agent = await stranger(fog, honest, { owner: 'olga', trusted: true });
    agent.ran(300_000, TEN_SLICES);
    await submitVerified(fog, { mode: 'none' }, { timeouts: { attempt: '1h' } });
    await fog.settle();
    assert.equal(await walletOf(fog.database, 'olga'), payout(100n));
  },
});

test('fuel costs what the reference processor takes for it, rounded up, and never more than can be paid', () => {
  const needs = { milliCpu: 1000, memoryBytes: 1, diskBytes: 1 };
  const peta = 10 ** 15;
  for (const price of [1, 7, 1000, 123_457]) {
    const milliseconds = (peta / SLICE_FUEL) * STANDARD_SLICE.milliseconds;
    assert.equal(fuelPriceOf(price, needs, TERMS), costOf(price, needs, milliseconds));
  }
  const half = { sliceFuel: TERMS.sliceFuel / 2n };
  assert.equal(fuelPriceOf(1000, needs, half), 2n * fuelPriceOf(1000, needs, TERMS));
  assert.equal(fuelPriceOf(0, needs, TERMS), 0n);
  assert.equal(fuelPriceOf(1, { ...needs, milliCpu: 1 }, TERMS), 1n);
  assert.equal(fuelPriceOf(LIMITS.microFog, { ...needs, milliCpu: 2 ** 40 }, TERMS), ESCROW_LIMITS.priceMicroFog);
});
