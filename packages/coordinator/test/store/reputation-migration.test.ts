/** What a database of before knew of nodes becomes the first record of their owners. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readReputation, reputationOf } from '@fog/economy/reputation';
import { unknownNode } from '@fog/verification';
import { Kysely, SqliteDialect, sql } from 'kysely';
import { up } from '../../src/store/migrations/0016-reputation.ts';
import { openSqlite } from '../../src/store/sqlite-connection.ts';
import { temporaryStorage } from '../dispatch/fog-harness.ts';

test('an owner begins with the results in a row of all its nodes, as far as verification looks back', async () => {
  await using folder = await temporaryStorage();
  assert.ok('dataDirectory' in folder.storage);
  const path = join(folder.storage.dataDirectory, 'before.sqlite');
  const database = new Kysely<unknown>({ dialect: new SqliteDialect({ database: openSqlite(path, 'write') }) });
  try {
    await sql`CREATE TABLE nodes (id TEXT, owner TEXT)`.execute(database);
    await sql`CREATE TABLE node_trust (node_id TEXT, runtime TEXT, record TEXT, version BIGINT)`.execute(database);
    const known: [string, string, number][] = [
      ['n1', 'olga', 30],
      ['n2', 'olga', 50],
      ['n3', 'oleg', 5],
      ['n4', 'liza', 0],
    ];
    for (const [node, owner, consecutiveValid] of known) {
      const record = JSON.stringify({ ...unknownNode(), consecutiveValid });
      await sql`INSERT INTO nodes VALUES (${node}, ${owner})`.execute(database);
      await sql`INSERT INTO node_trust VALUES (${node}, 'wasm', ${record}, 1)`.execute(database);
    }
    await up(database);
    const { rows } = await sql<{ owner: string; record: string; version: number }>`
      SELECT owner, record, version FROM owner_reputations ORDER BY owner`.execute(database);
    assert.deepEqual(
      rows.map(({ owner, record }) => [owner, readReputation(record).right]),
      [
        ['liza', []],
        ['oleg', [5_000_000]],
        ['olga', [64_000_000]],
      ],
    );
    assert.ok(rows.every(({ version }) => version === 1));
    const olga = readReputation(rows[2]?.record ?? '');
    assert.ok(reputationOf(olga, Date.now()) > 900_000);
    const { rows: nodes } = await sql<{ reputation: string | null }>`SELECT reputation FROM node_trust`.execute(
      database,
    );
    assert.ok(
      nodes.every(({ reputation }) => reputation === null),
      'taken over when it is read',
    );
  } finally {
    await database.destroy();
  }
});
