/**
 * What a task of the load does, as a function of the job's arguments, its partition and its fence. The agents run it,
 * the checker knows from it what must have come out. Pure.
 */
import { Choices, seededRandom, seedOf } from '../support/seeded-random.ts';

/** Real engines, whose programs know their partition and not their fence: they are never flaky. */
export const REAL_RUNTIMES = ['wasm', 'javascript', 'process', 'docker'] as const;

/** How the tasks of a job behave; travels as the first argument of the job. */
export interface LoadProgram {
  /** What runs it; `plan` has no sandbox and does as it is told. */
  engine: 'plan' | (typeof REAL_RUNTIMES)[number];
  /** Names the job in the schedule, and so its contents. */
  key: string;
  longestMilliseconds: number;
  /** flaky: some tasks fail at first; doomed: one task always fails. */
  kind: 'steady' | 'flaky' | 'doomed';
  /** Largest output; 0 is none. */
  outputBytes: number;
}

export interface TaskPlan {
  milliseconds: number;
  /** null: succeeds. */
  exitCode: number | null;
  output: Uint8Array | null;
  log: string;
}

/** First fences at which a flaky task may fail. Fewer than `FLAKY_ATTEMPTS`, so it succeeds in the end. */
const FLAKY_FENCES = 2;
export const FLAKY_ATTEMPTS = FLAKY_FENCES + 2;

export function planTask(program: LoadProgram, partition: number, fence: number): TaskPlan {
  if (program.engine !== 'plan') return planRealTask(program, partition);
  const ofTask = new Choices(seededRandom(seedOf(program.key, partition)));
  const ofAttempt = new Choices(seededRandom(seedOf(program.key, partition, fence)));
  const isFlaky = program.kind === 'flaky' && ofTask.chance(0.4) && fence <= FLAKY_FENCES;
  const isDoomed = program.kind === 'doomed' && partition === 0;
  return {
    milliseconds: ofAttempt.chance(0.3) ? 0 : ofAttempt.integer(1, program.longestMilliseconds),
    exitCode: isFlaky || isDoomed ? 3 : null,
    output: program.outputBytes === 0 ? null : outputOf(program, partition),
    log: logOf(program, partition, fence),
  };
}

/** What the programs of `real-programs.ts` do. That of `wasm` copies its input, which all tasks of the job share. */
function planRealTask({ engine, key, longestMilliseconds, kind }: LoadProgram, partition: number): TaskPlan {
  const isNative = engine === 'process' || engine === 'docker';
  return {
    milliseconds: isNative ? longestMilliseconds : 0,
    exitCode: kind === 'doomed' && partition === 0 ? 3 : null,
    output: Buffer.from(engine === 'wasm' ? `${key}\n` : `${key} partition ${partition}\n`),
    log: isNative ? `${key}/${partition}\n` : '',
  };
}

/** The content that a task must produce, whichever of its attempts is accepted. */
function outputOf(program: LoadProgram, partition: number): Uint8Array {
  const choices = new Choices(seededRandom(seedOf(program.key, partition, 'output')));
  const line = `${program.key} partition ${partition}\n`;
  const bytes = choices.integer(line.length, Math.max(line.length, program.outputBytes));
  return Buffer.alloc(bytes, line);
}

function logOf(program: LoadProgram, partition: number, fence: number): string {
  const choices = new Choices(seededRandom(seedOf(program.key, partition, fence, 'log')));
  const lines = Array.from(
    { length: choices.integer(0, 5) },
    (_, line) => `${program.key}/${partition}/${fence}: line ${line}\n`,
  );
  return lines.join('');
}
