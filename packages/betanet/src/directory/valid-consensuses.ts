/** What several answers for one epoch come to: the consensus, or proof that authorities have endorsed two. */
import { type Consensus, consensusSchema } from './documents.ts';
import { doubleEndorsers } from './endorsements.ts';
import { documentDigest } from './signed-document.ts';
import { type VerifyConsensusOptions, verifyConsensus } from './verify-consensus.ts';

export interface ConsensusAnswer {
  /** Who gave it. */
  authority: string;
  /** Whatever was answered. */
  document: unknown;
}

export interface ValidConsensuses {
  /** Different ones, in the order in which they were found: more than one is a fork. */
  valid: Consensus[];
  /** Why the others are not. */
  reasons: string[];
}

/** Each text is checked once, whoever gave it. `known`: one that was checked before. */
export function validConsensuses(
  answers: readonly ConsensusAnswer[],
  epoch: number,
  known: Consensus | undefined,
  options: VerifyConsensusOptions,
): ValidConsensuses {
  const valid = new Map<string, Consensus>();
  if (known !== undefined) valid.set(documentDigest(known.body), known);
  const reasons = new Set<string>();
  for (const { authority, document } of answers) {
    const parsed = consensusSchema.safeParse(document);
    const digest = parsed.success ? documentDigest(parsed.data.body) : null;
    if (digest !== null && valid.has(digest)) continue;
    const verdict = verifyConsensus(document, options);
    if (!verdict.valid) reasons.add(`${authority}: ${verdict.message}`);
    else if (verdict.consensus.body.epoch !== epoch) reasons.add(`${authority} answered with another epoch`);
    else valid.set(digest ?? '', verdict.consensus);
  }
  return { valid: [...valid.values()], reasons: [...reasons] };
}

/** Who has endorsed two or more of these. */
export function allDoubleEndorsers(consensuses: readonly Consensus[], genesis: VerifyConsensusOptions['genesis']) {
  const names = consensuses.flatMap((first, at) =>
    consensuses.slice(at + 1).flatMap((second) => doubleEndorsers(first, second, genesis)),
  );
  return [...new Set(names)].sort();
}
