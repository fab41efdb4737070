/** Tasks whose results differ, and that are run again to prove some of them wrong. */
export const ARBITRATION_LIMITS = {
  /** How often they are looked at: who lied is to be jailed soon. */
  lookMilliseconds: 5_000,
  /** After a start nobody is looked for until agents have connected again. */
  restMilliseconds: 30_000,
  /** So long is looked for a trusted node or enough arbiters, as long as for one that decides a task. */
  patienceMilliseconds: 120_000,
  /** A run gets the time that an attempt of the job may take, and at most a day: evidence must not become too old. */
  runMilliseconds: 86_400_000,
  /** Under way at a time: each may be a run on several nodes, which oversight may not pay in full. */
  underWay: 64,
  /** Of these, those of one buyer: whoever has results differ all day keeps no others waiting. */
  ofBuyer: 16,
  /** Because of one job, under way or over: a broken node makes thousands of results differ, and one proof is enough. */
  ofJob: 8,
  /** Owners that arbiters are drawn from, those with the most at stake: all of them are kept with the evidence. */
  candidates: 256,
  /** Those that are over are removed so many at a time. */
  removed: 100,
} as const;
