/** Parts that the core of a coordinator is made of. */
import { randomBytes } from 'node:crypto';
import { parseBytes } from '@fog/contract';
import type { Registry } from 'prom-client';
import { type Bus, localBus, postgresBus } from './bus.ts';
import type { CoordinatorOptions } from './coordinator.ts';
import { Dependencies } from './dispatch/dependencies.ts';
import { registerDependencyGauge } from './dispatch/dependency-metrics.ts';
import { Jobs } from './dispatch/jobs.ts';
import { type HttpMetrics, registerDatabaseGauges } from './routes/metrics.ts';
import type { Database } from './store/database.ts';
import { DatabaseSpace, measureDatabase } from './store/database-space.ts';
import type { readPlacementNodes } from './store/node-queries.ts';

export async function openBus(databaseUrl: string | undefined, coordinatorId: string): Promise<Bus> {
  return databaseUrl === undefined ? localBus() : await postgresBus(databaseUrl, coordinatorId);
}

export async function openSpace(
  database: Database,
  { settings, dataDirectory }: Pick<CoordinatorOptions, 'settings' | 'dataDirectory'>,
  registry: Registry,
): Promise<DatabaseSpace> {
  const space = new DatabaseSpace({
    measure: () => measureDatabase(database, dataDirectory),
    limitBytes: parseBytes(settings.databaseSpace),
  });
  await space.measure();
  registerDatabaseGauges(registry, space);
  return space;
}

/** Jobs, and those that wait for others. */
export function openJobs(
  given: Omit<
    ConstructorParameters<typeof Jobs>[0],
    'randomBytes' | 'storageFault' | 'secretNames' | 'connectedNodes' | 'readFolder' | 'publishStreams' | 'waits'
  > &
    Omit<ConstructorParameters<typeof Dependencies>[0], 'jobs'> & {
      space: DatabaseSpace;
      stores: { blobs: { readFolder: ConstructorParameters<typeof Jobs>[0]['readFolder'] } };
      allNodes: () => ReturnType<typeof readPlacementNodes>;
      httpMetrics: Pick<HttpMetrics, 'registry'>;
    },
) {
  const { database, bus, space, stores, allNodes, httpMetrics, ...basis } = given;
  const jobs: Jobs = new Jobs({
    ...basis,
    database,
    randomBytes,
    storageFault: () => space.fault(),
    secretNames: (principal) => secretNames(database, principal),
    connectedNodes: allNodes,
    readFolder: (digest) => stores.blobs.readFolder(digest),
    publishStreams: (ids) => bus.publish({ kind: 'streams', ids }),
    waits: (jobId, needed) => dependencies.follow(jobId, needed),
  });
  const { now, warn } = basis;
  const dependencies: Dependencies = new Dependencies({ database, bus, jobs, now, warn });
  registerDependencyGauge(httpMetrics.registry, database);
  return { jobs, dependencies };
}

async function secretNames(database: Database, principal: string): Promise<ReadonlySet<string>> {
  const rows = await database.read.selectFrom('secrets').select('name').where('principal', '=', principal).execute();
  return new Set(rows.map((row) => row.name));
}
