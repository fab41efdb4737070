/** Property: a random history through the database is decided as in memory, and is found right. */
import assert from 'node:assert/strict';
import { ACCOUNT_FLAGS, Ledger, type NewAccount, type NewTransfer, TRANSFER_FLAGS } from '@fog/economy/ledger';
import fc from 'fast-check';
import { sql } from 'kysely';
import { readLedgerAccounts, readLedgerTransfer } from '../../src/settlement/ledger-queries.ts';
import { databaseSource } from '../../src/settlement/ledger-source.ts';
import { readTime } from '../../src/settlement/records.ts';
import { verifyLedger } from '../../src/settlement/verify-ledger.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import { LedgerScene } from './ledger-scene.ts';

const RUNS = Number(process.env.FOG_MODEL_RUNS ?? 12);
const flagsOf = (...flags: number[]) => fc.constantFrom(0, 0, 0, ...flags);

interface Step {
  accounts: NewAccount[];
  transfers: NewTransfer[];
  waits: number;
  isSealed: boolean;
}

const { linked, pending, postPending, voidPending, balancingDebit, balancingCredit, closingDebit } = TRANSFER_FLAGS;
const ids = fc.bigInt({ min: 0n, max: 7n });
const transferIds = fc.bigInt({ min: 0n, max: 40n });
const account: fc.Arbitrary<NewAccount> = fc.record({
  id: ids,
  ledger: fc.constantFrom(1, 1, 1, 2),
  code: fc.constantFrom(1, 1, 0),
  flags: flagsOf(
    linked,
    ACCOUNT_FLAGS.debitsMustNotExceedCredits,
    ACCOUNT_FLAGS.creditsMustNotExceedDebits,
    ACCOUNT_FLAGS.history,
  ),
});
const transfer: fc.Arbitrary<NewTransfer> = fc.record({
  id: transferIds,
  debitAccount: ids,
  creditAccount: ids,
  amount: fc.oneof(fc.bigInt({ min: 0n, max: 50n }), fc.constant((1n << 128n) - 1n)),
  pendingId: fc.oneof(fc.constant(0n), fc.constant(0n), transferIds),
  ledger: fc.constantFrom(1, 1, 1, 2),
  code: fc.constant(1),
  flags: flagsOf(
    linked,
    pending,
    pending,
    pending | linked,
    pending | closingDebit,
    postPending,
    voidPending,
    balancingDebit,
    balancingCredit,
  ),
  timeoutSeconds: fc.constantFrom(0, 0, 1, 2),
});
const step: fc.Arbitrary<Step> = fc.record({
  accounts: fc.array(account, { maxLength: 4 }),
  transfers: fc.array(transfer, { maxLength: 6 }),
  waits: fc.constantFrom(0, 1, 1500),
  isSealed: fc.boolean(),
});
/** What resolves is asked as a caller does: with the accounts left out. */
const asked = (steps: readonly Step[]) =>
  steps.map((one) => ({
    ...one,
    transfers: one.transfers.map((each) => {
      const isResolving = ((each.flags ?? 0) & (postPending | voidPending)) !== 0;
      const isPending = ((each.flags ?? 0) & pending) !== 0;
      return {
        ...each,
        ...(isResolving ? { debitAccount: 0n, creditAccount: 0n, ledger: 0, code: 0 } : { pendingId: 0n }),
        timeoutSeconds: isPending ? (each.timeoutSeconds ?? 0) : 0,
      };
    }),
  }));

/** Money from the first account on, so that something happens. */
const BEGIN: Step = {
  accounts: [1n, 2n, 3n, 4n].map((id) => ({ id, ledger: 1, code: 1 })),
  transfers: [1n, 2n, 3n].map((id) => ({
    id: 100n + id,
    debitAccount: 4n,
    creditAccount: id,
    amount: 60n,
    ledger: 1,
    code: 1,
  })),
  waits: 0,
  isSealed: false,
};

await onBothDatabases('a ledger in the database beside one in memory', {
  async 'property: answers, balances and pending transfers are the same'({ storage }) {
    await using scene = await LedgerScene.open(storage);
    const tables = ['accounts', 'transfers', 'expiries', 'failures', 'balances', 'batches', 'seals'];
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }).map(asked), async (steps) => {
        await restart(scene, tables);
        await compare(scene, [BEGIN, ...steps]);
      }),
      { numRuns: RUNS, seed: 20_261, endOnFailure: true },
    );
  },
});

async function restart(scene: LedgerScene, tables: readonly string[]): Promise<void> {
  const { engine } = scene.database;
  await scene.database.write(async (writer) => {
    for (const table of tables) {
      if (engine === 'postgres') await sql.raw(`ALTER TABLE ledger_${table} DISABLE TRIGGER USER`).execute(writer);
      else
        for (const what of ['update', 'delete'])
          await sql.raw(`DROP TRIGGER IF EXISTS ledger_${table}_no_${what}`).execute(writer);
      await sql.raw(`DELETE FROM ledger_${table}`).execute(writer);
    }
    const never = Buffer.alloc(8);
    await sql`UPDATE ledger_clock SET sequence = 0, batch = 0, timestamp = ${never}, expired_until = ${never}, expired_sequence = 0`.execute(
      writer,
    );
  });
}

async function compare(scene: LedgerScene, steps: readonly Step[]): Promise<void> {
  const memory = new Ledger();
  const { database } = scene;
  for (const { accounts, transfers, waits, isSealed } of steps) {
    scene.now += waits;
    const clock = await sql<{ timestamp: Uint8Array }>`SELECT timestamp FROM ledger_clock`.execute(database.read);
    const last = readTime(clock.rows[0]?.timestamp ?? new Uint8Array(8));
    const now = BigInt(scene.now + 1) * 1_000_000n;
    const before = now > last ? now : last;
    const outcome = await scene.apply({ accounts, transfers });
    const opened = before + BigInt(accounts.length);
    assert.deepEqual(outcome.accounts, memory.createAccounts(accounts, opened));
    assert.deepEqual(outcome.transfers, memory.createTransfers(transfers, opened + BigInt(transfers.length)));
    if (waits > 1000) {
      scene.now += 500;
      const released = await scene.ledger.sweepExpired(database, scene.now);
      assert.equal(memory.expirePending(BigInt(scene.now) * 1_000_000n + 1n), released);
    }
    if (isSealed) await scene.sealer.seal();
  }
  const accounts = await readLedgerAccounts(database.read, [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n]);
  for (let id = 1n; id <= 7n; id += 1n) assert.deepEqual(accounts.get(id) ?? null, memory.account(id));
  for (let id = 1n; id <= 40n; id += 1n) {
    const found = await readLedgerTransfer(database.read, id);
    assert.deepEqual(
      [found?.transfer ?? null, found?.pending ?? null],
      [memory.transfer(id), memory.pendingStatus(id)],
    );
  }
  const verdict = await verifyLedger(databaseSource(database.read));
  assert.deepEqual(verdict.faults, []);
}
