/** Two coordinators on one PostgreSQL look at the same paid services: each period is paid by one of them, once. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startPostgres } from '../../../../../test/support/postgres.ts';
import { postgresBus } from '../../../src/bus.ts';
import { ALICE, deploy, get } from '../../deployments/deployment-scene.ts';
import { Fog } from '../../dispatch/fog-harness.ts';
import { assertMoney, walletOf } from '../money-invariants.ts';
import { assertClosed, node, PAID, PERIOD, WEB, whole } from './paid-service.ts';

const postgres = await startPostgres();
const skip = 'unavailable' in postgres ? postgres.unavailable : false;

describe('two coordinators of paid services', { skip }, () => {
  after(() => ('unavailable' in postgres ? undefined : postgres.stop()));

  test('pay each period once, and one that is away is replaced by the other', async () => {
    if ('unavailable' in postgres) throw new Error(postgres.unavailable);
    const url = postgres.url(await postgres.createDatabase());
    const clock = { now: 1_700_000_000_000 };
    const bus = (coordinatorId: string) => postgresBus(url, coordinatorId);
    await using one = await Fog.open({ url }, { ...PAID, clock, bus });
    await using two = await Fog.open({ url }, { ...PAID, clock, bus });
    // Neither has room for all.
    await node(one, 'olga', { slots: 3 });
    await node(two, 'oleg', { slots: 3 });
    await one.endow('alice', 100_000n);
    const step = async (milliseconds: number) => {
      for (let left = milliseconds; left > 0; left -= 20_000) {
        clock.now += 20_000;
        await Promise.all([one.sweeps.sweepOnce(), two.sweeps.sweepOnce()]);
        await Promise.all([one.settle(), two.settle()]);
      }
    };
    await deploy(one, whole({ count: 4 }));
    await step(2 * PERIOD);
    await Promise.all([one.deployments.scale(ALICE, WEB, 6), two.deployments.scale(ALICE, WEB, 6)]);
    await step(PERIOD);
    assert.deepEqual([(await get(two)).available, await assertMoney(one.database)], [6, 1]);
    await two.deployments.remove(ALICE, WEB);
    await step(120_000);
    const charged = await assertClosed(one);
    const [olga, oleg] = [await walletOf(one.database, 'olga', 'fog'), await walletOf(one.database, 'oleg', 'fog')];
    assert.ok(olga + oleg > 0n && olga + oleg <= charged, `${olga} ${oleg} ${charged}`);
    assert.equal(await walletOf(one.database, 'alice', 'fog'), 100_000n - charged);
    assert.deepEqual(
      [...one.warnings, ...two.warnings].filter(({ message }) => message.includes('paid for')),
      [],
    );
  });
});
