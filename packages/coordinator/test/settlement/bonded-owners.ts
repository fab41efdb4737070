/** Owners with something at stake, and what becomes of it. */
import assert from 'node:assert/strict';
import type { SlashRecord } from '@fog/contract';
import type { Fog } from '../dispatch/fog-harness.ts';

export const REAL = { economy: 'on' as const, faucet: 'off' as const };
export const DAY = 86_400_000;
export const FOG = 1_000_000n;
export const by = (principal: string) => ({ scope: 'submit' as const, principal });

export function stakingOf(fog: Fog) {
  assert.ok(fog.economy !== null);
  return fog.economy.staking;
}

export async function bond(fog: Fog, owner: string, microFog = 100n * FOG): Promise<void> {
  await fog.endow(owner, microFog);
  await stakingOf(fog).change(by(owner), { kind: 'bond', amount: String(microFog), key: owner });
  // What is bonded in the moment of a lease came too late for it.
  fog.clock.now += 1;
}

export async function stakeOf(fog: Fog, owner: string): Promise<bigint> {
  return BigInt((await stakingOf(fog).get(by(owner), undefined)).bonded);
}

export async function slashes(fog: Fog): Promise<SlashRecord[]> {
  return (await stakingOf(fog).slashes({ limit: 100 })).items;
}

export async function days(fog: Fog, count: number): Promise<void> {
  fog.clock.now += count * DAY;
  for (const sweep of fog.economy?.sweeps ?? []) await sweep.run();
}
