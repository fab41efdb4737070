/** A fog in which fees burn and work earns new money, and what must hold of that. */
import assert from 'node:assert/strict';
import { ACCOUNT_CODES, accountId, TRANSFER_CODES } from '@fog/economy/chart';
import type { ParameterName } from '@fog/economy/governance';
import { epochOf } from '../../src/settlement/emission/claims.ts';
import { EMISSION_LIMITS } from '../../src/settlement/emission/limits.ts';
import { jobOfNumber } from '../../src/settlement/job-numbers.ts';
import { readAccount, readId, readTransfer } from '../../src/settlement/records.ts';
import type { Database } from '../../src/store/database.ts';
import { readClaims } from '../../src/store/emission-rows.ts';
import type { Fog } from '../dispatch/fog-harness.ts';
import { DAY, daoOf, decree, economyOf, FOG, pass } from '../governance/members.ts';
import { supplyOf } from './money-invariants.ts';

export const REAL = { economy: 'on' as const, faucet: 'off' as const };
export const JOB = {
  task: { resources: { cpu: '1', memory: '1Gi', disk: '1Mi' } },
  // A slice costs what the node asks: prices move in the days that pass here.
  spec: { timeouts: { attempt: '1h' }, budget: { perTask: 10_000_000 } },
};
/** Two slices: of 2 FOG a fee of 0.1 FOG. */
export const PRICE = 2_000_000n;
export const FEE = PRICE / 20n;
export const OFFER = {
  offer: { pricePerSlice: 1_000_000 },
  capacity: { slots: 8, milliCpu: 8000, memoryBytes: 8 * 2 ** 30 },
};
export const ON: Partial<Record<ParameterName, bigint>> = {
  feeBurnPpm: 1_000_000n,
  emissionSwitch: 1n,
  emissionMost: 1000n * FOG,
  emissionSharePpm: 1_000_000n,
};

/** A node of olga, money of alice, and these parameters, in the middle of a day. */
export async function emitting(fog: Fog, parameters = ON) {
  fog.clock.now += DAY / 2 - (fog.clock.now % DAY);
  // All that is earned comes into the wallet.
  fog.stakeParameters = { heldBackPpm: 0n };
  const agent = await fog.connected({ owner: 'olga', ...OFFER });
  await fog.endow('alice', 1000n * FOG);
  if (Object.keys(parameters).length > 0) await decree(fog, parameters);
  return agent;
}

/** A job of ten minutes on each task, paid and closed. */
export async function paidJob(fog: Fog, { by = 'alice', count = 1, milliseconds = 600_000 } = {}): Promise<string> {
  const job = await fog.submit({ ...JOB, spec: { ...JOB.spec, count } }, { by });
  await fog.settle();
  for (const agent of fog.agents) {
    agent.ran(milliseconds);
    for (const name of agent.attempts.filter((attempt) => attempt.job === job)) agent.succeed(name);
  }
  await pass(fog, 1000);
  return job;
}

/** The day ends, and somebody looks. */
export async function nextDay(fog: Fog): Promise<void> {
  await pass(fog, DAY - (fog.clock.now % DAY) + EMISSION_LIMITS.lookMilliseconds);
}

export const claimsOf = (fog: Fog) =>
  readClaims(fog.database.read, epochOf(fog.clock.now), { after: null, limit: 5000 });

export async function epochs(fog: Fog) {
  return (await daoOf(fog).emission({ limit: 50 })).items.map(({ claims, burned, wanted, made, settledAt }) => {
    return [claims, BigInt(burned), BigInt(wanted), BigInt(made), settledAt !== null];
  });
}

/** Every transfer of the ledger, with what its accounts are for. */
export async function ledgerOf({ read }: Pick<Database, 'read'>) {
  const accounts = await read.selectFrom('ledger_accounts').select(['id', 'body']).execute();
  const known = new Map(accounts.map(({ id, body }) => [readId(id), readAccount(readId(id), body as Uint8Array)]));
  const rows = await read.selectFrom('ledger_transfers').select(['id', 'body']).execute();
  const transfers = rows.map(({ id, body }) => readTransfer(readId(id), body));
  return { transfers, accountOf: (id: bigint) => known.get(id) ?? assert.fail('a transfer of no account') };
}

/**
 * No job earns more than the fees it burned, by the ledger alone, and supply is what was issued, less what burned, and what
 * was emitted. Answers what was emitted.
 */
export async function assertEmission(fog: Fog): Promise<bigint> {
  const { transfers, accountOf } = await ledgerOf(fog.database);
  const [burned, emitted] = [new Map<string, bigint>(), new Map<string, bigint>()];
  let [issued, all] = [0n, 0n];
  for (const { code, debitAccount, amount, userData128, userData64, creditAccount } of transfers) {
    if (code === TRANSFER_CODES.issue) issued += amount;
    if (code === TRANSFER_CODES.burn) {
      const escrow = accountOf(debitAccount);
      assert.equal(escrow.code, ACCOUNT_CODES.escrow);
      const job = jobOfNumber(escrow.userData128);
      burned.set(job, (burned.get(job) ?? 0n) + amount);
      all -= amount;
    }
    if (code !== TRANSFER_CODES.emission) continue;
    assert.equal(debitAccount, accountId('fog', 'issuance'));
    assert.equal(accountOf(creditAccount).code, ACCOUNT_CODES.wallet);
    assert.ok(amount > 0n && amount <= userData64);
    const job = jobOfNumber(userData128);
    emitted.set(job, (emitted.get(job) ?? 0n) + amount);
    all += amount;
  }
  for (const [job, amount] of emitted)
    assert.ok(amount <= (burned.get(job) ?? 0n), `${job} earns no more than it burned`);
  assert.equal(await supplyOf(fog.database, 'fog'), issued + all);
  const made = (await daoOf(fog).emission({ limit: 100 })).items;
  for (const epoch of made) assert.ok(BigInt(epoch.made) <= BigInt(epoch.most), 'no epoch makes more than its cap');
  return [...emitted.values()].reduce((sum, amount) => sum + amount, 0n);
}

/** As `paidJob`, without a sweep of epochs. */
export async function paidJobQuietly(fog: Fog): Promise<void> {
  const [agent] = fog.agents;
  assert.ok(agent !== undefined);
  const job = await fog.submit(JOB);
  await fog.settle();
  agent.ran(600_000);
  agent.succeed({ job, partition: 0, fence: 1 });
  await fog.settle();
  await economyOf(fog).settlement.closeEnded();
}
