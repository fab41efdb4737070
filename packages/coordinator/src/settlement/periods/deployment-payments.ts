/** What deployments and jobs are paid for, as the API tells it. */
import { type CurrencyName, type DeploymentPayment, FogError, type JobPayment } from '@fog/contract';
import { type EscrowRecord, readRecord, readTerms, type Terms } from '@fog/economy/escrow';
import type { Reader } from '../../store/database.ts';
import { type DeploymentKey, readDeployment } from '../../store/deployment-rows.ts';
import { leftOf, type ServicePeriods, type ServiceState } from './service-periods.ts';
import { lengthOf } from './service-step.ts';

/** Throws `not-found` where nobody pays for it. */
export async function paymentOfDeployment(
  reader: Reader,
  periods: Pick<ServicePeriods, 'statesOf'>,
  key: DeploymentKey,
  now: number,
): Promise<DeploymentPayment> {
  const { principal, name } = key;
  const row = await readDeployment(reader, key);
  if (row === null) noSuchDeployment(name);
  const states = await periods.statesOf(reader, key);
  const byJob = new Map(states.map((state) => [state.view.service.job, state]));
  const jobs = (await readPaidRevisions(reader, key)).map(({ job, revision, terms, record }) => {
    const state = byJob.get(job);
    return {
      ...paymentOfJob(job, terms, record),
      revision,
      periods: record.periods,
      earned: String(state?.step.accrued ?? 0n),
      costPerPeriod: String(state?.costOfPeriod ?? 0n),
    };
  });
  const [newest] = jobs;
  if (newest === undefined) {
    throw new FogError('not-found', `nobody pays for deployment ${name}: it is from before this fog asked for money`, {
      hint: 'its next revision is paid for',
    });
  }
  const [state] = states;
  return {
    name,
    principal,
    currency: newest.currency,
    periodMilliseconds: state === undefined ? 1 : lengthOf(state.view),
    costPerPeriod: String(states.reduce((sum, each) => sum + each.costOfPeriod, 0n)),
    coveredUntil: coveredUntil(states, now),
    uncovered: row.uncovered,
    jobs,
  };
}

export function noSuchDeployment(name: string): never {
  throw new FogError('not-found', `there is no deployment ${name}`, { hint: 'fog rollout ls' });
}

/** Of the job that is used up first. */
function coveredUntil(states: readonly ServiceState[], now: number): number | null {
  const ends = states.flatMap((state) => {
    const { costOfPeriod, view } = state;
    return costOfPeriod === 0n ? [] : [Number((leftOf(state) * BigInt(lengthOf(view))) / costOfPeriod)];
  });
  return ends.length === 0 ? null : Math.floor(now + Math.min(...ends));
}

interface PaidRevision {
  job: string;
  revision: number;
  terms: PaidTerms;
  record: EscrowRecord;
}
type PaidTerms = Terms & { currency: CurrencyName };

/** Each job with the newest of its revisions, the newest first. */
async function readPaidRevisions(reader: Reader, { principal, name }: DeploymentKey): Promise<PaidRevision[]> {
  const rows = await reader
    .selectFrom('deployment_revisions as r')
    .innerJoin('jobs as j', 'j.id', 'r.job_id')
    .select(['r.job_id', 'r.revision', 'j.payment_terms', 'j.escrow'])
    .where('r.principal', '=', principal)
    .where('r.name', '=', name)
    .orderBy('r.revision', 'desc')
    .execute();
  const known = new Set<string>();
  return rows.flatMap(({ job_id: job, revision, payment_terms, escrow }) => {
    if (payment_terms === null || escrow === null || known.has(job)) return [];
    known.add(job);
    const terms = readTerms(payment_terms);
    return terms.currency === null ? [] : [{ job, revision, terms: terms as PaidTerms, record: readRecord(escrow) }];
  });
}

export function paymentOfJob(job: string, { currency, maximumPrice }: PaidTerms, record: EscrowRecord): JobPayment {
  const { phase, deposited, paid, oversight, lateOversight, fees, burned, credits, refunded } = record;
  const amounts = { maximumPrice, deposited, paid, oversight, lateOversight, fees, burned, credits, refunded };
  return { job, currency, phase, ...(texts(amounts) as Record<keyof typeof amounts, string>) };
}

function texts(amounts: Readonly<Record<string, bigint>>): Record<string, string> {
  return Object.fromEntries(Object.entries(amounts).map(([name, amount]) => [name, String(amount)]));
}
