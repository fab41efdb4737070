/** A stored ledger in which something was changed is found out, and the place is told. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { sql } from 'kysely';
import { sealOf } from '../../src/settlement/chain.ts';
import { fileSource, ledgerLines } from '../../src/settlement/ledger-lines.ts';
import { databaseSource } from '../../src/settlement/ledger-source.ts';
import { unsealedTail } from '../../src/settlement/sealing.ts';
import { type LedgerVerdict, verifyLedger } from '../../src/settlement/verify-ledger.ts';
import type { Database } from '../../src/store/database.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import { temporaryStorage } from '../dispatch/fog-harness.ts';
import { BUYER, ISSUANCE, LedgerScene, paying, tamper } from './ledger-scene.ts';

const verdictOf = ({ read }: Pick<Database, 'read'>): Promise<LedgerVerdict> => verifyLedger(databaseSource(read));

/** Of a sealed ledger: column -> SQL that changes it in one row. Bytes are changed one at a time, each in its turn. */
const WHERE: Readonly<Record<string, string>> = {
  ledger_accounts: 'sequence IN (4, 1004)',
  ledger_transfers: 'sequence = (SELECT MIN(sequence) FROM ledger_transfers WHERE expires_at IS NOT NULL)',
  ledger_expiries: 'sequence = (SELECT MIN(sequence) FROM ledger_expiries)',
  ledger_failures: 'sequence = (SELECT MIN(sequence) FROM ledger_failures)',
  ledger_balances:
    'sequence = (SELECT MAX(sequence) FROM ledger_balances) AND account = (SELECT MAX(account) FROM ledger_balances)',
  ledger_batches: 'number = 3',
  ledger_seals: 'batch = 3',
};
const NUMBERS: readonly (readonly [string, string])[] = [
  ['ledger_accounts', 'sequence'],
  ['ledger_transfers', 'sequence'],
  ['ledger_expiries', 'sequence'],
  ['ledger_failures', 'sequence'],
  ['ledger_balances', 'account'],
  ['ledger_balances', 'sequence'],
  ['ledger_batches', 'number'],
  ['ledger_batches', 'first_sequence'],
  ['ledger_batches', 'last_sequence'],
  ['ledger_batches', 'written_at'],
  ['ledger_seals', 'batch'],
  ['ledger_seals', 'sealed_at'],
];
const BYTES: readonly (readonly [string, string])[] = [
  ['ledger_accounts', 'id'],
  ['ledger_accounts', 'body'],
  ['ledger_transfers', 'id'],
  ['ledger_transfers', 'body'],
  ['ledger_transfers', 'expires_at'],
  ['ledger_expiries', 'id'],
  ['ledger_expiries', 'body'],
  ['ledger_failures', 'id'],
  ['ledger_balances', 'body'],
  ['ledger_balances', 'entries'],
  ['ledger_seals', 'hash'],
  ['ledger_seals', 'checks'],
];

async function sealed(storage: Parameters<typeof LedgerScene.open>[0]): Promise<LedgerScene> {
  const scene = await LedgerScene.open(storage);
  await scene.live();
  await scene.sealer.seal();
  assert.deepEqual((await verdictOf(scene.database)).faults, []);
  return scene;
}

async function bytesAt(database: Database, table: string, column: string): Promise<Buffer> {
  const { rows } = await sql<{ bytes: Uint8Array }>`SELECT ${sql.raw(column)} AS bytes FROM ${sql.raw(table)}
    WHERE ${sql.raw(WHERE[table] ?? 'id = 1')}`.execute(database.read);
  return Buffer.from(rows[0]?.bytes ?? []);
}

/** The last batch, of one transfer, says something else, and is sealed as its owner can. */
async function writeLastAnew(database: Database, before: string): Promise<void> {
  const { rows } = await sql<{
    sequence: number;
    id: Uint8Array;
    body: Uint8Array;
    batch: number;
    at: number;
    until: number;
  }>`
    SELECT t.sequence, t.id, t.body, b.number AS batch, b.written_at AS at, s.sealed_at AS until
    FROM ledger_transfers t, ledger_batches b, ledger_seals s
    WHERE t.sequence = b.first_sequence AND b.number = s.batch ORDER BY t.sequence DESC LIMIT 1`.execute(database.read);
  const [row] = rows;
  assert.ok(row !== undefined);
  const body = Buffer.from(row.body);
  body[87] = 7;
  const header = { number: row.batch, first: row.sequence, last: row.sequence, writtenAt: row.at };
  const record = { kind: 'transfer' as const, sequence: row.sequence, id: Buffer.from(row.id), body };
  const { hash, checks } = sealOf(Buffer.from(before, 'hex'), header, { records: [record], sealedAt: row.until });
  await tamper(
    database,
    'ledger_transfers',
    `UPDATE ledger_transfers SET body = ${literal(database, body)} WHERE sequence = ${row.sequence}`,
  );
  const seal = `hash = ${literal(database, hash)}, checks = ${literal(database, checks)}`;
  await tamper(database, 'ledger_seals', `UPDATE ledger_seals SET ${seal} WHERE batch = ${row.batch}`);
}

function literal({ engine }: Database, bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return engine === 'sqlite' ? `x'${hex}'` : `decode('${hex}', 'hex')`;
}

await onBothDatabases('verification of a stored ledger', {
  async 'tells what there is, sealed and not'({ storage }) {
    await using scene = await sealed(storage);
    await scene.apply({ transfers: [paying(90n, ISSUANCE, BUYER, 5n)] });
    const verdict = await verdictOf(scene.database);
    const tail = await unsealedTail(scene.database.read, scene.now + 70);
    assert.deepEqual([verdict.isValid, verdict.batches, verdict.accounts, verdict.openTransfers], [true, 7, 4, 1]);
    assert.deepEqual([verdict.unsealed.rows, verdict.sealed.sequence], [1, verdict.records - 1]);
    assert.deepEqual(tail, { sealedSequence: verdict.records - 1, unsealedRows: 1, ageMilliseconds: 70 });
    assert.deepEqual(
      verdict.totals.map((sums) => sums.debitsPosted === sums.creditsPosted),
      [true],
    );
  },

  async 'a chain that was written anew from some row on is right in itself, and refused by a seal that was noted'({
    storage,
  }) {
    await using scene = await sealed(storage);
    const { database } = scene;
    const early = (await verdictOf(database)).sealed;
    await scene.apply({ transfers: [paying(90n, ISSUANCE, BUYER, 5n)] });
    await scene.sealer.seal();
    const late = (await verdictOf(database)).sealed;
    const against = async ({ hash, sequence }: typeof early, isPlaced: boolean) => {
      const noted = { hash: hash ?? '', sequence: isPlaced ? sequence : null };
      const { isValid, noted: found, faults } = await verifyLedger(databaseSource(database.read), noted);
      assert.equal(found?.isPrefix, isValid);
      return [isValid, ...faults.map(({ message }) => message)];
    };
    for (const isPlaced of [false, true]) {
      assert.deepEqual(await against(early, isPlaced), [true]);
      assert.deepEqual(await against(late, isPlaced), [true]);
    }
    await writeLastAnew(database, early.hash ?? '');
    assert.equal((await verdictOf(database)).isValid, true, 'nothing else shows it');
    for (const isPlaced of [false, true]) {
      assert.deepEqual(await against(early, isPlaced), [true], 'what was before it');
      const [isValid, message] = await against(late, isPlaced);
      assert.equal(isValid, false);
      assert.match(String(message), /written anew/);
    }
    assert.match(String((await against({ ...late, sequence: late.sequence + 9 }, true))[1]), /ends at row/);
  },

  async 'finds a changed number in each column of each table'({ storage }) {
    await using scene = await sealed(storage);
    for (const [table, column] of NUMBERS) {
      const was = `SELECT ${column} AS value FROM ${table} WHERE ${WHERE[table]}`;
      const { rows } = await sql.raw<{ value: number }>(was).execute(scene.database.read);
      const value = Number(rows[0]?.value);
      await tamper(scene.database, table, `UPDATE ${table} SET ${column} = ${value + 1000} WHERE ${WHERE[table]}`);
      const { faults } = await verdictOf(scene.database);
      assert.ok(
        faults.some((fault) => fault.table.includes(table)),
        `${table}.${column}: ${JSON.stringify(faults)}`,
      );
      await tamper(scene.database, table, `UPDATE ${table} SET ${column} = ${value} WHERE ${column} = ${value + 1000}`);
    }
    assert.deepEqual((await verdictOf(scene.database)).faults, []);
  },

  async 'finds a changed byte in each column of each table'({ storage }) {
    await using scene = await sealed(storage);
    for (const [table, column] of BYTES) {
      const right = await bytesAt(scene.database, table, column);
      const step = column === 'body' ? 5 : 7;
      for (let place = 0; place < right.length; place += step) {
        const wrong = Buffer.from(right);
        wrong[place] = (wrong[place] as number) ^ 0x10;
        const put = (bytes: Buffer, where: string) =>
          tamper(
            scene.database,
            table,
            `UPDATE ${table} SET ${column} = ${literal(scene.database, bytes)} WHERE ${where}`,
          );
        await put(wrong, WHERE[table] ?? '');
        const { faults } = await verdictOf(scene.database);
        assert.ok(
          faults.some((fault) => fault.table === table),
          `${table}.${column} ${place}: ${JSON.stringify(faults)}`,
        );
        await put(right, WHERE[table] ?? '');
      }
    }
    assert.deepEqual((await verdictOf(scene.database)).faults, []);
  },

  async 'tells which field a byte was changed in, what stood there and what stands there'({ storage }) {
    await using scene = await sealed(storage);
    const body = await bytesAt(scene.database, 'ledger_transfers', 'body');
    body[47] = (body[47] as number) ^ 1;
    await tamper(
      scene.database,
      'ledger_transfers',
      `UPDATE ledger_transfers SET body = ${literal(scene.database, body)} WHERE ${WHERE.ledger_transfers}`,
    );
    const { faults } = await verdictOf(scene.database);
    assert.deepEqual(
      faults.map(({ table, field, expected, found }) => ({ table, field, expected, found })),
      [{ table: 'ledger_transfers', field: 'amount', expected: '100', found: '101' }],
    );
    body.fill(1, 30, 40);
    await tamper(
      scene.database,
      'ledger_transfers',
      `UPDATE ledger_transfers SET body = ${literal(scene.database, body)} WHERE ${WHERE.ledger_transfers}`,
    );
    const broken = await verdictOf(scene.database);
    const [fault] = broken.faults;
    assert.deepEqual([fault?.table, fault?.field, fault?.expected], ['ledger_transfers', null, null]);
  },

  async 'finds rows that are missing, and rows that are too many'({ storage }) {
    await using scene = await sealed(storage);
    await tamper(
      scene.database,
      'ledger_balances',
      `INSERT INTO ledger_balances (account, sequence, body, entries) SELECT account, sequence + 1000, body, entries FROM ledger_balances WHERE account = 2`,
    );
    const [many] = (await verdictOf(scene.database)).faults;
    assert.equal(many?.table, 'ledger_balances');
    await tamper(scene.database, 'ledger_balances', 'DELETE FROM ledger_balances WHERE sequence > 1000');
    await tamper(scene.database, 'ledger_seals', 'DELETE FROM ledger_seals WHERE batch > 4');
    const cut = await verdictOf(scene.database);
    assert.deepEqual([cut.isValid, cut.unsealed.batches], [true, 2]);
    await tamper(scene.database, 'ledger_transfers', 'DELETE FROM ledger_transfers WHERE sequence = 5');
    const { faults } = await verdictOf(scene.database);
    assert.ok(faults.some(({ row, message }) => row === 'sequence 5' && message === 'the row is missing'));
  },

  async 'finds a clock that lags behind the rows, or ran ahead of what it had to release'({ storage }) {
    await using scene = await sealed(storage);
    for (const change of [
      'sequence = sequence - 1',
      'batch = batch + 1',
      `timestamp = ${literal(scene.database, Buffer.alloc(8))}`,
      `expired_until = ${literal(scene.database, Buffer.alloc(8, 0x7f))}`,
    ]) {
      const { rows } = await sql<
        Record<string, unknown>
      >`SELECT sequence, batch, timestamp, expired_until FROM ledger_clock`.execute(scene.database.read);
      await scene.database.write((writer) => sql.raw(`UPDATE ledger_clock SET ${change}`).execute(writer));
      const { faults } = await verdictOf(scene.database);
      assert.equal(faults.length, 1, change);
      assert.match(faults[0]?.table ?? '', /ledger_clock|ledger_expiries/);
      const { sequence, batch, timestamp, expired_until } = rows[0] ?? {};
      await scene.database.write((writer) =>
        sql`UPDATE ledger_clock SET sequence = ${sequence}, batch = ${batch}, timestamp = ${timestamp}, expired_until = ${expired_until}`.execute(
          writer,
        ),
      );
    }
  },

  async 'an exported ledger is found right, and a changed line is found'({ storage }) {
    await using scene = await sealed(storage);
    const folder = await mkdtemp(join(tmpdir(), 'fog-ledger-'));
    try {
      const lines = await Array.fromAsync(ledgerLines(databaseSource(scene.database.read)));
      const path = join(folder, 'ledger.jsonl');
      const verdictOfLines = async (changed: readonly string[]) => {
        await writeFile(path, changed.map((line) => `${line}\n`).join(''));
        return verifyLedger(fileSource(path));
      };
      const [stored, exported] = [await verdictOf(scene.database), await verdictOfLines(lines)];
      assert.deepEqual(exported, stored);
      const other = await verdictOfLines(lines.map((line) => line.replace('"amount":"600"', '"amount":"601"')));
      assert.deepEqual(
        other.faults.map(({ field, expected, found }) => ({ field, expected, found })),
        [{ field: 'amount', expected: '600', found: '601' }],
      );
      const short = await verdictOfLines(lines.filter((line) => !line.includes('"amount":"600"')));
      assert.equal(short.isValid, false);
      await assert.rejects(verdictOfLines([...lines, '{"record":"gift"}']), { code: 'invalid-request' });
      assert.equal((await readFile(path, 'utf8')).length > 0, true);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
});

describe('a whole chain written anew', () => {
  test('is right in itself, and shows another hash than the one that was noted', async () => {
    const heads: (string | null)[] = [];
    for (const amount of [1000n, 1001n]) {
      await using folder = await temporaryStorage();
      await using scene = await LedgerScene.open(folder.storage);
      await scene.live();
      await scene.apply({ transfers: [paying(95n, ISSUANCE, BUYER, amount)] });
      await scene.sealer.seal();
      const verdict = await verdictOf(scene.database);
      assert.equal(verdict.isValid, true);
      heads.push(verdict.sealed.hash);
    }
    assert.notEqual(heads[0], heads[1]);
  });
});
