/** Services and daemons are paid by periods, over both databases and a clock that is moved. */
import assert from 'node:assert/strict';
import { ALICE, deploy, deployed, get, until } from '../../deployments/deployment-scene.ts';
import { onBothDatabases } from '../../dispatch/both-databases.ts';
import { assertMoney, supplyOf, treasuryOf, walletOf } from '../money-invariants.ts';
import { assertClosed, node, PAID, PERIOD, pass, paymentOf, postPrice, WEB, whole } from './paid-service.ts';

await onBothDatabases('periods', {
  async 'a service is covered before it begins, and each replica is paid for the time it was healthy'({ open }) {
    const fog = await open(PAID);
    await node(fog, 'olga');
    await fog.endow('alice', 1_000_000n);
    await deploy(fog, whole());
    await fog.settle();
    // Two replicas, at twice the posted price.
    assert.equal(await walletOf(fog.database, 'alice', 'fog'), 996_000n);
    await pass(fog, PERIOD + 10_000);
    const after = await paymentOf(fog);
    assert.deepEqual([after.jobs[0]?.periods, after.costPerPeriod, after.uncovered], [1, '2000', null]);
    assert.equal(await walletOf(fog.database, 'olga', 'fog'), 1900n);
    assert.equal(await treasuryOf(fog.database, 'fog'), 100n);
    const others = { scope: 'submit', principal: 'bob' } as const;
    const read = fog.economy?.wallets;
    await assert.rejects(async () => read?.deploymentPayment(others, { ...WEB, principal: 'alice' }), {
      code: 'not-found',
    });
    await assert.rejects(async () => read?.deploymentPayment(others, WEB), { code: 'not-found' });
    const operator = { scope: 'admin', principal: 'admin' } as const;
    assert.deepEqual(await read?.deploymentPayment(operator, { ...WEB, principal: 'alice' }), after);
    // What the first period left covers the second; then an hour is put in.
    assert.equal(await walletOf(fog.database, 'alice', 'fog'), 996_000n);
    await pass(fog, PERIOD);
    assert.equal(await walletOf(fog.database, 'alice', 'fog'), 996_000n - 24_000n);
    assert.equal((await paymentOf(fog)).jobs[0]?.deposited, '28000');
    assert.equal(await assertMoney(fog.database), 1);
    await fog.deployments.remove(ALICE, WEB);
    await fog.settle();
    await pass(fog, 20_000, 10_000);
    const charged = await assertClosed(fog);
    // Of the third period ten seconds had passed.
    assert.ok(charged >= 4000n && charged <= 4100n, String(charged));
    assert.equal(await walletOf(fog.database, 'alice', 'fog'), 1_000_000n - charged);
  },

  async 'without cover a deployment is refused with what is missing, and so is a scale; nothing of it is stored'({
    open,
  }) {
    const fog = await open(PAID);
    await node(fog, 'olga');
    await assert.rejects(deploy(fog, whole()), {
      code: 'insufficient-funds',
      message: /^a period of its replicas may cost 0\.004 FOG/,
      details: { needed: '4000', available: '0', missing: '4000' },
    });
    assert.equal((await fog.database.read.selectFrom('deployments').select('name').execute()).length, 0);
    await fog.endow('alice', 4_500n);
    await deployed(fog, whole());
    await assert.rejects(fog.deployments.scale(ALICE, WEB, 5), {
      ...{ code: 'insufficient-funds', hint: 'earn or receive that much; fewer replicas need less' },
    });
    assert.equal((await get(fog)).wanted, 2);
    assert.equal(await assertMoney(fog.database), 1);
  },

  async 'the faucet fills up what is missing, from period to period'({ open }) {
    const fog = await open({ economy: 'on' });
    await node(fog, 'olga');
    await deployed(fog, whole({ count: 1 }));
    await fog.deployments.scale(ALICE, WEB, 3);
    await fog.settle();
    await until(fog, ['stable']);
    await pass(fog, 3 * PERIOD);
    const { jobs, currency } = await paymentOf(fog);
    assert.deepEqual([jobs[0]?.periods, currency], [3, 'faucet']);
    const earned = await walletOf(fog.database, 'olga');
    assert.ok(earned > 2400n * 3n && earned <= 2850n * 3n, String(earned));
    assert.equal(await supplyOf(fog.database), BigInt(jobs[0]?.deposited ?? ''));
  },

  async 'replicas without cover stop from the highest partition down, say why, and begin again when there is more'({
    open,
  }) {
    const fog = await open(PAID);
    await node(fog, 'olga');
    await fog.endow('alice', 6_700n);
    await deployed(fog, whole({ count: 3 }));
    // 6,000 of 6,700 are in escrow; each period of three costs 3,000.
    await pass(fog, 2 * PERIOD + 20_000);
    const short = await until(fog, ['degraded']);
    assert.deepEqual(
      short.replicas.map(({ partition }) => partition),
      [],
    );
    assert.match(short.reason ?? '', /^3 replicas have no cover: alice lacks 0\.00\d+ FOG for a period of 5m$/);
    await fog.endow('alice', 2_000n);
    await pass(fog, PERIOD);
    const one = await get(fog);
    assert.deepEqual([one.replicas.length, one.state], [1, 'degraded']);
    await fog.endow('alice', 100_000n);
    await pass(fog, 20_000);
    const whole3 = await until(fog, ['stable']);
    assert.deepEqual([whole3.replicas.length, whole3.reason], [3, null]);
    assert.equal(await assertMoney(fog.database), 1);
  },

  async "one's own nodes cost nothing, and go on without any cover"({ open }) {
    const fog = await open(PAID);
    await node(fog, 'alice');
    await fog.endow('alice', 4_000n);
    await deployed(fog, whole());
    await pass(fog, 4 * PERIOD);
    const after = await paymentOf(fog);
    assert.deepEqual([after.costPerPeriod, after.coveredUntil, after.uncovered], ['0', null, null]);
    assert.deepEqual([after.jobs[0]?.paid, after.jobs[0]?.deposited], ['0', '4000']);
    assert.equal((await get(fog)).state, 'stable');
  },

  async 'who takes over within a period is paid for its part, and a silent node for nothing'({ open }) {
    const fog = await open(PAID);
    const first = await node(fog, 'olga');
    await postPrice(fog, 1_000);
    await fog.endow('alice', 100_000n);
    await deployed(fog, whole({ count: 1 }));
    await pass(fog, 100_000);
    await node(fog, 'oleg');
    await first.disconnect();
    await pass(fog, PERIOD);
    const [olga, oleg] = [await walletOf(fog.database, 'olga', 'fog'), await walletOf(fog.database, 'oleg', 'fog')];
    // A hundred seconds, and 20 of deploying, of 300 for 950; then nobody is healthy until the node counts as lost.
    assert.ok(olga > 300n && olga <= 400n, String(olga));
    assert.ok(oleg > 0n && olga + oleg < 950n, String(oleg));
    await pass(fog, PERIOD);
    const later = await walletOf(fog.database, 'oleg', 'fog');
    await pass(fog, PERIOD);
    assert.equal(await walletOf(fog.database, 'olga', 'fog'), olga, 'the silent node gets nothing more');
    assert.equal((await walletOf(fog.database, 'oleg', 'fog')) - later, 950n);
  },

  async 'what fails its health check is not paid, though it runs'({ open }) {
    const fog = await open(PAID);
    const agent = await node(fog, 'olga');
    await fog.endow('alice', 100_000n);
    const spec = whole({ count: 1 });
    const task = { ...spec.spec.task, health: { command: ['/bin/true'] } };
    await deploy(fog, { ...spec, spec: { ...spec.spec, task } });
    await fog.settle();
    await pass(fog, 100_000);
    const [name] = agent.attempts;
    assert.ok(name !== undefined);
    const say = async (status: 'healthy' | 'unhealthy', restarts = 0) => {
      agent.report(name, { event: 'health', status, message: '', restarts });
      await fog.settle();
    };
    await say('healthy');
    await pass(fog, 90_000, 10_000);
    await say('unhealthy');
    await pass(fog, PERIOD);
    const paid = await walletOf(fog.database, 'olga', 'fog');
    // Ninety seconds, less the one look in which it became healthy.
    assert.ok(paid >= 240n && paid <= 285n, String(paid));
  },

  async 'a coordinator that was away knows nothing of that time, and pays nothing for it'({ open }) {
    const fog = await open(PAID);
    await node(fog, 'olga');
    await fog.endow('alice', 100_000n);
    await deployed(fog, whole({ count: 1 }));
    await pass(fog, 120_000);
    await fog.advance(5 * PERIOD);
    const before = await walletOf(fog.database, 'olga', 'fog');
    assert.ok(before > 350n && before < 500n, String(before));
    await pass(fog, PERIOD + 20_000);
    const after = await walletOf(fog.database, 'olga', 'fog');
    assert.equal(after - before, 950n);
    assert.equal((await paymentOf(fog)).jobs[0]?.periods, 2, 'what nobody saw is no period');
  },

  async 'a price that rises is for new leases, up to what the terms allow'({ open }) {
    const fog = await open(PAID);
    await node(fog, 'olga');
    await fog.endow('alice', 1_000_000n);
    await deployed(fog, whole({ count: 1 }));
    await postPrice(fog, 1_500);
    await fog.deployments.scale(ALICE, WEB, 2);
    await pass(fog, 20_000);
    assert.equal((await paymentOf(fog)).costPerPeriod, '2500');
    await postPrice(fog, 9_000);
    await fog.deployments.scale(ALICE, WEB, 3);
    await pass(fog, 20_000);
    assert.equal((await paymentOf(fog)).costPerPeriod, '4500', 'the terms of the revision say 2,000 at most');
  },

  async 'an update has a cover of its own, and that of the revision before returns'({ open }) {
    const fog = await open(PAID);
    await node(fog, 'olga');
    await fog.endow('alice', 1_000_000n);
    await deployed(fog, whole());
    await pass(fog, 60_000);
    await deploy(fog, whole({}, ['two']));
    await until(fog, ['stable']);
    await pass(fog, 30_000, 2000);
    const { jobs } = await paymentOf(fog);
    assert.deepEqual(
      jobs.map(({ revision, phase }) => [revision, phase]),
      [
        [2, 'open'],
        [1, 'closed'],
      ],
    );
    assert.ok(BigInt(jobs[1]?.paid ?? '') > 0n);
    await fog.deployments.rollBack(ALICE, WEB, 1);
    await until(fog, ['stable']);
    assert.equal((await paymentOf(fog)).jobs.length, 3);
    await fog.deployments.remove(ALICE, WEB);
    await pass(fog, 30_000, 2000);
    const charged = await assertClosed(fog);
    assert.equal(await walletOf(fog.database, 'alice', 'fog'), 1_000_000n - charged);
  },

  async 'a daemon is covered for the nodes of others; a node that joins is covered too'({ open }) {
    const fog = await open(PAID);
    await node(fog, 'alice');
    await node(fog, 'olga');
    await fog.endow('alice', 100_000n);
    await deployed(fog, whole({ type: 'daemon' }));
    assert.equal((await paymentOf(fog)).jobs[0]?.deposited, '2000');
    await node(fog, 'oleg');
    await pass(fog, 2 * PERIOD);
    const [olga, oleg] = [await walletOf(fog.database, 'olga', 'fog'), await walletOf(fog.database, 'oleg', 'fog')];
    assert.ok(olga === 1900n && oleg >= 1700n && oleg < 1900n, `${olga} ${oleg}`);
    assert.equal(
      await walletOf(fog.database, 'alice', 'fog'),
      100_000n - BigInt((await paymentOf(fog)).jobs[0]?.deposited ?? ''),
    );
    assert.equal((await get(fog)).replicas.length, 3);
  },

  async 'what was deployed while nobody paid goes on unpaid until its next revision'({ open }) {
    const off = await open();
    const agent = await node(off, 'olga');
    await deployed(off, whole({ count: 1 }));
    await off.database.crash();
    void off.dispatcher.stop();
    const fog = await open({ ...PAID, clock: off.clock });
    agent.cut();
    agent.moveTo(fog);
    await agent.connect();
    await postPrice(fog, 1_000);
    await pass(fog, PERIOD + 20_000);
    assert.equal(await walletOf(fog.database, 'olga', 'fog'), 0n);
    await assert.rejects(paymentOf(fog), { code: 'not-found' });
    await deploy(fog, whole({ count: 1 }));
    await assert.rejects(deploy(fog, whole({ count: 1 }, ['two'])), { code: 'insufficient-funds' });
    await fog.endow('alice', 100_000n);
    await deploy(fog, whole({ count: 1 }, ['two']));
    await until(fog, ['stable']);
    await pass(fog, PERIOD + 20_000);
    assert.ok((await walletOf(fog.database, 'olga', 'fog')) > 700n);
  },

  async 'a crash, and looks at the same time, pay a period once'({ open, crash }) {
    let fog = await open(PAID);
    const agent = await node(fog, 'olga');
    await fog.endow('alice', 100_000n);
    await deployed(fog, whole({ count: 1 }));
    for (let period = 1; period <= 3; period += 1) {
      await pass(fog, PERIOD - 20_000);
      fog.clock.now += 20_000;
      const looks = [fog, fog].map((each) => each.economy?.periods.look());
      if (period < 3) await Promise.all(looks);
      else {
        // Committed or not: nobody has heard of it.
        for (const look of looks) look?.catch(() => undefined);
        fog = await crash(fog);
        await agent.connect();
      }
      await pass(fog, 20_000);
      await assertMoney(fog.database);
    }
    const paid = await walletOf(fog.database, 'olga', 'fog');
    assert.ok(paid > 2_400n && paid <= 2_850n, String(paid));
  },
});
