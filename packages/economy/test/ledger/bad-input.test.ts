import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FogError } from '@fog/contract';
import {
  ACCOUNT_FLAGS,
  ALL_RESERVED,
  accountsRequest,
  LEDGER_LIMITS,
  Ledger,
  LedgerMachine,
  type NewAccount,
  type NewTransfer,
  SPENT_STATUSES,
  TRANSFER_FLAGS,
  transfersRequest,
} from '../../src/ledger/index.ts';

const MOST = (1n << 128n) - 1n;
const SECOND = 1_000_000_000n;
const FAULTS: readonly unknown[] = [NaN, -1, 1.5, Number.POSITIVE_INFINITY, 2 ** 53, -1n, 1n << 128n, '1', {}];

/** Two accounts, and a clock that moves with each batch. */
class Fixture {
  readonly ledger = new Ledger();
  clock = 0n;

  constructor() {
    this.open({}, {});
  }

  open(...accounts: Partial<NewAccount>[]): void {
    const known = BigInt(this.ledger.queryAccounts({ limit: 100 }).length);
    this.clock += BigInt(accounts.length);
    const opened = accounts.map((account, index) => ({
      id: known + BigInt(index) + 1n,
      ledger: 1,
      code: 1,
      ...account,
    }));
    for (const { status } of this.ledger.createAccounts(opened, this.clock)) assert.equal(status, 'created');
  }

  /** Statuses of transfers from account 1 to account 2. */
  move(...transfers: Partial<NewTransfer>[]): string[] {
    this.clock += BigInt(transfers.length);
    const asked = transfers.map((transfer) => ({ ...plain(), ...transfer }));
    return this.ledger.createTransfers(asked, this.clock).map(({ status }) => status);
  }
}

function plain(): NewTransfer {
  return { id: 1n, debitAccount: 1n, creditAccount: 2n, amount: 1n, ledger: 1, code: 1 };
}

function isTyped(code: string) {
  return (error: unknown) => error instanceof FogError && error.code === code && error.message.length > 10;
}

describe('bad input', () => {
  test('overflow of each counter is told, and moves nothing', () => {
    const nearly = MOST - 10n;
    const cases: [string, Partial<NewTransfer>[]][] = [
      [
        'overflows_debits_pending',
        [
          { id: 1n, amount: nearly, flags: TRANSFER_FLAGS.pending },
          { id: 9n, flags: TRANSFER_FLAGS.pending, amount: 11n },
        ],
      ],
      [
        'overflows_credits_pending',
        [
          { id: 1n, amount: nearly, debitAccount: 3n, flags: TRANSFER_FLAGS.pending },
          { id: 9n, flags: TRANSFER_FLAGS.pending, amount: 11n },
        ],
      ],
      [
        'overflows_debits_posted',
        [
          { id: 1n, amount: nearly },
          { id: 9n, amount: 11n },
        ],
      ],
      [
        'overflows_credits_posted',
        [
          { id: 1n, amount: nearly, debitAccount: 3n },
          { id: 9n, amount: 11n },
        ],
      ],
      [
        'overflows_debits',
        [
          { id: 1n, amount: nearly, flags: TRANSFER_FLAGS.pending },
          { id: 9n, amount: 11n },
        ],
      ],
      [
        'overflows_credits',
        [
          { id: 1n, amount: nearly, debitAccount: 3n, flags: TRANSFER_FLAGS.pending },
          { id: 9n, amount: 11n },
        ],
      ],
    ];
    for (const [expected, transfers] of cases) {
      const fixture = new Fixture();
      fixture.open({});
      assert.deepEqual(fixture.move(...transfers), ['created', expected]);
      assert.equal(fixture.ledger.transfer(9n), null);
      // What is left fits to the unit.
      assert.deepEqual(fixture.move({ ...transfers[1], id: 9n, amount: 10n }), ['created']);
    }
  });

  test('a timeout beyond all time is told', () => {
    const fixture = new Fixture();
    fixture.clock = (1n << 63n) - 2n - 5n * SECOND;
    const pending = { flags: TRANSFER_FLAGS.pending };
    assert.deepEqual(fixture.move({ ...pending, timeoutSeconds: 6 }), ['overflows_timeout']);
    assert.deepEqual(fixture.move({ ...pending, timeoutSeconds: 4 }), ['created']);
  });

  test('zero and the most are amounts: zero moves nothing, the most is all there is', () => {
    const fixture = new Fixture();
    assert.deepEqual(fixture.move({ id: 1n, amount: 0n }, { id: 2n, amount: MOST }, { id: 3n, amount: 0n }), [
      'created',
      'created',
      'created',
    ]);
    assert.equal(fixture.ledger.account(2n)?.creditsPosted, MOST);
    assert.deepEqual(fixture.move({ id: 4n, amount: 1n }), ['overflows_debits_posted']);
  });

  test('unknown accounts spend the id; so does everything that the state refused', () => {
    const fixture = new Fixture();
    fixture.open(
      { flags: ACCOUNT_FLAGS.debitsMustNotExceedCredits },
      { flags: ACCOUNT_FLAGS.creditsMustNotExceedDebits },
    );
    fixture.open({ flags: ACCOUNT_FLAGS.closed });
    const refused: Partial<NewTransfer>[] = [
      { debitAccount: 99n },
      { creditAccount: 99n },
      { flags: TRANSFER_FLAGS.postPending, pendingId: 77n },
      { debitAccount: 3n },
      { creditAccount: 4n },
      { debitAccount: 5n },
      { creditAccount: 5n },
    ];
    refused.forEach((transfer, index) => {
      const id = 10n + BigInt(index);
      assert.deepEqual(fixture.move({ ...transfer, id }), [SPENT_STATUSES[index]]);
      assert.deepEqual(fixture.move({ id }), ['id_already_failed']);
      assert.ok(fixture.ledger.hasFailed(id));
    });
  });

  test('the same id with another body says what differs, and moves nothing', () => {
    const fixture = new Fixture();
    fixture.open({});
    const first = { userData128: 1n, userData64: 2n, userData32: 3, flags: TRANSFER_FLAGS.pending, timeoutSeconds: 9 };
    assert.deepEqual(fixture.move(first), ['created']);
    const before = fixture.ledger.queryAccounts({ limit: 10 });
    const others: [string, Partial<NewTransfer>][] = [
      ['exists', {}],
      ['exists_with_different_flags', { flags: 0 }],
      ['exists_with_different_pending_id', { pendingId: 1n }],
      ['exists_with_different_timeout', { timeoutSeconds: 8 }],
      ['exists_with_different_debit_account_id', { debitAccount: 3n }],
      ['exists_with_different_credit_account_id', { creditAccount: 3n }],
      ['exists_with_different_amount', { amount: 2n }],
      ['exists_with_different_user_data_128', { userData128: 0n }],
      ['exists_with_different_user_data_64', { userData64: 2n + (1n << 32n) }],
      ['exists_with_different_user_data_32', { userData32: 0 }],
      ['exists_with_different_ledger', { ledger: 2 }],
      ['exists_with_different_code', { code: 2 }],
    ];
    for (const [expected, change] of others) assert.deepEqual(fixture.move({ ...first, ...change }), [expected]);
    assert.deepEqual(fixture.ledger.queryAccounts({ limit: 10 }), before);
  });

  test('a pending transfer cannot be posted from the nanosecond on at which it expires, swept or not', () => {
    for (const isSwept of [false, true]) {
      for (const [early, expected] of [
        [1n, 'created'],
        [0n, 'pending_transfer_expired'],
      ] as const) {
        const fixture = new Fixture();
        fixture.move({ flags: TRANSFER_FLAGS.pending, timeoutSeconds: 2, amount: 5n });
        const expiresAt = (fixture.ledger.transfer(1n)?.timestamp ?? 0n) + 2n * SECOND;
        fixture.clock = expiresAt - early - 1n;
        if (isSwept && early === 0n) assert.equal(fixture.ledger.expirePending(expiresAt), 1);
        if (isSwept && early === 0n) fixture.clock = expiresAt;
        const post = { id: 2n, pendingId: 1n, amount: ALL_RESERVED, flags: TRANSFER_FLAGS.postPending };
        assert.deepEqual(fixture.move(post), [expected]);
        assert.equal(fixture.ledger.account(1n)?.debitsPosted, early === 1n ? 5n : 0n);
      }
    }
  });

  test('imported events are refused: nobody says itself when something happened', () => {
    const fixture = new Fixture();
    assert.deepEqual(fixture.move({ flags: TRANSFER_FLAGS.imported }), ['reserved_flag']);
    assert.deepEqual(fixture.move({ timestamp: 1n }), ['timestamp_must_be_zero']);
    const [result] = fixture.ledger.createAccounts(
      [{ id: 9n, ledger: 1, code: 1, flags: ACCOUNT_FLAGS.imported }],
      fixture.clock + 1n,
    );
    assert.equal(result?.status, 'reserved_flag');
  });

  test('absurd fields are typed errors, and leave no trace', () => {
    const fixture = new Fixture();
    const before = fixture.ledger.digest();
    const good: NewTransfer & NewAccount = {
      ...plain(),
      pendingId: 0n,
      timeoutSeconds: 0,
      flags: 0,
      timestamp: 0n,
      userData128: 0n,
      userData64: 0n,
      userData32: 0,
    };
    const wide = [
      'id',
      'debitAccount',
      'creditAccount',
      'amount',
      'pendingId',
      'userData128',
      'userData64',
      'timestamp',
    ];
    for (const field of Object.keys(good)) {
      for (const fault of [...FAULTS, wide.includes(field) ? 1 : 1n, wide.includes(field) ? 1n << 128n : 2 ** 32]) {
        const bad = { ...good, [field]: fault } as never;
        const batch = [plain(), bad] as NewTransfer[];
        assert.throws(() => fixture.ledger.createTransfers(batch, fixture.clock + 2n), isTyped('invalid-request'));
      }
    }
    for (const field of ['id', 'debitsPending', 'creditsPosted', 'reserved', 'ledger', 'code', 'flags']) {
      for (const fault of FAULTS) {
        const bad = { id: 7n, ledger: 1, code: 1, [field]: fault } as never;
        assert.throws(() => fixture.ledger.createAccounts([bad], fixture.clock + 1n), isTyped('invalid-request'));
      }
    }
    for (const fault of FAULTS) {
      assert.throws(() => fixture.ledger.account(fault as bigint), isTyped('invalid-request'));
      assert.throws(() => fixture.ledger.queryTransfers({ limit: fault as number }), isTyped('invalid-request'));
      assert.throws(() => fixture.ledger.expirePending(fault as bigint), isTyped('invalid-request'));
      assert.throws(() => fixture.ledger.createTransfers([plain()], fault as bigint), isTyped('invalid-request'));
      assert.throws(() => new Ledger({ accounts: fault as number }), isTyped('invalid-request'));
    }
    assert.deepEqual(fixture.ledger.digest(), before);
  });

  test('time does not go back, and is from 1 to 2^63 - 1', () => {
    const fixture = new Fixture();
    for (const timestamp of [0n, 1n, fixture.clock, fixture.clock + 1n, 1n << 63n]) {
      const two = [plain(), { ...plain(), id: 2n }];
      assert.throws(() => fixture.ledger.createTransfers(two, timestamp), isTyped('invalid-request'));
    }
    assert.throws(() => fixture.ledger.expirePending(fixture.clock - 1n), isTyped('invalid-request'));
    assert.equal(fixture.ledger.expirePending(fixture.clock), 0);
  });

  test('batches, queries and bytes have their limits', () => {
    const fixture = new Fixture();
    const many = Array.from({ length: LEDGER_LIMITS.batchEvents + 1 }, (_, index) => ({
      ...plain(),
      id: BigInt(index + 1),
    }));
    const late = fixture.clock + BigInt(many.length) * 4n;
    assert.throws(() => fixture.ledger.createTransfers(many, late), isTyped('invalid-request'));
    assert.throws(() => transfersRequest(many), isTyped('invalid-request'));
    assert.throws(() => fixture.ledger.applyTransfers(new Uint8Array(127), late), isTyped('invalid-request'));
    for (const batch of [many.slice(0, -1), many.slice(-1)]) fixture.move(...batch);
    assert.equal(fixture.ledger.queryTransfers({ limit: 2 ** 32 - 1 }).length, LEDGER_LIMITS.queryResults);
    assert.deepEqual(fixture.ledger.createTransfers([], late), []);
  });

  test('loading what is there, or after something has changed, is refused', () => {
    const fixture = new Fixture();
    fixture.move({}, { id: 2n, debitAccount: 99n });
    const account = fixture.ledger.account(1n);
    const transfer = fixture.ledger.transfer(1n);
    assert.ok(account && transfer);
    const loaded = new Ledger();
    loaded.importAccount(account);
    loaded.importTransfer(transfer, null);
    loaded.markFailed(2n);
    assert.throws(() => loaded.importTransfer(transfer, null), isTyped('conflict'));
    assert.throws(() => loaded.markFailed(1n), isTyped('conflict'));
    loaded.createAccounts([{ id: 50n, ledger: 1, code: 1 }], 100n);
    assert.throws(() => loaded.importAccount({ ...account, id: 51n }), isTyped('conflict'));
  });

  test('a pending transfer whose accounts were not loaded is named', () => {
    const fixture = new Fixture();
    fixture.move({ flags: TRANSFER_FLAGS.pending, timeoutSeconds: 1 });
    const pending = fixture.ledger.transfer(1n);
    assert.ok(pending);
    const loaded = new Ledger();
    loaded.importTransfer(pending, 'pending');
    const post = { ...plain(), id: 2n, pendingId: 1n, flags: TRANSFER_FLAGS.postPending };
    assert.throws(() => loaded.createTransfers([post], 100n), isTyped('not-found'));
    assert.throws(() => loaded.expirePending(2n * SECOND), isTyped('not-found'));
  });

  test('requests that are none are refused before anything changes', () => {
    const machine = new LedgerMachine();
    machine.apply(accountsRequest([{ id: 1n, ledger: 1, code: 1 }]), 1n);
    const before = machine.digest();
    const good = transfersRequest([plain()]);
    const bad = [new Uint8Array(0), good.subarray(0, 7), good.subarray(0, 100), Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0)];
    for (const at of [1, 7]) bad.push(good.with(at, 1));
    bad.push(Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0));
    for (const request of bad) assert.throws(() => machine.apply(request, 5n), isTyped('invalid-request'));
    assert.deepEqual(machine.digest(), before);
  });

  test('a snapshot that is cut, longer or changed where it can be seen is refused, and leaves an empty ledger', () => {
    const fixture = new Fixture();
    fixture.open({ flags: ACCOUNT_FLAGS.history });
    fixture.move({ creditAccount: 3n }, { id: 2n, debitAccount: 99n });
    const snapshot = Buffer.concat([...fixture.ledger.snapshot()]);
    const restored = new Ledger();
    restored.restore([snapshot]);
    assert.deepEqual(restored.digest(), fixture.ledger.digest());
    for (let bytes = 0; bytes < snapshot.length; bytes += 1) {
      assert.throws(() => restored.restore([snapshot.subarray(0, bytes)]), isTyped('invalid-request'));
    }
    assert.throws(() => restored.restore([snapshot, Uint8Array.of(0)]), isTyped('invalid-request'));
    const firstAccount = 32;
    const twice = Buffer.from(snapshot);
    twice[firstAccount + 128] = twice[firstAccount] ?? 0;
    assert.throws(() => restored.restore([twice]), isTyped('invalid-request'));
    const hugeCounts = Buffer.from(snapshot).fill(255, 8, 24);
    assert.throws(() => restored.restore([hugeCounts]), isTyped('invalid-request'));
    assert.equal(restored.account(1n), null);
    assert.deepEqual(restored.digest(), new Ledger().digest());
  });
});
