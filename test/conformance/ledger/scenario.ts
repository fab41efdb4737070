/** The shape of files of ledger scenarios: steps as pairs of a name and what belongs to it. */
import { z } from 'zod';

/** Whole numbers; those above 2^53 are decimal text. */
const whole = z
  .union([z.int().nonnegative(), z.string().regex(/^\d+$/)])
  .transform((value) => BigInt(value))
  .default(0n);
const word = z.int().nonnegative().default(0);
const flag = z.boolean().default(false);
const id = z.union([z.int().nonnegative(), z.string().regex(/^\d+$/)]).transform((value) => BigInt(value));

const counters = {
  debits_pending: whole,
  debits_posted: whole,
  credits_pending: whole,
  credits_posted: whole,
};
const userData = { user_data_128: whole, user_data_64: whole, user_data_32: word };
/** Bits of the flags that have no meaning. */
const padding = { padding: word, flags_padding: word };

const account = z.strictObject({
  id,
  ...counters,
  ...userData,
  ...padding,
  reserved: word,
  ledger: word,
  code: word,
  linked: flag,
  debits_must_not_exceed_credits: flag,
  credits_must_not_exceed_debits: flag,
  history: flag,
  imported: flag,
  closed: flag,
  timestamp: whole,
  status: z.string(),
});

const transfer = z.strictObject({
  id,
  debit_account_id: whole,
  credit_account_id: whole,
  amount: whole,
  pending_id: whole,
  ...userData,
  ...padding,
  timeout_s: word,
  ledger: word,
  code: word,
  linked: flag,
  pending: flag,
  post_pending: flag,
  void_pending: flag,
  balancing_debit: flag,
  balancing_credit: flag,
  closing_debit: flag,
  closing_credit: flag,
  imported: flag,
  timestamp: whole,
  status: z.string(),
});

const balance = z.strictObject({ ...counters, closed: flag });
const accountFilter = z.strictObject({
  account_id: whole,
  ...userData,
  code: word,
  timestamp_min_transfer_id: id.optional(),
  timestamp_max_transfer_id: id.optional(),
  limit: word,
  debits: flag,
  credits: flag,
  reversed: flag,
});
const queryFilter = z.strictObject({
  ...userData,
  ledger: word,
  code: word,
  timestamp_min_id: id.optional(),
  timestamp_max_id: id.optional(),
  timestamp_min_transfer_id: id.optional(),
  timestamp_max_transfer_id: id.optional(),
  limit: word,
  reversed: flag,
});
const transferExpectation = z.union([
  z.strictObject({ exists: z.boolean() }),
  z.strictObject({ amount: whole }),
  z.strictObject({ timestamp: whole }),
]);
const accountResult = z.union([
  z.strictObject({ id, data: balance.nullable().optional() }),
  id.transform((value) => ({ id: value, data: null })),
]);

const OPERATIONS = [
  'create_accounts',
  'create_transfers',
  'lookup_accounts',
  'lookup_transfers',
  'get_account_transfers',
  'get_account_balances',
  'query_accounts',
  'query_transfers',
] as const;
export type Operation = (typeof OPERATIONS)[number];

export const stepSchema = z.union([
  z.tuple([z.literal('account'), account]),
  z.tuple([z.literal('transfer'), transfer]),
  z.tuple([z.literal('setup'), z.strictObject({ account: id, ...counters })]),
  z.tuple([z.literal('tick'), z.strictObject({ value: z.int(), unit: z.enum(['nanoseconds', 'seconds']) })]),
  z.tuple([z.literal('commit'), z.enum(OPERATIONS)]),
  z.tuple([z.literal('lookup_account'), z.strictObject({ id, data: balance.nullable() })]),
  z.tuple([z.literal('lookup_transfer'), z.strictObject({ id, data: transferExpectation })]),
  z.tuple([z.literal('get_account_transfers'), accountFilter]),
  z.tuple([z.literal('get_account_transfers_result'), id]),
  z.tuple([z.literal('get_account_balances'), accountFilter]),
  z.tuple([z.literal('get_account_balances_result'), z.strictObject({ transfer_id: id, ...counters })]),
  z.tuple([z.literal('query_accounts'), queryFilter]),
  z.tuple([z.literal('query_accounts_result'), accountResult]),
  z.tuple([z.literal('query_transfers'), queryFilter]),
  z.tuple([z.literal('query_transfers_result'), id]),
]);
export type Step = z.output<typeof stepSchema>;
export type StepOf<Name extends Step[0]> = Extract<Step, [Name, unknown]>[1];

/** Steps are parsed when a scenario is run, so that one that is left out may hold what this does not know. */
export const fileSchema = z.strictObject({
  source: z.string().optional(),
  scenarios: z.array(z.strictObject({ name: z.string(), steps: z.array(z.tuple([z.string()]).rest(z.unknown())) })),
});
export type Scenario = z.output<typeof fileSchema>['scenarios'][number];
