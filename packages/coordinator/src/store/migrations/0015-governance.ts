import type { Kysely } from 'kysely';
import { runStatements } from './run-statements.ts';

/** What members decide: parameters, proposals, ballots, and the power that they are counted by. Meanings: ../dao-tables.ts. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await runStatements(database, STATEMENTS);
}

const STATEMENTS = [
  'CREATE TABLE dao_network (id INTEGER PRIMARY KEY, name TEXT NOT NULL, CHECK (id = 1))',
  `CREATE TABLE dao_parameters (
    name TEXT PRIMARY KEY, value TEXT NOT NULL, proposal TEXT NOT NULL, changed_at BIGINT NOT NULL)`,
  `CREATE TABLE dao_audit (
    proposal TEXT NOT NULL, position INTEGER NOT NULL, kind TEXT NOT NULL, title TEXT NOT NULL, subject TEXT NOT NULL,
    before TEXT, after TEXT, asked_by TEXT NOT NULL, sequence BIGINT NOT NULL, carried_out_at BIGINT NOT NULL,
    PRIMARY KEY (proposal, position))`,
  'CREATE INDEX dao_audit_by_time ON dao_audit (carried_out_at, proposal, position)',
  `CREATE TABLE dao_proposals (
    id TEXT PRIMARY KEY, proposer TEXT NOT NULL, state TEXT NOT NULL, is_live INTEGER NOT NULL,
    created_at BIGINT NOT NULL, due_at BIGINT, body TEXT NOT NULL)`,
  // One at a time for each proposer, whatever the code does.
  'CREATE UNIQUE INDEX dao_live_proposals ON dao_proposals (proposer) WHERE is_live = 1',
  'CREATE INDEX dao_due_proposals ON dao_proposals (due_at) WHERE due_at IS NOT NULL',
  'CREATE INDEX dao_proposals_by_time ON dao_proposals (created_at, id)',
  `CREATE TABLE dao_ballots (
    proposal TEXT NOT NULL, voter TEXT NOT NULL, number INTEGER NOT NULL, choice TEXT NOT NULL, nonce TEXT NOT NULL,
    signature TEXT NOT NULL, public_key TEXT NOT NULL, power TEXT NOT NULL, cast_sequence BIGINT NOT NULL,
    cast_at BIGINT NOT NULL, PRIMARY KEY (proposal, voter))`,
  'CREATE UNIQUE INDEX dao_ballots_in_order ON dao_ballots (proposal, number)',
  `CREATE TABLE dao_snapshots (
    proposal TEXT PRIMARY KEY, before_sequence BIGINT NOT NULL, snapshot_sequence BIGINT NOT NULL, supply TEXT NOT NULL,
    voters INTEGER NOT NULL, tree_root TEXT NOT NULL, root TEXT NOT NULL)`,
  `CREATE TABLE dao_snapshot_voters (
    proposal TEXT NOT NULL, voter TEXT NOT NULL, public_key TEXT NOT NULL, power TEXT NOT NULL,
    PRIMARY KEY (proposal, voter))`,
  `CREATE TABLE dao_stakes (
    owner TEXT NOT NULL, sequence BIGINT NOT NULL, bonded TEXT NOT NULL, delegate TEXT, PRIMARY KEY (owner, sequence))`,
  `CREATE TABLE dao_powers (
    voter TEXT NOT NULL, sequence BIGINT NOT NULL, power TEXT NOT NULL, PRIMARY KEY (voter, sequence))`,
  'CREATE TABLE dao_voting_keys (principal TEXT PRIMARY KEY, public_key TEXT NOT NULL, registered_at BIGINT NOT NULL)',
];
