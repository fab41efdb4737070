/**
 * What is stored of a verified task: the state that `@fog/verification` decides on, and what the coordinator adds to
 * it: times, failures of programs, and which lease decides. Pure.
 */
import { FAILURE_REASONS, type FailureReason } from '@fog/contract';
import {
  type Exclusions,
  excludedFrom,
  exclusionsOf,
  newTaskVerification,
  runningOf,
  type TaskVerificationState,
} from '@fog/verification';

/** Where a replica ended without a result, and what its node said of that; null for a lease that it did not take. */
export interface ReplicaFailure {
  owner: string;
  prefix: string;
  reason: FailureReason | null;
  exitCode: number | null;
}

/** Plain data; stored as JSON. Times are milliseconds since 1970. */
export interface VerificationRecord {
  state: TaskVerificationState;
  /** When the round that replicas join and commit in ends, whoever has committed by then. Null while nobody is in it. */
  commitDue: number | null;
  /** Rounds that have opened and still miss results, and until when those may be shown. */
  reveals: { round: number; due: number }[];
  /** Since when it wants a node, and when that is looked at again. Null while it wants none. */
  wantedSince: number | null;
  placeDue: number | null;
  /** Since when no look has found a node that may take it, and the last of these looks. Null once there was one. */
  unplaceable: { since: number; seen: number } | null;
  /**
   * Others are asked before those who failed are asked again, so that no single node can spoil a task. A failure of the
   * program counts when as many nodes as make a quorum, of different owners and networks, fail alike.
   */
  failures: ReplicaFailure[];
  /** Fence of the lease of the trusted node that decides. */
  adjudicator: number | null;
}

export function newRecord(): VerificationRecord {
  return {
    state: newTaskVerification(),
    commitDue: null,
    reveals: [],
    wantedSince: null,
    placeDue: null,
    unplaceable: null,
    failures: [],
    adjudicator: null,
  };
}

export function readRecord(text: string): VerificationRecord {
  // Those of an older version lack what has been added since.
  return { ...newRecord(), ...(JSON.parse(text) as VerificationRecord) };
}

/** A replica waits for a node, or, when adjudicating, the task for a trusted one that has not spoken yet. */
export function wantsNode({ state, adjudicator }: VerificationRecord): boolean {
  if (state.phase === 'collecting') return state.requested > 0;
  return state.phase === 'adjudicating' && adjudicator === null && state.adjudicated === null;
}

export function isDecided({ state }: VerificationRecord): boolean {
  return state.phase === 'accepted' || state.phase === 'undecided';
}

/** Owners and networks that get no replica: those of others, those that withheld, those where one failed. */
export function exclusionsFrom({ state, failures }: VerificationRecord): Exclusions {
  const { owners, prefixes } = excludedFrom(state);
  const failed = exclusionsOf(failures);
  return {
    owners: [...new Set([...owners, ...failed.owners])].sort(),
    prefixes: [...new Set([...prefixes, ...failed.prefixes])].sort(),
  };
}

/** When it is to be looked at: at once for results to be compared. Null where nothing is waited for. */
export function dueOf(record: VerificationRecord): number | null {
  const { commitDue, placeDue, reveals } = record;
  if (isDecided(record)) return null;
  if (isComparing(record)) return 0;
  const times = [commitDue, placeDue, ...reveals.map(({ due }) => due)].filter((time) => time !== null);
  return times.length === 0 ? null : Math.min(...times);
}

/** The failure is the program's, by what its node says. */
export function isOfProgram({ reason }: ReplicaFailure): boolean {
  return reason !== null && FAILURE_REASONS[reason].blame === 'job';
}

/** Results wait to be compared. */
export function isComparing({ state }: VerificationRecord): boolean {
  return state.comparisons.some(({ agree }) => agree === null);
}

/** A replica has run, and waits for others to join its round. */
export function keepsResults({ state }: VerificationRecord): boolean {
  return runningOf(state).some(({ round, commitment }) => round === state.round && commitment !== null);
}

/** Fences whose results are asked for and have not been shown. */
export function openFences({ state }: VerificationRecord): number[] {
  if (state.phase !== 'collecting') return [];
  return runningOf(state)
    .filter(({ round, commitment }) => round < state.round && commitment !== null)
    .map(({ fence }) => fence);
}
