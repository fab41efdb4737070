/** The part of the specification language that no code stands behind yet. It shrinks as features are built. */
import { FogError } from './errors.ts';
import type { SpecFault } from './job-spec.ts';

interface UnbuiltFeature {
  /** Where it stands; `*` matches every key or index. */
  path: string;
  /** Only these values; without it, the field itself. */
  values?: readonly unknown[];
  /** Only values for which this holds. */
  when?: (value: unknown) => boolean;
}

const UNBUILT: readonly UnbuiltFeature[] = [
  { path: 'kind', values: ['Cron', 'Service'] },
  { path: 'metadata.namespace', when: (value) => value !== 'default' },
  { path: 'spec.type', values: ['service', 'daemon'] },
  { path: 'spec.task.runtime', values: ['kubernetes'] },
  { path: 'spec.task.kubernetes' },
  { path: 'spec.task.process.root' },
  { path: 'spec.task.checkpoint' },
  { path: 'spec.task.resources.gpu', when: (value) => value !== 0 },
  { path: 'spec.task.wasm.deterministic', values: [false] },
  { path: 'spec.disconnect.reconcile', values: ['best-score', 'longest-running'] },
  { path: 'spec.placement.spread' },
  { path: 'spec.placement.affinity' },
  { path: 'spec.verification' },
  { path: 'spec.objectives' },
  { path: 'spec.budget' },
  { path: 'spec.schedule' },
  { path: 'spec.dependsOn' },
  { path: 'spec.privacy' },
];

/** Neutral values of unbuilt fields: they ask for nothing, so they are taken and dropped. */
const NEUTRAL: readonly string[] = ['metadata.namespace', 'spec.task.resources.gpu', 'spec.task.wasm.deterministic'];

/**
 * Finds what is asked for but not built. `rest` is a copy of the document without it, so that the remaining faults
 * can be reported in the same go.
 */
export function unbuiltFaults(document: unknown): { faults: SpecFault[]; rest: unknown } {
  const rest: unknown = cloneJson(document);
  const faults: SpecFault[] = [];
  for (const feature of UNBUILT) {
    const parts = feature.path.split('.');
    const key = parts.pop() as string;
    const parent = parts.reduce<unknown>((value, part) => (isRecord(value) ? value[part] : undefined), rest);
    if (!isRecord(parent) || !Object.hasOwn(parent, key)) continue;
    const value = parent[key];
    const asked = feature.values?.includes(value) ?? feature.when?.(value) ?? true;
    if (asked) {
      const message = feature.values ? `"${String(value)}" is not built yet` : 'is not built yet';
      faults.push({ path: feature.path, code: 'unsupported', message });
      replaceUnbuilt(parent, key, feature.path);
    } else if (NEUTRAL.includes(feature.path)) {
      delete parent[key];
    }
  }
  return { faults, rest };
}

/** Removes the field, or, where the schema needs one, puts the built value in its place. */
function replaceUnbuilt(parent: Record<string, unknown>, key: string, path: string): void {
  if (path === 'kind') parent[key] = 'Job';
  else if (path === 'spec.task.runtime') {
    parent[key] = 'wasm';
    parent.wasm ??= { module: `sha256:${'0'.repeat(64)}` };
  } else delete parent[key];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The language ends at 8 levels. Beyond the limit stand attacks on the stack, and YAML documents that hold themselves. */
const DEEPEST = 64;

function cloneJson(value: unknown, depth = 0): unknown {
  if (depth > DEEPEST) {
    const message = `is nested deeper than ${DEEPEST} levels`;
    const faults: SpecFault[] = [{ path: '', code: 'invalid', message }];
    throw new FogError('invalid-spec', `the document ${message}`, { details: { faults } });
  }
  if (Array.isArray(value)) return value.map((nested) => cloneJson(nested, depth + 1));
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, nested]) => [key, cloneJson(nested, depth + 1)]));
}
