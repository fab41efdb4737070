/** What moves posted prices: what is bought at them, and nothing else. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { jobSpecSchema } from '@fog/contract';
import { DEFAULT_PARAMETERS } from '@fog/economy/governance';
import { nextPostedPrice } from '@fog/scheduler/market';
import { paymentParametersOf } from '../../src/governance/payment-parameters.ts';
import { SETTLEMENT_LIMITS } from '../../src/limits.ts';
import { termsOf } from '../../src/settlement/job-terms.ts';
import { type NodeUse, usesByRegion } from '../../src/settlement/market.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import { jobSpec, type SpecChange } from '../dispatch/fog-harness.ts';

const HOUR: SpecChange = {
  task: { resources: { cpu: '1', memory: '1Gi', disk: '1Mi' } },
  spec: { count: 1000, timeouts: { attempt: '1h' } },
};

/** Four processors of olga, full of one job that was submitted at this price. */
function fullNode({ buyer, price }: { buyer: string | null; price: number }): NodeUse {
  const spec = jobSpecSchema.parse(jobSpec(HOUR));
  const parameters = paymentParametersOf(DEFAULT_PARAMETERS);
  const payment =
    buyer === null
      ? null
      : {
          job: 'j1',
          buyer,
          terms: termsOf({ spec, submitter: buyer, tasks: 1000, currency: 'fog', postedMicroFog: price, parameters }),
        };
  const needs = { milliCpu: 1000, memoryBytes: 1 << 30, diskBytes: 1 << 20 };
  return {
    description: { labels: {}, capacity: { slots: 4, milliCpu: 4000, memoryBytes: 8 * 2 ** 30, diskBytes: 2 ** 40 } },
    owner: 'olga',
    held: [{ job: { needs, attemptMilliseconds: 3_600_000, payment }, attempts: 4 }],
  };
}

function usesAt(posted: number, node: NodeUse) {
  return usesByRegion([node], () => posted).get('');
}

describe('what is used and offered at a posted price', () => {
  test('what a stranger has bought is', () => {
    assert.deepEqual(usesAt(1000, fullNode({ buyer: 'alice', price: 1000 })), { usedSlices: 4, offeredSlices: 4 });
  });

  test('work of the owner, or that nobody pays for, is neither', () => {
    const nothing = { usedSlices: 0, offeredSlices: 0 };
    assert.deepEqual(usesAt(1000, fullNode({ buyer: 'olga', price: 1000 })), nothing);
    assert.deepEqual(usesAt(1000, fullNode({ buyer: null, price: 1000 })), nothing);
  });

  test('what was covered for less than is posted by now is on offer', () => {
    const node = fullNode({ buyer: 'alice', price: 1000 });
    assert.deepEqual(usesAt(2000, node), { usedSlices: 4, offeredSlices: 4 });
    assert.deepEqual(usesAt(2001, node), { usedSlices: 0, offeredSlices: 4 });
  });

  test('a day of one long queue drives the price no further than its buyer has agreed to', () => {
    const node = fullNode({ buyer: 'alice', price: 1000 });
    let highest = 0;
    for (let step = 0, price = 1000; step < 8640; step += 1) {
      price = nextPostedPrice(price, usesAt(price, node) ?? assert.fail());
      highest = Math.max(highest, price);
    }
    assert.ok(highest >= 1800 && highest <= 2250, `${highest} micro-FOG`);
  });
});

await onBothDatabases('prices', {
  async 'rise while others have bought all, and not by own work'({ open }) {
    const fog = await open({ economy: 'on' });
    const agent = await fog.connected({ owner: 'olga', capacity: { milliCpu: 4000, memoryBytes: 8 * 2 ** 30 } });
    const { market } = fog.economy ?? assert.fail();
    const priceAfterStep = async () => {
      fog.clock.now += 10_000;
      await market.step();
      return market.posted('');
    };
    await market.step();
    const own = await fog.submit(HOUR, { by: 'olga' });
    await fog.settle();
    assert.equal(agent.attempts.length, 4);
    assert.equal(await priceAfterStep(), 1000);
    await fog.jobs.close(own, 'cancelled', 'olga');
    for (const name of agent.attempts) agent.fail(name, 'cancelled');
    await fog.submit(HOUR, { by: 'alice' });
    await fog.settle();
    assert.equal(agent.attempts.length, 4);
    assert.equal(await priceAfterStep(), 1125);
  },

  async 'sink while nothing is used, and not to nothing: who asks for a little goes on getting work'({ open }) {
    const fog = await open({ economy: 'on' });
    await fog.connected({ owner: 'olga' });
    const { market } = fog.economy ?? assert.fail();
    for (let step = 0; step < 60; step += 1) {
      fog.clock.now += 10_000;
      await market.step();
    }
    assert.equal(market.posted(''), SETTLEMENT_LIMITS.leastPriceMicroFog);
    const asks = { labels: {}, offer: { pricePerSlice: 200 } };
    assert.equal(market.isTooDear(asks), false);
  },
});
