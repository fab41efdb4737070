/** Ticks of an axis of time in a unit that fits. */
export interface TimeAxis {
  /** Plural, for the label. */
  unit: string;
  ticks: { seconds: number; text: string }[];
}

const UNITS = [
  { name: 'seconds', seconds: 1, steps: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30] },
  { name: 'minutes', seconds: 60, steps: [1, 2, 5, 10, 20, 30] },
  { name: 'hours', seconds: 3600, steps: [1, 2, 3, 6, 12] },
  { name: 'days', seconds: 86_400, steps: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] },
] as const;
/** At most so many units of one kind before the next larger one is taken. */
const MOST_OF_A_UNIT = 180;
const MOST_TICKS = 12;

/** Ticks from 0 on, `spanSeconds` being the length of the axis. A span of 0 has the one tick at 0. */
export function timeAxis(spanSeconds: number): TimeAxis {
  const unit = UNITS.find(({ seconds }) => spanSeconds / seconds <= MOST_OF_A_UNIT) ?? UNITS[UNITS.length - 1];
  const { name, seconds, steps } = unit as (typeof UNITS)[number];
  const amount = spanSeconds / seconds;
  const step = steps.find((candidate) => amount / candidate <= MOST_TICKS) ?? amount / MOST_TICKS;
  const ticks: TimeAxis['ticks'] = [];
  for (let tick = 0; tick * step <= amount && ticks.length <= MOST_TICKS; tick += 1) {
    ticks.push({ seconds: tick * step * seconds, text: String(Number((tick * step).toPrecision(6))) });
    if (amount === 0) break;
  }
  return { unit: name, ticks };
}
