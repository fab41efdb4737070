/**
 * Settings of the programs: one schema each, read from `config.toml` and FOG_* variables, with the origin of every
 * value. Flags beat variables, variables beat the file, the file beats the default. An unknown key is an error.
 */
import { parse as parseToml } from 'smol-toml';
import { z } from 'zod';
import { FogError } from './errors.ts';
import { nameSchema } from './identifiers.ts';
import { LIMITS } from './limits.ts';
import { issueText } from './spec-faults.ts';
import { BYTES_PATTERN, DURATION_PATTERN } from './units.ts';

const bytesText = z.string().regex(BYTES_PATTERN, 'must be a quantity of bytes such as 50Gi');
const durationText = z.string().regex(DURATION_PATTERN, 'must be a duration such as 30d');
const principals = z.array(z.union([z.literal('*'), nameSchema]));

/** `host:port`, also `[::1]:7070`. */
const listenText = z.string().regex(/^(\[[0-9a-fA-F:.]+\]|[^\s:[\]]+):\d{1,5}$/, 'must be host:port');

/** Table `[coordinator]`. */
export const coordinatorSettingsSchema = z.strictObject({
  listen: listenText.default('127.0.0.1:7070').meta({ description: 'Address of the HTTP API and the agent link' }),
  databaseUrl: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must begin with postgres://')
    .optional()
    .meta({ description: 'postgres://…; without it SQLite in the data folder' }),
  blobDirectory: z.string().optional().meta({ description: 'Folder of blobs; coordinators of one database share it' }),
  secretsKeyFile: z
    .string()
    .optional()
    .meta({ description: 'File with the key that encrypts secrets (32 bytes, hex)' }),
  publicUrl: z.string().optional().meta({ description: 'How others reach this coordinator, for join commands' }),
  tlsCert: z.string().optional().meta({ description: 'PEM file; with tlsKey' }),
  tlsKey: z.string().optional(),
  plainHttp: z.boolean().default(false).meta({ description: 'Serve without TLS on an address that is not loopback' }),
  heartbeat: durationText.default('15s').meta({ description: 'Agents renew all their leases this often' }),
  keepJobs: durationText.default('30d').meta({ description: 'Finished jobs with their events and logs' }),
  keepBlobs: durationText.default('7d').meta({ description: 'Blobs that no kept job refers to' }),
  databaseSpace: bytesText
    .default('20Gi')
    .meta({ description: 'Space for the database; when full, submits are refused' }),
  blobSpace: bytesText.default('50Gi').meta({ description: 'Space for blobs in all' }),
  blobBytes: bytesText.default('5Gi').meta({ description: 'Largest single blob' }),
  logBytes: bytesText.default('1Mi').meta({ description: 'Log kept of one attempt that has an end' }),
  agingBound: durationText.default('10m').meta({
    description: 'Tasks that wait so long go before all of their priority, if their submitter got nothing as long',
  }),
  economy: z.enum(['on', 'off']).default('on').meta({
    description:
      'on: jobs are covered at the submit, and nodes paid for results that count; off: nobody is asked for money',
  }),
  firstSupply: z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number of FOG')
    .default('1000000')
    .meta({
      description: 'FOG that is made at the first start with economy on: 15 % to the treasury, the rest to admin',
    }),
  faucet: z.enum(['auto', 'on', 'off']).default('auto').meta({
    description:
      "Gives at each submit what is missing, in money that can be spent on jobs alone; auto: on loopback, or while all nodes are admin's",
  }),
  queuedTasks: z.int().min(1).default(5_000_000).meta({ description: 'Tasks waiting in all; more are refused' }),
});
export type CoordinatorSettings = z.infer<typeof coordinatorSettingsSchema>;

const watts = z.number().min(0).max(LIMITS.watts);

/** Table `[agent]`. */
export const agentSettingsSchema = z.strictObject({
  name: nameSchema.optional().meta({ description: 'Default: the host name' }),
  labels: z.record(z.string(), z.string()).default({}).meta({
    description: 'Besides os, arch, cores, memory (GiB), hostname; owner and trusted are what the coordinator says',
  }),
  slots: z.int().min(1).max(4096).optional().meta({ description: 'Attempts at a time; default: one a processor' }),
  cpu: z.number().positive().optional().meta({ description: 'Processors to offer; default: all' }),
  memory: bytesText.optional().meta({ description: 'Memory to offer; default: three quarters' }),
  disk: bytesText.default('10Gi').meta({ description: 'Disk that attempts may fill' }),
  cache: bytesText.default('5Gi').meta({ description: 'Blobs kept for later attempts' }),
  roots: bytesText.default('5Gi').meta({ description: 'Unpacked roots of native programs kept for later attempts' }),
  runtimes: z
    .array(z.enum(['wasm', 'javascript', 'process', 'docker']))
    .default(['wasm', 'javascript', 'process', 'docker'])
    .meta({ description: 'Which of them this computer offers, where it can' }),
  kubernetes: z
    .string()
    .optional()
    .meta({ description: 'Offer a cluster as well: in-cluster, or the path of a kubeconfig' }),
  accept: principals.default(['*']).meta({ description: 'Whose jobs may run here' }),
  trusted: principals.default([]).meta({ description: 'Whose scripts may run in v8 without a sandbox' }),
  price: z.int().min(0).max(LIMITS.microFog).default(0).meta({
    description: 'Micro-FOG that a slice costs at least: one processor, 2 GiB, 5 minutes; 0: what the fog posts',
  }),
  idleWatts: watts.optional().meta({ description: 'Power of this computer while nothing runs; see busyWatts' }),
  busyWatts: watts.optional().meta({ description: 'And with all processors at work; placement by energy needs both' }),
  drainDeadline: durationText.default('10m').meta({ description: 'On SIGTERM, time for what runs' }),
});
export type AgentSettings = z.infer<typeof agentSettingsSchema>;

export type SettingOrigin = 'default' | 'file' | 'environment' | 'flag';
export interface EffectiveSetting {
  key: string;
  value: unknown;
  origin: SettingOrigin;
  /** The variable that sets it. */
  variable: string;
  description: string;
}

export interface SettingsSources {
  /** Text of config.toml and its path, for messages. */
  file?: { path: string; text: string };
  environment: Readonly<Record<string, string | undefined>>;
  /** Values of the command line; undefined ones count as absent. */
  flags?: Readonly<Record<string, unknown>>;
}

const TABLES = { coordinator: coordinatorSettingsSchema, agent: agentSettingsSchema } as const;
export type SettingsTable = keyof typeof TABLES;

/** `coordinator.blobSpace` -> `FOG_BLOB_SPACE`, `agent.slots` -> `FOG_AGENT_SLOTS`. */
export function settingVariable(table: SettingsTable, key: string): string {
  const words = key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
  return table === 'coordinator' ? `FOG_${words}` : `FOG_AGENT_${words}`;
}

/** Reads one table. Throws `invalid-configuration` naming every fault and where it stands. */
export function loadSettings<Table extends SettingsTable>(
  table: Table,
  sources: SettingsSources,
): { settings: z.infer<(typeof TABLES)[Table]>; effective: EffectiveSetting[] } {
  const schema = TABLES[table];
  const fromFile = readTable(table, sources.file);
  const raw: Record<string, unknown> = { ...fromFile };
  const origins: Record<string, SettingOrigin> = Object.fromEntries(Object.keys(raw).map((key) => [key, 'file']));
  for (const [key, field] of Object.entries(schema.shape)) {
    const text = sources.environment[settingVariable(table, key)];
    const flag = sources.flags?.[key];
    if (text !== undefined && text !== '') {
      raw[key] = fromText(text, field);
      origins[key] = 'environment';
    }
    if (flag !== undefined) {
      raw[key] = flag;
      origins[key] = 'flag';
    }
  }
  const result = schema.safeParse(raw, { error: issueText });
  if (!result.success) throw configurationError(table, result.error, origins, sources.file?.path);
  const settings = result.data as z.infer<(typeof TABLES)[Table]>;
  const effective = Object.entries(schema.shape).map(([key, field]) => ({
    key: `${table}.${key}`,
    value: (settings as Record<string, unknown>)[key],
    origin: origins[key] ?? ('default' as const),
    variable: settingVariable(table, key),
    description: field.meta()?.description ?? '',
  }));
  return { settings, effective };
}

function readTable(table: SettingsTable, file: SettingsSources['file']): Record<string, unknown> {
  if (file === undefined) return {};
  let document: Record<string, unknown>;
  try {
    document = parseToml(file.text);
  } catch (cause) {
    throw new FogError('invalid-configuration', `${file.path}: ${(cause as Error).message.split('\n')[0]}`, { cause });
  }
  const unknownTables = Object.keys(document).filter((key) => !Object.hasOwn(TABLES, key));
  if (unknownTables.length > 0) {
    throw new FogError('invalid-configuration', `${file.path}: unknown table ${unknownTables.join(', ')}`, {
      hint: `the tables are ${Object.keys(TABLES).join(' and ')}`,
    });
  }
  for (const [name, value] of Object.entries(document)) {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) continue;
    throw new FogError('invalid-configuration', `${file.path}: ${name} is not a table`, { hint: `write [${name}]` });
  }
  return (document[table] as Record<string, unknown> | undefined) ?? {};
}

/** Variables are text: booleans, numbers, `a,b` lists and `k=v,k=v` records are read by the kind of the field. */
function fromText(text: string, field: z.ZodType): unknown {
  const kind = kindOf(field);
  if (kind === 'boolean')
    return text === '1' || text === 'true' ? true : text === '0' || text === 'false' ? false : text;
  if (kind === 'number') return Number(text);
  if (kind === 'array') return text.split(',').map((part) => part.trim());
  if (kind === 'record') return Object.fromEntries(text.split(',').map((part) => part.split(/=(.*)/s).slice(0, 2)));
  return text;
}

/** How a list or a map is written in a variable. */
function formText(shape: Readonly<Record<string, z.ZodType>>, key: string): string {
  const field = shape[key];
  const kind = field === undefined ? '' : kindOf(field);
  if (kind === 'record') return '; write key=value,key=value';
  if (kind !== 'array') return '';
  const usual: unknown = field?.safeParse(undefined).data;
  const names = Array.isArray(usual) ? usual.filter((name) => name !== '*') : [];
  return `; write ${names.length > 0 ? names.join(',') : 'alice,bob'}`;
}

/** Of a key of a map, and not the number of an entry. */
function isName(part: string): boolean {
  return !/^\d+$/.test(part);
}

function kindOf(field: z.ZodType): string {
  let inner: z.ZodType = field;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodOptional) inner = inner.unwrap() as z.ZodType;
  return inner.type;
}

function configurationError(
  table: SettingsTable,
  error: z.ZodError,
  origins: Record<string, SettingOrigin>,
  path: string | undefined,
): FogError {
  const messages = new Map<string, string>();
  for (const issue of error.issues) {
    const [key, ...inside] = issue.path.map(String);
    if (issue.code === 'unrecognized_keys') for (const unknown of issue.keys) messages.set(unknown, 'unknown setting');
    // One entry of a list that is wrong is told, and not each of them.
    else if (key !== undefined && !messages.has(key))
      messages.set(key, [...inside.filter(isName), issue.message].join(': '));
  }
  const faults = [...messages].map(([key, message]) => {
    const origin = origins[key];
    if (origin === 'environment')
      return `${settingVariable(table, key)}: ${message}${formText(TABLES[table].shape, key)}`;
    return `${origin === 'file' ? `${path}: ${table}.${key}` : key}: ${message}`;
  });
  return new FogError('invalid-configuration', faults.join('; '), { details: { faults } });
}
