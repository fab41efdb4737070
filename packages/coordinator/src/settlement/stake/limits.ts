/** Stake in the database: how much is looked at at a time. */
export const STAKE_HOME_LIMITS = {
  /** Releases, unlocks, posts and proofs that one look works on; each is a transaction that holds all stake. */
  dueRows: 200,
  /** How often is looked for them: nobody waits for a minute after two weeks. */
  dueMilliseconds: 60_000,
  /** How often proven mismatches are looked for: who lied is to be jailed soon. */
  faultMilliseconds: 5_000,
  /** How often each coordinator looks who is jailed: so long a lease may still go to one. */
  jailedMilliseconds: 5_000,
  /** A proof that cannot be taken yet, since too many slashes are held, is tried again after so long. */
  faultRetryMilliseconds: 600_000,
  /** By how much clocks of coordinators may differ, for what was at stake at a lease: as far as they are let. */
  clockDifferenceMilliseconds: 30_000,
  /** A slot of liveness: with 100 of them in a window, whoever is away for half a day of one is not jailed. */
  slotMilliseconds: 900_000,
  /** A node that was not seen for so long is gone, and expected no more. */
  expectedMilliseconds: 604_800_000,
  /** Validators whose slots are counted in one transaction. */
  slotValidators: 500,
  /** Rewards of stake are divided once a day. */
  epochMilliseconds: 86_400_000,
  /** Delegations, unbonding parts and moves of one owner that are shown; more are there, and count. */
  shownParts: 1_000,
  /** How long is remembered whose bond was too small for a class, so that no room is made or kept there for it. */
  shortMilliseconds: 5_000,
  /** Classes of which that is remembered. */
  shortClasses: 1_000,
  /** Of their owners, those that the next turn looks up at once: one statement; others are looked up when they are met. */
  watchedOwners: 1_000,
} as const;
