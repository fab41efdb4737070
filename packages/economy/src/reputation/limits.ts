/** Every limit of reputation, with its reason. */

export const REPUTATION_LIMITS = {
  /** Right results of one class of value that are kept: from there on more change nothing that anybody could tell. */
  checksOfClass: 1_000_000,
  /** Classes of value, each twice the one before: the highest price of a result has 64 bits. */
  valueClasses: 65,
  /** Days in which evidence halves: a node that changed hands is known anew within a season. */
  halfLifeDays: 30,
  /** Days after which nothing is left: 64 half-lives. */
  forgottenDays: 1920,
  /** Days since 1970 that a record may be of: some ten thousand years. */
  day: 4_000_000,
  /** Wrong results that a record counts for people. */
  counted: 1_000_000_000,
  /** Right results that an older record of verification is taken over with: those that it looks back on. */
  takenOver: 64,
  /** Owners whose results agree in one check: as many as one task may have. */
  witnesses: 16,
  /** Records that one rank is made of: of the owner, of the node, of its runtimes. */
  recordsOfRank: 16,
  /** A record as JSON: 65 numbers of 13 digits and the rest are less than a quarter. */
  textBytes: 4096,
} as const;
