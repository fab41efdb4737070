/** Services that are paid for: what tests of it share. */
import assert from 'node:assert/strict';
import type { DeploymentPayment } from '@fog/contract';
import { type EscrowRecord, readRecord } from '@fog/economy/escrow';
import { SETTLEMENT_LIMITS } from '../../../src/limits.ts';
import { ALICE, service, willing } from '../../deployments/deployment-scene.ts';
import type { FakeAgent } from '../../dispatch/fake-agent.ts';
import type { Fog } from '../../dispatch/fog-harness.ts';
import { assertMoney } from '../money-invariants.ts';

export const PAID = { economy: 'on', faucet: 'off' } as const;
export const PERIOD = SETTLEMENT_LIMITS.periodMilliseconds;
export const WEB = { name: 'web' };

/** A replica takes a whole processor: a period of it is a slice, 1,000 micro-FOG at the first price. */
export function whole(change: Parameters<typeof service>[0] = {}, args: string[] = [], name = 'web') {
  const spec = service(change, args, name);
  const resources = { cpu: '1', memory: '1Gi', disk: '1Mi' };
  return { ...spec, spec: { ...spec.spec, task: { ...spec.spec.task, resources } } };
}

export async function node(fog: Fog, owner: string, { name = owner, slots = 8 } = {}): Promise<FakeAgent> {
  const capacity = { slots, milliCpu: 8000, memoryBytes: 16 * 2 ** 30 };
  return await willing(fog, { name, owner, capacity });
}

/** What a slice costs from now on, whatever is used; nodes are known. */
export async function postPrice(fog: Fog, microFog: number): Promise<void> {
  await fog.advance(2000);
  const change = { micro_fog: microFog, stepped_at: fog.clock.now + 86_400_000 };
  await fog.database.write((writer) => writer.updateTable('market_prices').set(change).execute());
  await fog.advance(2000);
}

export async function paymentOf(fog: Fog, name = 'web'): Promise<DeploymentPayment> {
  assert.ok(fog.economy !== null);
  return await fog.economy.wallets.deploymentPayment(ALICE, { name });
}

/** In steps between which looks say what was. */
export async function pass(fog: Fog, milliseconds: number, step = 50_000): Promise<void> {
  for (let left = milliseconds; left > 0; left -= step) await fog.advance(Math.min(left, step));
}

export async function escrows(fog: Fog): Promise<EscrowRecord[]> {
  const rows = await fog.database.read
    .selectFrom('jobs')
    .select('escrow')
    .where('escrow', 'is not', null)
    .orderBy('id')
    .execute();
  return rows.map(({ escrow }) => readRecord(escrow ?? ''));
}

/** Everything is over: all that was put in is told, and nothing lies anywhere. Answers what was charged in all. */
export async function assertClosed(fog: Fog): Promise<bigint> {
  assert.equal(await assertMoney(fog.database), 0);
  const { read } = fog.database;
  assert.equal((await read.selectFrom('paid_services').selectAll().execute()).length, 0);
  assert.equal((await read.selectFrom('paid_leases').selectAll().execute()).length, 0);
  let charged = 0n;
  for (const { deposited, paid, oversight, fees, credits, refunded } of await escrows(fog)) {
    assert.equal(deposited, paid + oversight + fees + credits + refunded, 'all that was put in is told');
    charged += paid + fees;
  }
  return charged;
}
