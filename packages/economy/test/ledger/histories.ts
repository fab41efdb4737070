/** Random histories: batches of events among few accounts and few ids, so that they meet each other. */
import fc from 'fast-check';
import {
  ACCOUNT_FLAGS,
  ALL_RESERVED,
  type NewAccount,
  type NewTransfer,
  TRANSFER_FLAGS,
} from '../../src/ledger/index.ts';

export const SECOND = 1_000_000_000n;
export const ISSUANCE = 1n;
/** Ids that pending transfers get, so that posts and voids find them; the others lie above. */
const PENDING_IDS = { min: 1n, max: 12n };
const OTHER_IDS = { min: 13n, max: 120n };

/** One issuance account a ledger, then accounts with limits of all kinds. */
export const ACCOUNTS: readonly NewAccount[] = [
  { id: ISSUANCE, ledger: 1, code: 1 },
  { id: 2n, ledger: 1, code: 10, flags: ACCOUNT_FLAGS.debitsMustNotExceedCredits },
  { id: 3n, ledger: 1, code: 10, flags: ACCOUNT_FLAGS.debitsMustNotExceedCredits | ACCOUNT_FLAGS.history },
  { id: 4n, ledger: 1, code: 11, flags: ACCOUNT_FLAGS.debitsMustNotExceedCredits },
  { id: 5n, ledger: 1, code: 12, flags: ACCOUNT_FLAGS.creditsMustNotExceedDebits | ACCOUNT_FLAGS.history },
  { id: 6n, ledger: 1, code: 12 },
  { id: 7n, ledger: 2, code: 1 },
  { id: 8n, ledger: 2, code: 10, flags: ACCOUNT_FLAGS.debitsMustNotExceedCredits },
];

/** Money to begin with. */
const ISSUE: readonly NewTransfer[] = [2n, 3n, 4n, 6n].map((creditAccount, index) => ({
  id: 1000n + BigInt(index),
  debitAccount: ISSUANCE,
  creditAccount,
  amount: 200n,
  ledger: 1,
  code: 1,
}));

const { linked, pending, postPending, voidPending, balancingDebit, balancingCredit, closingDebit, closingCredit } =
  TRANSFER_FLAGS;

/** Mostly accounts of one ledger, the one that money comes from most; now and then another, or none. */
const accountIds = fc.oneof(
  { weight: 3, arbitrary: fc.constant(ISSUANCE) },
  { weight: 12, arbitrary: fc.bigInt({ min: 2n, max: 6n }) },
  { weight: 1, arbitrary: fc.bigInt({ min: 7n, max: 9n }) },
);
const amounts = fc.oneof(
  { weight: 20, arbitrary: fc.bigInt({ min: 0n, max: 50n }) },
  { weight: 1, arbitrary: fc.constantFrom(ALL_RESERVED, ALL_RESERVED - 1n, 1n << 127n, (1n << 96n) - 1n) },
);
const reserved = fc.oneof(
  { weight: 2, arbitrary: fc.bigInt({ min: 0n, max: 10n }) },
  { weight: 1, arbitrary: fc.constant(ALL_RESERVED) },
);
const common = {
  debitAccount: accountIds,
  creditAccount: accountIds,
  linkDie: fc.integer({ min: 0, max: 5 }),
  ledger: fc.oneof({ weight: 15, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.constantFrom(0, 2) }),
  code: fc.oneof({ weight: 15, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.constantFrom(0, 2) }),
  userData32: fc.constantFrom(0, 0, 0, 1, 2),
};

const plain = fc.record({
  ...common,
  id: fc.bigInt(OTHER_IDS),
  amount: amounts,
  kind: fc.constantFrom(0, 0, 0, balancingDebit, balancingCredit, balancingDebit | balancingCredit),
});
const reserving = fc.record({
  ...common,
  id: fc.bigInt(PENDING_IDS),
  amount: amounts,
  timeoutSeconds: fc.constantFrom(0, 0, 1, 2, 5),
  kind: fc.constantFrom(pending, pending, pending | balancingDebit, pending | closingDebit, pending | closingCredit),
});
const resolving = fc
  .record({
    ...common,
    id: fc.bigInt(OTHER_IDS),
    pendingId: fc.bigInt(PENDING_IDS),
    amount: reserved,
    kind: fc.constantFrom(postPending, postPending, voidPending),
    isBare: fc.constantFrom(true, true, false),
  })
  .map(({ isBare, ...transfer }) => ({
    ...transfer,
    amount: transfer.kind === voidPending && isBare ? 0n : transfer.amount,
    ...(isBare ? { debitAccount: 0n, creditAccount: 0n, ledger: 0, code: 0 } : {}),
  }));
/** What cannot happen, whatever the accounts are. */
const faulty = fc.record({
  ...common,
  id: fc.bigInt({ min: 0n, max: 3n }),
  amount: amounts,
  kind: fc.constantFrom(postPending | voidPending, postPending | pending, closingDebit, 1 << 12, pending),
});

export const transfers: fc.Arbitrary<NewTransfer> = fc
  .oneof(
    { weight: 8, arbitrary: plain },
    { weight: 5, arbitrary: reserving },
    { weight: 5, arbitrary: resolving },
    { weight: 1, arbitrary: faulty },
  )
  .map(({ linkDie, kind, ...transfer }) => ({
    ...transfer,
    userData64: BigInt(transfer.userData32),
    flags: kind | (linkDie === 0 ? linked : 0),
  }));

/** A batch, and how many nanoseconds pass before it. */
export interface Batch {
  transfers: NewTransfer[];
  pause: bigint;
}

export const histories: fc.Arbitrary<Batch[]> = fc
  .array(
    fc.record({
      transfers: fc.array(transfers, { minLength: 1, maxLength: 10 }),
      pause: fc.constantFrom(0n, 0n, SECOND / 2n, 2n * SECOND),
    }),
    { maxLength: 14, size: 'large' },
  )
  .map((batches) => [{ transfers: [...ISSUE], pause: 0n }, ...batches]);
