/** What verification says of results and of the nodes that computed them, as the API shows it. */
import { z } from 'zod';

/** Why a result was accepted: one node that nobody checked, a quorum, or a trusted node. */
export const ACCEPTED_BY = ['alone', 'quorum', 'trusted'] as const;

/**
 * What is known of one result: confirmed by a quorum or a trusted node; accepted and checked by nobody; right after all;
 * contradicted; committed to and not shown; undecided.
 */
export const VERDICTS = ['valid', 'alone', 'cleared', 'invalid', 'withheld', 'inconclusive'] as const;
export const verdictSchema = z.enum(VERDICTS);
export type ResultVerdict = (typeof VERDICTS)[number];

/** unknown: few valid results; proven: mostly runs alone; suspect: found out, and few valid results since. */
export const STANDINGS = ['unknown', 'proven', 'suspect'] as const;

const count = z.int().nonnegative();

/** What checks that the coordinator chose have said of results; older ones fade. */
export const reputationEvidenceSchema = z.strictObject({
  /** Lower bound of the share of right results, in parts per million; 0 where nothing is known. */
  rightAtLeastPpm: count.max(1_000_000),
  /** Right results that still count. A wrong one takes of them. */
  right: z.number().nonnegative(),
  /** Wrong results ever, and those of them that a trusted node has proven. */
  wrong: count,
  provenWrong: count,
});
export type ReputationEvidence = z.infer<typeof reputationEvidenceSchema>;

/** What is known of all nodes of an owner. */
export const ownerSchema = z.strictObject({
  owner: z.string(),
  evidence: reputationEvidenceSchema,
  /** What its relays count for in the lottery of a mix network. */
  relayReputationPpm: count.max(1_000_000),
});
export type Owner = z.infer<typeof ownerSchema>;

/** The record of a node in one runtime. */
export const runtimeTrustSchema = z.strictObject({
  standing: z.enum(STANDINGS),
  /** Probability that its next result is right: 0 to 1. */
  credibility: z.number().min(0).max(1),
  /** What placement takes it for, where little is at risk: the worse of its record and its owner's. */
  reputation: z.number().min(0).max(1),
  evidence: reputationEvidenceSchema,
  /** Valid results in a row. */
  consecutiveValid: count,
  valid: count,
  invalid: count,
  withheld: count,
  inconclusive: count,
  /** Accepted results that nobody has checked, of those that would be checked again. */
  unchecked: count,
});
export type RuntimeTrust = z.infer<typeof runtimeTrustSchema>;

export const taskVerificationSchema = z.strictObject({
  /** collecting: replicas are run; adjudicating: a trusted node decides; accepted; undecided: the task has failed. */
  phase: z.enum(['collecting', 'adjudicating', 'accepted', 'undecided']),
  acceptedBy: z.enum(ACCEPTED_BY).nullable(),
  /** Replicas that are under way or have shown a result. */
  replicas: count,
  /** Replicas that wait for a node. */
  requested: count,
});
export type TaskVerification = z.infer<typeof taskVerificationSchema>;
