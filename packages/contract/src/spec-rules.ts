/**
 * What must hold between the fields of a specification.
 *
 * zod leaves such rules out as soon as any field has a fault of its own, which would hide them until the next try. So
 * they look at the document as it was written, and take nothing about it for granted: a part of the wrong shape has
 * its fault already, and no rule speaks of what only follows from that.
 */
import { nameSchema } from './identifiers.ts';
import { LIMITS } from './limits.ts';
import { placementFaults } from './placement-rules.ts';
import { isSandboxPath } from './sandbox-path.ts';
import { serviceFaults } from './service-rules.ts';
import { RETRYABLE_REASONS } from './states.ts';
import { formatDuration, parseDuration } from './units.ts';
import { isRecord, recordIn } from './untyped-document.ts';

export const RUNTIMES = ['wasm', 'javascript', 'process', 'docker', 'kubernetes'] as const;

/** Those that can keep a program running. */
const LONG_RUNNING_RUNTIMES: readonly unknown[] = ['docker', 'process'];

/** Rules between fields need the defaults of those that are left out. */
export const DISCONNECT_DEFAULTS = { lostAfter: '60s', stopOnNodeAfter: '24h' } as const;
export const TIMEOUT_DEFAULTS = { queue: '24h', attempt: '1h', total: '7d' } as const;
export const RETRY_DEFAULTS = {
  attempts: 1,
  backoff: { initial: '1s', factor: 2, max: '5m', jitter: 'full' },
  on: RETRYABLE_REASONS,
  nonRetryableExitCodes: [],
} as const;

export interface RuleFault {
  path: (string | number)[];
  message: string;
}

/** Every rule that `document` breaks, whatever else is wrong with it. Never throws. */
export function ruleFaults(document: unknown): RuleFault[] {
  const spec = recordIn(document, 'spec');
  const task = recordIn(spec, 'task');
  return [
    ...labelFaults(recordIn(recordIn(document, 'metadata'), 'labels')),
    ...((spec?.type === 'ops' || spec?.type === 'daemon') && spec.count !== undefined && spec.count !== 1
      ? [{ path: ['spec', 'count'], message: `cannot be set for type: ${spec.type}` }]
      : []),
    ...longRunningFaults(spec ?? {}).map(({ path, message }) => ({ path: ['spec', ...path], message })),
    ...disconnectFaults(recordIn(spec, 'disconnect')),
    ...placementFaults(spec).map(({ path, message }) => ({ path: ['spec', ...path], message })),
    ...serviceFaults(spec).map(({ path, message }) => ({ path: ['spec', ...path], message })),
    ...verificationFaults(spec, task),
    ...(task === null
      ? []
      : taskFaults(task).map(({ path, message }) => ({ path: ['spec', 'task', ...path], message }))),
  ];
}

function labelFaults(labels: Record<string, unknown> | null): RuleFault[] {
  if (Object.keys(labels ?? {}).length <= LIMITS.labels) return [];
  return [{ path: ['metadata', 'labels'], message: `are more than ${LIMITS.labels}` }];
}

/**
 * What is kept running has no end, so nothing can be said about it. A specification that was parsed holds the defaults,
 * which are taken.
 */
function longRunningFaults(spec: Record<string, unknown>): RuleFault[] {
  const { type, count, update, task } = spec;
  if (type === undefined || type === 'batch' || type === 'ops') {
    return update === undefined ? [] : [{ path: ['update'], message: 'is for type: service and type: daemon' }];
  }
  if (type !== 'service' && type !== 'daemon') return [];
  const faults: RuleFault[] = [];
  for (const [key, defaults] of [['timeouts', TIMEOUT_DEFAULTS] as const, ['retry', RETRY_DEFAULTS] as const]) {
    const isDefault = JSON.stringify({ ...defaults, ...recordIn(spec, key) }) === JSON.stringify(defaults);
    if (!isDefault) faults.push({ path: [key], message: `cannot be set for type: ${type}, which is kept running` });
  }
  const runtime = isRecord(task) ? task.runtime : undefined;
  if (RUNTIMES.some((name) => name === runtime) && !LONG_RUNNING_RUNTIMES.includes(runtime)) {
    faults.push({ path: ['task', 'runtime'], message: `cannot keep a ${type} running: use docker or process` });
  }
  if (type === 'service' && typeof count === 'number' && count > LIMITS.replicas && count <= LIMITS.partitions) {
    faults.push({ path: ['count'], message: `is more than the ${LIMITS.replicas} replicas that a service may have` });
  }
  return faults;
}

function disconnectFaults(disconnect: Record<string, unknown> | null): RuleFault[] {
  const { lostAfter, stopOnNodeAfter } = { ...DISCONNECT_DEFAULTS, ...withoutUndefined(disconnect ?? {}) };
  const [shorter, longer] = [durationOf(lostAfter), durationOf(stopOnNodeAfter)];
  if (shorter === null || longer === null || longer > shorter) return [];
  return [{ path: ['spec', 'disconnect', 'stopOnNodeAfter'], message: 'must be longer than lostAfter' }];
}

/** Where results can be compared: tasks that may run on any of several nodes, with outputs that an agent holds. */
function verificationFaults(spec: Record<string, unknown> | null, task: Record<string, unknown> | null): RuleFault[] {
  if (spec?.verification === undefined) return [];
  const path = ['spec', 'verification'];
  const faults: string[] = [];
  if (spec.type === 'ops') faults.push('is not offered for type: ops, whose tasks have one node each');
  if (spec.type === 'service' || spec.type === 'daemon') faults.push('is for jobs that end: a service has no result');
  if (task?.runtime === 'kubernetes') {
    faults.push('is not offered by runtime: kubernetes, where one node stands for a whole cluster');
  }
  if (task?.checkpoint !== undefined) {
    faults.push("contradicts task.checkpoint: a result that goes on from another node's work proves nothing");
  }
  if (recordIn(spec, 'disconnect')?.replace === false) {
    faults.push('contradicts disconnect.replace: false, since a lost replica has to be replaced');
  }
  return faults.map((message) => ({ path, message }));
}

function taskFaults(task: Record<string, unknown>): RuleFault[] {
  return [
    ...runtimeFaults(task),
    ...repetitions(task.outputs, 'outputs', 'name', isName),
    ...repetitions(task.ports, 'ports', 'name', isName),
    ...repetitions(task.inputs, 'inputs', 'path', isSandboxPath),
    ...sizeFaults(task),
    ...offerFaults(task),
    ...checkpointFaults(task),
  ];
}

/** Speaks only of a runtime that the user wrote: one that is wrong or not built contradicts nothing. */
function runtimeFaults(task: Record<string, unknown>): RuleFault[] {
  const runtime = RUNTIMES.find((name) => name === task.runtime);
  if (runtime === undefined) return [];
  return RUNTIMES.flatMap((name) => {
    const isGiven = task[name] !== undefined;
    if (name === runtime) return isGiven ? [] : [{ path: [name], message: `is required by runtime: ${name}` }];
    return isGiven ? [{ path: [name], message: `contradicts runtime: ${runtime}` }] : [];
  });
}

/** What some runtimes cannot give their programs. */
function offerFaults({ network, runtime, stdin, outputs }: Record<string, unknown>): RuleFault[] {
  const faults: RuleFault[] = [];
  if (isRecord(network) && (runtime === 'wasm' || runtime === 'javascript' || runtime === 'kubernetes')) {
    faults.push({ path: ['network'], message: `is not offered by runtime: ${runtime}, whose programs reach nothing` });
  }
  if (runtime !== 'kubernetes') return faults;
  if (stdin !== undefined) faults.push({ path: ['stdin'], message: 'is not offered by runtime: kubernetes' });
  for (const [index, output] of (Array.isArray(outputs) ? outputs : []).entries()) {
    const path: unknown = isRecord(output) ? output.path : undefined;
    if (!isSandboxPathText(path) || path === '/dev/stdout') continue;
    const message = 'cannot be taken out of a pod: the one output there is has the path /dev/stdout';
    faults.push({ path: ['outputs', index, 'path'], message });
  }
  return faults;
}

/** Why these runtimes have no /checkpoint. */
const WITHOUT_CHECKPOINT: Readonly<Record<string, string>> = {
  wasm: 'whose files lie in the memory of the program',
  javascript: 'whose programs have no files',
  kubernetes: 'out of whose pods no file can be taken',
};

function checkpointFaults({ checkpoint, runtime, inputs }: Record<string, unknown>): RuleFault[] {
  if (checkpoint === undefined) return [];
  const faults: RuleFault[] = [];
  const why = typeof runtime === 'string' && Object.hasOwn(WITHOUT_CHECKPOINT, runtime) && WITHOUT_CHECKPOINT[runtime];
  if (why) faults.push({ path: ['checkpoint'], message: `is not offered by runtime: ${runtime}, ${why}` });
  const every = isRecord(checkpoint) ? durationOf(checkpoint.every) : null;
  if (every !== null && every < LIMITS.checkpointEveryMilliseconds) {
    const message = `must be at least ${formatDuration(LIMITS.checkpointEveryMilliseconds)}`;
    faults.push({ path: ['checkpoint', 'every'], message });
  }
  for (const [index, input] of (Array.isArray(inputs) ? inputs : []).entries()) {
    const path: unknown = isRecord(input) ? input.path : undefined;
    if (!isSandboxPathText(path) || (path !== '/checkpoint' && !path.startsWith('/checkpoint/'))) continue;
    const message = 'cannot lie in /checkpoint, which holds what earlier attempts of the task left';
    faults.push({ path: ['inputs', index, 'path'], message });
  }
  return faults;
}

function isSandboxPathText(path: unknown): path is string {
  return typeof path === 'string' && isSandboxPath(path);
}

function isName(text: string): boolean {
  return nameSchema.safeParse(text).success;
}

/** A list beyond its limit is to be cut anyway, and would give a fault for each of its entries. */
function repetitions(
  list: unknown,
  name: 'inputs' | 'outputs' | 'ports',
  field: string,
  isValid: (text: string) => boolean,
): RuleFault[] {
  if (!Array.isArray(list) || list.length > LIMITS[name]) return [];
  const seen = new Set<string>();
  return list.flatMap((entry: unknown, index) => {
    const text = isRecord(entry) ? entry[field] : undefined;
    if (typeof text !== 'string' || !isValid(text)) return [];
    if (seen.has(text)) return [{ path: [name, index, field], message: `"${text}" is given twice` }];
    seen.add(text);
    return [];
  });
}

function sizeFaults({ args, env }: Record<string, unknown>): RuleFault[] {
  const faults: RuleFault[] = [];
  if (Array.isArray(args) && totalBytes(args) > LIMITS.argumentBytes) {
    faults.push({ path: ['args'], message: `are longer than ${LIMITS.argumentBytes} bytes` });
  }
  const variables = isRecord(env) ? Object.entries(env) : [];
  if (variables.length > LIMITS.environmentVariables || totalBytes(variables.flat()) > LIMITS.environmentBytes) {
    faults.push({
      path: ['env'],
      message: `is larger than ${LIMITS.environmentVariables} variables or ${LIMITS.environmentBytes} bytes`,
    });
  }
  return faults;
}

/** Of the texts; secrets and what is no text count nothing. */
function totalBytes(values: readonly unknown[]): number {
  return values.reduce<number>((sum, value) => sum + (typeof value === 'string' ? Buffer.byteLength(value) : 0), 0);
}

function durationOf(value: unknown): number | null {
  try {
    return typeof value === 'string' ? parseDuration(value) : null;
  } catch {
    return null;
  }
}

function withoutUndefined(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}
