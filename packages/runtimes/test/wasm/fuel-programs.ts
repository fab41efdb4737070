/**
 * Small programs whose work is known from how they are built, without running them: sequences, conditions, loops of a known
 * number of rounds, branches, calls, exceptions.
 */
import { call, drop, getLocal, i32, MAGIC, name, section, setLocal, u32, vector } from './assembler.ts';

export type Step =
  /** So many constants that are dropped. */
  | { kind: 'plain'; constants: number }
  | { kind: 'block'; body: Step[] }
  | { kind: 'condition'; holds: boolean; yes: Step[]; no: Step[] | null }
  | { kind: 'loop'; rounds: number; body: Step[] }
  /** Leaves the block by a conditional branch, or not. */
  | { kind: 'skip'; skips: boolean; body: Step[] }
  /** Leaves the block; what stands behind never runs. */
  | { kind: 'leave'; body: Step[]; dead: Step[] }
  /** One of several blocks is left by its index. */
  | { kind: 'choice'; index: number; arms: Step[][] }
  | { kind: 'return-if'; holds: boolean }
  /** Of another function, one of those with higher numbers. */
  | { kind: 'call'; callee: number }
  /** A block that catches everything: `throws` at the end of its body, in place or in a function, or does not. */
  | {
      kind: 'try';
      form: ExceptionForm;
      throws: 'here' | 'called' | 'no';
      body: Step[];
      dead: Step[];
      handler: Step[];
    };

/** As it was first specified, and as it is in WebAssembly 3.0; no module may have both. */
export type ExceptionForm = 'legacy' | 'table';

/** The bodies of functions; the first is `_start`. */
export type Program = Step[][];

/** The tag of all exceptions; there is another. */
const THROWN = 1;
/** Deeper nesting of loops gets its own counter. */
const LOCALS = 32;

interface Scope {
  /** Of the function that throws. */
  thrower: number;
  functions: number;
  self: number;
}

export function moduleOf(program: Program): Uint8Array {
  const usesTags = program.some((body) => any(body, ({ kind }) => kind === 'try'));
  const scope = { thrower: program.length, functions: program.length };
  const bodies = program.map((body, self) => codeOf(body, { ...scope, self }, 0));
  if (usesTags) bodies.push([...i32(1), drop, 0x08, THROWN]);
  const entries = bodies.map((code) => [1, ...u32(LOCALS), 0x7f, ...code, 0x0b]);
  return new Uint8Array([
    ...MAGIC,
    ...section(1, vector([[0x60, 0, 0]])),
    ...section(3, vector(bodies.map(() => [0]))),
    ...(usesTags
      ? section(
          13,
          vector([
            [0, 0],
            [0, 0],
          ]),
        )
      : []),
    ...section(7, vector([[...name('_start'), 0, 0]])),
    ...section(10, vector(entries.map((entry) => [...u32(entry.length), ...entry]))),
  ]);
}

function any(steps: readonly Step[], holds: (step: Step) => boolean): boolean {
  const inner = (step: Step): Step[][] => {
    if (step.kind === 'condition') return [step.yes, step.no ?? []];
    if (step.kind === 'choice') return step.arms;
    return 'body' in step ? [step.body, 'dead' in step ? step.dead : [], 'handler' in step ? step.handler : []] : [];
  };
  return steps.some((step) => holds(step) || inner(step).some((within) => any(within, holds)));
}

function codeOf(steps: readonly Step[], scope: Scope, depth: number): number[] {
  return steps.flatMap((step) => codeOfStep(step, scope, depth));
}

function codeOfStep(step: Step, scope: Scope, depth: number): number[] {
  const within = (body: readonly Step[]) => codeOf(body, scope, depth + 1);
  switch (step.kind) {
    case 'plain':
      return Array.from({ length: step.constants }, (_, index) => [...i32(index * 37), drop]).flat();
    case 'block':
      return [0x02, 0x40, ...within(step.body), 0x0b];
    case 'condition': {
      const no = step.no === null ? [] : [0x05, ...within(step.no)];
      return [...i32(step.holds ? 1 : 0), 0x04, 0x40, ...within(step.yes), ...no, 0x0b];
    }
    case 'loop': {
      const counter = depth % LOCALS;
      const down = [...getLocal(counter), ...i32(1), 0x6b, 0x22, counter, 0x0d, 0];
      return [...i32(step.rounds), ...setLocal(counter), 0x03, 0x40, ...within(step.body), ...down, 0x0b];
    }
    case 'skip':
      return [0x02, 0x40, ...i32(step.skips ? 1 : 0), 0x0d, 0, ...within(step.body), 0x0b];
    case 'leave':
      return [0x02, 0x40, ...within(step.body), 0x0c, 0, ...within(step.dead), 0x0b];
    case 'choice':
      return choiceCode(step, within);
    case 'return-if':
      return [...i32(step.holds ? 1 : 0), 0x04, 0x40, 0x0f, 0x0b];
    case 'call':
      return step.callee > scope.self && step.callee < scope.functions ? call(step.callee) : [];
    case 'try': {
      const end = { here: [0x08, THROWN], called: call(scope.thrower), no: [] }[step.throws];
      const body = [...within(step.body), ...end, ...within(step.dead)];
      if (step.form === 'legacy') return [0x06, 0x40, ...body, 0x19, ...within(step.handler), 0x0b];
      // block; block; try_table (catch tag 1, label 0); body; end; br 1; end; handler; end
      const tried = [0x1f, 0x40, 1, 0, THROWN, 0, ...body, 0x0b];
      return [0x02, 0x40, 0x02, 0x40, ...tried, 0x0c, 1, 0x0b, ...within(step.handler), 0x0b];
    }
  }
}

/** block (end) block ... block: br_table index; end; arm 0; br (end); end; arm 1; ... */
function choiceCode({ index, arms }: Extract<Step, { kind: 'choice' }>, within: (body: Step[]) => number[]): number[] {
  const opened = [...arms, null].flatMap(() => [0x02, 0x40]);
  const labels = arms.map((_, arm) => u32(arm));
  // The last arm is the default.
  const table = [...i32(index), 0x0e, ...u32(arms.length - 1), ...labels.flat()];
  const rest = arms.flatMap((arm, at) => [0x0b, ...within(arm), 0x0c, ...u32(arms.length - 1 - at)]);
  return [...opened, ...table, ...rest, 0x0b];
}

export function workOf(program: Program): number {
  return count(program[0] ?? [], { program, self: 0 }).units;
}

interface Counted {
  units: number;
  returns: boolean;
}

function count(steps: readonly Step[], place: { program: Program; self: number }): Counted {
  let units = 0;
  for (const step of steps) {
    const counted = countStep(step, place);
    units += counted.units;
    if (counted.returns) return { units, returns: true };
  }
  return { units, returns: false };
}

function countStep(step: Step, place: { program: Program; self: number }): Counted {
  /** `before` it, and behind it unless it returns. */
  const around = (before: number, body: readonly Step[], behind = 0): Counted => {
    const { units, returns } = count(body, place);
    return { units: before + units + (returns ? 0 : behind), returns };
  };
  switch (step.kind) {
    case 'plain':
      return { units: 2 * step.constants, returns: false };
    case 'block':
      return around(1, step.body);
    case 'condition':
      return around(2, step.holds ? step.yes : (step.no ?? []));
    case 'loop': {
      const round = around(1, step.body, 5);
      const rounds = round.returns ? 1 : step.rounds;
      return { units: 2 + rounds * round.units, returns: round.returns };
    }
    case 'skip':
      return step.skips ? { units: 3, returns: false } : around(3, step.body);
    case 'leave':
      return around(1, step.body, 1);
    case 'choice':
      return around(step.arms.length + 1 + 2, step.arms[Math.min(step.index, step.arms.length - 1)] ?? [], 1);
    case 'return-if':
      return { units: step.holds ? 3 : 2, returns: step.holds };
    case 'call': {
      const { program, self } = place;
      if (step.callee <= self || step.callee >= program.length) return { units: 0, returns: false };
      const called = count(program[step.callee] ?? [], { program, self: step.callee });
      return { units: 1 + called.units, returns: false };
    }
    case 'try': {
      // The function that throws: a constant, its drop, the throw.
      const thrown = { here: 1, called: 1 + 3, no: 0 }[step.throws];
      const isTable = step.form === 'table';
      const body = around(isTable ? 3 : 1, step.body, thrown);
      if (body.returns) return body;
      if (step.throws === 'no') return around(body.units, step.dead, isTable ? 1 : 0);
      return around(body.units, step.handler);
    }
  }
}

/** Random numbers below a bound. */
export type Below = (bound: number) => number;

/** `exceptions`: null makes none. */
export function randomProgram(below: Below, exceptions: ExceptionForm | null): Program {
  let left = 40;
  const steps = (depth: number): Step[] => {
    const list: Step[] = [];
    for (let rest = below(4); rest > 0 && left > 0; rest -= 1) {
      left -= 1;
      list.push(randomStep(below, depth, exceptions, steps));
    }
    return list;
  };
  return Array.from({ length: 1 + below(3) }, () => steps(0));
}

const LEAVES = 3;

function randomStep(
  below: Below,
  depth: number,
  exceptions: ExceptionForm | null,
  steps: (depth: number) => Step[],
): Step {
  const inner = () => steps(depth + 1);
  const kinds = depth > 5 ? LEAVES : exceptions === null ? 9 : 10;
  switch (below(kinds)) {
    case 0:
      return { kind: 'plain', constants: below(70) };
    case 1:
      return { kind: 'call', callee: below(4) };
    case 2:
      return { kind: 'return-if', holds: below(8) === 0 };
    case 3:
      return { kind: 'block', body: inner() };
    case 4:
      return { kind: 'condition', holds: below(2) === 0, yes: inner(), no: below(3) === 0 ? null : inner() };
    case 5:
      return { kind: 'loop', rounds: 1 + below(depth > 2 ? 2 : 6), body: inner() };
    case 6:
      return { kind: 'skip', skips: below(2) === 0, body: inner() };
    case 7:
      return { kind: 'leave', body: inner(), dead: inner() };
    case 8:
      return { kind: 'choice', index: below(5), arms: Array.from({ length: 1 + below(3) }, inner) };
    default:
      return {
        kind: 'try',
        form: exceptions ?? 'table',
        throws: (['here', 'called', 'no'] as const)[below(3)] ?? 'no',
        body: inner(),
        dead: inner(),
        handler: inner(),
      };
  }
}
