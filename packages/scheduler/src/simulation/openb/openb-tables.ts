/**
 * Reads the tables of the openb traces: the GPU cluster that Alibaba published in 2023 as comma-separated text, one line
 * of names and then one node or one task a line. Fields are not quoted.
 */
import { FogError } from '@fog/contract';
import { type NodeShape, type TaskShape, WHOLE_GPU_MILLI } from '../../packing/index.ts';
import { OPENB_LIMITS } from './limits.ts';

export interface OpenbTask extends TaskShape {
  name: string;
  /** Null when the table has no times. */
  times: OpenbTimes | null;
}

export interface OpenbTimes {
  createdAtSeconds: number;
  /** From the time when it was placed to the one when it was deleted; null when it never was placed. */
  runSeconds: number | null;
}

const NODE_FIELDS = ['sn', 'cpu_milli', 'memory_mib', 'gpu', 'model'];
const TASK_FIELDS = ['name', 'cpu_milli', 'memory_mib', 'num_gpu', 'gpu_milli'];
const TIME_FIELDS = ['creation_time', 'deletion_time', 'scheduled_time'];
const OPTIONAL_TASK_FIELDS = ['gpu_spec', 'qos', 'pod_phase', ...TIME_FIELDS];

/** `file` names the table in messages. Throws `invalid-request`, with the line, for what is no list of nodes. */
export function parseOpenbNodes(text: string, file = 'the list of nodes'): NodeShape[] {
  const table = readTable(text, file, NODE_FIELDS, []);
  return table.map((row) => ({
    name: row.text('sn'),
    cpuMilli: row.amount('cpu_milli'),
    memoryMebibytes: row.amount('memory_mib'),
    gpuCount: row.amount('gpu'),
    gpuModel: row.text('model'),
  }));
}

/** `file` names the table in messages. Throws `invalid-request`, with the line, for what is no list of tasks. */
export function parseOpenbTasks(text: string, file = 'the list of tasks'): OpenbTask[] {
  const table = readTable(text, file, TASK_FIELDS, OPTIONAL_TASK_FIELDS);
  return table.map((row) => {
    const gpuCount = row.amount('num_gpu');
    const gpuMilli = row.amount('gpu_milli');
    if (gpuCount > 0 && gpuMilli === 0) row.refuse(`gpu_milli is 0 for ${gpuCount} GPUs`, GPU_HINT);
    if (gpuCount > 1 && gpuMilli < WHOLE_GPU_MILLI)
      row.refuse(`gpu_milli is ${gpuMilli} for ${gpuCount} GPUs`, GPU_HINT);
    return {
      name: row.text('name'),
      cpuMilli: row.amount('cpu_milli'),
      memoryMebibytes: row.amount('memory_mib'),
      gpuCount,
      // Nobody gets more than the whole of a GPU.
      gpuMilli: gpuCount === 0 ? 0 : Math.min(gpuMilli, WHOLE_GPU_MILLI),
      gpuModels: gpuCount === 0 ? [] : row.text('gpu_spec').split('|').filter(Boolean),
      times: timesOf(row),
    };
  });
}

function timesOf(row: Row): OpenbTimes | null {
  if (!TIME_FIELDS.every((field) => row.has(field))) return null;
  const createdAtSeconds = row.amount('creation_time');
  if (row.text('scheduled_time') === '' || row.text('deletion_time') === '')
    return { createdAtSeconds, runSeconds: null };
  const runSeconds = row.amount('deletion_time') - row.amount('scheduled_time');
  if (runSeconds < 0) row.refuse('deletion_time is before scheduled_time', 'a task is placed before it is deleted');
  return { createdAtSeconds, runSeconds };
}

const GPU_HINT = `one GPU may be shared, several are taken whole (${WHOLE_GPU_MILLI})`;

interface Row {
  /** Empty when the table does not have the field. */
  text(field: string): string;
  amount(field: string): number;
  has(field: string): boolean;
  refuse(what: string, hint: string): never;
}

function readTable(text: string, file: string, needed: readonly string[], optional: readonly string[]): Row[] {
  if (text.length > OPENB_LIMITS.tableCharacters) {
    throw new FogError('invalid-request', `${file} has ${text.length} characters`, {
      hint: `cut it to ${OPENB_LIMITS.tableCharacters}`,
    });
  }
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  while (lines.at(-1) === '') lines.pop();
  if (lines.length > OPENB_LIMITS.tableRows) {
    throw new FogError('invalid-request', `${file} has ${lines.length} lines`, {
      hint: `cut it to ${OPENB_LIMITS.tableRows}`,
    });
  }
  const names = (lines[0] ?? '').split(',');
  const columns = new Map(names.map((name, index) => [name, index]));
  const missing = needed.filter((name) => !columns.has(name));
  const unknown = names.filter((name) => !needed.includes(name) && !optional.includes(name));
  if (missing.length > 0 || unknown.length > 0 || columns.size !== names.length) {
    const what = missing.length > 0 ? `lacks ${missing.join(', ')}` : `has ${unknown.join(', ') || 'a field twice'}`;
    throw refusal(file, 1, `the line of names ${what}`, `its fields are ${needed.join(', ')}`);
  }
  return lines.slice(1).map((line, index) => rowOf(line.split(','), { columns, file, line: index + 2 }));
}

function rowOf(
  fields: readonly string[],
  { columns, file, line }: { columns: ReadonlyMap<string, number>; file: string; line: number },
): Row {
  if (fields.length !== columns.size) {
    throw refusal(file, line, `there are ${fields.length} fields`, `each line has ${columns.size}, as the first`);
  }
  const text = (field: string) => fields[columns.get(field) ?? -1] ?? '';
  return {
    text,
    amount(field) {
      const value = text(field);
      if (!/^\d{1,15}$/.test(value)) throw refusal(file, line, `${field} is "${value}"`, 'it is a whole number');
      return Number(value);
    },
    has: (field) => columns.has(field),
    refuse(what, hint) {
      throw refusal(file, line, what, hint);
    },
  };
}

function refusal(file: string, line: number, what: string, hint: string): FogError {
  return new FogError('invalid-request', `line ${line} of ${file}: ${what}`, { details: { line }, hint });
}
