/**
 * New money, once for each epoch that is over and had claims.
 *
 *     claims --(the epoch is over)--> its row: what holds for it, and what all claims come to
 *            --(a batch a transaction)--> spent: claims go, money comes --(none is left)--> settled
 *
 * What holds for an epoch is what held at its end, whenever somebody comes to it: who was away for days makes nothing of
 * days that ended while emission was off. Any coordinator goes on where another has stopped. A claim is spent in the
 * transaction that removes it, by a transfer whose id is made of job, provider and epoch.
 */
import { type EmissionClaim, emissionFor, emissionRates, wantedBy } from '@fog/economy/governance';
import type { Sweep } from '../../dispatch/sweeps.ts';
import { readParametersAt } from '../../governance/running-parameters.ts';
import type { Database, Writer } from '../../store/database.ts';
import {
  type EmissionEpoch,
  firstOpenEpoch,
  insertEpoch,
  readClaims,
  readEpoch,
  saveMade,
  takeClaims,
} from '../../store/emission-rows.ts';
import { numberOfJob } from '../job-numbers.ts';
import { MoneyMoves } from '../money-moves.ts';
import type { SqlLedger } from '../sql-ledger.ts';
import { epochOf } from './claims.ts';
import { EMISSION_LIMITS } from './limits.ts';

export interface NewMoneyDependencies {
  database: Database;
  ledger: SqlLedger;
  now: () => number;
}

const { claimsPerBatch, epochMilliseconds, lookMilliseconds } = EMISSION_LIMITS;
const MOST_64_BITS = (1n << 64n) - 1n;

export function emissionSweep(dependencies: NewMoneyDependencies): Sweep {
  return { name: 'emission', everyMilliseconds: lookMilliseconds, run: () => endEpochs(dependencies) };
}

/** Makes the new money of all epochs that are over. */
export async function endEpochs(dependencies: NewMoneyDependencies): Promise<void> {
  const { database, now } = dependencies;
  for (;;) {
    const epoch = await firstOpenEpoch(database.read);
    if (epoch === null || epoch >= epochOf(now())) return;
    if ((await readEpoch(database.read, epoch)) === null) await beginEpoch(dependencies, epoch);
    while (await database.write((writer) => spendClaims(writer, epoch, dependencies)));
  }
}

/** From here on nothing is added to the epoch, and what it makes is decided. */
async function beginEpoch({ database, ledger, now }: NewMoneyDependencies, epoch: number): Promise<void> {
  // Whoever has claims of it holds the ledger until they are there, and who comes later is told a later time.
  await database.write((writer) => ledger.tick(writer, now()));
  const rates = emissionRates(await readParametersAt(database.read, (epoch + 1) * epochMilliseconds));
  const sums = { claims: 0, burnedMicroFog: 0n, wantedMicroFog: 0n };
  for (let after: EmissionClaim | null = null; ; ) {
    const claims: EmissionClaim[] = await readClaims(database.read, epoch, { after, limit: claimsPerBatch });
    sums.claims += claims.length;
    sums.burnedMicroFog += claims.reduce((sum, { burnedMicroFog }) => sum + burnedMicroFog, 0n);
    sums.wantedMicroFog += wantedBy(claims, rates);
    after = claims.at(-1) ?? null;
    if (after === null || claims.length < claimsPerBatch) break;
  }
  // Where another has begun it meanwhile, and spent some of what was counted here, its row stays.
  await database.write((writer) =>
    insertEpoch(writer, { epoch, ...sums, ...rates, madeMicroFog: 0n, settledAt: null }),
  );
}

/** One batch. Answers whether there may be more. */
async function spendClaims(writer: Writer, epoch: number, { ledger, now }: NewMoneyDependencies): Promise<boolean> {
  await ledger.tick(writer, now());
  const row = await readEpoch(writer, epoch);
  if (row === null) return false;
  const claims = await takeClaims(writer, epoch, claimsPerBatch);
  // Another has settled it; what would still be there now was not counted, and makes nothing.
  if (row.settledAt !== null) return claims.length === claimsPerBatch;
  const madeMicroFog = row.madeMicroFog + (await make(writer, ledger, { row, claims, now: now() }));
  const isMore = claims.length === claimsPerBatch;
  await saveMade(writer, { epoch, madeMicroFog, settledAt: isMore ? null : now() });
  return isMore;
}

async function make(
  writer: Writer,
  ledger: SqlLedger,
  { row, claims, now }: { row: EmissionEpoch; claims: readonly EmissionClaim[]; now: number },
): Promise<bigint> {
  const { epoch } = row;
  const { totalMicroFog, earned, transfers } = emissionFor(epoch, claims, row);
  const paid = earned.filter(({ emittedMicroFog }) => emittedMicroFog > 0n);
  const moves = new MoneyMoves('fog');
  for (const { provider } of paid) moves.openWallet(provider);
  // Each tells for which job it is, and what burned for it, so that the ledger alone shows that it is not more.
  const told = transfers.map((transfer, index) => {
    const { job, burnedMicroFog } = paid[index] as EmissionClaim;
    const userData64 = burnedMicroFog < MOST_64_BITS ? burnedMicroFog : MOST_64_BITS;
    return { ...transfer, userData128: numberOfJob(job), userData64, userData32: epoch };
  });
  moves.add({ transfers: told });
  await moves.carryOut(writer, ledger, now);
  return totalMicroFog;
}
