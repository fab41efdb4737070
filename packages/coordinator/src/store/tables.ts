/**
 * The tables, in the subset that SQLite and PostgreSQL share: text ids, times as BIGINT milliseconds, JSON as TEXT,
 * booleans as 0 and 1. migrations/ creates them.
 */
import type { Generated, Insertable, Selectable, Updateable } from 'kysely';
import type { MoneyTables } from './money-tables.ts';
import type { ReputationTables } from './reputation-tables.ts';

export interface Tables extends MoneyTables, ReputationTables {
  jobs: JobsTable;
  tasks: TasksTable;
  attempts: AttemptsTable;
  placement_classes: PlacementClassesTable;
  events: EventsTable;
  logs: LogsTable;
  samples: SamplesTable;
  nodes: NodesTable;
  tokens: TokensTable;
  node_trust: NodeTrustTable;
  known_answers: KnownAnswersTable;
  spot_checks: SpotChecksTable;
  comparisons: ComparisonsTable;
  secrets: SecretsTable;
  job_dependencies: JobDependenciesTable;
  blobs: BlobsTable;
  job_blobs: JobBlobsTable;
  coordinators: CoordinatorsTable;
  deployments: DeploymentsTable;
  deployment_revisions: DeploymentRevisionsTable;
  deployment_replicas: DeploymentReplicasTable;
  quotas: QuotasTable;
  quota_uses: QuotaUsesTable;
  service_waits: ServiceWaitsTable;
  service_settlements: ServiceSettlementsTable;
}

export interface JobsTable {
  id: string;
  name: string;
  state: string;
  submitter: string;
  /** The validated specification as JSON, defaults filled in. */
  spec: string;
  /** 100 - priority, so that ascending order is the order of dispatch. */
  rank: number;
  /** Null for ops jobs, whose tasks have a class each. */
  class_id: string | null;
  task_count: number;
  /** Tasks 0 to expanded - 1 exist as rows. */
  expanded: number;
  /** Tasks by state; kept in the transaction that changes them. */
  queued: number;
  scheduled: number;
  running: number;
  succeeded: number;
  failed: number;
  cancelled: number;
  expired: number;
  /** Number of the next event or log of this job. */
  next_sequence: number;
  submitted_at: number;
  started_at: number | null;
  ended_at: number | null;
  /** When timeouts.total has passed. */
  expires_at: number;
  /** Set when all its tasks are to be ended: `cancelled`, `total-timeout` or `dependency-failed`. */
  closing: string | null;
  /** Principal who cancelled it, or the job that it waited for and that did not complete. */
  closed_by: string | null;
  /** Since when it is suspended; null while it is not. */
  suspended_at: number | null;
  /** 1 while not all of its tasks have been told that it is suspended, or suspended no more. */
  suspension_due: number;
  /** 1 while it waits for other jobs; it has no tasks then. */
  waits: Generated<number>;
  /** When what it waited for had completed; null for jobs that wait, or never did. */
  ready_at: number | null;
  reason: string | null;
  idempotency_key: string | null;
  /** Name of the deployment that it runs a revision of; it ends only when it is closed. Null for other jobs. */
  deployment: string | null;
  /**
   * `user`; hidden, in no list and no count of users: `check`, a run of a known answer, `comparison`, of a script, and
   * `arbitration`, of a task whose results differ.
   */
  purpose: Generated<string>;
  /** JSON of LeaseTerms: what its leases say in place of its own; null for jobs that are not verified. */
  lease_terms: Generated<string | null>;
  /** JSON of the terms on which it is paid for, as they were at the submit; null where nobody pays. */
  payment_terms: Generated<string | null>;
  /** JSON of EscrowRecord: what has become of its cover. Null where nobody pays. */
  escrow: Generated<string | null>;
  /** 1 while money of it may lie in escrow. */
  escrow_open: Generated<number>;
  /** Of a hidden one: the job whose oversight pays for it, by these terms. Null where nobody pays. */
  oversight_by: Generated<string | null>;
}

export interface TasksTable {
  job_id: string;
  partition: number;
  state: string;
  class_id: string;
  rank: number;
  fence: number;
  /** 1 while a queued task waits for not_before, or is suspended; such a task is not claimed. */
  parked: number;
  not_before: number | null;
  /** timeouts.queue: it must have been leased once by then. Null once that happened, or it was suspended. */
  queue_deadline: number | null;
  job_failures: number;
  node_failures: number;
  /** JSON of Failure: why the task failed. */
  failure: string | null;
  accepted_fence: number | null;
  /** JSON of TaskOutput[]. */
  outputs: string | null;
  /** Since when it is suspended; null while it is not. */
  suspended_at: number | null;
  /** What the next attempt goes on from, all null without one: digest, size, and the fence of who took it when. */
  checkpoint_manifest: string | null;
  checkpoint_bytes: number | null;
  checkpoint_files: number | null;
  checkpoint_fence: number | null;
  checkpoint_at: number | null;
  /** JSON of VerificationRecord; null while nothing is verified. */
  verification: Generated<string | null>;
  /** When time alone changes something in it; of a decided task: it is to be verified again. */
  verification_due: Generated<number | null>;
  /** JSON of TaskSettlement: which of its results were paid, where several may be. */
  settlement: Generated<string | null>;
  /** 1 while a decided task wants another replica. */
  reverifying: Generated<number>;
}

export interface AttemptsTable {
  job_id: string;
  partition: number;
  fence: number;
  state: string;
  node_id: string;
  /** Nodes with a session at the coordinator that suited it, whether they had room or not; null in old rows. */
  suitable: number | null;
  /** JSON of PlacementReason; null in old rows, and where nothing was chosen. */
  placement: string | null;
  /** Micro-FOG for a slice, fixed at the lease; null where nobody pays. */
  price: Generated<number | null>;
  /** Principal whose node it was at the lease: who is paid. */
  payee: Generated<string | null>;
  /** What it binds of the payee's stake while it is live, in micro-FOG; null where that is nothing. */
  bond: Generated<number | null>;
  leased_at: number;
  started_at: number | null;
  ended_at: number | null;
  /** JSON of AttemptOutcomeRecord: how it ended. */
  outcome: string | null;
  /** JSON of {fraction, message}. */
  progress: string | null;
  /** JSON of HealthReport. */
  health: string | null;
  log_bytes: number;
}

/** Tasks with the same needs: the dispatcher matches classes with nodes, never single tasks. */
export interface PlacementClassesTable {
  /** Hash of the requirements. */
  id: string;
  /** JSON of Requirements. */
  requirements: string;
  /** When a submit last named it, within an hour or so. */
  used_at: number;
}

export interface EventsTable {
  /** Id of the job or node. */
  stream: string;
  sequence: number;
  at: number;
  /** JSON of JobEventData or NodeEventData. */
  data: string;
}

export interface LogsTable {
  job_id: string;
  sequence: number;
  at: number;
  partition: number;
  fence: number;
  stream: string;
  text: string;
}

/** Counters grow from the start of the attempt; null is unknown. */
export interface SamplesTable {
  job_id: string;
  partition: number;
  fence: number;
  /** When it came in. */
  at: number;
  cpu_milliseconds: number | null;
  memory_bytes: number | null;
  network_received_bytes: number | null;
  network_sent_bytes: number | null;
  disk_bytes: number | null;
  processes: number | null;
}

export interface NodesTable {
  id: string;
  /** Raw Ed25519 key, base64url. */
  public_key: string;
  name: string;
  owner: string;
  /** 1: its results are accepted as they are. */
  trusted: number;
  /** Network prefix of the address that it last connected from; empty where that is unknown. */
  prefix: string;
  state: string;
  cordoned: number;
  /** Told to finish by then and to leave; null while it is not draining. */
  drain_until: number | null;
  /** JSON of NodeDescription. */
  description: string;
  /** Counts the connections of the node; an older session is not listened to. */
  session: number;
  /** The coordinator that holds the session. */
  coordinator_id: string | null;
  boot_id: string;
  journal_id: string;
  /** Journal entries up to this one are applied. */
  acknowledged: number;
  /** SHA-256 of the session's blob token, hex. */
  blob_token_hash: string;
  joined_at: number;
  /** How often its link was lost without a farewell, and how long it has been connected besides the present session. */
  losses: Generated<number>;
  connected_milliseconds: Generated<number>;
  last_seen_at: number;
  /** When the node went silent; its lost attempts are judged from here. Null while connected. */
  silent_since: number | null;
  next_sequence: number;
}

export interface TokensTable {
  id: string;
  scope: string;
  principal: string;
  /** 1: nodes that join with it are trusted. */
  trusted: number;
  /** SHA-256 of the secret part, hex. */
  secret_hash: string;
  created_at: number;
  expires_at: number | null;
  revoked_at: number | null;
}

/** What verification knows of a node, for each runtime. */
export interface NodeTrustTable {
  node_id: string;
  runtime: string;
  /** JSON of NodeTrust. */
  record: string;
  /** JSON of ReputationRecord; null in old rows, of which it is taken over from `record`. */
  reputation: Generated<string | null>;
  /** Counts its changes: it is saved only over the version that was read. */
  version: number;
}

/** Tasks on which credible nodes agreed, to be put to others. */
export interface KnownAnswersTable {
  job_id: string;
  partition: number;
  runtime: string;
  /** JSON of the Requirements of its job: it goes only to nodes that the job may run on. */
  requirements: string;
  /** JSON of KnownAnswer. */
  answer: string;
  uses: number;
  made_at: number;
}

/** The known answer behind a hidden job. */
export interface SpotChecksTable {
  job_id: string;
  /** JSON of SpotCheck. */
  check_record: string;
}

/** Hidden jobs that compare two results of a task, by the digests of the results. */
export interface ComparisonsTable {
  /** Of the hidden one. */
  run_id: string;
  job_id: string;
  partition: number;
  left_digest: string;
  right_digest: string;
}

export interface SecretsTable {
  principal: string;
  name: string;
  /** AES-256-GCM: nonce, ciphertext, tag; base64. */
  sealed: string;
  updated_at: number;
}

export interface BlobsTable {
  digest: string;
  bytes: number;
  stored_at: number;
}

/** Which blobs a job names: program, inputs and outputs. Folder manifests are followed when blobs are collected. */
export interface JobBlobsTable {
  job_id: string;
  digest: string;
}

/** Which job waits, or waited, for which. */
export interface JobDependenciesTable {
  job_id: string;
  needs_id: string;
}

export interface CoordinatorsTable {
  id: string;
  url: string;
  started_at: number;
  seen_at: number;
}

export interface DeploymentsTable {
  principal: string;
  name: string;
  /** `service` or `daemon`; it never changes. */
  type: string;
  state: string;
  reason: string | null;
  /** Number of the current revision. */
  revision: number;
  /** The count of the specification that was deployed last. */
  named_count: number;
  /** Replicas that shall run; of a daemon, nodes that match, as of the last look. */
  wanted: number;
  /** As of the last look, like the next two. */
  ready: number;
  available: number;
  /** Available replicas of the current revision. */
  updated: number;
  /** The most that `updated` has been since the current try began. */
  most_available: number;
  /** When `most_available` last rose, or the try began. */
  progress_at: number;
  created_at: number;
  updated_at: number;
  /** So many replicas of the current revision may run: for more there is no cover. Null where all that are wanted may. */
  covered: Generated<number | null>;
  /** Why replicas have no cover, for people. */
  uncovered: Generated<string | null>;
}

export interface DeploymentRevisionsTable {
  principal: string;
  name: string;
  revision: number;
  /** Revisions with equal specifications may share one. The job holds the specification. */
  job_id: string;
  state: string;
  reason: string | null;
  created_by: string;
  /** The revision that it takes up again. */
  of_revision: number | null;
  /** When it first was stable; null for one that never was. */
  stable_at: number | null;
  created_at: number;
  ended_at: number | null;
}

/** One row a live task of a job of a deployment. */
export interface DeploymentReplicasTable {
  job_id: string;
  partition: number;
  /** The node that it is pinned to; null for replicas of services. */
  node_id: string | null;
  /** Attempt and restart that `condition` is about. */
  run: string;
  /** `ReplicaCondition`, as of the last look. */
  condition: string;
  since: number;
  /** 1 once it was decided to stop it. */
  leaving: number;
}

/** What a principal may have at a time; null is not limited. */
export interface QuotasTable {
  principal: string;
  milli_cpu: number | null;
  memory_bytes: number | null;
  /** Attempts that take up a place. */
  running: number | null;
  /** Tasks that wait. */
  queued: number | null;
  set_by: string;
  set_at: number;
}

/** What a principal with a quota has on the nodes of each coordinator; written on PostgreSQL alone. */
export interface QuotaUsesTable {
  principal: string;
  coordinator_id: string;
  milli_cpu: number;
  memory_bytes: number;
  running: number;
}

/** Waits for first nodes in periods that are not settled. */
export interface ServiceWaitsTable {
  /** When it began. */
  period: number;
  principal: string;
  tier: string;
  /** Longest wait that is counted here, and longer than the next shorter bound. */
  bound: number;
  count: number;
}

/** What became of the promise of a tier in a period that is over. */
export interface ServiceSettlementsTable {
  period: number;
  principal: string;
  tier: string;
  count: number;
  /** Of these, those that waited longer than was promised. */
  missed: number;
  p95_milliseconds: number;
  /** Of the price, to be given back. */
  credit_permille: number;
  settled_at: number;
}

export type JobRow = Selectable<JobsTable>;
export type NewJob = Insertable<JobsTable>;
export type TaskRow = Selectable<TasksTable>;
export type AttemptRow = Selectable<AttemptsTable>;
export type NodeRow = Selectable<NodesTable>;
export type NodeUpdate = Updateable<NodesTable>;
export type TokenRow = Selectable<TokensTable>;
export type DeploymentRow = Selectable<DeploymentsTable>;
export type RevisionRow = Selectable<DeploymentRevisionsTable>;
export type ServiceSettlementRow = Selectable<ServiceSettlementsTable>;
