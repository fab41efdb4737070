/** Recorded work of any kind, recognised by what a file holds, not by its name. */
import { FogError } from '@fog/contract';
import { type OpenbTask, parseOpenbTasks } from './openb/openb-tables.ts';
import { parseSwf, type SwfLog } from './swf.ts';
import { parseDax } from './workflow/dax.ts';
import { parseWfFormat } from './workflow/wf-format.ts';
import type { Workflow } from './workflow/workflow.ts';

export type Trace =
  | { kind: 'log'; format: 'SWF'; log: SwfLog }
  | { kind: 'workflow'; format: 'WfFormat' | 'DAX'; workflow: Workflow }
  | { kind: 'gpu-tasks'; format: 'openb'; tasks: OpenbTask[] };

const READ_SHAPES =
  'these are read: logs in the Standard Workload Format, workflows in WfFormat 1.5 (JSON) or DAX (XML), tasks of openb (CSV)';
const SWF_FIELDS = 18;
/** What a kind is recognised by stands here. */
const HEAD_CHARACTERS = 4096;

/** `file` names it in messages. Throws `invalid-request` for what is of no kind, and as the readers do. */
export function readTrace(text: string, file: string): Trace {
  const head = text
    .slice(0, HEAD_CHARACTERS)
    .replace(/^\uFEFF/, '')
    .trimStart();
  if (text.trim() === '') throw unknownShape(`${file} is empty`);
  if (head.startsWith('{')) return { kind: 'workflow', format: 'WfFormat', workflow: parseWfFormat(text, file) };
  if (head.startsWith('<')) {
    if (!text.includes('<adag')) throw unknownShape(`${file} is markup, but no DAX`);
    return { kind: 'workflow', format: 'DAX', workflow: parseDax(text, file) };
  }
  const [firstLine = ''] = head.split(/\r?\n/, 1);
  const names = firstLine.split(',');
  if (names.includes('num_gpu') && names.includes('gpu_milli')) {
    return { kind: 'gpu-tasks', format: 'openb', tasks: parseOpenbTasks(text, file) };
  }
  if (names.includes('sn') && names.includes('model')) {
    throw new FogError('invalid-request', `${file} is a list of nodes, and no tasks`, {
      hint: 'give the list of tasks, and this one by --node-list',
    });
  }
  if (firstLine.startsWith(';') || isJobLine(firstLine)) return { kind: 'log', format: 'SWF', log: parseSwf(text) };
  throw unknownShape(`nobody knows the shape of ${file}`);
}

function isJobLine(line: string): boolean {
  const fields = line.trim().split(/\s+/);
  return fields.length === SWF_FIELDS && /^-?\d/.test(fields[0] as string);
}

function unknownShape(what: string): FogError {
  return new FogError('invalid-request', what, { hint: READ_SHAPES });
}
