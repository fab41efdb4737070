/** What a run and its worker threads say to each other. Populations travel once, as shared memory. */
import type { ProblemDocument } from '@fog/contract';
import type { Population } from '../population.ts';
import type { CompleteSettings } from '../settings.ts';

/** Where a thread finds the problem: functions cannot be sent. */
export interface ProblemSource {
  /** URL of a module. */
  module: string;
  /** A function that it exports, which makes the problem from the argument. */
  name: string;
  argument: unknown;
}

export type Order =
  | { type: 'begin'; source: ProblemSource; settings: CompleteSettings; population: Population }
  | { type: 'create'; from: number; to: number }
  | { type: 'breed'; generation: number; from: number; to: number };

/** Each order is answered, with what went wrong if anything did. */
export interface Answer {
  problem: ProblemDocument | null;
}
