/** What the figures of the ledger are to reach, by their names. */

interface Aim {
  figure: string;
  least?: number;
  most?: number;
}

const AIMS: readonly Aim[] = [
  { figure: 'transfersPerSecond.memory', least: 1_000_000 },
  { figure: 'transfersPerSecond.durable', least: 300_000 },
  { figure: 'commitMilliseconds.p99', most: 15 },
  { figure: 'commitMilliseconds.transfersPerSecond', least: 300_000 },
  { figure: 'recoverySeconds', most: 10 },
  { figure: 'dispatchShare.sqlite', most: 0.25 },
  { figure: 'dispatchShare.postgres', most: 0.25 },
  { figure: 'rewardEpochMilliseconds', most: 1 },
  { figure: 'auctionMilliseconds.mcafee', most: 20 },
  { figure: 'auctionMilliseconds.sbba', most: 20 },
  { figure: 'simulation.operations', least: 10_000_000 },
];

export interface AimFigure {
  aim: string;
  /** null for what was not measured. */
  measured: number | null;
  isMet: boolean | null;
}

/** Each aim with what was measured. Those of the defaults: with shorter options some cannot be met. */
export function aimsOf(figures: Record<string, unknown>): Record<string, AimFigure> {
  return Object.fromEntries(
    AIMS.map(({ figure, least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY }) => {
      const found = figure
        .split('.')
        .reduce<unknown>((value, key) => (value as Record<string, unknown> | null)?.[key], figures);
      const measured = typeof found === 'number' ? found : null;
      const aim = Number.isFinite(least) ? `at least ${least}` : `at most ${most}`;
      return [figure, { aim, measured, isMet: measured === null ? null : measured >= least && measured <= most }];
    }),
  );
}
