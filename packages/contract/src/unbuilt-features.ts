/** The part of the specification language that no code stands behind yet. It shrinks as features are built. */
import { blobReferences, remoteScheme } from './blob-references.ts';
import { FogError } from './errors.ts';
import type { SpecFault } from './spec-faults.ts';
import { RUNTIMES } from './spec-rules.ts';
import { isRecord, recordIn } from './untyped-document.ts';

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
  { path: 'spec.task.resources.gpu', when: (value) => value !== 0 },
  { path: 'spec.task.wasm.deterministic', when: (value) => value !== true },
  { path: 'spec.disconnect.reconcile', values: ['best-score', 'longest-running'] },
  { path: 'spec.placement.spread' },
  { path: 'spec.placement.affinity' },
  { path: 'spec.schedule' },
  { path: 'spec.privacy', values: ['confidential', 'secret'] },
];

/** Neutral values of unbuilt fields: they ask for nothing, so they are taken and dropped. */
export const NEUTRAL: Readonly<Record<string, unknown>> = {
  'metadata.namespace': 'default',
  'spec.task.resources.gpu': 0,
  'spec.task.wasm.deterministic': true,
};

/** Any digest will do where a remote address stood: no rule looks at it. */
const STAND_IN_DIGEST = `sha256:${'0'.repeat(64)}`;

/**
 * Finds what is asked for but not built. `rest` is a copy of the document without it, so that the remaining faults
 * can be reported in the same go. Where the schema needs a value, `rest` lacks it: a fault at a path that `faults`
 * has already only follows from this.
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
      delete parent[key];
    } else if (Object.hasOwn(NEUTRAL, feature.path)) {
      delete parent[key];
    }
  }
  return { faults: [...faults, ...remoteFaults(rest), ...heartbeatFaults(rest)], rest };
}

/** The address itself is not repeated: a signed one is a secret. */
function remoteFaults(rest: unknown): SpecFault[] {
  return blobReferences(rest).flatMap(({ path, owner, key, text }) => {
    const scheme = remoteScheme(text);
    if (scheme === null) return [];
    owner[key] = STAND_IN_DIGEST;
    const message = `a source at ${scheme} is not built yet: upload it as a blob`;
    return [{ path, code: 'unsupported', message }];
  });
}

/** The limit on the time between two reports of progress needs a runtime whose programs can report. */
function heartbeatFaults(rest: unknown): SpecFault[] {
  const spec = recordIn(rest, 'spec');
  const timeouts = recordIn(spec, 'timeouts');
  const runtime = recordIn(spec, 'task')?.runtime;
  if (timeouts?.heartbeat === undefined || !RUNTIMES.some((name) => name === runtime) || runtime === 'javascript') {
    return [];
  }
  delete timeouts.heartbeat;
  const message = `${runtime} programs have no way to report progress yet, so every attempt would fail: leave it out`;
  return [{ path: 'spec.timeouts.heartbeat', code: 'unsupported', message }];
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
