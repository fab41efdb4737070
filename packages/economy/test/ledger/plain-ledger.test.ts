/** The ledger beside the same rules written plainly, over hostile histories: each status comes where it has precedence. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ACCOUNT_FLAGS,
  ALL_RESERVED,
  Ledger,
  type NewTransfer,
  TRANSFER_FLAGS,
  TRANSFER_STATUSES,
} from '../../src/ledger/index.ts';
import { ACCOUNTS, ISSUANCE, SECOND, transfers } from './histories.ts';
import { PlainLedger, type PlainTransfer } from './plain-ledger.ts';

const MOST = ALL_RESERVED;
/** Beside those of the histories: one that may do all, so that its counters come near their end. */
const BOUNDLESS = 10n;
const ALL_ACCOUNTS = [...ACCOUNTS, { id: BOUNDLESS, ledger: 1, code: 13 }];
const START = BigInt(ALL_ACCOUNTS.length);
/** From here on no pending transfer can last. */
const LATE = (1n << 63n) - 1_000_000_000n * SECOND;

const anyOf = <Value>(...values: Value[]) => fc.constantFrom(...values);
const account = fc.oneof(
  { weight: 20, arbitrary: fc.bigInt({ min: 1n, max: 10n }) },
  { weight: 1, arbitrary: anyOf(0n, MOST, 99n) },
);
const amount = fc.oneof(
  { weight: 4, arbitrary: fc.bigInt({ min: 0n, max: 300n }) },
  { weight: 1, arbitrary: anyOf(MOST, MOST - 1n, 1n << 127n, (1n << 127n) - 1n) },
);
const flag = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 3, arbitrary: fc.constant(TRANSFER_FLAGS.pending) },
  { weight: 3, arbitrary: anyOf(TRANSFER_FLAGS.postPending, TRANSFER_FLAGS.voidPending) },
  { weight: 2, arbitrary: fc.nat(0x1ff) },
);
const hostile: fc.Arbitrary<NewTransfer> = fc.record({
  id: fc.oneof({ weight: 20, arbitrary: fc.bigInt({ min: 1n, max: 60n }) }, { weight: 1, arbitrary: anyOf(0n, MOST) }),
  debitAccount: account,
  creditAccount: account,
  amount,
  pendingId: fc.oneof(
    { weight: 6, arbitrary: fc.constant(0n) },
    { weight: 3, arbitrary: fc.bigInt({ min: 1n, max: 60n }) },
    { weight: 1, arbitrary: fc.constant(MOST) },
  ),
  timeoutSeconds: anyOf(0, 0, 0, 1, 0xffffffff),
  ledger: anyOf(1, 1, 1, 1, 0, 2),
  code: anyOf(1, 1, 1, 1, 0, 2),
  flags: flag,
  userData128: anyOf(0n, 0n, 1n),
  userData64: anyOf(0n, 0n, 1n),
  userData32: anyOf(0, 0, 1),
});

/** What posts or voids with an amount and a code of its own. */
const resolving: fc.Arbitrary<NewTransfer> = fc.record({
  id: fc.bigInt({ min: 13n, max: 60n }),
  debitAccount: fc.constant(0n),
  creditAccount: fc.constant(0n),
  amount: fc.bigInt({ min: 0n, max: 20n }),
  pendingId: fc.bigInt({ min: 1n, max: 12n }),
  ledger: anyOf(0, 0, 0, 0, 2),
  code: anyOf(0, 0, 0, 0, 2),
  flags: anyOf(TRANSFER_FLAGS.postPending, TRANSFER_FLAGS.voidPending),
});

/** An event of before, with one field of another one: what is asked again and differs. */
interface Again {
  kind: 'again';
  pick: number;
  field: keyof NewTransfer | null;
  other: NewTransfer;
}
const FIELDS = ['debitAccount', 'creditAccount', 'amount', 'pendingId', 'timeoutSeconds', 'ledger', 'code'] as const;
const again: fc.Arbitrary<Again> = fc.record({
  kind: fc.constant('again' as const),
  pick: fc.nat(),
  field: fc.constantFrom(null, ...FIELDS, 'flags', 'userData128', 'userData64', 'userData32'),
  other: hostile,
});
const batches = fc.array(
  fc.record({
    events: fc.array(
      fc.oneof(
        { weight: 3, arbitrary: transfers },
        { weight: 3, arbitrary: hostile },
        { weight: 1, arbitrary: resolving },
        { weight: 2, arbitrary: again },
        {
          // All that there is, out of an account without a limit: the counters come to their end.
          weight: 1,
          arbitrary: fc.record({
            id: fc.bigInt({ min: 1n, max: 60n }),
            debitAccount: anyOf(BOUNDLESS, ISSUANCE, 6n),
            creditAccount: anyOf(ISSUANCE, 6n, BOUNDLESS),
            amount: anyOf(MOST - 100n, 1n << 127n),
            ledger: fc.constant(1),
            code: fc.constant(1),
            flags: anyOf(0, TRANSFER_FLAGS.pending),
          }),
        },
      ),
      { minLength: 1, maxLength: 8 },
    ),
    pause: fc.oneof({ weight: 30, arbitrary: anyOf(0n, SECOND) }, { weight: 1, arbitrary: fc.constant(LATE) }),
    sweeps: fc.boolean(),
  }),
  { maxLength: 25, size: 'max' },
);
type Batches = typeof batches extends fc.Arbitrary<infer One> ? One : never;

function play(history: Batches, seen: Set<string>): { ledger: Ledger; plain: PlainLedger } {
  const ledger = new Ledger();
  const plain = new PlainLedger();
  ledger.createAccounts(ALL_ACCOUNTS, START);
  for (const { id, ledger: number, flags = 0 } of ALL_ACCOUNTS) plain.open(id, number, flags);
  const asked: NewTransfer[] = [];
  let clock = START;
  let isLate = false;
  for (const { events, pause, sweeps } of history) {
    if (pause < LATE || !isLate) clock += pause;
    isLate ||= pause === LATE;
    clock += 1n;
    if (sweeps) {
      ledger.expirePending(clock);
      plain.expire(clock);
    }
    const batch = events.map((event) => ('kind' in event ? repeated(event, asked) : event));
    asked.push(...batch);
    clock += BigInt(batch.length);
    const statuses = ledger.createTransfers(batch, clock).map(({ status }) => status);
    assert.deepEqual(statuses, plain.create(batch, clock));
    for (const status of statuses) seen.add(status);
    assertSame(ledger, plain);
  }
  return { ledger, plain };
}

function repeated({ pick, field, other }: Again, asked: readonly NewTransfer[]): NewTransfer {
  const before = asked[pick % Math.max(1, asked.length)] ?? other;
  return field === null ? before : { ...before, [field]: other[field] };
}

function assertSame(ledger: Ledger, { books }: PlainLedger): void {
  for (const account of books.accounts.values()) {
    const { id, flags, debitsPending, debitsPosted, creditsPending, creditsPosted } = account;
    const real = ledger.account(id);
    assert.ok(real !== null);
    assert.deepEqual(
      [real.flags, real.debitsPending, real.debitsPosted, real.creditsPending, real.creditsPosted],
      [flags, debitsPending, debitsPosted, creditsPending, creditsPosted],
    );
  }
  const all = ledger.queryTransfers({ limit: 8190 });
  assert.equal(all.length, books.transfers.size);
  for (const { timestamp, ...transfer } of all) {
    const { at, state, ...expected } = books.transfers.get(transfer.id) ?? assert.fail(`no transfer ${transfer.id}`);
    assert.deepEqual(transfer, expected);
    assert.equal(timestamp, at);
    assert.equal(ledger.pendingStatus(transfer.id) ?? 'none', state);
  }
}

/** Faults of imported events, and of a time that an event gives itself. */
const NOT_ASKED = /^imported_event|^timestamp_must_be_zero$/;

test('property: statuses, balances and transfers are those of the plain rules, and each status comes', () => {
  const seen = new Set<string>();
  const property = fc.property(batches, (history) => void play(history, seen));
  fc.assert(property, { numRuns: 1000, seed: 1 });
  const missing = Object.keys(TRANSFER_STATUSES).filter((status) => !seen.has(status) && !NOT_ASKED.test(status));
  assert.deepEqual(missing, []);
  fc.assert(property, { numRuns: 100 });
});

const filter = fc.record({
  accountId: account,
  debits: fc.boolean(),
  credits: fc.boolean(),
  code: anyOf(0, 0, 0, 1, 2),
  ledger: anyOf(0, 0, 1, 2),
  userData128: anyOf(0n, 0n, 0n, 0n, 1n),
  userData64: anyOf(0n, 0n, 0n, 0n, 1n),
  userData32: anyOf(0, 0, 0, 0, 1),
  /** Which transfers lend their times; null: no bound. */
  from: fc.option(fc.nat(), { freq: 1 }),
  until: fc.option(fc.nat(), { freq: 1 }),
  limit: anyOf(0, 1, 3, 8190, 0xffffffff),
  reversed: fc.boolean(),
});

test('property: queries find what the plain rules have, by each field, in order, and as many as were asked for', () => {
  let found = 0;
  const property = fc.property(batches, fc.array(filter, { minLength: 10, maxLength: 10 }), (history, filters) => {
    const { ledger, plain } = play(history, new Set());
    const all = [...plain.books.transfers.values()].sort((a, b) => (a.at < b.at ? -1 : 1));
    for (const { from, until, ...asked } of filters) {
      const timeOf = (pick: number | null) => (pick === null ? 0n : (all[pick % Math.max(1, all.length)]?.at ?? 0n));
      const [timestampMin, timestampMax] = [timeOf(from), timeOf(until)];
      const { ledger: number, accountId, debits, credits, limit, reversed, ...fields } = asked;
      const isTime = (at: bigint) => at >= timestampMin && (timestampMax === 0n || at <= timestampMax);
      const fits = (transfer: PlainTransfer) =>
        isTime(transfer.at) &&
        Object.entries(fields).every(([name, value]) => !value || transfer[name as keyof typeof fields] === value);
      const answer = (wanted: readonly PlainTransfer[]) =>
        (reversed ? wanted.toReversed() : wanted).slice(0, Math.min(limit, 8190)).map(({ id }) => id);
      const isOwn = ({ debitAccount, creditAccount }: PlainTransfer) =>
        (debits && debitAccount === accountId) || (credits && creditAccount === accountId);
      const own = answer(all.filter((transfer) => isOwn(transfer) && fits(transfer)));
      const times = { timestampMin, timestampMax, limit, reversed };
      const ofAccount = { accountId, debits, credits, ...fields, ...times };
      assert.deepEqual(
        ledger.accountTransfers(ofAccount).map(({ id }) => id),
        own,
      );
      const hasHistory = ((ACCOUNTS.find(({ id }) => id === accountId)?.flags ?? 0) & ACCOUNT_FLAGS.history) !== 0;
      const balances = ledger.accountBalances(ofAccount).map(({ timestamp }) => timestamp);
      assert.deepEqual(balances, hasHistory ? own.map((id) => plain.books.transfers.get(id)?.at) : []);
      const everywhere = answer(all.filter((one) => fits(one) && (number === 0 || one.ledger === number)));
      assert.deepEqual(
        ledger.queryTransfers({ ledger: number, ...fields, ...times }).map(({ id }) => id),
        everywhere,
      );
      found += own.length;
    }
  });
  fc.assert(property, { numRuns: 300 });
  assert.ok(found > 50, `${found} were found`);
});

test('an account that is opened closed takes nothing', () => {
  const ledger = new Ledger();
  const flags = ACCOUNT_FLAGS.closed;
  ledger.createAccounts(
    [
      { id: 1n, ledger: 1, code: 1 },
      { id: 2n, ledger: 1, code: 1, flags },
    ],
    2n,
  );
  const move = { ledger: 1, code: 1, amount: 0n };
  const statuses = ledger
    .createTransfers(
      [
        { ...move, id: 1n, debitAccount: 1n, creditAccount: 2n },
        { ...move, id: 2n, debitAccount: 2n, creditAccount: 1n },
      ],
      4n,
    )
    .map(({ status }) => status);
  assert.deepEqual(statuses, ['credit_account_already_closed', 'debit_account_already_closed']);
});
