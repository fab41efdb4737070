/**
 * Reads logs of the Parallel Workloads Archive: the Standard Workload Format, version 2.2 (Feitelson et al.). One job a
 * line, 18 numbers, -1 where something is not known; lines that begin with a semicolon are the header: `; Name: value`.
 */
import { FogError } from '@fog/contract';
import { SIMULATION_LIMITS } from './limits.ts';

export interface SwfJob {
  number: number;
  submitSeconds: number;
  /** In the log; -1 when unknown. */
  waitSeconds: number;
  runSeconds: number;
  /** What it got; what it asked for when that is not known or more. */
  processors: number;
  /** What it asked for; its run time when it asked for nothing. */
  requestedSeconds: number;
  /** 1 completed, 0 failed, 5 cancelled, 2 to 4 parts of a checkpointed job, -1 unknown. */
  status: number;
  user: number;
  group: number;
}

export interface SwfLog {
  /** Fields of the header by name; of one that is there twice, the first. */
  header: ReadonlyMap<string, string>;
  /** Of the machine: MaxProcs, or else MaxNodes; null when the header tells neither. */
  processors: number | null;
  /** In the order of the log. */
  jobs: SwfJob[];
}

const FIELDS = 18;
const FIELD = {
  number: 0,
  submit: 1,
  wait: 2,
  run: 3,
  allocated: 4,
  requested: 7,
  time: 8,
  status: 10,
  user: 11,
  group: 12,
};
const AMOUNTS = ['submit', 'run', 'allocated', 'requested', 'time'] as const;
const UNKNOWN = -1;

/** Throws `invalid-request` for a line that is no job or has an amount below -1, with its number. */
export function parseSwf(text: string): SwfLog {
  if (text.length > SIMULATION_LIMITS.swfCharacters) {
    throw new FogError('invalid-request', `a log of ${text.length} characters`, {
      hint: `cut it to ${SIMULATION_LIMITS.swfCharacters}`,
    });
  }
  const header = new Map<string, string>();
  const jobs: SwfJob[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const content = line.trim();
    if (content === '') continue;
    if (content.startsWith(';')) {
      const [, name, value] = /^;\s*([A-Za-z]\w*):\s*(.*)$/.exec(content) ?? [];
      if (name !== undefined && value !== undefined && !header.has(name)) header.set(name, value);
      continue;
    }
    jobs.push(parseJob(content, index + 1));
    if (jobs.length > SIMULATION_LIMITS.swfJobs) {
      throw new FogError('invalid-request', `a log of more than ${SIMULATION_LIMITS.swfJobs} jobs`, {
        hint: 'cut the log',
      });
    }
  }
  return { header, processors: processorsOf(header), jobs };
}

function parseJob(line: string, lineNumber: number): SwfJob {
  const fields = line.split(/\s+/);
  const values = fields.map(Number);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (fields.length !== FIELDS || bad !== -1) {
    const what = fields.length === FIELDS ? `"${fields[bad]}" is no number` : `it has ${fields.length} fields`;
    throw new FogError('invalid-request', `line ${lineNumber} of the log is no job: ${what}`, {
      details: { line: lineNumber },
      hint: `a job has ${FIELDS} numbers`,
    });
  }
  const below = AMOUNTS.find((name) => (values[FIELD[name]] as number) < 0 && values[FIELD[name]] !== UNKNOWN);
  if (below !== undefined) {
    throw new FogError('invalid-request', `line ${lineNumber} of the log: ${below} is ${values[FIELD[below]]}`, {
      details: { line: lineNumber, field: FIELD[below] + 1 },
      hint: `amounts are not negative; ${UNKNOWN} stands for what is not known`,
    });
  }
  const at = (index: number) => values[index] as number;
  const runSeconds = at(FIELD.run);
  return {
    number: at(FIELD.number),
    submitSeconds: at(FIELD.submit),
    waitSeconds: at(FIELD.wait),
    runSeconds,
    processors: Math.max(at(FIELD.allocated), at(FIELD.requested)),
    requestedSeconds: at(FIELD.time) === UNKNOWN ? runSeconds : at(FIELD.time),
    status: at(FIELD.status),
    user: at(FIELD.user),
    group: at(FIELD.group),
  };
}

function processorsOf(header: ReadonlyMap<string, string>): number | null {
  for (const name of ['MaxProcs', 'MaxNodes']) {
    const value = Number.parseInt(header.get(name) ?? '', 10);
    if (value > 0) return value;
  }
  return null;
}
