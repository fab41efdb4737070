/** What a replay leaves, of whatever kind of trace: pieces of work with their times, on a machine. */
import type { Figure } from './figures.ts';

/** Times are seconds since any one moment. */
export interface SimulatedWork {
  /** For people. */
  name: string;
  /** When it could have started: its arrival, or the end of the last task that it needs. */
  submittedAtSeconds: number;
  startSeconds: number;
  endSeconds: number;
  /** Fractions are parts of one. */
  processors: number;
  memoryMebibytes: number | null;
  gpus: number;
  /** Where it ran, for a drawing; null when any of the machine's processors would do. */
  places: readonly LaneShare[] | null;
}

/** A lane of a drawing is a processor, a core or a GPU. */
export interface LaneShare {
  lane: number;
  /** Of the lane, in thousandths. */
  milli: number;
}

export interface SimulatedMachine {
  processors: number;
  memoryMebibytes: Figure;
  gpus: Figure;
}

export interface LeftOutWork {
  /** Such as "larger than the machine". */
  reason: string;
  count: number;
}
