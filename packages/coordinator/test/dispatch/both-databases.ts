/** Runs the same cases over SQLite and PostgreSQL, and checks the invariants after each. */
import { after, afterEach, before, describe, test } from 'node:test';
import { sql } from 'kysely';
import { startPostgres } from '../../../../test/support/postgres.ts';
import { openDatabase } from '../../src/store/open-database.ts';
import type { Tables } from '../../src/store/tables.ts';
import { Fog, type FogOptions, type Storage, temporaryStorage } from './fog-harness.ts';
import { assertConsistent, assertPlaces } from './invariants.ts';

export interface Scene {
  readonly storage: Storage;
  /** A core on this test's database; closed and checked at the end. */
  open(options?: FogOptions): Promise<Fog>;
  /** The core dies; answers the one in its place, with other options where they are named. */
  crash(fog: Fog, change?: Partial<FogOptions>): Promise<Fog>;
}

export type Cases = Record<string, (scene: Scene) => Promise<void>>;

export async function onBothDatabases(name: string, cases: Cases): Promise<void> {
  describe(`${name} on SQLite`, () => {
    for (const [title, run] of Object.entries(cases)) {
      test(title, async () => {
        await using folder = await temporaryStorage();
        await runCase(folder.storage, run);
      });
    }
  });
  const postgres = await startPostgres();
  const skip = 'unavailable' in postgres ? postgres.unavailable : false;
  describe(`${name} on PostgreSQL`, { skip }, () => {
    if ('unavailable' in postgres) return;
    let url = '';
    before(async () => {
      url = postgres.url(await postgres.createDatabase());
    });
    afterEach(() => emptyTables(url));
    after(() => postgres.stop());
    for (const [title, run] of Object.entries(cases)) test(title, () => runCase({ url }, run));
  });
}

const TABLES: readonly (keyof Tables)[] = [
  'jobs',
  'tasks',
  'attempts',
  'placement_classes',
  'samples',
  'events',
  'logs',
  'nodes',
  'node_trust',
  'owner_reputations',
  'known_answers',
  'spot_checks',
  'tokens',
  'secrets',
  'blobs',
  'job_blobs',
  'job_dependencies',
  'coordinators',
  'deployments',
  'deployment_revisions',
  'deployment_replicas',
  'quotas',
  'quota_uses',
  'service_waits',
  'service_settlements',
  'market_prices',
  'wallet_names',
  'paid_services',
  'paid_leases',
  'stake_validators',
  'stake_delegations',
  'stake_periods',
  'stake_cohorts',
  'stake_entries',
  'stake_redelegations',
  'stake_slashes',
  'stake_slash_parts',
  'stake_liveness',
  'stake_marks',
  'stake_totals',
  'stake_faults',
  'arbitrations',
  'dao_network',
  'dao_parameters',
  'dao_proposals',
  'dao_ballots',
  'dao_snapshots',
  'dao_snapshot_voters',
  'dao_stakes',
  'dao_powers',
  'dao_voting_keys',
  'emission_shares',
  'emission_claims',
  'emission_epochs',
];

/** What is only ever added to, from its newest part on. */
const LEDGER_TABLES: readonly (keyof Tables)[] = [
  'ledger_accounts',
  'ledger_transfers',
  'ledger_expiries',
  'ledger_failures',
  'ledger_balances',
  'ledger_batches',
  'ledger_seals',
];
const EMPTY_LEDGER = `IF EXISTS (SELECT 1 FROM ledger_batches) OR EXISTS (SELECT 1 FROM ledger_accounts) THEN
    ${LEDGER_TABLES.map((table) => `ALTER TABLE ${table} DISABLE TRIGGER USER; DELETE FROM ${table}; ALTER TABLE ${table} ENABLE TRIGGER USER;`).join('\n    ')}
    UPDATE ledger_clock SET sequence = 0, batch = 0, timestamp = decode('0000000000000000', 'hex'),
      expired_until = decode('0000000000000000', 'hex'), expired_sequence = 0;
    DELETE FROM ledger_sealer;
  END IF;
  IF EXISTS (SELECT 1 FROM dao_audit) THEN
    ALTER TABLE dao_audit DISABLE TRIGGER USER; DELETE FROM dao_audit; ALTER TABLE dao_audit ENABLE TRIGGER USER;
  END IF;`;

/**
 * Takes a twentieth of the time that a new database takes. `TRUNCATE` would make new files for each table and each of its
 * indexes, some hundred of them; most tests write a few rows.
 */
async function emptyTables(url: string): Promise<void> {
  const database = await openDatabase({ url });
  const statements = TABLES.map((table) => `DELETE FROM ${table};`).join(' ');
  await database.write((writer) => sql.raw(`DO $$ BEGIN ${statements} ${EMPTY_LEDGER} END $$`).execute(writer));
  await database.close();
}

async function runCase(storage: Storage, run: (scene: Scene) => Promise<void>): Promise<void> {
  const fogs: Fog[] = [];
  const keep = (fog: Fog) => {
    fogs.push(fog);
    return fog;
  };
  try {
    await run({
      storage,
      open: async (options) => keep(await Fog.open(storage, options)),
      crash: async (fog, change) => keep(await fog.crash(change)),
    });
    for (const fog of fogs.filter((candidate) => !candidate.database.crashed)) {
      await fog.settle();
      await assertConsistent(fog.database);
      await assertPlaces(fog);
    }
  } finally {
    for (const fog of fogs) await fog[Symbol.asyncDispose]();
  }
}
