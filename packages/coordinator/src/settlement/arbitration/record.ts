/**
 * A task whose results differ while nobody whose word proves anything has run it: what is stored of it, and what follows
 * from what is found. Pure.
 *
 *     open --(a trusted node may run it)--> trusted --(it has answered)--> proven | right
 *       |                                      | not in time
 *       +--------------(none may)--------------+--> arbiters are drawn --(all found the same)--> proven | right
 *       |                                              |   +--(not the same)--> disagreed
 *       +--> nothing-at-stake                          |   +--(not all in time)--> unanswered
 *                                                      +--(too few)--> too-few-arbiters
 *
 * All whose results differ are accused alike, a majority as well as a minority: wrong is who has signed another result than
 * those who ran it again. Whatever else comes of it proves nothing, and costs nobody anything.
 */
import type { ArbitrationOutcome, Prover } from '@fog/contract';
import type { ArbiterDraw, ArbiterParties, ArbiterRun } from '@fog/economy/staking';

export const UNDER_WAY = ['open', 'trusted', 'arbiters'] as const;
export type ArbitrationState = (typeof UNDER_WAY)[number] | ArbitrationOutcome;

/** A result that its node has signed, and the lease that it came from. */
export interface Party {
  fence: number;
  owner: string;
  nodeId: string;
  /** Network of the node. */
  prefix: string;
  digest: string;
  signature: string | null;
  leasedAt: number;
}

/** A hidden job that runs the task again. */
export interface ArbitrationRun {
  job: string;
  /** Who was drawn; null: any trusted node. */
  owner: string | null;
}

/** Stored as JSON. Amounts are texts, times milliseconds since 1970. */
export interface ArbitrationRecord {
  version: 1;
  parties: readonly Party[];
  /** Others who have a say in it: who pays, who has submitted, who has made the answer that was expected. */
  others: ArbiterParties;
  buyer: string;
  /** By the terms of the job that pays, and what its buyer was charged for the task. */
  slashPpm: string;
  insurancePpm: string;
  paidForTask: string;
  runs: readonly ArbitrationRun[];
  /** Until when they may answer. */
  until: number;
  draw: StoredDraw | null;
}

type StoredDraw = Omit<ArbiterDraw, 'candidates'> & {
  candidates: readonly { owner: string; prefix: string; stake: string }[];
};

/** What became of a run. */
export type RunAnswer = { kind: 'digest'; digest: string } | { kind: 'none' } | { kind: 'waiting' };

export type Finding =
  | { kind: 'waiting' }
  /** Who was asked has not answered, and others may be asked. */
  | { kind: 'ask-others' }
  | { kind: 'found'; digest: string; by: Prover }
  | { kind: 'nothing'; outcome: 'disagreed' | 'unanswered' };

export function readArbitration(text: string): ArbitrationRecord {
  return JSON.parse(text) as ArbitrationRecord;
}

/** Owners and networks that judge nothing in this matter. */
export function partiesOf({ parties, others }: ArbitrationRecord): ArbiterParties {
  return {
    owners: [...new Set([...parties.map(({ owner }) => owner), ...others.owners])].sort(),
    prefixes: [...new Set([...parties.map(({ prefix }) => prefix), ...others.prefixes])].sort(),
  };
}

/** What the runs of a trusted node, or of all arbiters, say together. */
export function findingOf(by: Prover, answers: readonly RunAnswer[], isLate: boolean): Finding {
  const digests = answers.flatMap((answer) => (answer.kind === 'digest' ? [answer.digest] : []));
  const [digest] = digests;
  if (digest !== undefined && digests.length === answers.length) {
    const areAlike = digests.every((other) => other === digest);
    return areAlike ? { kind: 'found', digest, by } : { kind: 'nothing', outcome: 'disagreed' };
  }
  if (!isLate && !answers.some(({ kind }) => kind === 'none')) return { kind: 'waiting' };
  return by === 'trusted' ? { kind: 'ask-others' } : { kind: 'nothing', outcome: 'unanswered' };
}

/** Those whose signed result is another one. */
export function wrongParties({ parties }: ArbitrationRecord, digest: string): Party[] {
  return parties.filter((party) => party.digest !== digest);
}

/** What one of several wrong results may compensate the buyer by: together no more than the task cost. Rounded down. */
export function compensationOf(paidForTask: bigint, wrong: number): bigint {
  return wrong === 0 ? 0n : paidForTask / BigInt(wrong);
}

export function storedDraw({ seed, parties, candidates }: ArbiterDraw): StoredDraw {
  return { seed, parties, candidates: candidates.map((one) => ({ ...one, stake: String(one.stake) })) };
}

/** What a fault keeps of it. */
export function writeEvidence(draw: StoredDraw, runs: readonly ArbiterRun[]): string {
  return JSON.stringify({ ...draw, runs });
}

export function readEvidence(text: string): ArbiterDraw & { runs: readonly ArbiterRun[] } {
  const { candidates, ...rest } = JSON.parse(text) as StoredDraw & { runs: ArbiterRun[] };
  return { ...rest, candidates: candidates.map((one) => ({ ...one, stake: BigInt(one.stake) })) };
}
