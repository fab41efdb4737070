/** Two coordinators on one PostgreSQL: one order of what they write, one chain, and money that is spent once. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { sql } from 'kysely';
import { startPostgres } from '../../../../test/support/postgres.ts';
import { readLedgerBalance } from '../../src/settlement/ledger-queries.ts';
import { databaseSource } from '../../src/settlement/ledger-source.ts';
import { verifyLedger } from '../../src/settlement/verify-ledger.ts';
import type { Writer } from '../../src/store/database.ts';
import { BUYER, ISSUANCE, LedgerScene, opening, PROVIDER, paying } from './ledger-scene.ts';

const postgres = await startPostgres();
const skip = 'unavailable' in postgres ? postgres.unavailable : false;

describe('two ledgers on one database', { skip }, () => {
  after(() => ('unavailable' in postgres ? undefined : postgres.stop()));

  test('spend what there is once, number their rows in the order of commits, and seal one chain', async () => {
    if ('unavailable' in postgres) return;
    const url = postgres.url(await postgres.createDatabase());
    await using one = await LedgerScene.open({ url }, 'one');
    await using two = await LedgerScene.open({ url }, 'two');
    await one.apply({
      accounts: [ISSUANCE, BUYER, PROVIDER].map(opening),
      transfers: [paying(1n, ISSUANCE, BUYER, 100n)],
    });
    const sequences: number[] = [];
    let created = 0;
    const spend = async (scene: LedgerScene, offset: bigint) => {
      for (let id = 0n; id < 80n; id += 1n) {
        // Each is asked for by both, and the two of one id are one.
        const request = {
          transfers: [paying(1000n + id, BUYER, PROVIDER, 1n), paying(offset + id, BUYER, PROVIDER, 1n)],
        };
        const { transfers, sequence } = await scene.apply(request);
        created += transfers.filter(({ status }) => status === 'created').length;
        sequences.push(sequence);
        if (id % 20n === 0n) await scene.sealer.seal();
      }
    };
    await Promise.all([spend(one, 2000n), spend(two, 3000n)]);
    assert.equal(created, 100);
    assert.equal(await readLedgerBalance(one.database.read, PROVIDER), 100n);
    assert.equal(await readLedgerBalance(one.database.read, BUYER), 0n);
    one.now += 10_000;
    await Promise.all([one.sealer.seal(), two.sealer.seal()]);
    const verdict = await verifyLedger(databaseSource(two.database.read));
    assert.deepEqual([verdict.faults, verdict.unsealed.rows], [[], 0]);
    assert.equal(Math.max(...sequences), verdict.records);
  });

  test('do not wait for each other, whatever waits together with what takes the ledger', async () => {
    if ('unavailable' in postgres) return;
    const url = postgres.url(await postgres.createDatabase());
    await using one = await LedgerScene.open({ url }, 'one');
    await using two = await LedgerScene.open({ url }, 'two');
    await one.apply({ accounts: [ISSUANCE, BUYER].map(opening), transfers: [paying(1n, ISSUANCE, BUYER, 1n)] });
    await one.database.write((writer) => sql`INSERT INTO stake_marks VALUES ('row', 0)`.execute(writer));
    let runs = 0;
    const holdsRow = Promise.withResolvers<void>();
    const mayPay = Promise.withResolvers<void>();
    const lockRow = (writer: Writer) =>
      sql`UPDATE stake_marks SET value = value + 1 WHERE name = 'row'`.execute(writer);
    const pay = async (writer: Writer, scene: LedgerScene, id: bigint) => {
      await scene.ledger.apply(writer, { transfers: [paying(id, ISSUANCE, BUYER, 1n)] }, scene.now);
    };
    // A turn elsewhere: it holds a row, and then wants the ledger.
    const elsewhere = two.database.write(async (writer) => {
      runs += 1;
      await lockRow(writer);
      holdsRow.resolve();
      await mayPay.promise;
      await pay(writer, two, 2n);
    });
    await holdsRow.promise;
    // Here, submits and a turn that wants the row wait together.
    const order: string[] = [];
    const submit = (id: bigint) =>
      one.database.write(async (writer) => {
        runs += 1;
        order.push(
          (await sql<{ id: string }>`SELECT pg_current_xact_id()::text AS id`.execute(writer)).rows[0]?.id ?? '',
        );
        await pay(writer, one, id);
        mayPay.resolve();
      }, 'submit');
    const submits = [submit(3n), submit(4n)];
    const turn = one.database.write(async (writer) => {
      runs += 1;
      await lockRow(writer);
      await pay(writer, one, 5n);
    });
    await Promise.all([elsewhere, ...submits, turn]);
    assert.equal(runs, 4, 'nothing was tried again');
    assert.equal(await readLedgerBalance(one.database.read, BUYER), 5n);
    assert.equal(new Set(order).size, 1, 'submits share a transaction');
  });

  test('leave sealing to one of them, until it is silent', async () => {
    if ('unavailable' in postgres) return;
    const url = postgres.url(await postgres.createDatabase());
    await using one = await LedgerScene.open({ url }, 'one');
    await using two = await LedgerScene.open({ url }, 'two');
    await one.apply({ accounts: [ISSUANCE, BUYER].map(opening), transfers: [paying(1n, ISSUANCE, BUYER, 1n)] });
    assert.equal(await one.sealer.seal(), 1);
    await two.apply({ transfers: [paying(2n, ISSUANCE, BUYER, 1n)] });
    assert.equal(await two.sealer.seal(), 0);
    two.now += 6000;
    assert.equal(await two.sealer.seal(), 1);
    assert.equal(await one.sealer.seal(), 0);
  });
});
