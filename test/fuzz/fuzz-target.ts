/** What can be fuzzed, and how one target is run over a range of its inputs. */
import { seedOf } from '../support/seeded-random.ts';
import { FuzzRandom } from './fuzz-random.ts';

/** A part of the product that reads what strangers send. */
export interface FuzzTarget {
  /** One sentence for `--list`. */
  summary: string;
  /** Of all the inputs that are asked for, the part that this target gets: slow ones get few. */
  share: number;
  /** Inputs that are made and run together. */
  batchInputs: number;
  /** Makes what all inputs of a seed are made from. */
  prepare(seed: number): FuzzBatch;
}

/** Makes the inputs of a batch from the random numbers, runs them and notes what came of each. */
export type FuzzBatch = (batch: number, random: FuzzRandom, notes: Notes) => void;

export interface Notes {
  /** What became of one input, e.g. the status of a packet. */
  outcome(name: string): void;
  /** How often a part of the work was done: which backend has had how many packets. */
  work(name: string, amount: number): void;
  /** An invariant is broken. `offset`: of the input within its batch. */
  finding(offset: number, message: string): void;
}

export interface Finding {
  index: number;
  message: string;
}

export interface TargetResult {
  name: string;
  /** Of the first input, and how many there were. */
  from: number;
  inputs: number;
  seconds: number;
  outcomes: Record<string, number>;
  work: Record<string, number>;
  findings: Finding[];
}

export interface TargetRange {
  name: string;
  seed: number;
  from: number;
  inputs: number;
}

/** After so many the rest will tell nothing new. */
const MOST_FINDINGS = 10;
const MESSAGE_CHARACTERS = 600;

/**
 * Runs the batches that the range touches, whole: what is told of an input does not depend on where a run began.
 * `begin` is told each batch before it runs, by its first input and the number of them.
 */
export function runTarget(
  target: FuzzTarget,
  { name, seed, from, inputs }: TargetRange,
  begin: (index: number) => void = () => {},
): TargetResult {
  const started = performance.now();
  const outcomes = new Map<string, number>();
  const work = new Map<string, number>();
  const findings: Finding[] = [];
  const { batchInputs } = target;
  const first = Math.floor(from / batchInputs);
  const end = Math.ceil((from + inputs) / batchInputs);
  let batch = first;
  const notes: Notes = {
    outcome: (outcome) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1),
    work: (part, amount) => work.set(part, (work.get(part) ?? 0) + amount),
    finding: (offset, message) => {
      findings.push({ index: batch * batchInputs + offset, message: message.slice(0, MESSAGE_CHARACTERS) });
    },
  };
  const random = new FuzzRandom();
  const run = target.prepare(seed);
  for (; batch < end && findings.length < MOST_FINDINGS; batch += 1) {
    begin(batch * batchInputs);
    random.begin(seed, seedOf(name), batch);
    try {
      run(batch, random, notes);
    } catch (error) {
      notes.finding(0, `in this batch: ${describe(error)}`);
    }
  }
  return {
    name,
    from: first * batchInputs,
    inputs: (batch - first) * batchInputs,
    seconds: (performance.now() - started) / 1000,
    outcomes: sorted(outcomes),
    work: sorted(work),
    findings,
  };
}

/**
 * A target whose inputs have nothing to do with each other. `run` makes one and answers what became of it; whatever it
 * throws is a finding.
 */
export function oneByOne(
  description: Pick<FuzzTarget, 'summary' | 'share'>,
  prepare: (seed: number) => (random: FuzzRandom) => string,
): FuzzTarget {
  const batchInputs = 64;
  return {
    ...description,
    batchInputs,
    prepare(seed) {
      const run = prepare(seed);
      return (_batch, random, notes) => {
        for (let offset = 0; offset < batchInputs; offset += 1) {
          try {
            notes.outcome(run(random));
          } catch (error) {
            notes.outcome('finding');
            notes.finding(offset, describe(error));
          }
        }
      };
    },
  };
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
