/** Which of the results that a turn has judged are worth a second look. Pure. */
import type { ResultVerdict } from '@fog/contract';
import { chargedFor, type Escrow, NOTHING_PAID, type TaskSettlement } from '@fog/economy/escrow';
import type { CachedJob } from '../../dispatch/job-cache.ts';
import type { OutcomeRecord, TurnAttempt, TurnTask } from '../../dispatch/turn-records.ts';
import type { CheckOutcome } from '../../dispatch/verification/step-effects.ts';
import { isDeterministic } from '../stake/faults.ts';
import type { ArbitrationRecord, Party } from './record.ts';

/** A result with what the turn knows of it; the rest is in the rows of its attempt and its node. */
export type KnownParty = Omit<Party, 'prefix' | 'leasedAt'>;

export interface NewArbitration extends Omit<ArbitrationRecord, 'parties' | 'version' | 'runs' | 'until' | 'draw'> {
  job: string;
  partition: number;
  paidBy: string;
  parties: KnownParty[];
}

/**
 * Results of one task differ, by what this turn has found, and no trusted node has decided between them. `attempts`: all
 * that the turn knows of the task. Null where there is nothing to look into.
 */
export function disputeOf(
  task: TurnTask,
  job: CachedJob,
  {
    verdicts,
    attempts,
    settlement = NOTHING_PAID,
  }: {
    verdicts: ReadonlyMap<number, ResultVerdict>;
    attempts: readonly TurnAttempt[];
    settlement: TaskSettlement | undefined;
  },
): NewArbitration | null {
  const { payment, spec, submitter } = job;
  const isDoubtful = [...verdicts.values()].some((verdict) => verdict === 'invalid' || verdict === 'inconclusive');
  const by = task.verification?.state.accepted?.by;
  if (!isDoubtful || payment === null || by === 'trusted' || !isDeterministic(spec)) return null;
  const parties = attempts.flatMap(partyOf);
  if (new Set(parties.map(({ digest }) => digest)).size < 2) return null;
  const { job: id, partition } = task;
  const paidForTask = payment.terms.currency === 'fog' ? chargedFor(settlement) : 0n;
  return { ...openedBy(payment, [submitter]), job: id, partition, parties, paidForTask: String(paidForTask) };
}

/** A check has failed: what its node says is not the known answer. Nobody was charged for it. */
export function failedCheck(
  { job: id, partition, verdict, owners, prefixes }: CheckOutcome,
  { job, payer, attempts }: { job: CachedJob; payer: Escrow | null; attempts: readonly TurnAttempt[] },
): NewArbitration | null {
  if (verdict !== 'spot-check-failed' || payer === null || !isDeterministic(job.spec)) return null;
  const parties = attempts.flatMap(partyOf);
  if (parties.length === 0) return null;
  const opened = openedBy(payer, [job.submitter, ...owners]);
  const others = { owners: opened.others.owners, prefixes: [...prefixes] };
  return { ...opened, others, job: id, partition, parties, paidForTask: '0' };
}

function openedBy({ job, buyer, terms }: Escrow, owners: readonly string[]) {
  const { slashPpm, insurancePpm } = terms.slash;
  return {
    paidBy: job,
    buyer,
    others: { owners: [...new Set([buyer, ...owners])], prefixes: [] as string[] },
    slashPpm: String(slashPpm),
    insurancePpm: String(insurancePpm),
  };
}

/** Results without a digest were shown by nodes that the operator trusts, or not shown. */
function partyOf({ fence, node: nodeId, payee: owner, outcome }: TurnAttempt): KnownParty[] {
  const { digest, signature = null } = JSON.parse(outcome ?? '{}') as OutcomeRecord;
  return digest === undefined || owner === null ? [] : [{ fence, owner, nodeId, digest, signature }];
}
