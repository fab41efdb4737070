/** What must hold between the fields that say where tasks go and when. */
import type { RuleFault } from './spec-rules.ts';
import { isRecord, recordIn } from './untyped-document.ts';

/** Of `spec`; paths from there. Never throws. */
export function placementFaults(spec: Record<string, unknown> | null): RuleFault[] {
  if (spec === null) return [];
  const faults: RuleFault[] = [];
  const strategy = recordIn(spec, 'placement')?.strategy;
  if (strategy !== undefined && isRecord(spec.objectives)) {
    faults.push({ path: ['placement', 'strategy'], message: 'contradicts objectives: give one of them' });
  }
  if (spec.type === 'ops' && spec.dependsOn !== undefined) {
    faults.push({ path: ['dependsOn'], message: 'cannot be set for type: ops, whose nodes are chosen at the submit' });
  }
  const runtime = recordIn(spec, 'task')?.runtime;
  if (recordIn(spec, 'budget')?.meter === 'fuel' && typeof runtime === 'string' && runtime !== 'wasm') {
    faults.push({ path: ['budget', 'meter'], message: 'fuel is counted in the runtime wasm only: leave it out' });
  }
  if (spec.type !== 'service' && spec.type !== 'daemon') return faults;
  for (const key of ['deadline', 'dependsOn'] as const) {
    if (spec[key] === undefined) continue;
    faults.push({ path: [key], message: `cannot be set for type: ${spec.type}, which is kept running` });
  }
  return faults;
}
