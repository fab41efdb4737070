/**
 * The job specification: what a user writes, in YAML or JSON.
 *
 * Quantities and durations stay text, as they were written; `units.ts` turns them into numbers where they are used.
 * The language is larger than what is built: a field or value of the language that is not built yet is a fault with
 * code `unsupported`, a field outside the language is `unknown-field`. All faults are reported at once.
 */
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { FogError } from './errors.ts';
import { blobDigest, jobIdSchema, nameSchema } from './identifiers.ts';
import { LIMITS } from './limits.ts';
import {
  budgetSchema,
  deadlineSchema,
  objectivesSchema,
  placementSchema,
  privacySchema,
  tierSchema,
} from './placement-policy.ts';
import { isSandboxPath, SANDBOX_PATH_PATTERN } from './sandbox-path.ts';
import { issueFaults, issueText, pathText, type SpecFault } from './spec-faults.ts';
import { DISCONNECT_DEFAULTS, RETRY_DEFAULTS, RUNTIMES, ruleFaults, TIMEOUT_DEFAULTS } from './spec-rules.ts';
import { bytesText, cpuText, durationOrZero, durationText } from './spec-texts.ts';
import { RETRYABLE_REASONS } from './states.ts';
import { unbuiltFaults } from './unbuilt-features.ts';
import { verificationPolicySchema } from './verification-policy.ts';

function sandboxPath(example: string) {
  return z
    .string()
    .max(LIMITS.pathBytes)
    .refine(isSandboxPath, `must be an absolute path without empty, "." or ".." parts, such as ${example}`)
    .meta({ description: 'Absolute path inside the sandbox', pattern: SANDBOX_PATH_PATTERN.source });
}
const workingDirectory = sandboxPath('/data');

/** [REGISTRY[:PORT]/]NAME[:TAG][@sha256:DIGEST]; source: the grammar of github.com/distribution/reference. */
const IMAGE_PATTERN =
  /^(?=.{1,512}$)(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?\/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;
/** HOST:PORT; the host may begin with `*.`, the port may be `*`. */
const TARGET_FAULT = 'must be HOST:PORT, such as api.example.org:443, *.example.org:443 or api.example.org:*';
const TARGET_PATTERN = /^(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?:(?:[0-9]{1,5}|\*)$/;

const labelsSchema = z
  .record(z.string().min(1).max(LIMITS.labelBytes), z.string().max(LIMITS.labelBytes))
  .meta({ description: 'Labels of the job, for people and lists', maxProperties: LIMITS.labels });

export const inputSchema = z.strictObject({
  source: blobDigest,
  path: sandboxPath('/in/data.csv'),
  type: z.enum(['file', 'folder']).default('file').meta({ description: 'folder: the blob is a folder manifest' }),
});
export type JobInput = z.infer<typeof inputSchema>;

const environmentValue = z.union([z.string(), z.strictObject({ secret: nameSchema })], {
  error: 'must be text or { secret: NAME }',
});
const standardInput = z
  .union([z.strictObject({ text: z.string().max(LIMITS.inlineStdinBytes) }), z.strictObject({ source: blobDigest })], {
    error: 'must be either { text: ... } or { source: ... }',
  })
  .meta({ description: 'Standard input: a text, or a blob' });

export const resourcesSchema = z.strictObject({
  cpu: cpuText.default('1').meta({ description: 'Processors: 500m, 0.5 or 2; default 1' }),
  memory: bytesText.default('256Mi').meta({ description: 'Bytes: 256Mi, 1G or a number; default 256Mi' }),
  disk: bytesText
    .default('256Mi')
    .meta({ description: 'Bytes the attempt may write, outputs included: 256Mi, 1G or a number; default 256Mi' }),
  pids: z.int().min(1).max(LIMITS.processes).default(256).meta({ description: 'Processes and threads at a time' }),
});

const wasmSchema = z.strictObject({ module: blobDigest });
const javascriptSchema = z.strictObject({
  script: blobDigest,
  engine: z.enum(['auto', 'v8', 'quickjs']).default('auto').meta({ description: 'auto: the node chooses' }),
});

const commandSchema = z.array(z.string().min(1)).min(1).max(LIMITS.arguments);
const processSchema = z.strictObject({
  command: commandSchema.meta({ description: 'Program and first arguments, looked up in its root; args follow' }),
  root: blobDigest.optional().meta({
    description:
      'The root file system, a tar archive, plain or gzip: a file relative to this one, which is uploaded, or the ' +
      'digest of a blob; left out, the programs of the node are seen',
  }),
  workingDirectory: workingDirectory.optional(),
});
const imageText = z
  .string()
  .regex(IMAGE_PATTERN, 'must be an image reference, such as busybox:1.36 or registry.example/team/app@sha256:...')
  .meta({ description: 'Image reference; a digest pins it' });
const dockerSchema = z.strictObject({
  image: imageText,
  pull: z.enum(['missing', 'always', 'never']).default('missing'),
  command: commandSchema.optional().meta({ description: 'Replaces the entrypoint of the image; args follow' }),
  workingDirectory: workingDirectory.optional(),
  credentials: z
    .strictObject({ secret: nameSchema })
    .optional()
    .meta({ description: 'A secret that holds {"username": ..., "password": ...} for the registry' }),
});

const kubernetesSchema = z.strictObject({
  image: imageText,
  command: commandSchema.optional().meta({ description: 'Replaces the entrypoint of the image; args follow' }),
  workingDirectory: workingDirectory.optional(),
});

const portNumber = z.int().min(1).max(65_535);
const portSchema = z.strictObject({
  name: nameSchema,
  port: portNumber.meta({ description: 'Where the program listens, on the loopback of its sandbox' }),
  protocol: z.enum(['http', 'tcp']).default('tcp').meta({ description: 'http: requests are passed on one by one' }),
});
export type PortSpec = z.infer<typeof portSchema>;

/** Visible ASCII, so that no path can end the line of a request. */
const HTTP_PATH_PATTERN = /^\/[!-~]*$/;
const healthSchema = z
  .strictObject({
    http: z
      .strictObject({
        port: portNumber,
        path: z.string().regex(HTTP_PATH_PATTERN, 'must begin with /').max(LIMITS.pathBytes).default('/'),
      })
      .optional()
      .meta({ description: 'A GET request; 200 to 399 is healthy' }),
    tcp: z
      .strictObject({ port: portNumber })
      .optional()
      .meta({ description: 'A connection; that it opens is healthy' }),
    command: commandSchema.optional().meta({ description: 'A command in the sandbox; exit code 0 is healthy' }),
    interval: durationText.default('10s').meta({ description: 'From the end of one check to the next' }),
    timeout: durationText.default('2s').meta({ description: 'A check that takes longer has failed' }),
    retries: z.int().min(1).max(100).default(3).meta({ description: 'Failures in a row that make it unhealthy' }),
    startPeriod: durationOrZero
      .default('0s')
      .meta({ description: 'Failures in this time after the start do not count; a success ends it' }),
  })
  .meta({ description: 'How to tell whether the program does its work; exactly one of http, tcp and command' });
export type HealthSpec = z.infer<typeof healthSchema>;

const networkSchema = z.union(
  [
    z.literal('none'),
    z.strictObject({
      allow: z.array(z.string().regex(TARGET_PATTERN, TARGET_FAULT)).min(1).max(LIMITS.networkTargets),
    }),
  ],
  { error: 'must be none, or { allow: [HOST:PORT, ...] } such as api.example.org:443 or *.example.org:443' },
);

const checkpointSpecSchema = z
  .strictObject({
    every: durationText.optional().meta({ description: 'Also taken this often while the program runs; least 1s' }),
    grace: durationText
      .default('10s')
      .meta({ description: 'When the node is drained, the time between SIGTERM and SIGKILL; default 10s' }),
  })
  .meta({ description: 'Keep the folder /checkpoint for the next attempt; for process and docker' });

const taskSchema = z.strictObject({
  runtime: z.enum(RUNTIMES).meta({ description: 'What runs the program; the block of the same name says which' }),
  wasm: wasmSchema.optional(),
  javascript: javascriptSchema.optional(),
  process: processSchema.optional(),
  docker: dockerSchema.optional(),
  kubernetes: kubernetesSchema.optional(),
  args: z.array(z.string()).max(LIMITS.arguments).default([]).meta({ description: 'Arguments of the program' }),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is not a variable name'), environmentValue)
    .default({})
    .meta({ description: 'Variables: a text, or a secret by its name', maxProperties: LIMITS.environmentVariables }),
  stdin: standardInput.optional(),
  resources: resourcesSchema.prefault({}),
  network: networkSchema.default('none').meta({ description: 'Loopback only, or HTTP to the listed targets' }),
  ports: z
    .array(portSchema)
    .max(LIMITS.ports)
    .optional()
    .meta({ description: 'Ports of a service or daemon that can be reached through the coordinator' }),
  health: healthSchema.optional(),
  inputs: z
    .array(inputSchema)
    .max(LIMITS.inputs)
    .default([])
    .meta({ description: 'Files and folders that the program finds in its sandbox' }),
  outputs: z
    .array(z.strictObject({ name: nameSchema, path: sandboxPath('/out/result') }))
    .max(LIMITS.outputs)
    .default([])
    .meta({ description: 'Files and folders to keep; the program must write each of them' }),
  checkpoint: checkpointSpecSchema.optional(),
});
export type TaskSpec = z.infer<typeof taskSchema>;

const retrySchema = z.strictObject({
  attempts: z
    .int()
    .min(1)
    .max(100)
    .default(RETRY_DEFAULTS.attempts)
    .meta({ description: 'Attempts in all; failures of nodes do not count' }),
  backoff: z
    .strictObject({
      initial: durationText.default(RETRY_DEFAULTS.backoff.initial),
      factor: z.number().min(1).max(10).default(RETRY_DEFAULTS.backoff.factor),
      max: durationText.default(RETRY_DEFAULTS.backoff.max),
      jitter: z.enum(['full', 'none']).default(RETRY_DEFAULTS.backoff.jitter),
    })
    .prefault({}),
  on: z.array(z.enum(RETRYABLE_REASONS)).default([...RETRY_DEFAULTS.on]),
  nonRetryableExitCodes: z
    .array(z.int().min(1).max(255))
    .max(255)
    .default([...RETRY_DEFAULTS.nonRetryableExitCodes]),
});

const timeoutsSchema = z.strictObject({
  queue: durationText
    .default(TIMEOUT_DEFAULTS.queue)
    .meta({ description: 'Longest wait of a task for its first node' }),
  attempt: durationText
    .default(TIMEOUT_DEFAULTS.attempt)
    .meta({ description: 'Longest run of one attempt; waiting does not count' }),
  total: durationText
    .default(TIMEOUT_DEFAULTS.total)
    .meta({ description: 'Longest time from submit to the end of the job' }),
  heartbeat: durationText
    .optional()
    .meta({ description: 'Longest time between two progress reports of an attempt; not for wasm' }),
});

const restartSchema = z
  .strictObject({
    attempts: z.int().min(0).max(100).default(3).meta({ description: 'Restarts on the same node within that time' }),
    within: durationText.default('10m'),
    delay: durationText.default('1s').meta({ description: 'Pause before each of them' }),
  })
  .meta({ description: 'When the program of a service or daemon ends; after that it is placed on another node' });
export type RestartSpec = z.infer<typeof restartSchema>;
/** What holds where a specification has no `restart`. */
export const RESTART_DEFAULTS: RestartSpec = restartSchema.parse({});

const disconnectSchema = z.strictObject({
  lostAfter: durationText
    .default(DISCONNECT_DEFAULTS.lostAfter)
    .meta({ description: 'Silence after which a node counts as lost' }),
  replace: z.boolean().default(true).meta({ description: 'Place the tasks of a lost node elsewhere' }),
  reconcile: z.enum(['first-valid', 'keep-original', 'keep-replacement']).default('first-valid').meta({
    description: 'Which attempt goes on when the node comes back and its task was placed elsewhere',
  }),
  stopOnNodeAfter: durationText
    .default(DISCONNECT_DEFAULTS.stopOnNodeAfter)
    .meta({ description: 'Counted on the node, without contact; longer than lostAfter' }),
});

/** For how long a suspended attempt keeps its place where nothing else is said. */
export const DEFAULT_KEEP_LEASE = '10m';

const suspendSchema = z.strictObject({
  keepLease: durationText.default(DEFAULT_KEEP_LEASE).meta({
    description: `How long a suspended attempt keeps its place on its node; default ${DEFAULT_KEEP_LEASE}`,
  }),
});
const updateSchema = z.strictObject({
  maxUnavailable: z
    .int()
    .min(1)
    .max(LIMITS.replicas)
    .default(1)
    .meta({ description: 'Replicas that an update may have away, and as many more than wanted' }),
  healthyFor: durationText
    .default('5s')
    .meta({ description: 'How long a replica must be ready before it counts as available' }),
  deadline: durationText
    .default('10m')
    .meta({ description: 'An update fails when no new replica becomes available for that long' }),
  rollback: z.boolean().default(true).meta({ description: 'A failed update returns to the last good revision' }),
});
export type UpdatePolicy = z.infer<typeof updateSchema>;

/** Every field by itself; `spec-rules.ts` has what must hold between them. */
export const jobFieldsSchema = z.strictObject({
  apiVersion: z.literal('fog/v1').default('fog/v1'),
  kind: z.literal('Job'),
  metadata: z.strictObject({ name: nameSchema.default('job'), labels: labelsSchema.default({}) }).prefault({}),
  spec: z.strictObject({
    type: z
      .enum(['batch', 'ops', 'service', 'daemon'])
      .default('batch')
      .meta({
        description:
          'batch: count partitions anywhere; ops: once on every matching node connected at submit; ' +
          'service: count replicas, kept running; daemon: one on every matching node, kept running',
      }),
    count: z.int().min(1).max(LIMITS.partitions).default(1).meta({ description: 'Partitions, each one task' }),
    priority: z.int().min(0).max(100).default(50).meta({ description: 'Higher goes first' }),
    task: taskSchema,
    timeouts: timeoutsSchema.prefault({}),
    retry: retrySchema.prefault({}),
    update: updateSchema.optional().meta({ description: 'How a new revision of a service or daemon replaces the old' }),
    disconnect: disconnectSchema.prefault({}),
    restart: restartSchema.optional(),
    suspend: suspendSchema.optional(),
    placement: placementSchema.prefault({}),
    objectives: objectivesSchema.optional(),
    budget: budgetSchema.optional(),
    privacy: privacySchema.optional(),
    tier: tierSchema.optional(),
    spot: z.boolean().optional().meta({
      description: 'It may be stopped, and placed again, when work that is not spot needs its room',
    }),
    deadline: deadlineSchema.optional(),
    dependsOn: z
      .array(jobIdSchema)
      .min(1)
      .max(LIMITS.dependencies)
      .optional()
      .meta({ description: 'Jobs that have to complete before its tasks are placed' }),
    verification: verificationPolicySchema.optional().meta({
      description: 'How results of nodes that are not trusted are checked; left out, the first result counts',
    }),
  }),
});

export const jobSpecSchema = jobFieldsSchema
  .superRefine((job, context) => {
    for (const { path, message } of ruleFaults(job)) context.addIssue({ code: 'custom', path, message });
  })
  .meta({ id: 'JobSpec', title: 'fog job', description: 'A job for the fog: what to run, on what, how often' });

export type JobSpec = z.infer<typeof jobSpecSchema>;
/** What a program may write: defaults left out. */
export type JobSpecInput = z.input<typeof jobSpecSchema>;

/** How the replicas of a service or daemon are replaced, defaults filled in. */
export function updatePolicy({ spec }: JobSpec): UpdatePolicy {
  return updateSchema.parse(spec.update ?? {});
}

/**
 * Validates a specification and fills in its defaults. `found` is what the caller found besides, such as files that
 * do not exist. Throws `unsupported` when every fault is of that kind, otherwise `invalid-spec`; `details.faults`
 * lists all.
 */
export function parseJobSpec(document: unknown, found: readonly SpecFault[] = []): JobSpec {
  const { faults: unbuilt, rest } = unbuiltFaults(document);
  const result = jobFieldsSchema.safeParse(rest, { error: issueText });
  const isTold = new Set(unbuilt.map(({ path }) => path));
  const fields = result.success ? [] : result.error.issues.flatMap(issueFaults).filter(({ path }) => !isTold.has(path));
  const rules = ruleFaults(rest).map(({ path, message }): SpecFault => {
    return { path: pathText(path), code: 'invalid', message };
  });
  const all = [...unbuilt, ...fields, ...rules, ...found];
  const [first] = all;
  if (result.success && first === undefined) return result.data;
  if (first === undefined) throw new FogError('internal', 'a fault of the specification got lost');
  const code = all.every((fault) => fault.code === 'unsupported') ? 'unsupported' : 'invalid-spec';
  const others = all.length === 1 ? '' : ` (and ${all.length - 1} more)`;
  throw new FogError(code, `${first.path || 'the document'}: ${first.message}${others}`, { details: { faults: all } });
}

/** Reads YAML or JSON text. Throws `invalid-spec` with line and column where it is not well-formed. */
export function readSpecText(text: string): unknown {
  const documents = readSpecTexts(text);
  if (documents.length <= 1) return documents[0] ?? null;
  throw new FogError('invalid-spec', `it holds ${documents.length} documents, and one is needed`, {
    hint: 'fog run FILE takes the jobs of a workflow in one file',
  });
}

/** The same of a text with several documents, which YAML parts by `---`; empty ones are left out. */
export function readSpecTexts(text: string): unknown[] {
  if (Buffer.byteLength(text) > LIMITS.specBytes) {
    throw new FogError('invalid-spec', `the specification is larger than ${LIMITS.specBytes} bytes`);
  }
  try {
    const parsed = parseAllDocuments(text, { prettyErrors: true });
    if (!Array.isArray(parsed)) return [];
    return parsed.flatMap((document) => {
      if (document.errors[0] !== undefined) throw document.errors[0];
      const value: unknown = document.toJS({ maxAliasCount: 100 });
      return value === null ? [] : [value];
    });
  } catch (error) {
    throw new FogError('invalid-spec', `not well-formed YAML or JSON: ${(error as Error).message.split('\n')[0]}`, {
      cause: error,
    });
  }
}
