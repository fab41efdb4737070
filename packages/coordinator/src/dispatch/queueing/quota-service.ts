/** Quotas and service levels as the routes ask for them. */
import { FogError, type Quota, type QuotaLimits, type ServiceLevelRecord } from '@fog/contract';
import type { CreditSchedule } from '@fog/scheduler/queueing';
import { decodeCursor, encodeCursor } from '../../access/page-cursor.ts';
import { DISPATCH_LIMITS } from '../../limits.ts';
import type { Caller, Page, PageRequest } from '../../service.ts';
import type { Database } from '../../store/database.ts';
import { countQuotas, deleteQuota, readQuotas, saveQuota, usesOf } from '../../store/quota-rows.ts';
import { readServiceLevels } from '../../store/service-rows.ts';
import type { Dispatcher } from '../dispatcher.ts';
import type { Quotas } from './quotas.ts';

export interface QuotaServiceDependencies {
  database: Database;
  dispatcher: Pick<Dispatcher, 'wake'>;
  quotas: Quotas;
  credits: () => CreditSchedule;
  now: () => number;
}

/** To a caller of scope `submit` there are only its own. */
function visibleTo(caller: Caller): string | null {
  return caller.scope === 'submit' ? caller.principal : null;
}

export class QuotaService {
  readonly #dependencies: QuotaServiceDependencies;

  constructor(dependencies: QuotaServiceDependencies) {
    this.#dependencies = dependencies;
  }

  /** In place of what was set before. Throws `too-many-requests` beyond the number of quotas. */
  async set(caller: Caller, principal: string, limits: QuotaLimits): Promise<Quota> {
    const { database, quotas, dispatcher, now } = this.#dependencies;
    if (quotas.of(principal) === undefined && (await countQuotas(database.read)) >= DISPATCH_LIMITS.quotas) {
      throw new FogError('too-many-requests', `there are ${DISPATCH_LIMITS.quotas} quotas already`, {
        hint: 'fog quota rm PRINCIPAL',
      });
    }
    await database.write((writer) => saveQuota(writer, principal, { limits, by: caller.principal, at: now() }));
    await quotas.load();
    dispatcher.wake();
    return await this.#read(principal);
  }

  /** Throws `not-found`. */
  async remove(principal: string): Promise<void> {
    const { database, quotas, dispatcher } = this.#dependencies;
    const isRemoved = await database.write((writer) => deleteQuota(writer, principal));
    if (!isRemoved) throw new FogError('not-found', `${principal} has no quota`, { hint: 'fog quota ls' });
    await quotas.load();
    dispatcher.wake();
  }

  async list(caller: Caller, { cursor, limit }: PageRequest): Promise<Page<Quota>> {
    const { database } = this.#dependencies;
    const after = decodeCursor(cursor, /^[A-Za-z0-9._-]{1,63}$/);
    const rows = await readQuotas(database.read, { principal: visibleTo(caller), after, limit: limit + 1 });
    const items = rows.slice(0, limit);
    const uses = await usesOf(
      database.read,
      items.map(({ principal }) => principal),
    );
    const quotas = items.map((row) => ({ ...row, used: uses.get(row.principal) ?? NO_USE }));
    const last = items.at(-1);
    return { items: quotas, next: rows.length > limit && last !== undefined ? encodeCursor(last.principal) : null };
  }

  /** Newest period first. */
  async serviceLevels(
    caller: Caller,
    { since, cursor, limit }: PageRequest & { since: number },
  ): Promise<Page<ServiceLevelRecord>> {
    const key = decodeCursor(cursor, /^\d{1,15} [a-z]{1,16} [A-Za-z0-9._-]{1,63}$/);
    const [period, tier, principal] = key?.split(' ') ?? [];
    const after =
      period === undefined || tier === undefined || principal === undefined
        ? undefined
        : { period: Number(period), tier, principal };
    const { database, credits } = this.#dependencies;
    const request = { principal: visibleTo(caller), since, after, limit: limit + 1, credits: credits() };
    const rows = await readServiceLevels(database.read, request);
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    const next = last === undefined ? '' : `${last.periodStart} ${last.tier} ${last.principal}`;
    return { items, next: rows.length > limit ? encodeCursor(next) : null };
  }

  async #read(principal: string): Promise<Quota> {
    const { read } = this.#dependencies.database;
    const [row] = await readQuotas(read, { principal, limit: 1 });
    if (row === undefined) throw new FogError('conflict', `the quota of ${principal} was removed meanwhile`);
    return { ...row, used: (await usesOf(read, [principal])).get(principal) ?? NO_USE };
  }
}

const NO_USE = { milliCpu: 0, memoryBytes: 0, running: 0, queued: 0 };
