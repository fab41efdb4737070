/** The ledger in the database: the same as in memory, whole transactions, in one order. */
import assert from 'node:assert/strict';
import { TRANSFER_FLAGS } from '@fog/economy/ledger';
import { sql } from 'kysely';
import {
  balanceAt,
  balanceHistory,
  readLedgerAccount,
  readLedgerBalance,
  readLedgerTransfer,
  transfersOfAccount,
} from '../../src/settlement/ledger-queries.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import { BUYER, ESCROW, ISSUANCE, LedgerScene, opening, PROVIDER, paying, tamper } from './ledger-scene.ts';

await onBothDatabases('the ledger in the database', {
  async 'moves money, and refuses what is not covered'({ storage }) {
    await using scene = await LedgerScene.open(storage);
    await scene.live();
    const { read } = scene.database;
    assert.equal(await readLedgerBalance(read, BUYER), 400n);
    assert.equal(await readLedgerBalance(read, ESCROW), 600n - 30n - 207n);
    assert.equal(await readLedgerBalance(read, PROVIDER), 237n);
    assert.equal((await readLedgerAccount(read, ESCROW))?.debitsPending, 50n);
    assert.equal(await readLedgerBalance(read, 99n), null);
    const outcome = await scene.apply({ transfers: [paying(12n, BUYER, ESCROW, 1n), paying(40n, BUYER, 99n, 1n)] });
    assert.deepEqual(
      outcome.transfers.map(({ status }) => status),
      ['id_already_failed', 'credit_account_not_found'],
    );
    const pendings = await Promise.all([13n, 14n, 15n, 16n].map((id) => readLedgerTransfer(read, id)));
    assert.deepEqual(
      pendings.map((found) => found?.pending),
      ['expired', 'pending', 'posted', null],
    );
    const late = { ...paying(41n, 0n, 0n, 1n), pendingId: 13n, flags: TRANSFER_FLAGS.postPending };
    const [refused] = (await scene.apply({ transfers: [late] })).transfers;
    assert.equal(refused?.status, 'pending_transfer_expired');
  },

  async 'does the same request once, and refuses its id with another body'({ storage }) {
    await using scene = await LedgerScene.open(storage);
    await scene.live();
    const before = await scene.apply({});
    const again = await scene.apply({ accounts: [opening(BUYER)], transfers: [paying(11n, BUYER, ESCROW, 600n)] });
    assert.deepEqual([again.accounts[0]?.status, again.transfers[0]?.status], ['exists', 'exists']);
    const other = await scene.apply({ transfers: [paying(11n, BUYER, ESCROW, 601n)] });
    assert.equal(other.transfers[0]?.status, 'exists_with_different_amount');
    assert.equal(other.sequence, before.sequence);
    assert.equal(await readLedgerBalance(scene.database.read, BUYER), 400n);
  },

  async 'what is no request is refused with a reason, and nothing of it happens'({ storage }) {
    await using scene = await LedgerScene.open(storage);
    await scene.live();
    const { sequence } = await scene.apply({});
    for (const wrong of [
      { amount: -1n },
      { id: 1n << 128n },
      { amount: 1n << 128n },
      { code: Number.NaN },
      { ledger: -1 },
    ]) {
      const request = scene.apply({ transfers: [{ ...paying(50n, BUYER, ESCROW, 1n), ...wrong }] });
      await assert.rejects(request, { name: 'FogError', code: 'invalid-request' });
    }
    assert.equal((await scene.apply({})).sequence, sequence);
  },

  async 'what a transaction does not commit has not happened'({ storage }) {
    await using scene = await LedgerScene.open(storage);
    await scene.live();
    const { read, write } = { read: scene.database.read, write: scene.database.write };
    const { sequence } = await scene.apply({});
    const crash = write(async (writer) => {
      await scene.ledger.apply(writer, { transfers: [paying(60n, BUYER, ESCROW, 1n)] }, scene.now);
      throw new Error('the process ends here');
    });
    await assert.rejects(crash, /ends here/);
    assert.equal(await readLedgerTransfer(read, 60n), null);
    assert.equal(await readLedgerBalance(read, BUYER), 400n);
    const [first, second] = await Promise.all([
      scene.apply({ transfers: [paying(60n, BUYER, ESCROW, 1n)] }),
      scene.apply({ transfers: [paying(60n, BUYER, ESCROW, 1n), paying(61n, BUYER, ESCROW, 2n)] }),
    ]);
    assert.deepEqual([first.sequence, second.sequence], [sequence + 1, sequence + 2]);
    assert.deepEqual(
      second.transfers.map(({ status }) => status),
      ['exists', 'created'],
    );
  },

  async 'an account shows its transfers page by page, and its balances as they were'({ storage }) {
    await using scene = await LedgerScene.open(storage);
    await scene.live();
    const { read } = scene.database;
    const all = await transfersOfAccount(read, ESCROW, { limit: 100 });
    assert.deepEqual(
      all.entries.map(({ transfer, kind }) => `${kind} ${transfer.id}`),
      [
        'transfer 18',
        'transfer 17',
        'expiry 13',
        'transfer 16',
        'transfer 15',
        'transfer 14',
        'transfer 13',
        'transfer 11',
      ],
    );
    for (const limit of [1, 2, 3]) {
      const seen = [];
      for (let before: number | undefined; ; ) {
        const page = await transfersOfAccount(read, ESCROW, { before, limit });
        seen.push(...page.entries);
        if (page.next === null) break;
        before = page.next;
      }
      assert.deepEqual(seen, all.entries);
    }
    const history = await balanceHistory(read, ESCROW, { limit: 100 });
    assert.deepEqual(
      history.map(({ debitsPosted, debitsPending }) => [debitsPosted, debitsPending]),
      [
        [237n, 50n],
        [30n, 50n],
        [30n, 150n],
        [0n, 190n],
        [0n, 0n],
      ],
    );
    const second = history.at(-2)?.sequence ?? 0;
    assert.equal((await balanceAt(read, ESCROW, second))?.debitsPending, 190n);
    assert.equal((await balanceAt(read, ESCROW, second - 1))?.debitsPending, 0n);
    assert.equal(await balanceAt(read, ESCROW, 1), null);
  },

  async 'what happened cannot be changed or removed'({ storage }) {
    await using scene = await LedgerScene.open(storage);
    await scene.live();
    await scene.sealer.seal();
    for (const table of ['accounts', 'transfers', 'expiries', 'failures', 'balances', 'batches', 'seals']) {
      const column = { balances: 'sequence', batches: 'written_at', seals: 'sealed_at' }[table] ?? 'sequence';
      for (const statement of [
        `UPDATE ledger_${table} SET ${column} = ${column} + 1000000`,
        `DELETE FROM ledger_${table}`,
      ]) {
        const attempt = scene.database.write((writer) => sql.raw(statement).execute(writer));
        await assert.rejects(attempt, /only ever added to/, statement);
      }
    }
  },

  async 'a clock that was set back gives no time twice'({ storage }) {
    await using scene = await LedgerScene.open(storage);
    await scene.live();
    scene.now -= 3_600_000;
    const { transfers } = await scene.apply({ transfers: [paying(70n, ISSUANCE, BUYER, 1n)] });
    const newest = await readLedgerTransfer(scene.database.read, 18n);
    assert.ok((transfers[0]?.timestamp ?? 0n) > (newest?.transfer.timestamp ?? 0n));
  },

  async 'seals what is committed, and not what is not whole'({ storage }) {
    await using scene = await LedgerScene.open(storage);
    await scene.live();
    assert.equal(await scene.sealer.seal(), 6);
    assert.equal(await scene.sealer.seal(), 0);
    await scene.apply({ transfers: [paying(80n, ISSUANCE, BUYER, 1n)] });
    await tamper(
      scene.database,
      'ledger_transfers',
      'DELETE FROM ledger_transfers WHERE sequence = (SELECT MAX(sequence) FROM ledger_transfers)',
    );
    await assert.rejects(scene.sealer.seal(), /not whole/);
  },
});
