/** Services whose fog asks for no money any more, or whose faucet has run dry for those who come later. */
import assert from 'node:assert/strict';
import { ALICE, deploy, deployed, get, until } from '../../deployments/deployment-scene.ts';
import { onBothDatabases } from '../../dispatch/both-databases.ts';
import { assertMoney, walletOf } from '../money-invariants.ts';
import { assertClosed, node, PAID, PERIOD, pass, paymentOf, WEB, whole } from './paid-service.ts';

await onBothDatabases('switching the economy of services', {
  async 'what was earned is paid when nobody is asked any more, and replicas go on for nothing, also those that had stopped'({
    open,
    crash,
  }) {
    let fog = await open(PAID);
    const agent = await node(fog, 'olga');
    await fog.endow('alice', 6_700n);
    await deployed(fog, whole({ count: 3 }));
    await pass(fog, 2 * PERIOD + 20_000);
    assert.equal((await until(fog, ['degraded'])).replicas.length, 0);
    fog = await crash(fog, { economy: 'off' });
    await fog.money.begin();
    await agent.connect();
    await pass(fog, 20_000, 10_000);
    const earned = await walletOf(fog.database, 'olga', 'fog');
    await pass(fog, 3 * PERIOD);
    const free = await until(fog, ['stable']);
    assert.deepEqual([free.replicas.length, free.reason], [3, null]);
    assert.equal(await walletOf(fog.database, 'olga', 'fog'), earned);
    assert.ok(earned > 5_000n, String(earned));
    await fog.deployments.remove(ALICE, WEB);
    await pass(fog, 20_000, 10_000);
    const charged = await assertClosed(fog);
    assert.equal(await walletOf(fog.database, 'alice', 'fog'), 6_700n - charged);
  },

  async 'who goes back to a revision from before nobody was asked pays for it again'({ open, crash }) {
    let fog = await open(PAID);
    const agent = await node(fog, 'olga');
    await fog.endow('alice', 1_000_000n);
    await deployed(fog, whole({ count: 1 }));
    await deploy(fog, whole({ count: 1, update: { healthyFor: '1h', deadline: '2h' } }, ['next']));
    await fog.settle();
    const paidJobs = async () => {
      const rows = await fog.database.read.selectFrom('paid_services').select('job_id').execute();
      return rows.map(({ job_id: job }) => job);
    };
    const before = await paidJobs();
    assert.equal(before.length, 2);
    fog = await crash(fog, { economy: 'off' });
    await fog.money.begin();
    await agent.connect();
    await pass(fog, 20_000, 10_000);
    assert.deepEqual(await paidJobs(), []);
    fog = await crash(fog, PAID);
    await agent.connect();
    await fog.deployments.rollBack(ALICE, WEB, 1);
    const after = await paidJobs();
    assert.equal(after.length, 1);
    assert.ok(!before.includes(after[0] ?? ''));
  },

  async 'who began with money of the faucet goes on with it when the first node of somebody else has come'({ open }) {
    const fog = await open({ economy: 'on', faucet: 'auto' });
    await node(fog, 'admin');
    await fog.advance(2000);
    await deployed(fog, whole({ count: 2 }));
    await node(fog, 'olga');
    await pass(fog, 3 * PERIOD);
    assert.deepEqual([(await get(fog)).state, (await paymentOf(fog)).currency], ['stable', 'faucet']);
    await assert.rejects(deployed(fog, whole({}, [], 'later')), { code: 'insufficient-funds' });
    assert.equal(await assertMoney(fog.database), 1);
  },
});
