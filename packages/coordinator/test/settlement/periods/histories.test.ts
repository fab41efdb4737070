/** Random histories of a service: it is scaled, updated, killed, moved, and its coordinator fails; the money adds up. */
import assert from 'node:assert/strict';
import { FogError } from '@fog/contract';
import { ALICE, deploy, deployed } from '../../deployments/deployment-scene.ts';
import { onBothDatabases, type Scene } from '../../dispatch/both-databases.ts';
import type { FakeAgent } from '../../dispatch/fake-agent.ts';
import { seededRandom } from '../../dispatch/fog-harness.ts';
import { walletOf } from '../money-invariants.ts';
import { assertClosed, node, PAID, PERIOD, WEB, whole } from './paid-service.ts';

const STEPS = 30;
const ENDOWMENT = 20_000n;

/** Runs a history to its end. All that was endowed is in wallets, with the treasury, or has burned. */
async function live({ open, crash }: Scene, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const pick = <One>(list: readonly One[]): One => list[Math.floor(random() * list.length)] as One;
  let fog = await open(PAID);
  const agents: FakeAgent[] = [];
  for (const owner of ['olga', 'oleg', 'alice']) agents.push(await node(fog, owner));
  let endowed = ENDOWMENT;
  await fog.endow('alice', ENDOWMENT);
  await deployed(fog, whole({ count: 2 }));
  /** Milliseconds for which strangers held attempts: nobody is paid for more. */
  let held = 0;
  const strangers = agents.filter(({ description }) => description.name !== 'alice');
  const holding = () => strangers.reduce((sum, { attempts }) => sum + attempts.length, 0);
  const elapse = async (milliseconds: number, step = 20_000) => {
    for (let left = milliseconds; left > 0; left -= step) {
      const before = holding();
      await fog.advance(Math.min(left, step));
      held += Math.min(left, step) * Math.max(before, holding());
    }
  };
  const acts: Record<string, () => Promise<unknown>> = {
    time: () => elapse(10_000 + Math.floor(random() * 100_000)),
    period: () => elapse(PERIOD),
    away: () => elapse(2 * PERIOD, 2 * PERIOD),
    scale: () => fog.deployments.scale(ALICE, WEB, Math.floor(random() * 5)),
    update: () => deploy(fog, whole({ count: 2 }, [`v${Math.floor(random() * 3)}`])),
    endow: async () => {
      endowed += 3000n;
      await fog.endow('alice', 3000n);
    },
    kill: async () => {
      const agent = pick(agents);
      const [name] = agent.attempts;
      if (name !== undefined && agent.session !== null) agent.fail(name);
    },
    cut: () => pick(agents).disconnect(),
    connect: async () => {
      const agent = pick(agents);
      if (agent.session === null) await agent.connect();
    },
    crash: async () => {
      fog = await crash(fog);
      for (const agent of agents) await agent.connect();
    },
  };
  const names = ['time', 'time', 'period', ...Object.keys(acts)];
  for (let step = 0; step < STEPS; step += 1) {
    const name = pick(names);
    try {
      await acts[name]?.();
    } catch (error) {
      if (!(error instanceof FogError) || error.code !== 'insufficient-funds') throw error;
    }
    await fog.settle();
  }
  for (const agent of agents) if (agent.session === null) await agent.connect();
  await fog.deployments.remove(ALICE, WEB);
  await elapse(200_000);
  const charged = await assertClosed(fog);
  const wallets = await Promise.all(['alice', 'olga', 'oleg'].map((owner) => walletOf(fog.database, owner, 'fog')));
  const [alice = 0n, olga = 0n, oleg = 0n] = wallets;
  assert.equal(alice, endowed - charged, 'alice has what she was not charged');
  assert.ok(olga + oleg <= charged, 'providers get no more than was charged');
  assert.ok(charged <= (BigInt(held) * 2000n) / BigInt(PERIOD), 'nobody is paid for time that did not pass');
  assert.deepEqual(
    fog.warnings.filter(({ message }) => message.includes('paid for')),
    [],
  );
}

await onBothDatabases('histories of paid services', {
  'what was put in is paid, fees, or returned': async (scene) => live(scene, 1),
});
