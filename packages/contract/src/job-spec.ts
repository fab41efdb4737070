/**
 * The job specification: what a user writes, in YAML or JSON.
 *
 * Quantities and durations stay text, as they were written; `units.ts` turns them into numbers where they are used.
 * The language is larger than what is built: a field or value of the language that is not built yet is a fault with
 * code `unsupported`, a field outside the language is `unknown-field`. All faults are reported at once.
 */
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { parseConstraint } from './constraints.ts';
import { FogError } from './errors.ts';
import { digestSchema, nameSchema } from './identifiers.ts';
import { LIMITS } from './limits.ts';
import { RETRYABLE_REASONS } from './states.ts';
import { unbuiltFaults } from './unbuilt-features.ts';
import { BYTES_PATTERN, CPU_PATTERN, DURATION_PATTERN, parseBytes, parseCpu, parseDuration } from './units.ts';

const bytesText = quantity(BYTES_PATTERN, parseBytes, 'bytes: 256Mi, 1G or a number');
const cpuText = quantity(CPU_PATTERN, parseCpu, 'CPU: 500m, 0.5 or 2');
const durationText = quantity(DURATION_PATTERN, parseDuration, 'duration: 500ms, 30s, 10m, 1h30m or 7d');

/** Text of the pattern, or a bare number; greater than zero. */
function quantity(pattern: RegExp, parse: (text: string) => number, what: string) {
  return z
    .union([z.string(), z.number().nonnegative()])
    .transform(String)
    .refine((text) => pattern.test(text) && positive(parse, text), `must be a quantity of ${what}`)
    .meta({ description: `Quantity of ${what}` });
}

function positive(parse: (text: string) => number, text: string): boolean {
  try {
    return parse(text) > 0;
  } catch {
    return false;
  }
}

const sandboxPath = z
  .string()
  .max(LIMITS.pathBytes)
  .refine(isSandboxPath, 'must be an absolute path without empty, "." or ".." parts, such as /in/data.csv')
  .meta({ description: 'Absolute path inside the sandbox' });

/** Absolute, normalised, no `..`, no NUL, no backslash, no halves of characters. */
export function isSandboxPath(path: string): boolean {
  if (!path.startsWith('/') || path.length < 2 || /[\0\\]/.test(path) || !path.isWellFormed()) return false;
  return path
    .slice(1)
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..');
}

/** [REGISTRY[:PORT]/]NAME[:TAG][@sha256:DIGEST]; source: the grammar of github.com/distribution/reference. */
const IMAGE_PATTERN =
  /^(?=.{1,512}$)(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?\/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;
/** HOST:PORT; the host may begin with `*.`, the port may be `*`. */
const TARGET_PATTERN = /^(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?:(?:[0-9]{1,5}|\*)$/;
const TARGET_HELP = 'must be HOST:PORT, such as api.example.org:443 or *.example.org:443';

const constraintText = z.string().superRefine((text, context) => {
  try {
    parseConstraint(text);
  } catch (error) {
    const { message, hint } = FogError.from(error);
    context.addIssue({ code: 'custom', message: hint === undefined ? message : `${message}; ${hint}` });
  }
});

const labelsSchema = z
  .record(z.string().min(1).max(LIMITS.labelBytes), z.string().max(LIMITS.labelBytes))
  .refine((labels) => Object.keys(labels).length <= LIMITS.labels, `at most ${LIMITS.labels} labels`);

export const inputSchema = z.strictObject({
  source: digestSchema.meta({ description: 'A blob; the CLI also takes a file or folder and uploads it' }),
  path: sandboxPath,
  type: z.enum(['file', 'folder']).default('file').meta({ description: 'folder: the blob is a folder manifest' }),
});
export type JobInput = z.infer<typeof inputSchema>;

const environmentValue = z.union([z.string(), z.strictObject({ secret: nameSchema })]);

export const resourcesSchema = z.strictObject({
  cpu: cpuText.default('1'),
  memory: bytesText.default('256Mi'),
  disk: bytesText.default('256Mi').meta({ description: 'Bytes the attempt may write, outputs included' }),
  pids: z.int().min(1).max(LIMITS.processes).default(256).meta({ description: 'Processes and threads at a time' }),
});

const wasmSchema = z.strictObject({ module: digestSchema });
const javascriptSchema = z.strictObject({
  script: digestSchema,
  engine: z.enum(['auto', 'v8', 'quickjs']).default('auto'),
});

const commandSchema = z.array(z.string().min(1)).min(1).max(LIMITS.arguments);
const processSchema = z.strictObject({
  command: commandSchema.meta({ description: 'Program and first arguments, looked up on the node; args follow' }),
  workingDirectory: sandboxPath.optional(),
});
const dockerSchema = z.strictObject({
  image: z
    .string()
    .regex(IMAGE_PATTERN, 'must be an image reference, such as busybox:1.36 or registry.example/team/app@sha256:...')
    .meta({ description: 'Image reference; a digest pins it' }),
  pull: z.enum(['missing', 'always', 'never']).default('missing'),
  command: commandSchema.optional().meta({ description: 'Replaces the entrypoint of the image; args follow' }),
  workingDirectory: sandboxPath.optional(),
  credentials: z
    .strictObject({ secret: nameSchema })
    .optional()
    .meta({ description: 'A secret that holds {"username": ..., "password": ...} for the registry' }),
});

const networkSchema = z.union([
  z.literal('none'),
  z.strictObject({ allow: z.array(z.string().regex(TARGET_PATTERN, TARGET_HELP)).min(1).max(LIMITS.networkTargets) }),
]);

/** Which block of a task belongs to which runtime: the one of the same name. */
const RUNTIME_BLOCKS = ['wasm', 'javascript', 'process', 'docker'] as const;

const taskSchema = z
  .strictObject({
    runtime: z.enum(RUNTIME_BLOCKS),
    wasm: wasmSchema.optional(),
    javascript: javascriptSchema.optional(),
    process: processSchema.optional(),
    docker: dockerSchema.optional(),
    args: z.array(z.string()).max(LIMITS.arguments).default([]),
    env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is not a variable name'), environmentValue).default({}),
    stdin: z
      .union([
        z.strictObject({ text: z.string().max(LIMITS.inlineStdinBytes) }),
        z.strictObject({ source: digestSchema }),
      ])
      .optional(),
    resources: resourcesSchema.prefault({}),
    network: networkSchema.default('none').meta({ description: 'Loopback only, or HTTP to the listed targets' }),
    inputs: z.array(inputSchema).max(LIMITS.inputs).default([]),
    outputs: z
      .array(z.strictObject({ name: nameSchema, path: sandboxPath }))
      .max(LIMITS.outputs)
      .default([]),
  })
  .superRefine((task, context) => {
    for (const name of RUNTIME_BLOCKS) {
      if (name === task.runtime && task[name] === undefined) {
        context.addIssue({ code: 'custom', path: [name], message: `is required by runtime: ${name}` });
      }
      if (name !== task.runtime && task[name] !== undefined) {
        context.addIssue({ code: 'custom', path: [name], message: `contradicts runtime: ${task.runtime}` });
      }
    }
    if (task.network !== 'none' && (task.runtime === 'wasm' || task.runtime === 'javascript')) {
      const message = `is not offered by runtime: ${task.runtime}, whose programs have no sockets`;
      context.addIssue({ code: 'custom', path: ['network'], message });
    }
    checkUnique(
      task.outputs.map((output) => output.name),
      ['outputs'],
      'name',
      context,
    );
    checkUnique(
      task.inputs.map((input) => input.path),
      ['inputs'],
      'path',
      context,
    );
    if (totalBytes(task.args) > LIMITS.argumentBytes) {
      context.addIssue({ code: 'custom', path: ['args'], message: `are longer than ${LIMITS.argumentBytes} bytes` });
    }
    const variables = Object.entries(task.env).map(([name, value]) => name + (typeof value === 'string' ? value : ''));
    if (variables.length > LIMITS.environmentVariables || totalBytes(variables) > LIMITS.environmentBytes) {
      context.addIssue({
        code: 'custom',
        path: ['env'],
        message: `is larger than ${LIMITS.environmentVariables} variables or ${LIMITS.environmentBytes} bytes`,
      });
    }
  });
export type TaskSpec = z.infer<typeof taskSchema>;

const retrySchema = z.strictObject({
  attempts: z.int().min(1).max(100).default(1).meta({ description: 'Attempts in all; failures of nodes do not count' }),
  backoff: z
    .strictObject({
      initial: durationText.default('1s'),
      factor: z.number().min(1).max(10).default(2),
      max: durationText.default('5m'),
      jitter: z.enum(['full', 'none']).default('full'),
    })
    .prefault({}),
  on: z.array(z.enum(RETRYABLE_REASONS)).default([...RETRYABLE_REASONS]),
  nonRetryableExitCodes: z.array(z.int().min(1).max(255)).max(255).default([]),
});

const timeoutsSchema = z.strictObject({
  queue: durationText.default('24h').meta({ description: 'Longest wait of a task for its first node' }),
  attempt: durationText.default('1h').meta({ description: 'Longest run of one attempt; waiting does not count' }),
  total: durationText.default('7d').meta({ description: 'Longest time from submit to the end of the job' }),
  heartbeat: durationText.optional().meta({ description: 'Longest time between two progress reports of an attempt' }),
});

const disconnectSchema = z
  .strictObject({
    lostAfter: durationText.default('60s').meta({ description: 'Silence after which a node counts as lost' }),
    replace: z.boolean().default(true).meta({ description: 'Place the tasks of a lost node elsewhere' }),
    reconcile: z.enum(['first-valid', 'keep-original', 'keep-replacement']).default('first-valid').meta({
      description: 'Which attempt goes on when the node comes back and its task was placed elsewhere',
    }),
    stopOnNodeAfter: durationText.default('24h').meta({ description: 'Counted on the node, without contact' }),
  })
  .superRefine((disconnect, context) => {
    if (!positiveDifference(disconnect.lostAfter, disconnect.stopOnNodeAfter)) {
      context.addIssue({ code: 'custom', path: ['stopOnNodeAfter'], message: 'must be longer than lostAfter' });
    }
  });

export const jobSpecSchema = z
  .strictObject({
    apiVersion: z.literal('fog/v1').default('fog/v1'),
    kind: z.literal('Job'),
    metadata: z.strictObject({ name: nameSchema.default('job'), labels: labelsSchema.default({}) }).prefault({}),
    spec: z.strictObject({
      type: z.enum(['batch', 'ops']).default('batch').meta({
        description: 'batch: count partitions anywhere; ops: once on every matching node connected at submit',
      }),
      count: z.int().min(1).max(LIMITS.partitions).default(1).meta({ description: 'Partitions, each one task' }),
      priority: z.int().min(0).max(100).default(50).meta({ description: 'Higher goes first' }),
      task: taskSchema,
      timeouts: timeoutsSchema.prefault({}),
      retry: retrySchema.prefault({}),
      disconnect: disconnectSchema.prefault({}),
      placement: z
        .strictObject({ constraints: z.array(constraintText).max(LIMITS.constraints).default([]) })
        .prefault({}),
    }),
  })
  .superRefine((job, context) => {
    if (job.spec.type === 'ops' && job.spec.count !== 1) {
      context.addIssue({ code: 'custom', path: ['spec', 'count'], message: 'cannot be set for type: ops' });
    }
  })
  .meta({ id: 'JobSpec', title: 'fog job', description: 'A job for the fog: what to run, on what, how often' });

export type JobSpec = z.infer<typeof jobSpecSchema>;
/** What a program may write: defaults left out. */
export type JobSpecInput = z.input<typeof jobSpecSchema>;

export const specFaultSchema = z.strictObject({
  path: z.string(),
  code: z.enum(['invalid', 'missing', 'unknown-field', 'unsupported']),
  message: z.string(),
});
export type SpecFault = z.infer<typeof specFaultSchema>;

/**
 * Validates a specification and fills in its defaults.
 * Throws `unsupported` when every fault is of that kind, otherwise `invalid-spec`; `details.faults` lists all.
 */
export function parseJobSpec(document: unknown): JobSpec {
  const { faults, rest } = unbuiltFaults(document);
  const result = jobSpecSchema.safeParse(rest);
  if (result.success && faults.length === 0) return result.data;
  const all = [...faults, ...(result.success ? [] : result.error.issues.flatMap(toFaults))];
  const code = all.every((fault) => fault.code === 'unsupported') ? 'unsupported' : 'invalid-spec';
  const first = all[0] as SpecFault;
  const others = all.length === 1 ? '' : ` (and ${all.length - 1} more)`;
  throw new FogError(code, `${first.path || 'the document'}: ${first.message}${others}`, { details: { faults: all } });
}

/** Reads YAML or JSON text. Throws `invalid-spec` with line and column where it is not well-formed. */
export function readSpecText(text: string): unknown {
  if (Buffer.byteLength(text) > LIMITS.specBytes) {
    throw new FogError('invalid-spec', `the specification is larger than ${LIMITS.specBytes} bytes`);
  }
  try {
    return parseYaml(text, { maxAliasCount: 100, prettyErrors: true });
  } catch (error) {
    throw new FogError('invalid-spec', `not well-formed YAML or JSON: ${(error as Error).message.split('\n')[0]}`, {
      cause: error,
    });
  }
}

/** The published JSON Schema (draft 2020-12) of what a user may write. */
export function jobSpecJsonSchema(): Record<string, unknown> {
  return { $id: 'https://fog-compute.dev/schemas/job.json', ...z.toJSONSchema(jobSpecSchema, { io: 'input' }) };
}

function toFaults(issue: z.core.$ZodIssue): SpecFault[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: pathText([...issue.path, key]),
      code: 'unknown-field',
      message: 'is not a field of the specification',
    }));
  }
  if (issue.code === 'invalid_union') {
    const message = issue.errors.flat().map((nested) => nested.message);
    return [{ path: pathText(issue.path), code: 'invalid', message: [...new Set(message)].join('; or ') }];
  }
  const missing = issue.code === 'invalid_type' && issue.message.includes('received undefined');
  return [
    {
      path: pathText(issue.path),
      code: missing ? 'missing' : 'invalid',
      message: missing ? 'is required' : issue.message,
    },
  ];
}

function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index ? '.' : ''}${String(part)}`))
    .join('');
}

function checkUnique(names: string[], path: string[], field: string, context: z.RefinementCtx): void {
  names.forEach((name, index) => {
    if (names.indexOf(name) !== index) {
      context.addIssue({ code: 'custom', path: [...path, index, field], message: `"${name}" is given twice` });
    }
  });
}

function positiveDifference(shorter: string, longer: string): boolean {
  try {
    return parseDuration(longer) > parseDuration(shorter);
  } catch {
    return true; // the fields themselves carry the fault
  }
}

function totalBytes(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}
