/** Every limit of governance, with its reason. */

export const GOVERNANCE_LIMITS = {
  titleCharacters: 200,
  /** What a proposal says for itself: some pages. Longer reasons belong behind a link. */
  textCharacters: 16_384,
  /** Why a guardian vetoes; it stands in the record for good. */
  reasonCharacters: 1000,
  /** Parameters that one proposal changes, and payments that it makes: what a voter can still read. Bravo takes ten. */
  actions: 10,
  /** Proposals that are neither ended nor executed: each is looked at whenever time passes. */
  liveProposals: 1024,
  /** Voters in one snapshot of power: its tree is hashed in some ten seconds. */
  voters: 1 << 20,
  /** Hashes of a proof: what a tree of so many voters has levels. */
  proofHashes: 20,
  /** Ballots of one proposal: a recount checks some thousand signatures a second. */
  ballots: 1 << 16,
  /** Random bytes of a ballot: no two of one voter are alike. */
  nonceBytes: 16,
  /** A record of a vote as text: all ballots with the longest proofs, and the list of voters. */
  recordCharacters: 1 << 28,
  /** Ticks that one step of conviction covers: more than 17 years of milliseconds, 40 squarings. */
  convictionTicks: 2 ** 40,
} as const;
