/**
 * What happens in one run, all of it decided by the seed before anything starts: who takes part, which jobs are
 * submitted when, and which faults strike. Pure.
 */

import { Choices, seededRandom, seedOf } from '../support/seeded-random.ts';
import { realTask } from './real-programs.ts';
import { FLAKY_ATTEMPTS, type LoadProgram, REAL_RUNTIMES } from './task-plan.ts';

export type Engine = 'sqlite' | 'postgres';
export const AGENTS = 3;
/** Places of each agent, and processors. */
export const AGENT_SLOTS = 4;

/** Who is cut off: the link of an agent, or that of the submitting client. */
export type LinkName = 'client' | number;
export type Direction = 'up' | 'down' | 'both';

export type FaultAction =
  /** kill -9; started again after a while, an agent perhaps never. */
  | { kind: 'kill-coordinator'; coordinator: number; milliseconds: number }
  | { kind: 'kill-agent'; agent: number; milliseconds: number | null }
  /** SIGSTOP: alive, but deaf and dumb for a while. */
  | { kind: 'freeze-coordinator'; coordinator: number; milliseconds: number }
  | { kind: 'freeze-agent'; agent: number; milliseconds: number }
  /** Connections end and no new ones are made. */
  | { kind: 'cut'; link: LinkName; milliseconds: number }
  /** Connections stay, bytes wait. */
  | { kind: 'stall'; link: LinkName; direction: Direction; milliseconds: number }
  /** Every piece arrives this much later. Connections overtake each other. */
  | { kind: 'delay'; link: LinkName; delayMilliseconds: number; milliseconds: number }
  /** The near end is closed, the far end learns of it late, after bytes that were still under way. */
  | { kind: 'half-open'; link: LinkName; milliseconds: number }
  /** Bytes that nobody sent, in the middle of a connection. */
  | { kind: 'garbage'; link: LinkName; direction: 'up' | 'down'; shape: 'bytes' | 'frame' }
  /** The link leads to another coordinator from now on. */
  | { kind: 'switch'; link: LinkName }
  /** kill -9 of dockerd; its containers live on. */
  | { kind: 'kill-engine'; milliseconds: number }
  | { kind: 'clock'; stepMilliseconds: number };

export interface Fault {
  atMilliseconds: number;
  action: FaultAction;
}

export interface PlannedJob {
  atMilliseconds: number;
  /** Idempotency key, and name of the job's contents. */
  key: string;
  type: 'batch' | 'ops';
  count: number;
  priority: number;
  program: LoadProgram;
  /** The same request is sent once more although it was acknowledged. */
  isRepeated: boolean;
  /** Time after the acknowledgement at which it is cancelled. */
  cancelMilliseconds: number | null;
  /** When, after the acknowledgement, it is suspended, and for how long. */
  suspension: { atMilliseconds: number; milliseconds: number } | null;
  /** timeouts.total; a clock that leaps forward may expire the job. */
  totalTimeout: string | null;
}

export interface Schedule {
  seed: number;
  engine: Engine;
  /** Real engines run the tasks, each job another one, instead of a runtime that does as it is told. */
  isMixed: boolean;
  coordinators: number;
  heartbeat: string;
  lostAfter: string;
  jobs: PlannedJob[];
  faults: Fault[];
  /** When the last fault has struck and been lifted. */
  calmMilliseconds: number;
  /** Time from then on for everything to come to its end. */
  patienceMilliseconds: number;
}

export interface ScheduleOptions {
  seed: number;
  engine: Engine;
  /** With the pauses of a real deployment: heartbeats of seconds, connections cut for 30 s. */
  isRealTime?: boolean;
  /** With real engines. */
  isMixed?: boolean;
}

interface Scale {
  heartbeat: string;
  lostAfter: string;
  /** Everything is submitted, and strikes, within this time. */
  loadMilliseconds: number;
  longestTaskMilliseconds: number;
  longestFaultMilliseconds: number;
  patienceMilliseconds: number;
}

const FAST: Scale = {
  heartbeat: '300ms',
  lostAfter: '1s',
  loadMilliseconds: 1500,
  longestTaskMilliseconds: 300,
  longestFaultMilliseconds: 1400,
  // A coordinator that is gone is found out by the others, or its successor, after 30 s.
  patienceMilliseconds: 45_000,
};
/**
 * Sandboxes and containers take their time, and more of it while others start. A call that a restarted engine never
 * answers is given up after a minute, and there may be two in a row.
 */
const MIXED: Scale = { ...FAST, lostAfter: '2s', loadMilliseconds: 2500, patienceMilliseconds: 240_000 };
const REAL_TIME: Scale = {
  heartbeat: '15s',
  lostAfter: '60s',
  loadMilliseconds: 20_000,
  longestTaskMilliseconds: 20_000,
  longestFaultMilliseconds: 30_000,
  patienceMilliseconds: 180_000,
};

export function makeSchedule({ seed, engine, isRealTime = false, isMixed = false }: ScheduleOptions): Schedule {
  const scale = isRealTime ? REAL_TIME : isMixed ? MIXED : FAST;
  const choices = new Choices(seededRandom(seedOf(seed, engine)));
  const coordinators = engine === 'postgres' && choices.chance(0.4) ? 2 : 1;
  // A job for every node waits for ever for one that never comes back.
  const losesAgent = choices.chance(0.15) && !isMixed;
  const planned = planJobs(choices, scale, seed, !losesAgent);
  const jobs = isMixed ? planned.slice(0, MIXED_JOBS).map((job) => mixedJob(choices, job)) : planned;
  const faults = planFaults(choices, scale, { coordinators, losesAgent });
  if (isMixed && choices.chance(0.3)) faults.push(engineFault(choices, scale));
  if (isRealTime) faults.push(...[0, 1].map((agent) => longCut(agent, scale)));
  faults.sort((left, right) => left.atMilliseconds - right.atMilliseconds);
  return {
    seed,
    engine,
    isMixed,
    coordinators,
    heartbeat: scale.heartbeat,
    lostAfter: scale.lostAfter,
    jobs,
    faults,
    calmMilliseconds: Math.max(...faults.map(endOf), scale.loadMilliseconds),
    patienceMilliseconds: scale.patienceMilliseconds,
  };
}

function longCut(agent: number, scale: Scale): Fault {
  const action = { kind: 'cut', link: agent, milliseconds: scale.longestFaultMilliseconds } as const;
  return { atMilliseconds: 2000 + 5000 * agent, action };
}

function endOf({ atMilliseconds, action }: Fault): number {
  return atMilliseconds + ('milliseconds' in action ? (action.milliseconds ?? 0) : 0);
}

function planJobs(choices: Choices, scale: Scale, seed: number, withOps: boolean): PlannedJob[] {
  const jobs: PlannedJob[] = [];
  const amount = choices.integer(5, 10);
  for (let index = 0; index < amount; index += 1) {
    const key = `s${seed}-${index}`;
    const type = withOps && choices.chance(0.1) ? 'ops' : 'batch';
    // A job that is spread out in several steps, and closed while that goes on.
    const isLarge = type === 'batch' && choices.chance(0.01);
    const count = type === 'ops' ? 1 : isLarge ? 12_000 : choices.integer(1, 20);
    jobs.push({
      atMilliseconds: choices.integer(0, scale.loadMilliseconds),
      key,
      type,
      count,
      priority: choices.pick([10, 50, 50, 90]),
      program: {
        engine: 'plan',
        key,
        longestMilliseconds: scale.longestTaskMilliseconds,
        kind: choices.pick(['steady', 'steady', 'flaky', 'flaky', 'doomed']),
        outputBytes: choices.pick([0, 100, 5000, 200_000]),
      },
      isRepeated: choices.chance(0.3),
      cancelMilliseconds: isLarge || choices.chance(0.15) ? choices.integer(0, scale.loadMilliseconds / 2) : null,
      suspension: planSuspension(key, scale),
      totalTimeout: choices.chance(0.1) ? '20m' : null,
    });
  }
  return jobs.sort((left, right) => left.atMilliseconds - right.atMilliseconds);
}

/** A container takes two processors half a second, so there are few. */
const MIXED_JOBS = 6;
const MIXED_TASKS = 4;

function mixedJob(choices: Choices, job: PlannedJob): PlannedJob {
  const engine = choices.pick(REAL_RUNTIMES);
  const kind = job.program.kind === 'doomed' && engine !== 'wasm' ? 'doomed' : 'steady';
  const longestMilliseconds = choices.integer(1, job.program.longestMilliseconds);
  return {
    ...job,
    type: 'batch',
    count: Math.min(job.count, MIXED_TASKS),
    program: { ...job.program, engine, kind, longestMilliseconds },
  };
}

function engineFault(choices: Choices, scale: Scale): Fault {
  const milliseconds = choices.integer(50, scale.longestFaultMilliseconds);
  return { atMilliseconds: choices.integer(0, scale.loadMilliseconds), action: { kind: 'kill-engine', milliseconds } };
}

function planSuspension(key: string, scale: Scale): PlannedJob['suspension'] {
  const choices = new Choices(seededRandom(seedOf(key, 'suspension')));
  if (!choices.chance(0.3)) return null;
  return {
    atMilliseconds: choices.integer(0, scale.loadMilliseconds / 2),
    milliseconds: choices.integer(0, scale.longestFaultMilliseconds),
  };
}

function planFaults(choices: Choices, scale: Scale, world: { coordinators: number; losesAgent: boolean }): Fault[] {
  const amount = choices.integer(3, 8);
  const faults: Fault[] = [];
  for (let index = 0; index < amount; index += 1) {
    const atMilliseconds = choices.integer(0, scale.loadMilliseconds);
    faults.push({ atMilliseconds, action: planFault(choices, scale, world.coordinators) });
  }
  if (world.losesAgent) {
    const action: FaultAction = { kind: 'kill-agent', agent: choices.integer(0, AGENTS - 1), milliseconds: null };
    faults.push({ atMilliseconds: choices.integer(0, scale.loadMilliseconds), action });
  }
  return faults;
}

const KINDS = [
  'kill-coordinator',
  'kill-coordinator',
  'kill-agent',
  'kill-agent',
  'freeze-coordinator',
  'freeze-agent',
  'cut',
  'cut',
  'stall',
  'delay',
  'half-open',
  'garbage',
  'garbage',
  'clock',
  'clock',
  'switch',
  'switch',
] as const satisfies readonly FaultAction['kind'][];

function planFault(choices: Choices, scale: Scale, coordinators: number): FaultAction {
  const kinds = coordinators > 1 ? KINDS : KINDS.filter((kind) => kind !== 'switch');
  const kind = choices.pick(kinds);
  const coordinator = choices.integer(0, coordinators - 1);
  const agent = choices.integer(0, AGENTS - 1);
  const link = choices.chance(0.2) ? ('client' as const) : agent;
  const milliseconds = choices.integer(50, scale.longestFaultMilliseconds);
  const direction = choices.pick(['up', 'down'] as const);
  switch (kind) {
    case 'kill-coordinator':
    case 'freeze-coordinator':
      return { kind, coordinator, milliseconds };
    case 'kill-agent':
    case 'freeze-agent':
      return { kind, agent, milliseconds };
    case 'cut':
    case 'half-open':
      return { kind, link, milliseconds };
    case 'stall':
      return { kind, link, direction: choices.pick([direction, 'both']), milliseconds };
    case 'delay':
      return { kind, link, delayMilliseconds: choices.integer(5, 200), milliseconds };
    case 'garbage':
      return { kind, link, direction, shape: choices.pick(['bytes', 'frame']) };
    case 'switch':
      return { kind, link };
    case 'clock':
      return { kind, stepMilliseconds: choices.integer(-3_600_000, 3_600_000) };
  }
}

/** Digests of the programs that the jobs of a schedule name: of the one that is never looked at, or of real ones. */
export interface ProgramDigests {
  wasm: string;
  javascript: string;
}

/** The specification that a planned job is submitted with. */
export function specOf(
  job: PlannedJob,
  schedule: Pick<Schedule, 'lostAfter'>,
  programs: ProgramDigests,
): Record<string, unknown> {
  return {
    kind: 'Job',
    metadata: { name: job.key },
    spec: {
      type: job.type,
      ...(job.type === 'batch' ? { count: job.count } : {}),
      priority: job.priority,
      task: job.program.engine === 'plan' ? plannedTask(job.program, programs.wasm) : realTask(job.program, programs),
      retry: { attempts: FLAKY_ATTEMPTS, backoff: { initial: '50ms', factor: 2, max: '200ms', jitter: 'full' } },
      ...(job.totalTimeout === null ? {} : { timeouts: { total: job.totalTimeout } }),
      disconnect: { lostAfter: schedule.lostAfter },
      suspend: { keepLease: '200ms' },
    },
  };
}

function plannedTask(program: LoadProgram, module: string): object {
  return {
    runtime: 'wasm',
    wasm: { module },
    args: [JSON.stringify(program)],
    resources: { cpu: '1', memory: '16Mi', disk: '16Mi' },
    outputs: program.outputBytes === 0 ? [] : [{ name: 'result', path: '/out/result' }],
  };
}
