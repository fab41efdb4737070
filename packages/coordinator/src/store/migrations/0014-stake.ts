import type { Kysely } from 'kysely';
import { runStatements } from './run-statements.ts';

/**
 * What is at stake. The rows are those of `@fog/economy/staking`, a column for each of its fields; column meanings of the
 * others: ../stake-tables.ts. Amounts are texts: they count in fractions of a micro-FOG, and go beyond 64 bits.
 */
export async function up(database: Kysely<unknown>): Promise<void> {
  await runStatements(database, STATEMENTS);
}

const STATEMENTS = [
  `CREATE TABLE stake_validators (
    validator TEXT PRIMARY KEY, status TEXT NOT NULL, jailed_until BIGINT NOT NULL, faults BIGINT NOT NULL,
    held_slashes BIGINT NOT NULL, redelegations BIGINT NOT NULL, commission_ppm TEXT NOT NULL,
    commission_changed_at BIGINT NOT NULL, tokens TEXT NOT NULL, held_tokens TEXT NOT NULL, shares TEXT NOT NULL,
    period BIGINT NOT NULL, current_rewards TEXT NOT NULL, streaming TEXT NOT NULL, streams_from BIGINT NOT NULL,
    streams_until BIGINT NOT NULL, commission TEXT NOT NULL, dust TEXT NOT NULL, held TEXT NOT NULL,
    last_epoch BIGINT NOT NULL)`,
  'CREATE INDEX stake_validators_by_status ON stake_validators (status)',
  `CREATE TABLE stake_delegations (
    validator TEXT NOT NULL, delegator TEXT NOT NULL, shares TEXT NOT NULL, locked_shares TEXT NOT NULL,
    start_period BIGINT NOT NULL, PRIMARY KEY (validator, delegator)) ORDERED_BY_KEY`,
  'CREATE INDEX stake_delegations_of ON stake_delegations (delegator, validator)',
  `CREATE TABLE stake_periods (
    validator TEXT NOT NULL, period BIGINT NOT NULL, reward_per_share TEXT NOT NULL, reference_count BIGINT NOT NULL,
    PRIMARY KEY (validator, period)) ORDERED_BY_KEY`,
  `CREATE TABLE stake_cohorts (
    validator TEXT NOT NULL, left_at BIGINT NOT NULL, releases_at BIGINT NOT NULL, initial_tokens TEXT NOT NULL,
    tokens TEXT NOT NULL, shares TEXT NOT NULL, holds BIGINT NOT NULL, PRIMARY KEY (validator, left_at)) ORDERED_BY_KEY`,
  'CREATE INDEX stake_cohorts_by_release ON stake_cohorts (releases_at)',
  `CREATE TABLE stake_entries (
    validator TEXT NOT NULL, delegator TEXT NOT NULL, left_at BIGINT NOT NULL, shares TEXT NOT NULL,
    PRIMARY KEY (validator, left_at, delegator)) ORDERED_BY_KEY`,
  'CREATE INDEX stake_entries_of ON stake_entries (delegator, validator, left_at)',
  `CREATE TABLE stake_redelegations (
    validator TEXT NOT NULL, target TEXT NOT NULL, delegator TEXT NOT NULL, left_at BIGINT NOT NULL,
    until BIGINT NOT NULL, initial_tokens TEXT NOT NULL, shares TEXT NOT NULL,
    PRIMARY KEY (validator, left_at, target, delegator)) ORDERED_BY_KEY`,
  'CREATE INDEX stake_redelegations_by_time ON stake_redelegations (until)',
  'CREATE INDEX stake_redelegations_of ON stake_redelegations (delegator, validator)',
  `CREATE TABLE stake_slashes (
    validator TEXT NOT NULL, fault TEXT NOT NULL, state TEXT NOT NULL, fault_at BIGINT NOT NULL, held_at BIGINT NOT NULL,
    appealable_until BIGINT NOT NULL, decide_until BIGINT NOT NULL, amount TEXT NOT NULL, own_amount TEXT NOT NULL,
    parts BIGINT NOT NULL, buyer TEXT NOT NULL, paid_for_task TEXT NOT NULL, insurance_ppm TEXT NOT NULL,
    period BIGINT NOT NULL, PRIMARY KEY (validator, fault))`,
  'CREATE INDEX stake_slashes_to_post ON stake_slashes (state, decide_until)',
  `CREATE TABLE stake_slash_parts (
    validator TEXT NOT NULL, fault TEXT NOT NULL, part BIGINT NOT NULL, pool TEXT NOT NULL, amount TEXT NOT NULL,
    left_at BIGINT NOT NULL, target TEXT NOT NULL, delegator TEXT NOT NULL, PRIMARY KEY (validator, fault, part))`,
  'CREATE TABLE stake_liveness (validator TEXT PRIMARY KEY, missed TEXT NOT NULL, slots BIGINT NOT NULL)',
  'CREATE TABLE stake_marks (name TEXT PRIMARY KEY, value BIGINT NOT NULL)',
  'CREATE TABLE stake_totals (owner TEXT PRIMARY KEY, bonded TEXT NOT NULL)',
  `CREATE TABLE stake_faults (
    fault TEXT PRIMARY KEY, job_id TEXT NOT NULL, partition INTEGER NOT NULL, fence INTEGER NOT NULL,
    validator TEXT NOT NULL, node_id TEXT NOT NULL, buyer TEXT NOT NULL, leased_at BIGINT NOT NULL,
    found_at BIGINT NOT NULL, claimed_digest TEXT NOT NULL, digest TEXT NOT NULL, signature TEXT,
    slash_ppm TEXT NOT NULL, insurance_ppm TEXT NOT NULL, paid_for_task TEXT NOT NULL, state TEXT NOT NULL,
    try_at BIGINT NOT NULL, void_reason TEXT, appeal_reason TEXT, decided_by TEXT, decision_reason TEXT)`,
  'CREATE INDEX stake_faults_by_state ON stake_faults (state, try_at)',
  'CREATE INDEX nodes_by_owner ON nodes (owner)',
];
