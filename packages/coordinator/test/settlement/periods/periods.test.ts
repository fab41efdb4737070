/** Services and daemons are paid by periods, over both databases and a clock that is moved. */
import assert from 'node:assert/strict';
import type { DeploymentPayment } from '@fog/contract';
import { type EscrowRecord, readRecord } from '@fog/economy/escrow';
import { SETTLEMENT_LIMITS } from '../../../src/limits.ts';
import { ALICE, deploy, deployed, get, service, until, willing } from '../../deployments/deployment-scene.ts';
import { onBothDatabases } from '../../dispatch/both-databases.ts';
import type { FakeAgent } from '../../dispatch/fake-agent.ts';
import type { Fog } from '../../dispatch/fog-harness.ts';
import { assertMoney, supplyOf, treasuryOf, walletOf } from '../money-invariants.ts';

const PAID = { economy: 'on', faucet: 'off' } as const;
const PERIOD = SETTLEMENT_LIMITS.periodMilliseconds;
const web = { name: 'web' };

/** A replica takes a whole processor: a period of it is a slice, 1,000 micro-FOG at the first price. */
function whole(change: Parameters<typeof service>[0] = {}, args: string[] = [], name = 'web') {
  const spec = service(change, args, name);
  return { ...spec, spec: { ...spec.spec, task: { ...spec.spec.task, resources: { cpu: '1', memory: '1Gi', disk: '1Mi' } } } };
}

async function node(fog: Fog, owner: string, name = owner): Promise<FakeAgent> {
  return await willing(fog, { name, owner, capacity: { slots: 8, milliCpu: 8000, memoryBytes: 16 * 2 ** 30 } });
}

async function paymentOf(fog: Fog, name = 'web'): Promise<DeploymentPayment> {
  assert.ok(fog.economy !== null);
  return await fog.economy.wallets.deploymentPayment(ALICE, { name });
}

/** In steps that no look is missed by. */
async function pass(fog: Fog, milliseconds: number): Promise<void> {
  for (let left = milliseconds; left > 0; left -= 10_000) await fog.advance(Math.min(left, 10_000));
}

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
    // What the first period left covers the second; then an hour is put in.
    assert.equal(await walletOf(fog.database, 'alice', 'fog'), 996_000n);
    await pass(fog, PERIOD);
    assert.equal(await walletOf(fog.database, 'alice', 'fog'), 996_000n - 24_000n);
    assert.equal((await paymentOf(fog)).jobs[0]?.deposited, '28000');
    assert.equal(await assertMoney(fog.database), 1);
    await fog.deployments.remove(ALICE, web);
    await fog.settle();
    await pass(fog, 20_000);
    assert.equal(await assertMoney(fog.database), 0);
    const [escrow] = await escrows(fog);
    const { deposited, paid, fees, refunded } = escrow ?? assert.fail();
    assert.equal(deposited, paid + fees + refunded);
    // Twenty seconds of the third period had passed.
    assert.ok(paid + fees >= 4000n && paid + fees <= 4200n, String(paid + fees));
    assert.equal(await walletOf(fog.database, 'alice', 'fog'), 1_000_000n - paid - fees);
  },

  async 'without cover a deployment is refused with what is missing, and so is a scale; nothing of it is stored'({ open }) {
    const fog = await open(PAID);
    await node(fog, 'olga');
    await assert.rejects(deploy(fog, whole()), {
      code: 'insufficient-funds',
      details: { needed: '4000', available: '0', missing: '4000' },
    });
    assert.equal((await fog.database.read.selectFrom('deployments').select('name').execute()).length, 0);
    await fog.endow('alice', 4_500n);
    await deployed(fog, whole());
    await assert.rejects(fog.deployments.scale(ALICE, web, 5), { code: 'insufficient-funds' });
    assert.equal((await get(fog)).wanted, 2);
    assert.equal(await assertMoney(fog.database), 1);
  },

  async 'the faucet fills up what is missing, from period to period'({ open }) {
    const fog = await open({ economy: 'on' });
    await node(fog, 'olga');
    await deployed(fog, whole({ count: 1 }));
    await fog.deployments.scale(ALICE, web, 3);
    await fog.settle();
    await until(fog, ['stable']);
    await pass(fog, 3 * PERIOD);
    const { jobs, currency } = await paymentOf(fog);
    assert.deepEqual([jobs[0]?.periods, currency], [3, 'faucet']);
    const earned = await walletOf(fog.database, 'olga');
    assert.ok(earned > 2400n * 3n && earned <= 2850n * 3n, String(earned));
    assert.equal(await supplyOf(fog.database), BigInt(jobs[0]?.deposited ?? ''));
  },

  async 'replicas without cover stop from the highest partition down, say why, and begin again when there is more'({ open }) {
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
    const two = await get(fog);
    assert.deepEqual([two.replicas.length, two.state], [1, 'degraded']);
    await fog.endow('alice', 100_000n);
    await pass(fog, 20_000);
    const whole3 = await until(fog, ['stable']);
    assert.deepEqual([whole3.replicas.length, whole3.reason], [3, null]);
    assert.equal(await assertMoney(fog.database), 1);
  },

  async 'one\'s own nodes cost nothing, and go on without any cover'({ open }) {
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
});

async function escrows(fog: Fog): Promise<EscrowRecord[]> {
  const rows = await fog.database.read.selectFrom('jobs').select('escrow').where('escrow', 'is not', null).execute();
  return rows.map(({ escrow }) => readRecord(escrow ?? ''));
}
