/** What must hold between the fields of a service or daemon; see spec-rules.ts. Pure, never throws. */
import type { SpecFault } from './spec-faults.ts';
import type { RuleFault } from './spec-rules.ts';
import { isRecord, recordIn } from './untyped-document.ts';

/** Of a service or daemon that is to be deployed: it is deployed under its name, and gets none by itself. */
export function deploymentNameFaults(document: unknown): SpecFault[] {
  if (recordIn(document, 'metadata')?.name !== undefined) return [];
  return [{ path: 'metadata.name', code: 'missing', message: 'is required: it is the name of the deployment' }];
}

const CHECKS = ['http', 'tcp', 'command'] as const;

/** Faults with their paths from `spec` on. A type or runtime that is none has its fault already, and allows nothing. */
export function serviceFaults(spec: Record<string, unknown> | null): RuleFault[] {
  const task = recordIn(spec, 'task');
  const given: RuleFault['path'][] = [
    ...(['ports', 'health'] as const).filter((name) => task?.[name] !== undefined).map((name) => ['task', name]),
    ...(spec?.restart === undefined ? [] : [['restart']]),
  ];
  const isLongRunning = spec?.type === 'service' || spec?.type === 'daemon';
  const ends = spec?.type === undefined || spec.type === 'batch' || spec.type === 'ops';
  if (ends) return given.map((path) => ({ path, message: 'is for type: service and type: daemon' }));
  if (!isLongRunning) return [];
  const faults: RuleFault[] = [];
  if (Array.isArray(task?.outputs) && task.outputs.length > 0) {
    faults.push({ path: ['task', 'outputs'], message: 'cannot be kept of a program that is kept running' });
  }
  if (task?.checkpoint !== undefined) {
    const message = 'is for programs that end: that of a service or daemon is started anew elsewhere';
    faults.push({ path: ['task', 'checkpoint'], message });
  }
  if (spec?.suspend !== undefined) {
    faults.push({ path: ['suspend'], message: 'is for jobs that end: a service is scaled to 0 instead' });
  }
  const health = task?.health;
  if (isRecord(health) && CHECKS.filter((name) => health[name] !== undefined).length !== 1) {
    faults.push({ path: ['task', 'health'], message: `needs exactly one of ${CHECKS.join(', ')}` });
  }
  return faults;
}
