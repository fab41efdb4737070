/** What paying costs of the throughput of dispatch: the same job with and without, turn and turn about. */
import type { BenchmarkContext } from '../benchmark.ts';
import { type DispatchRun, runDispatch } from '../dispatch-run.ts';
import { reasonOf } from '../peers.ts';
import { startPostgres } from '../postgres.ts';
import { median, rounded } from '../statistics.ts';

const RUNS = 5;

export interface DispatchShare {
  /** Of the throughput without paying, 0 to 1; null where the database is unavailable. */
  dispatchShare: { sqlite: number; postgres: number | null };
  tasksPerSecond: Record<'sqlite' | 'postgres', { free: number; paid: number } | null>;
}

export async function measureDispatchShare(
  context: BenchmarkContext,
  tasks: number,
  notMeasured: Record<string, string>,
): Promise<DispatchShare> {
  const sqlite = await compare(context, 'sqlite', tasks, () => undefined);
  const server = await startPostgres(context.cleanup).catch((error: unknown) => {
    notMeasured.dispatchSharePostgres = reasonOf(error);
    return null;
  });
  let databases = 0;
  const fresh = () => {
    databases += 1;
    return server?.createDatabase(`share${databases}`);
  };
  const postgres = server === null ? null : await compare(context, 'postgres', tasks, fresh);
  return {
    dispatchShare: { sqlite: shareOf(sqlite), postgres: postgres === null ? null : shareOf(postgres) },
    tasksPerSecond: { sqlite, postgres },
  };
}

async function compare(
  context: BenchmarkContext,
  name: string,
  tasks: number,
  databaseUrl: () => string | undefined,
): Promise<{ free: number; paid: number }> {
  const results: Record<'off' | 'on', DispatchRun[]> = { off: [], on: [] };
  for (let run = 1; run <= RUNS; run += 1) {
    for (const economy of ['off', 'on'] as const) {
      const url = databaseUrl();
      const load = { tasks, agents: 100, slots: 16, pace: { submitsPerSecond: 1, seconds: 0 }, economy };
      const title = `${name}, ${economy === 'on' ? 'paid' : 'free'}, run ${run}`;
      results[economy].push(
        await runDispatch(context, title, url === undefined ? load : { ...load, databaseUrl: url }),
      );
    }
  }
  const perSecond = (runs: readonly DispatchRun[]) =>
    Math.round(median(runs.map(({ tasksPerSecond }) => tasksPerSecond)));
  return { free: perSecond(results.off), paid: perSecond(results.on) };
}

function shareOf({ free, paid }: { free: number; paid: number }): number {
  return rounded(1 - paid / free);
}
