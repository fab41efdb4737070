/**
 * Which rows an operation works on: a database loads these, applies the event, and writes back what changed.
 *
 * What is needed may depend on what was loaded: ask again with the rows of the round before, until a round adds none.
 * `ROUNDS` are enough for every event.
 */
import type { StakingEvent } from './events.ts';
import { faultOf } from './evidence.ts';
import { rowKey, type Slash, type TableName } from './rows.ts';
import type { Rows } from './state.ts';

export const ROUNDS = 4;

/** One row, or with `key` null all rows of the validator in that table, with `leftAt` no less than `since`. */
export interface RowNeed {
  table: TableName;
  validator: string;
  key: string | null;
  since?: number;
}

/** The rows that the event needs, as far as those that are loaded tell. */
export function rowsNeeded(event: StakingEvent, loaded: Rows): RowNeed[] {
  switch (event.kind) {
    case 'open':
    case 'set-commission':
    case 'withdraw-commission':
    case 'unjail':
      return poolNeeds(event.validator, loaded);
    case 'slot':
      return [one('validators', event.validator), one('liveness', event.validator)];
    case 'delegate':
    case 'withdraw':
      return delegationNeeds(event.validator, event.delegator, loaded);
    case 'unbond':
      return [
        ...delegationNeeds(event.validator, event.delegator, loaded),
        // Cohorts of hours to come, of which there is one, or a few where one was slashed to nothing.
        ...loaded
          .of('cohorts', event.validator)
          .map(({ leftAt }) => entryNeed(event.validator, leftAt, event.delegator)),
      ];
    case 'redelegate':
      return [
        ...delegationNeeds(event.validator, event.delegator, loaded),
        ...delegationNeeds(event.to, event.delegator, loaded),
      ];
    case 'release':
      return [
        entryNeed(event.validator, event.leftAt, event.delegator),
        one('cohorts', event.validator, rowKey(event.leftAt)),
      ];
    case 'unlock':
      return [
        one('validators', event.validator),
        one('redelegations', event.validator, rowKey(event.leftAt, event.to, event.delegator)),
        one('delegations', event.to, event.delegator),
      ];
    case 'allocate':
      return event.weights.map(({ validator }) => one('validators', validator));
    case 'prove':
      return proofNeeds(event, loaded);
    case 'appeal':
    case 'decide':
    case 'post':
    case 'forget':
      return slashNeeds(event.validator, event.fault, loaded);
  }
}

/** Rows that depend on the time as well: the cohort that leaves next, the move of this moment. */
export function rowsNeededAt(event: StakingEvent, now: number): RowNeed[] {
  if (event.kind === 'unbond') return [{ table: 'cohorts', validator: event.validator, key: null, since: now }];
  if (event.kind !== 'redelegate') return [];
  return [one('redelegations', event.validator, rowKey(now, event.to, event.delegator))];
}

function one(table: TableName, validator: string, key = ''): RowNeed {
  return { table, validator, key };
}

function entryNeed(validator: string, leftAt: number, delegator: string): RowNeed {
  return one('entries', validator, rowKey(leftAt, delegator));
}

/** The validator, and the end of its last period. */
function poolNeeds(validator: string, loaded: Rows): RowNeed[] {
  const row = loaded.get('validators', validator);
  const last = row === undefined ? [] : [one('periods', validator, rowKey(row.period - 1))];
  return [one('validators', validator), ...last];
}

function delegationNeeds(validator: string, delegator: string, loaded: Rows): RowNeed[] {
  const delegation = loaded.get('delegations', validator, delegator);
  const start = delegation === undefined ? [] : [one('periods', validator, rowKey(delegation.startPeriod))];
  return [...poolNeeds(validator, loaded), one('delegations', validator, delegator), ...start];
}

function proofNeeds({ evidence: { attempt } }: Extract<StakingEvent, { kind: 'prove' }>, loaded: Rows): RowNeed[] {
  const { validator, deliveredAt: since } = attempt;
  const moves = loaded.of('redelegations', validator);
  return [
    ...poolNeeds(validator, loaded),
    one('slashes', validator, faultOf(attempt)),
    one('delegations', validator, validator),
    { table: 'cohorts', validator, key: null, since },
    { table: 'redelegations', validator, key: null, since },
    ...loaded.of('cohorts', validator).map(({ leftAt }) => entryNeed(validator, leftAt, validator)),
    ...moves.flatMap(({ to, delegator }) => delegationNeeds(to, delegator, loaded)),
  ];
}

function slashNeeds(validator: string, fault: string, loaded: Rows): RowNeed[] {
  const slash: Slash | undefined = loaded.get('slashes', validator, fault);
  if (slash === undefined) return [...poolNeeds(validator, loaded), one('slashes', validator, fault)];
  const keys = Array.from({ length: slash.parts }, (_, part) => rowKey(fault, part));
  const parts = keys.flatMap((key) => loaded.get('slashParts', validator, key) ?? []);
  return [
    ...poolNeeds(validator, loaded),
    one('slashes', validator, fault),
    one('periods', validator, rowKey(slash.period)),
    ...keys.map((key) => one('slashParts', validator, key)),
    ...parts.flatMap(({ pool, leftAt }) => (pool === 'unbonding' ? [one('cohorts', validator, rowKey(leftAt))] : [])),
    ...parts.flatMap(({ pool, to, delegator }) =>
      pool === 'redelegated' ? delegationNeeds(to, delegator, loaded) : [],
    ),
  ];
}

/** Carries the needed rows from one place that has them to another: what a database does with statements. */
export function loadRows(event: StakingEvent, now: number, from: Rows, into: Rows): void {
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { table, validator, key, since } of [...rowsNeededAt(event, now), ...rowsNeeded(event, into)]) {
      const rows = key === null ? from.of(table, validator) : [from.get(table, validator, key)];
      for (const row of rows) {
        if (row === undefined || (since !== undefined && 'leftAt' in row && row.leftAt < since)) continue;
        into.put(table, row);
      }
    }
  }
}
