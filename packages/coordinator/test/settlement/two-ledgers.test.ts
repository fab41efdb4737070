/** Two coordinators on one PostgreSQL: one order of what they write, one chain, and money that is spent once. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startPostgres } from '../../../../test/support/postgres.ts';
import { readLedgerBalance } from '../../src/settlement/ledger-queries.ts';
import { databaseSource } from '../../src/settlement/ledger-source.ts';
import { verifyLedger } from '../../src/settlement/verify-ledger.ts';
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
