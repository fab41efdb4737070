/**
 * The published JSON Schema of a job, as a person may write it.
 *
 * It is printed from the zod schema, and says what that cannot: a path of a file may stand where the coordinator takes
 * a digest, neutral values of unbuilt fields are taken, and some fields exclude each other. It is for editors, which
 * want to be told early; the last word has `parseJobSpec`.
 */
import { z } from 'zod';
import { FILE_PATTERN } from './blob-references.ts';
import { blobDigest } from './identifiers.ts';
import { jobFieldsSchema } from './job-spec.ts';
import { LIMITS } from './limits.ts';
import { RUNTIMES } from './spec-rules.ts';
import { NEUTRAL } from './unbuilt-features.ts';

type JsonSchema = Record<string, unknown>;

const DIGEST_OR_FILE = {
  description:
    'A file, relative to this one, which is uploaded (an input: or a folder), or the digest of a blob: sha256: and ' +
    '64 lower-case hex digits',
  pattern: `${FILE_PATTERN.source}|^sha256:[0-9a-f]{64}$`,
};

/** JSON Schema (draft 2020-12) of what a user may write; `docs/job.schema.json` is this, printed. */
export function jobSpecJsonSchema(): JsonSchema {
  const { $schema, ...schema } = z.toJSONSchema(jobFieldsSchema, {
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema === blobDigest) Object.assign(jsonSchema, DIGEST_OR_FILE);
    },
  }) as JsonSchema;
  for (const [path, value] of Object.entries(NEUTRAL)) {
    const parts = path.split('.');
    const key = parts.pop() as string;
    propertiesOf(schema, parts)[key] = { const: value, description: 'Nothing else is built yet' };
  }
  const spec = propertiesOf(schema, []).spec as JsonSchema;
  spec.allOf = [
    onlyIf({ type: { enum: ['ops', 'daemon'] } }, { properties: { count: { const: 1 } } }),
    onlyIf({ type: { const: 'service' } }, { properties: { count: { type: 'integer', maximum: LIMITS.replicas } } }),
    onlyIf(
      { type: { enum: ['service', 'daemon'] } },
      {
        properties: {
          timeouts: false,
          retry: false,
          deadline: false,
          dependsOn: false,
          task: { type: 'object', properties: { runtime: { enum: ['docker', 'process'] } } },
        },
      },
    ),
    onlyIf({ type: { const: 'ops' } }, { properties: { dependsOn: false } }),
    { anyOf: [written({ type: { enum: ['service', 'daemon'] } }), { type: 'object', properties: { update: false } }] },
    onlyIf(
      { task: written({ runtime: { const: 'wasm' } }) },
      { properties: { timeouts: { type: 'object', properties: { heartbeat: false } } } },
    ),
    {
      if: written({ type: { enum: ['service', 'daemon'] } }),
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: { properties: { task: { type: 'object', properties: { outputs: { type: 'array', maxItems: 0 } } } } },
      else: {
        properties: { restart: false, task: { type: 'object', properties: { ports: false, health: false } } },
      },
    },
  ];
  const dependsOn = propertiesOf(schema, ['spec']).dependsOn as JsonSchema;
  dependsOn.items = { type: 'string', description: 'Id of a job, or name of another document of this file' };
  const health = propertiesOf(schema, ['spec', 'task']).health as JsonSchema;
  health.oneOf = ['http', 'tcp', 'command'].map((check) => ({ required: [check] }));
  const task = propertiesOf(schema, ['spec']).task as JsonSchema;
  task.allOf = [
    ...RUNTIMES.map((runtime) => {
      const others = RUNTIMES.filter((name) => name !== runtime).map((name) => [name, false]);
      return onlyIf(
        { runtime: { const: runtime } },
        { required: [runtime], properties: Object.fromEntries(others) as JsonSchema },
      );
    }),
    onlyIf(
      { runtime: { enum: ['wasm', 'javascript', 'kubernetes'] } },
      { properties: { ports: false, health: false } },
    ),
  ];
  return {
    $schema,
    $id: 'https://fog-compute.dev/schemas/job.json',
    title: 'fog job',
    description: 'A job for the fog: what to run, on what, how often',
    ...schema,
  };
}

/** Where all of `properties` are written with these values, `then` must hold too. */
function onlyIf(properties: JsonSchema, then: JsonSchema): JsonSchema {
  return { if: written(properties), then };
}

function written(properties: JsonSchema): JsonSchema {
  return { type: 'object', properties, required: Object.keys(properties) };
}

function propertiesOf(schema: JsonSchema, path: readonly string[]): JsonSchema {
  const inner = path.reduce((within, key) => (within.properties as JsonSchema)[key] as JsonSchema, schema);
  return inner.properties as JsonSchema;
}
