/** Every limit of drawings of runs, with its reason. */

export const GANTT_LIMITS = {
  /** Bars that are drawn one by one, the largest; the others become shades. A browser shows so many at once. */
  bars: 3000,
  /** Bars that have a name and a text to point at: more would be megabytes. */
  namedBars: 400,
  /** Characters of a name. */
  nameCharacters: 80,
  /** Pieces of work of one drawing: each is laid on its lanes in the order of time. */
  work: 1_000_000,
} as const;
