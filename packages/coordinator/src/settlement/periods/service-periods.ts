/**
 * Services and daemons are paid by periods: looks at what runs, in transactions that pay for the periods that are over,
 * and cover what follows.
 *
 *     every few seconds: read -> anything to do? -> lock the deployment, its jobs, then the ledger -> pay, cover, remember
 *
 * Each coordinator looks; the lock of the deployment lets one at a time write. Ids of payouts are made of job, lease and
 * period, those of covers of job and number: whoever does it again moves nothing. A job of a deployment has a row here from
 * its submit until its last period is paid; then its escrow closes like that of any job.
 */
import { counted, formatDuration } from '@fog/contract';
import { formatFog } from '@fog/economy/amounts';
import { accountId, type Currency, transferId } from '@fog/economy/chart';
import { addCover, assertCovered, type EscrowRecord, spendable as unspent } from '@fog/economy/escrow';
import type { JobCache } from '../../dispatch/job-cache.ts';
import { SETTLEMENT_LIMITS } from '../../limits.ts';
import type { Database, Reader, Writer } from '../../store/database.ts';
import { type DeploymentKey, lockDeployment, readDeployment, saveDeployment } from '../../store/deployment-rows.ts';
import {
  deleteKnownLeases,
  deletePaidService,
  markLeaving,
  type PaidService,
  readPaidJobs,
  readPaidServices,
  saveKnownLeases,
  savePaidService,
} from '../../store/period-rows.ts';
import { refusableWrite } from '../../store/refusable-write.ts';
import { saveEscrows } from '../../store/settlement-rows.ts';
import type { DeploymentRow } from '../../store/tables.ts';
import { readLedgerAccount, spendable } from '../ledger-queries.ts';
import { MoneyMoves } from '../money-moves.ts';
import type { SqlLedger } from '../sql-ledger.ts';
import type { CoverPlan } from './cover-plan.ts';
import { leaseKey } from './healthy-time.ts';
import { costOfPeriod, lengthOf, type PaidPeriods, payPeriods, planService, type ServiceWish } from './service-step.ts';
import { type ServiceView, viewService } from './service-view.ts';

export interface ServicePeriodsDependencies {
  database: Database;
  ledger: SqlLedger;
  jobs: JobCache;
  /** What began with money of the faucet goes on with it, also when later jobs are paid in FOG. */
  hasFaucet: boolean;
  /** The fog asks for no money any more: what was earned until now is paid, and what runs goes on for nothing. */
  isWindingUp: boolean;
  now: () => number;
  warn: (message: string, data: Record<string, unknown>) => void;
}

/** What of a deployment is paid for, at this moment. */
export interface ServiceState {
  view: ServiceView;
  step: PaidPeriods;
  costOfPeriod: bigint;
}

interface Found extends ServiceState {
  wish: ServiceWish;
  isCurrent: boolean;
  plan: CoverPlan;
}

/** What the owner can put in, and what is moved for him in one transaction. */
interface Purse {
  moves: MoneyMoves;
  wallet: bigint;
  /** With what the faucet would give, less what is planned for already. */
  available: bigint;
}

type Purses = Map<Currency, Purse>;

export class ServicePeriods {
  readonly #dependencies: ServicePeriodsDependencies;
  /** When each job was last looked at here without anything new: such looks are noted now and then alone. */
  #quiet = new Map<string, number>();
  /** Called when replicas of the deployment are to stop, or may begin. */
  onChange: (key: DeploymentKey) => Promise<void> = async () => undefined;

  constructor(dependencies: ServicePeriodsDependencies) {
    this.#dependencies = dependencies;
  }

  /** One look at all that is paid for. */
  async look(): Promise<void> {
    const { database, warn } = this.#dependencies;
    const services = await readPaidServices(database.read, null);
    const ids = new Set(services.map(({ job }) => job));
    for (const job of this.#quiet.keys()) if (!ids.has(job)) this.#quiet.delete(job);
    for (const these of Map.groupBy(services, ({ principal, name }) => `${principal}/${name}`).values()) {
      const { principal, name } = these[0] as PaidService;
      try {
        await this.#look({ principal, name }, these);
      } catch (error) {
        warn('a look at what a deployment is paid for failed', { principal, name, error: String(error) });
      }
    }
  }

  /**
   * Puts in what more replicas of its current revision cost in this period, in the transaction that makes them wanted; the
   * row of the deployment is locked. Throws `insufficient-funds` with what is missing.
   */
  async coverMore(writer: Writer, key: DeploymentKey, { job, wanted }: { job: string; wanted: number }): Promise<void> {
    const { database, now } = this.#dependencies;
    const [locked] = await readPaidJobs(writer, [job], database.engine);
    const service = (await readPaidServices(writer, key)).find((each) => each.job === job);
    if (locked === undefined || service === undefined) return;
    const at = now();
    const view = await viewService(writer, this.#dependencies.jobs, { service, job: locked, now: at });
    if (view === null) return;
    const step = payPeriods(view, { lookedAt: this.#lookedAt(service), now: at });
    const wish: ServiceWish = { missing: missingOf(view, wanted), isLeaving: false, wasShort: false };
    const purses: Purses = new Map();
    const purse = await this.#purse(writer, purses, view);
    const plan = planService(view, step, { ...wish, available: purse.available, now: at });
    if (plan.missing > 0n) assertCovered(plan.missing + purse.available, purse.available, 'replicas');
    await this.#save(writer, { view, step, wish, isCurrent: true, plan, costOfPeriod: 0n }, purses, at);
    await this.#carryOut(writer, purses, at);
  }

  /** What runs of a deployment, and what it has earned since its period began. */
  async statesOf(reader: Reader, key: DeploymentKey): Promise<ServiceState[]> {
    const services = await readPaidServices(reader, key);
    return await this.#find(reader, services, await readDeployment(reader, key), null);
  }

  async #look(key: DeploymentKey, services: readonly PaidService[]): Promise<void> {
    const { database, now } = this.#dependencies;
    const at = now();
    const row = await readDeployment(database.read, key);
    const found = await this.#find(database.read, services, row, null);
    const isQuiet = found.length === services.length && found.every((each) => !isDue(each, row, at));
    if (isQuiet) {
      for (const { job } of services) this.#quiet.set(job, at);
      return;
    }
    const hasChanged = await refusableWrite(database, (writer) => this.#write(writer, key));
    if (hasChanged) await this.onChange(key);
  }

  /** Answers whether other replicas may run than before. */
  async #write(writer: Writer, key: DeploymentKey): Promise<boolean> {
    const { database, now } = this.#dependencies;
    const isThere = (await readDeployment(writer, key)) !== null;
    const row = isThere ? await lockDeployment(writer, database.engine, key, true) : null;
    // Somebody else is at it.
    if (isThere && row === null) return false;
    const named = await readPaidServices(writer, key);
    await readPaidJobs(
      writer,
      named.map(({ job }) => job),
      database.engine,
    );
    // Read again: another coordinator may have paid before the rows were locked.
    const services = await readPaidServices(writer, key);
    const purses: Purses = new Map();
    const found = await this.#find(writer, services, row, purses);
    const at = now();
    const views = new Set(found.map(({ view }) => view.service.job));
    for (const { job } of services) if (!views.has(job)) await deletePaidService(writer, job);
    let hasStopped = false;
    for (const each of found) hasStopped = (await this.#save(writer, each, purses, at)) || hasStopped;
    const hasOther = row !== null && (await saveCovered(writer, row, found));
    await this.#carryOut(writer, purses, at);
    return hasStopped || hasOther;
  }

  /** All jobs of a deployment that are paid for; `purses` where money is about to be moved. */
  async #find(
    reader: Reader,
    services: readonly PaidService[],
    row: DeploymentRow | null,
    purses: Purses | null,
  ): Promise<Found[]> {
    const { jobs, isWindingUp, now } = this.#dependencies;
    const at = now();
    const ids = services.map(({ job }) => job);
    const stored = new Map((await readPaidJobs(reader, ids, null)).map((job) => [job.id, job]));
    const current = row === null ? null : await currentJob(reader, row);
    const found: Found[] = [];
    const read: Purses = purses ?? new Map();
    for (const service of services) {
      const job = stored.get(service.job);
      if (job === undefined) continue;
      const hasEnded = job.hasEnded || isWindingUp;
      const view = await viewService(reader, jobs, { service, job: { ...job, hasEnded }, now: at });
      if (view === null) continue;
      const step = payPeriods(view, { lookedAt: this.#lookedAt(service), now: at });
      const isCurrent = service.job === current;
      const isLeaving = row === null || row.state === 'removing' || view.hasEnded;
      const grows = isCurrent && row !== null && !isLeaving && row.state !== 'failed';
      const missing = grows ? missingOf(view, row.wanted) : 0;
      const wish = { missing, isLeaving, wasShort: isCurrent && (row?.covered ?? null) !== null };
      let plan = planService(view, step, { ...wish, available: 0n, now: at });
      if (plan.missing > 0n) {
        const purse = await this.#purse(reader, read, view);
        plan = planService(view, step, { ...wish, available: purse.available, now: at });
        purse.available -= plan.topUp;
      }
      found.push({ view, step, wish, isCurrent, plan, costOfPeriod: costOfPeriod(view) });
    }
    return found;
  }

  /** What can be put in: what is in the wallet, and what the faucet would give. */
  async #purse(reader: Reader, purses: Purses, { escrow }: ServiceView): Promise<Purse> {
    const { hasFaucet } = this.#dependencies;
    const currency = escrow.terms.currency as Currency;
    const known = purses.get(currency);
    if (known !== undefined) return known;
    const wallet = spendable(await readLedgerAccount(reader, accountId(currency, 'wallet', escrow.buyer)));
    const given = hasFaucet && currency === 'faucet' ? SETTLEMENT_LIMITS.faucetMicroFog : 0n;
    const purse = { moves: new MoneyMoves(currency), wallet, available: wallet + given };
    purses.set(currency, purse);
    return purse;
  }

  /** Writes what a look has found of one job, and adds its money to that of the others. Answers whether replicas stop. */
  async #save(writer: Writer, found: Found, purses: Purses, at: number): Promise<boolean> {
    const { view, step, plan } = found;
    const { service, escrow } = view;
    const { job } = service;
    const purse = await this.#purse(writer, purses, view);
    for (const { provider } of step.paid) purse.moves.openWallet(provider);
    purse.moves.add(step);
    const record = plan.topUp > 0n ? topUp(purse, view, step.record, plan.topUp) : step.record;
    if (record !== view.record) await saveEscrows(writer, new Map([[job, record]]));
    const kept = new Set(step.known.map(leaseKey));
    await deleteKnownLeases(
      writer,
      job,
      view.known.filter((lease) => !kept.has(leaseKey(lease))),
    );
    const before = new Map(view.known.map((lease) => [leaseKey(lease), lease]));
    await saveKnownLeases(
      writer,
      job,
      step.known.filter((lease) => before.get(leaseKey(lease)) !== lease),
    );
    // Its escrow closes when no lease is live any more.
    if (view.hasEnded) await deletePaidService(writer, job);
    else await savePaidService(writer, { ...service, beganAt: step.beganAt, lookedAt: at });
    const stops = plan.stops.filter(({ is }) => is === 'live' || is === 'waiting').map(({ partition }) => partition);
    await markLeaving(writer, job, stops);
    return stops.length > 0 && escrow.terms.currency !== null;
  }

  async #carryOut(writer: Writer, purses: Purses, at: number): Promise<void> {
    for (const { moves } of purses.values()) await moves.carryOut(writer, this.#dependencies.ledger, at);
  }

  #lookedAt({ job, lookedAt }: PaidService): number {
    const quiet = this.#quiet.get(job) ?? lookedAt;
    return quiet <= this.#dependencies.now() ? Math.max(lookedAt, quiet) : lookedAt;
  }
}

/** What the wallet does not reach for, the faucet gives. */
function topUp(purse: Purse, { escrow }: ServiceView, record: EscrowRecord, amount: bigint): EscrowRecord {
  const { job, buyer } = escrow;
  const number = record.covers + 1;
  const given = amount > purse.wallet ? amount - purse.wallet : 0n;
  purse.wallet -= amount - given;
  purse.moves.openWallet(buyer);
  purse.moves.issue('wallet', buyer, given, transferId('faucet', job, number));
  const covered = addCover(escrow, record, { number, amount, available: amount });
  purse.moves.add(covered);
  return covered.record;
}

/** Whether a look has found anything to write. */
function isDue({ view, step, plan, isCurrent }: Found, row: DeploymentRow | null, now: number): boolean {
  const { lookedAt } = view.service;
  const isNoted = now >= lookedAt && now - lookedAt < SETTLEMENT_LIMITS.replicaNoteMilliseconds;
  const stops = plan.stops.some(({ is }) => is === 'live' || is === 'waiting');
  const isOther = isCurrent && row !== null && row.covered !== coveredOf(plan);
  return view.hasEnded || step.isChanged || !isNoted || plan.topUp > 0n || stops || isOther;
}

function coveredOf({ missing, covered }: CoverPlan): number | null {
  return missing > 0n ? covered : null;
}

/** So many replicas may run, and why no more. Answers whether that is another number. */
async function saveCovered(writer: Writer, row: DeploymentRow, found: readonly Found[]): Promise<boolean> {
  const current = found.find(({ isCurrent }) => isCurrent);
  const short = found.filter(({ plan }) => plan.missing > 0n);
  const covered = current === undefined ? null : coveredOf(current.plan);
  const wasShort = row.uncovered !== null;
  const isShort = short.length > 0;
  // What is lacking changes with every look: it is told anew with each period.
  const isTold = isShort === wasShort && !(isShort && found.some(({ step }) => step.hasBegun));
  if (covered === row.covered && isTold) return false;
  await saveDeployment(writer, row, { covered, uncovered: uncoveredText(row, covered, short) });
  return covered !== row.covered;
}

function uncoveredText({ wanted }: DeploymentRow, covered: number | null, short: readonly Found[]): string | null {
  const [first] = short;
  if (first === undefined) return null;
  const lacks = short.reduce((sum, { plan }) => sum + plan.missing, 0n);
  const stopped = short.reduce((sum, { plan }) => sum + plan.stops.filter(({ is }) => is !== 'missing').length, 0);
  const replicas = Math.max(1, covered === null ? stopped : wanted - covered);
  const { escrow } = first.view;
  const period = formatDuration(lengthOf(first.view));
  return `${counted(replicas, 'replica has', 'replicas have')} no cover: ${escrow.buyer} lacks ${formatFog(lacks)} FOG for a period of ${period}`;
}

function missingOf({ replicas }: ServiceView, wanted: number): number {
  return Math.max(0, wanted - replicas.filter(({ leaving }) => !leaving).length);
}

async function currentJob(reader: Reader, { principal, name, revision }: DeploymentRow): Promise<string | null> {
  const row = await reader
    .selectFrom('deployment_revisions')
    .select('job_id')
    .where('principal', '=', principal)
    .where('name', '=', name)
    .where('revision', '=', revision)
    .executeTakeFirst();
  return row?.job_id ?? null;
}

/** What may still be spent on it, less what it has earned since its period began. */
export function leftOf({ step }: Pick<ServiceState, 'step'>): bigint {
  const left = unspent(step.record) - step.accrued;
  return left > 0n ? left : 0n;
}
