/** Two coordinators on one PostgreSQL look at the same deployments: what one has decided the other does not repeat. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startPostgres } from '../../../../test/support/postgres.ts';
import { postgresBus } from '../../src/bus.ts';
import { Fog } from '../dispatch/fog-harness.ts';
import { assertConsistent } from '../dispatch/invariants.ts';
import { ALICE, deploy, get, service, willing } from './deployment-scene.ts';

const postgres = await startPostgres();
const skip = 'unavailable' in postgres ? postgres.unavailable : false;

describe('two coordinators', { skip }, () => {
  after(() => ('unavailable' in postgres ? undefined : postgres.stop()));

  test('keep the budgets of an update and of a scale, whoever looks', async () => {
    if ('unavailable' in postgres) throw new Error(postgres.unavailable);
    const url = postgres.url(await postgres.createDatabase());
    const clock = { now: 1_700_000_000_000 };
    const bus = (coordinatorId: string) => postgresBus(url, coordinatorId);
    await using one = await Fog.open({ url }, { clock, bus });
    await using two = await Fog.open({ url }, { clock, bus });
    await Promise.all([one.sweeps.takeStock(), two.sweeps.takeStock()]);
    const agents = [await willing(one, { name: 'a' }), await willing(two, { name: 'b' })];
    const both = async () => {
      clock.now += 1000;
      await Promise.all([one.sweeps.sweepOnce(), two.sweeps.sweepOnce()]);
      await Promise.all([one.settle(), two.settle()]);
    };
    const settled = async (wanted: number, revision: number) => {
      for (let second = 0; second < 60; second += 1) {
        await both();
        const { state, replicas, available } = await get(one);
        assert.ok(replicas.length <= 5 + 1, `${replicas.length} replicas`);
        if (revision > 1) assert.ok(available >= wanted - 1 || wanted > 4, `${available} of ${wanted} are available`);
        const isDone = replicas.length === wanted && replicas.every((replica) => replica.revision === revision);
        if (state === 'stable' && isDone) return;
      }
      assert.fail(JSON.stringify(await get(one)));
    };
    const update = { maxUnavailable: 1 };
    await Promise.all([deploy(one, service({ count: 4, update })), deploy(two, service({ count: 4, update }))]);
    await settled(4, 1);
    await Promise.all([
      deploy(one, service({ count: 4, update }, ['two'])),
      deploy(two, service({ count: 4, update }, ['two'])),
    ]);
    await settled(4, 2);
    await Promise.all([one.deployments.scale(ALICE, { name: 'web' }, 5), two.deployments.get(ALICE, { name: 'web' })]);
    await settled(5, 2);
    for (const agent of agents) assert.ok(agent.groups.length > 0, `${agent.description.name} got some`);
    await assertConsistent(one.database);
  });
});
