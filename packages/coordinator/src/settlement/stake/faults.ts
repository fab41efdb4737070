/**
 * From a verdict to a proof. What proves a result wrong is that a deterministic task was run again by a trusted node, or by
 * arbiters, with another result than the one that its node had committed to and signed. That nodes disagree proves nothing.
 *
 *     turn: a trusted node decides against a result -> a row, in the turn's own transaction
 *     arbitration: a trusted node or all arbiters find another one -> a row, in the transaction that ends it
 *     sweep: row -> `prove` -> proven | void: there is nothing to slash
 */
import type { JobSpec, ResultVerdict } from '@fog/contract';
import { FogError } from '@fog/contract';
import { accountId } from '@fog/economy/chart';
import { chargedFor, type Escrow, NOTHING_PAID, type TaskSettlement } from '@fog/economy/escrow';
import { type Evidence, faultOf } from '@fog/economy/staking';
import { type CachedJob, secretsOf } from '../../dispatch/job-cache.ts';
import type { TurnTask } from '../../dispatch/turn-records.ts';
import type { Database, Reader } from '../../store/database.ts';
import {
  changeFault,
  ledgerSequenceBefore,
  type NewFault,
  readFault,
  readWaitingFaults,
  removeVoidFaults,
} from '../../store/fault-rows.ts';
import type { StakeFaultsTable } from '../../store/stake-tables.ts';
import { compensationOf, readEvidence } from '../arbitration/record.ts';
import { balanceAt } from '../ledger-queries.ts';
import { STAKE_HOME_LIMITS } from './limits.ts';
import type { StakeStore, StakeWork } from './stake-store.ts';

/**
 * Whether two honest runs of the job have the same result: its module is all that it knows. A secret can be changed between
 * two runs, and the network answers as it likes: whoever buys the work could have an honest node slashed by either.
 */
export function isDeterministic(spec: JobSpec): boolean {
  const { task, verification } = spec.spec;
  return (
    task.runtime === 'wasm' &&
    verification?.compare === 'exact' &&
    task.network === 'none' &&
    secretsOf(spec).length === 0
  );
}

/** Faults of one task, as a turn has judged it. */
export function faultsOfTask(
  { job: id, partition, verification }: TurnTask,
  job: CachedJob,
  {
    verdicts,
    settlement,
    now,
  }: {
    verdicts: ReadonlyMap<number, ResultVerdict>;
    settlement: TaskSettlement | undefined;
    now: number;
  },
): NewFault[] {
  const accepted = verification?.state.accepted;
  if (accepted?.by !== 'trusted' || !isDeterministic(job.spec)) return [];
  const { buyer, terms } = job.payment as Escrow;
  // Money of the faucet was given to the buyer: no bond compensates for it.
  const charged = terms.currency === 'fog' ? chargedFor(settlement ?? NOTHING_PAID) : 0n;
  const wrong = (verification?.state.replicas ?? []).filter(
    ({ fence, digest }) => verdicts.get(fence) === 'invalid' && digest !== accepted.digest,
  );
  const paidForTask = compensationOf(charged, wrong.length);
  return wrong.flatMap(({ fence, owner, nodeId, digest }) => {
    if (digest === null) return [];
    const name = { job: id, partition, fence };
    const [claimedDigest, foundAt] = [digest, now];
    const { slashPpm, insurancePpm } = terms.slash;
    return [
      {
        ...name,
        fault: faultOf(name),
        ...{ validator: owner, nodeId, buyer, foundAt, claimedDigest, digest: accepted.digest },
        ...{ slashPpm, insurancePpm, paidForTask },
      },
    ];
  });
}

/**
 * What was at stake with a validator before a lease, by the history of the ledger: nobody can change it afterwards. Clocks
 * of coordinators may differ, so the greater counts of what it was then and a little earlier: whoever is told of a lease
 * and takes its stake out at another coordinator has had it.
 */
export async function stakeBefore(reader: Reader, validator: string, leasedAt: number): Promise<bigint> {
  const account = accountId('fog', 'bonded', validator);
  const amounts: bigint[] = [];
  for (const at of [leasedAt, leasedAt - STAKE_HOME_LIMITS.clockDifferenceMilliseconds]) {
    const balance = await balanceAt(reader, account, await ledgerSequenceBefore(reader, at));
    amounts.push(balance === null ? 0n : balance.creditsPosted - balance.debitsPosted - balance.debitsPending);
  }
  return amounts.reduce((most, amount) => (amount > most ? amount : most), 0n);
}

/** Proves what waits. Answers how many were looked at. */
export async function proveFaults(
  { database, now }: { database: Database; now: () => number },
  stake: StakeStore,
): Promise<number> {
  const waiting = await readWaitingFaults(database.read, now(), STAKE_HOME_LIMITS.dueRows);
  for (const { fault } of waiting) await proveFault(stake, fault);
  if (waiting.length > 0) return waiting.length;
  const { evidenceAgeMilliseconds } = stake.parameters;
  await database.write((writer) => removeVoidFaults(writer, now() - evidenceAgeMilliseconds));
  return 0;
}

async function proveFault(stake: StakeStore, fault: string): Promise<void> {
  await stake.transact(async (work) => {
    const { writer, now } = work;
    const row = await readFault(writer, fault);
    if (row?.state !== 'waiting') return;
    const refusal = await proveRow(work, row);
    if (refusal === null) return await changeFault(writer, fault, { state: 'proven' });
    if (refusal.code === 'too-many-requests') {
      return await changeFault(writer, fault, { try_at: now + STAKE_HOME_LIMITS.faultRetryMilliseconds });
    }
    await changeFault(writer, fault, { state: 'void', void_reason: refusal.message });
  });
}

/** Null when it is held; what speaks against it otherwise. */
async function proveRow(work: StakeWork, row: StakeFaultsTable): Promise<FogError | null> {
  const { job_id: job, partition, fence, validator, buyer, claimed_digest: claimedDigest, digest } = row;
  const stakeAtLease = await stakeBefore(work.writer, validator, row.leased_at);
  const attempt = { job, partition, fence, validator, buyer, claimedDigest, isDeterministic: true };
  // What was at stake at the lease answers for the result: who left since has left since the fault.
  const accused = { ...attempt, deliveredAt: row.leased_at };
  const evidence: Evidence =
    row.evidence === null
      ? { kind: 'coordinator-run', attempt: accused, digest }
      : { kind: 'arbiter-runs', attempt: accused, ...readEvidence(row.evidence) };
  const terms = { slashPpm: BigInt(row.slash_ppm), insurancePpm: BigInt(row.insurance_ppm) };
  try {
    await work.step({ kind: 'prove', evidence, stakeAtLease, ...terms, paidForTask: BigInt(row.paid_for_task) });
    return null;
  } catch (error) {
    if (error instanceof FogError && error.code !== 'internal') return error;
    throw error;
  }
}
