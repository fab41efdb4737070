/** What a node says of its price and power. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentSettingsSchema, type FogError } from '@fog/contract';
import { nodeOffer } from '../src/node-facts.ts';

const offerOf = (settings: object) => nodeOffer(agentSettingsSchema.parse(settings));

test('what is not said is left out; free of charge is said', () => {
  assert.deepEqual(offerOf({}), { pricePerSlice: 0 });
  const settings = { price: 100, idleWatts: 8, busyWatts: 25 };
  assert.deepEqual(offerOf(settings), { pricePerSlice: 100, idleWatts: 8, busyWatts: 25 });
});

test('half of the power, or power that falls with work, is refused', () => {
  for (const settings of [{ idleWatts: 8 }, { busyWatts: 25 }, { idleWatts: 25, busyWatts: 8 }]) {
    assert.throws(
      () => offerOf(settings),
      (error: FogError) => error.code === 'invalid-configuration' && /idleWatts/.test(error.message),
      JSON.stringify(settings),
    );
  }
});
