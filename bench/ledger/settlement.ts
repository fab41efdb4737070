/**
 * Settlements a second in the coordinator's database: a task is paid by two transfers, escrow to provider and escrow to
 * treasury, 200 tasks a transaction, of 20 jobs, among 200 providers. Time is that of whole transactions with their
 * commit; `microsecondsEach` is the part that the ledger takes within one, which shares its commit with the results.
 */

import { SqlLedger } from '../../packages/coordinator/src/settlement/sql-ledger.ts';
import type { Database } from '../../packages/coordinator/src/store/database.ts';
import { openDatabase } from '../../packages/coordinator/src/store/open-database.ts';
import { accountId, transferId } from '../../packages/economy/src/chart.ts';
import type { NewTransfer } from '../../packages/economy/src/ledger/index.ts';
import type { BenchmarkContext } from '../benchmark.ts';
import { startPostgres } from '../postgres.ts';
import { median, rounded } from '../statistics.ts';
import { TemporaryFolder } from '../temporary-folder.ts';

const TASKS = 200;
const JOBS = 20;
const PROVIDERS = 200;
/** Transactions of which the median is one figure. */
const GROUP = 25;

export interface SettlementFigures {
  perSecond: number;
  /** Within the transaction, without its commit. */
  microsecondsEach: number;
}

/** On both engines; null, with the reason in `notMeasured`, where there is none. */
export async function measureSettlement(
  context: BenchmarkContext,
  notMeasured: Record<string, string>,
): Promise<Record<'sqlite' | 'postgres', SettlementFigures | null>> {
  const folder = context.cleanup.use(new TemporaryFolder());
  const sqlite = await measure(context, await openDatabase({ dataDirectory: folder.path }));
  try {
    const server = await startPostgres(context.cleanup);
    return {
      sqlite,
      postgres: await measure(context, await openDatabase({ url: server.createDatabase('settlement') })),
    };
  } catch (error) {
    notMeasured.settlementsOnPostgres = (error as Error).message;
    return { sqlite, postgres: null };
  }
}

async function measure(context: BenchmarkContext, database: Database): Promise<SettlementFigures> {
  const ledger = new SqlLedger(database.engine);
  const batches = Math.max(GROUP, Math.ceil(context.option('settlements') / TASKS));
  const providers = Array.from({ length: PROVIDERS }, (_, index) => accountId('fog', 'wallet', `p${index}`));
  await open(database, ledger, [...providers, accountId('fog', 'treasury'), accountId('fog', 'issuance')]);
  const [whole, inside]: [number[], number[]] = [[], []];
  for (let batch = 0; batch < batches; batch += 1) {
    const jobs = Array.from({ length: JOBS }, (_, job) => `j${Math.floor(batch / 10)}-${job}`);
    if (batch % 10 === 0) await cover(database, ledger, jobs);
    const transfers = settlementOf(jobs, providers, batch);
    const began = performance.now();
    await database.write(async (writer) => {
      const before = performance.now();
      const { transfers: results } = await ledger.apply(writer, { transfers }, Date.now());
      inside.push(performance.now() - before);
      if (results.some(({ status }) => status !== 'created')) throw new Error('a settlement was refused');
    });
    whole.push(performance.now() - began);
  }
  await database.close();
  const figures = {
    perSecond: Math.round((1000 * TASKS) / median(groups(whole))),
    microsecondsEach: rounded((1000 * median(groups(inside))) / TASKS),
  };
  context.progress(
    `${database.engine}: ${figures.perSecond} settlements a second, ${figures.microsecondsEach} µs each`,
  );
  return figures;
}

/** Means of transactions one behind the other: a checkpoint counts with those around it. */
function groups(milliseconds: readonly number[]): number[] {
  const means: number[] = [];
  for (let start = 0; start + GROUP <= milliseconds.length; start += GROUP) {
    means.push(milliseconds.slice(start, start + GROUP).reduce((sum, each) => sum + each, 0) / GROUP);
  }
  return means;
}

async function open(database: Database, ledger: SqlLedger, ids: readonly bigint[]): Promise<void> {
  const accounts = ids.map((id) => ({ id, ledger: 1, code: 10 }));
  await database.write((writer) => ledger.apply(writer, { accounts }, Date.now()));
}

async function cover(database: Database, ledger: SqlLedger, jobs: readonly string[]): Promise<void> {
  const accounts = jobs.map((job) => ({ id: accountId('fog', 'escrow', job), ledger: 1, code: 11, flags: 2 }));
  const transfers = jobs.map((job) => {
    const [debitAccount, creditAccount] = [accountId('fog', 'issuance'), accountId('fog', 'escrow', job)];
    return { id: transferId('cover', job), debitAccount, creditAccount, amount: 10n ** 9n, ledger: 1, code: 10 };
  });
  await database.write((writer) => ledger.apply(writer, { accounts, transfers }, Date.now()));
}

function settlementOf(jobs: readonly string[], providers: readonly bigint[], batch: number): NewTransfer[] {
  return Array.from({ length: TASKS }, (_, task) => {
    const job = jobs[task % jobs.length] as string;
    const debitAccount = accountId('fog', 'escrow', job);
    const provider = providers[(7 * task + batch) % providers.length] as bigint;
    const cause = [job, batch * TASKS + task, 1];
    return [
      { id: transferId('payout', ...cause), debitAccount, creditAccount: provider, amount: 1000n, ledger: 1, code: 11 },
      {
        id: transferId('fee', ...cause),
        debitAccount,
        creditAccount: accountId('fog', 'treasury'),
        amount: 20n,
        ledger: 1,
        code: 12,
      },
    ];
  }).flat();
}
