/** Every limit of verification, with its reason. */

export const VERIFICATION_LIMITS = {
  /** Replicas of one task that end without a result; then the trouble is the task's, as with `nodeFailures` of a job. */
  failedReplicas: 10,
  /** Valid results in a row before a node may run a task alone; source: BOINC, AdaptiveReplication. */
  provenAfterValid: 10,
  /**
   * Results of a node that nobody has checked, kept to be checked again when it is found out. A node whose record grew
   * to 30 valid results is checked in one of 30, so twice that covers most of what it did since it was last checked.
   * Each takes 60 bytes in the node's record.
   */
  unreplicatedResults: 64,
  /** Known answers kept at a time for one runtime; the oldest makes room. Each takes some 2 KiB at its fullest. */
  knownAnswers: 512,
  /** Nodes that one known answer is put to; then it retires, before whoever has met it could spread it. */
  usesOfKnownAnswer: 16,
  /** A wrong known answer would condemn good nodes; two unknown nodes that agree (0.94) are not enough for one. */
  knownAnswerCredibility: 0.99,
  /** Random bytes of a commitment: enough that a digest cannot be guessed from it. Longer ones are of no use. */
  nonceBytes: 32,
  /** Results that are compared by tolerance are parsed in memory, two at a time. */
  comparedBytes: 16 << 20,
  /** Levels of a JSON result: the comparison calls itself for each. */
  comparedDepth: 64,
} as const;

/**
 * The share of nodes that is assumed to lie when nothing is known of a node: what credibility starts from. Studies of
 * volunteer computing assume a tenth or less; twice that is on the safe side.
 */
export const ASSUMED_FAULTY_SHARE = 0.2;
