import type { Kysely } from 'kysely';
import { runStatements } from './run-statements.ts';

/** Everything a fog needs to run jobs. Column meanings: ../tables.ts. */
export async function up(database: Kysely<unknown>): Promise<void> {
  await runStatements(database, STATEMENTS);
}

const STATEMENTS = [
  `CREATE TABLE jobs (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, state TEXT NOT NULL, submitter TEXT NOT NULL, spec TEXT NOT NULL,
    rank INTEGER NOT NULL, class_id TEXT, task_count INTEGER NOT NULL, expanded INTEGER NOT NULL,
    queued INTEGER NOT NULL, scheduled INTEGER NOT NULL, running INTEGER NOT NULL, succeeded INTEGER NOT NULL,
    failed INTEGER NOT NULL, cancelled INTEGER NOT NULL, expired INTEGER NOT NULL,
    next_sequence BIGINT NOT NULL, submitted_at BIGINT NOT NULL, started_at BIGINT, ended_at BIGINT,
    expires_at BIGINT NOT NULL, closing TEXT, closed_by TEXT, reason TEXT, idempotency_key TEXT,
    CHECK (queued >= 0 AND scheduled >= 0 AND running >= 0),
    CHECK (queued + scheduled + running + succeeded + failed + cancelled + expired = expanded),
    CHECK (expanded <= task_count))`,
  `CREATE UNIQUE INDEX jobs_idempotency ON jobs (submitter, idempotency_key) WHERE idempotency_key IS NOT NULL`,
  `CREATE INDEX jobs_of_submitter ON jobs (submitter, id)`,
  `CREATE INDEX jobs_active ON jobs (expires_at) WHERE ended_at IS NULL`,
  `CREATE INDEX jobs_unfinished ON jobs (id) WHERE ended_at IS NULL AND (closing IS NOT NULL OR expanded < task_count)`,
  `CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL`,

  `CREATE TABLE tasks (
    job_id TEXT NOT NULL, partition INTEGER NOT NULL, state TEXT NOT NULL, class_id TEXT NOT NULL,
    rank INTEGER NOT NULL, fence INTEGER NOT NULL, parked INTEGER NOT NULL, not_before BIGINT,
    queue_deadline BIGINT, job_failures INTEGER NOT NULL, node_failures INTEGER NOT NULL, failure TEXT,
    accepted_fence INTEGER, outputs TEXT, PRIMARY KEY (job_id, partition),
    CHECK ((state = 'succeeded') = (accepted_fence IS NOT NULL))) ORDERED_BY_KEY`,
  // The queue: claims read its head, whatever its length.
  `CREATE INDEX tasks_queue ON tasks (class_id, rank, job_id, partition) WHERE state = 'queued' AND parked = 0`,
  `CREATE INDEX tasks_parked ON tasks (not_before) WHERE state = 'queued' AND parked = 1`,
  `CREATE INDEX tasks_queue_deadline ON tasks (queue_deadline) WHERE state = 'queued' AND queue_deadline IS NOT NULL`,

  `CREATE TABLE attempts (
    job_id TEXT NOT NULL, partition INTEGER NOT NULL, fence INTEGER NOT NULL, state TEXT NOT NULL,
    node_id TEXT NOT NULL, leased_at BIGINT NOT NULL, started_at BIGINT, ended_at BIGINT, outcome TEXT, progress TEXT, log_bytes BIGINT NOT NULL,
    PRIMARY KEY (job_id, partition, fence)) ORDERED_BY_KEY`,
  // At most one accepted result of a task, whatever the code does.
  `CREATE UNIQUE INDEX attempts_valid ON attempts (job_id, partition) WHERE state = 'valid'`,
  `CREATE INDEX attempts_live ON attempts (node_id)
    WHERE state IN ('leased', 'preparing', 'running', 'uploading', 'lost')`,

  `CREATE TABLE placement_classes (id TEXT PRIMARY KEY, requirements TEXT NOT NULL)`,
  `CREATE TABLE events (
    stream TEXT NOT NULL, sequence BIGINT NOT NULL, at BIGINT NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (stream, sequence)) ORDERED_BY_KEY`,
  `CREATE TABLE logs (
    job_id TEXT NOT NULL, sequence BIGINT NOT NULL, at BIGINT NOT NULL, partition INTEGER NOT NULL,
    fence INTEGER NOT NULL, stream TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (job_id, sequence)) ORDERED_BY_KEY`,

  `CREATE TABLE nodes (
    id TEXT PRIMARY KEY, public_key TEXT NOT NULL, name TEXT NOT NULL, owner TEXT NOT NULL, state TEXT NOT NULL,
    cordoned INTEGER NOT NULL, drain_until BIGINT, description TEXT NOT NULL, session BIGINT NOT NULL,
    coordinator_id TEXT, boot_id TEXT NOT NULL, journal_id TEXT NOT NULL, acknowledged BIGINT NOT NULL,
    blob_token_hash TEXT NOT NULL, joined_at BIGINT NOT NULL, last_seen_at BIGINT NOT NULL, silent_since BIGINT,
    next_sequence BIGINT NOT NULL)`,
  `CREATE INDEX nodes_by_name ON nodes (name, id)`,
  `CREATE TABLE tokens (
    id TEXT PRIMARY KEY, scope TEXT NOT NULL, principal TEXT NOT NULL, secret_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL, expires_at BIGINT, revoked_at BIGINT)`,
  `CREATE TABLE secrets (
    principal TEXT NOT NULL, name TEXT NOT NULL, sealed TEXT NOT NULL, updated_at BIGINT NOT NULL,
    PRIMARY KEY (principal, name))`,
  `CREATE TABLE blobs (digest TEXT PRIMARY KEY, bytes BIGINT NOT NULL, stored_at BIGINT NOT NULL)`,
  `CREATE INDEX blobs_by_age ON blobs (stored_at)`,
  `CREATE TABLE job_blobs (job_id TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (job_id, digest)) ORDERED_BY_KEY`,
  `CREATE INDEX job_blobs_by_digest ON job_blobs (digest)`,
  `CREATE TABLE coordinators (
    id TEXT PRIMARY KEY, url TEXT NOT NULL, started_at BIGINT NOT NULL, seen_at BIGINT NOT NULL)`,
];
