/**
 * All rows as JSON, and back. The fields of a table stand here with what they are, so that a row that is read is a row:
 * bigints are decimal digits. The same state always gives the same text, in whatever order its rows came about.
 */
import { FogError } from '@fog/contract';
import { STAKING_LIMITS } from './limits.ts';
import {
  keyOf,
  SLASH_POOLS,
  SLASH_STATES,
  type StakingTables,
  TABLE_NAMES,
  type TableName,
  VALIDATOR_STATUSES,
} from './rows.ts';
import { StakingState } from './state.ts';

export const SNAPSHOT_VERSION = 1;

/** `amount`: bigint from 0 on; `count`: whole number from 0 on; `number`: any whole number; or the texts it can be. */
export type FieldKind = 'name' | 'text' | 'amount' | 'count' | 'number' | readonly string[];

/** Fields of each table; a database makes its columns of them. */
export const ROW_FIELDS = {
  validators: {
    validator: 'name',
    status: VALIDATOR_STATUSES,
    jailedUntil: 'count',
    faults: 'count',
    heldSlashes: 'count',
    redelegations: 'count',
    commissionPpm: 'amount',
    commissionChangedAt: 'count',
    tokens: 'amount',
    heldTokens: 'amount',
    shares: 'amount',
    period: 'count',
    currentRewards: 'amount',
    streaming: 'amount',
    streamsFrom: 'count',
    streamsUntil: 'count',
    commission: 'amount',
    dust: 'amount',
    held: 'amount',
    lastEpoch: 'number',
  },
  delegations: {
    validator: 'name',
    delegator: 'name',
    shares: 'amount',
    lockedShares: 'amount',
    startPeriod: 'count',
  },
  periods: { validator: 'name', period: 'count', rewardPerShare: 'amount', references: 'count' },
  cohorts: {
    validator: 'name',
    leftAt: 'count',
    releasesAt: 'count',
    initialTokens: 'amount',
    tokens: 'amount',
    shares: 'amount',
    holds: 'count',
  },
  entries: { validator: 'name', delegator: 'name', leftAt: 'count', shares: 'amount' },
  redelegations: {
    validator: 'name',
    to: 'name',
    delegator: 'name',
    leftAt: 'count',
    until: 'count',
    initialTokens: 'amount',
    shares: 'amount',
  },
  slashes: {
    validator: 'name',
    fault: 'text',
    state: SLASH_STATES,
    faultAt: 'count',
    heldAt: 'count',
    appealableUntil: 'count',
    decideUntil: 'count',
    amount: 'amount',
    ownAmount: 'amount',
    parts: 'count',
    buyer: 'name',
    paidForTask: 'amount',
    insurancePpm: 'amount',
    period: 'count',
  },
  slashParts: {
    validator: 'name',
    fault: 'text',
    part: 'count',
    pool: SLASH_POOLS,
    amount: 'amount',
    leftAt: 'count',
    to: 'text',
    delegator: 'text',
  },
  liveness: { validator: 'name', missed: 'amount', slots: 'count' },
} as const satisfies { [Table in TableName]: { [Field in keyof StakingTables[Table]]: FieldKind } };

export interface StakingSnapshot {
  version: typeof SNAPSHOT_VERSION;
  tables: Record<TableName, Record<string, string | number>[]>;
}

/** Plain JSON data. */
export function snapshotOf(state: StakingState): StakingSnapshot {
  const tables = {} as StakingSnapshot['tables'];
  for (const table of TABLE_NAMES) tables[table] = encodedRows(state, table);
  return { version: SNAPSHOT_VERSION, tables };
}

function encodedRows<Table extends TableName>(state: StakingState, table: Table): Record<string, string | number>[] {
  const sorted = [...state.all(table)].map((row) => ({ row, place: `${row.validator}\n${keyOf(table, row)}` }));
  sorted.sort((a, b) => (a.place < b.place ? -1 : 1));
  return sorted.map(({ row }) => {
    const fields = Object.keys(ROW_FIELDS[table]) as (keyof StakingTables[Table] & string)[];
    return Object.fromEntries(
      fields.map((field) => {
        const value = row[field] as string | number | bigint;
        return [field, typeof value === 'bigint' ? String(value) : value];
      }),
    );
  });
}

/** Throws `invalid-request` for another version, an unknown table or field, a value of another kind, a row that comes twice. */
export function restoreSnapshot(document: unknown): StakingState {
  if (!isRecord(document) || document.version !== SNAPSHOT_VERSION || !isRecord(document.tables)) {
    throw new FogError('invalid-request', `this is no snapshot of staking in version ${SNAPSHOT_VERSION}`, {
      details: { version: isRecord(document) ? document.version : null },
    });
  }
  const { tables } = document as { tables: Record<string, unknown> };
  const unknown = Object.keys(tables).find((name) => !(TABLE_NAMES as string[]).includes(name));
  if (unknown !== undefined) throw fault(unknown, 'there is no such table');
  const state = new StakingState();
  for (const table of TABLE_NAMES) {
    const rows = tables[table];
    if (!Array.isArray(rows)) throw fault(table, 'it is missing');
    if (rows.length > STAKING_LIMITS.snapshotRows) throw fault(table, `it has ${rows.length} rows`);
    for (const [index, encoded] of rows.entries()) {
      const row = decodedRow(table, encoded, index);
      if (state.get(table, row.validator, keyOf(table, row)) !== undefined) throw fault(table, 'it comes twice', index);
      state.put(table, row);
    }
  }
  return state;
}

function decodedRow<Table extends TableName>(table: Table, encoded: unknown, index: number): StakingTables[Table] {
  const fields: Readonly<Record<string, FieldKind>> = ROW_FIELDS[table];
  if (!isRecord(encoded)) throw fault(table, 'it is no row', index);
  const extra = Object.keys(encoded).find((field) => !Object.hasOwn(fields, field));
  if (extra !== undefined) throw fault(table, `it has a field "${extra}"`, index);
  const decoded = Object.entries(fields).map(([field, kind]) => {
    const value = decodedField(kind, encoded[field]);
    if (value === null) throw fault(table, `its field "${field}" is missing or of another kind`, index);
    return [field, value] as const;
  });
  return Object.fromEntries(decoded) as unknown as StakingTables[Table];
}

const DIGITS = /^(0|[1-9]\d{0,3099})$/;
const CONTROL_CHARACTER = /\p{Cc}/u;

/** Null for what is not of the kind. */
function decodedField(kind: FieldKind, value: unknown): string | number | bigint | null {
  if (typeof kind !== 'string') return typeof value === 'string' && kind.includes(value) ? value : null;
  switch (kind) {
    case 'amount':
      return typeof value === 'string' && DIGITS.test(value) ? BigInt(value) : null;
    case 'count':
      return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : null;
    case 'number':
      return Number.isSafeInteger(value) ? (value as number) : null;
    case 'name':
      return isText(value) && value !== '' ? value : null;
    case 'text':
      return isText(value) ? value : null;
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 4 * STAKING_LIMITS.nameBytes && !CONTROL_CHARACTER.test(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fault(table: string, what: string, index?: number): FogError {
  const where = index === undefined ? `table ${table}` : `row ${index} of table ${table}`;
  return new FogError('invalid-request', `the snapshot of staking is damaged: ${where}: ${what}`, {
    details: { table, ...(index === undefined ? {} : { index }) },
  });
}
