/** Bulk statements: the same rows in, the same rows out, on both engines. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from 'kysely';
import { allOf, type BulkStatement, type BulkValue, beside, runBulk } from '../../src/store/bulk.ts';
import type { Writer } from '../../src/store/database.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';

const ECHO: BulkStatement = {
  text: 'SELECT d.id, d.word, d.amount FROM ROWS AS d ORDER BY d.id',
  columns: { id: 'integer', word: 'text', amount: 'bigint' },
};
const UPDATE_BLOBS: BulkStatement = {
  text: 'UPDATE blobs SET bytes = d.bytes FROM ROWS AS d WHERE blobs.digest = d.digest RETURNING blobs.digest',
  columns: { digest: 'text', bytes: 'bigint' },
};
const INSERT_BLOBS: BulkStatement = {
  text: 'INSERT INTO blobs (digest, bytes, stored_at) SELECT digest, bytes, 1 FROM ROWS AS d',
  columns: { digest: 'text', bytes: 'bigint' },
};

interface Echoed {
  id: number;
  word: string | null;
  amount: number | null;
}

async function echo(writer: Writer, rows: BulkValue[][]): Promise<BulkValue[][]> {
  const answered = await runBulk<Echoed>(writer, ECHO, rows);
  return answered.map(({ id, word, amount }) => [id, word, amount === null ? null : Number(amount)]);
}

test('of statements that fail together, the fault is told that made the others fail', async () => {
  const fail = async (code: string) => {
    throw Object.assign(new Error(code), { code });
  };
  const rest = () => fail('25P02');
  for (const code of ['40001', '40P01', '23505']) {
    await assert.rejects(allOf([rest(), fail(code), rest()]), { code });
    await assert.rejects(
      beside(() => allOf([fail(code), rest()]), rest),
      { code },
    );
    await assert.rejects(
      beside(rest, () => allOf([rest(), fail(code)])),
      { code },
    );
  }
  await assert.rejects(allOf([rest()]), { code: '25P02' });
});

await onBothDatabases('bulk statements', {
  async 'a transaction whose statements stand beside each other is run again when one of them has to'({ open }) {
    const fog = await open();
    if (fog.database.engine !== 'postgres') return;
    // Works that share a transaction are run again in any case.
    await fog.settle();
    let runs = 0;
    const again = sql`DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$`;
    const answer = await fog.database.write(async (writer) => {
      runs += 1;
      const first = runs === 1 ? again : sql`SELECT 1`;
      return await beside(
        () => first.execute(writer),
        async () => {
          for (let count = 0; count < 3; count += 1) await echo(writer, [[count, 'one', 1]]);
          return 'done';
        },
      );
    });
    assert.deepEqual([runs, answer], [2, 'done']);
  },

  async 'keep nulls, quotes, unicode and large numbers as they are'({ open }) {
    const fog = await open();
    const words = [
      null,
      '',
      `'; DROP TABLE jobs; --`,
      '"quoted"',
      '\\',
      '{a,NULL,"b"}',
      'grüße 🌫 \u202e',
      'NULL',
      '$1 ? ROWS',
      'a\nb\tc',
    ];
    const rows = words.map((word, id) => [id, word, id % 2 === 0 ? null : Number.MAX_SAFE_INTEGER - id]);
    assert.deepEqual(await fog.database.write((writer) => echo(writer, rows)), rows);
  },

  async 'take any number of rows'({ open }) {
    const fog = await open();
    for (const count of [0, 1, 2, 3, 1023, 1024, 1025, 40_000]) {
      const rows = Array.from({ length: count }, (_, id) => [id, `w${id}`, id]);
      const answered = await fog.database.write((writer) => echo(writer, rows));
      assert.equal(answered.length, count);
      assert.deepEqual(answered.toSorted((left, right) => Number(left[0]) - Number(right[0])).at(-1), rows.at(-1));
    }
  },

  async 'change exactly the rows they name'({ open }) {
    const fog = await open();
    const digests = Array.from({ length: 3000 }, (_, index) => `digest-${index}`);
    await fog.database.write((writer) =>
      runBulk(
        writer,
        INSERT_BLOBS,
        digests.map((digest) => [digest, 0]),
      ),
    );
    const wanted = digests.filter((_, index) => index % 3 === 0);
    const rows = [...wanted, 'absent'].map((digest) => [digest, 7]);
    const changed = await fog.database.write((writer) => runBulk<{ digest: string }>(writer, UPDATE_BLOBS, rows));
    assert.deepEqual(changed.map((row) => row.digest).sort(), wanted.toSorted());
    const sevens = await fog.database.read.selectFrom('blobs').select('digest').where('bytes', '=', 7).execute();
    assert.equal(sevens.length, 1000);
  },
});
