/** The runtimes of this node and what they found on it. */
import { type NodeDescription, RUNTIME_NAMES } from '@fog/contract';
import {
  createJavascriptRuntime,
  createWasmRuntime,
  type RuntimeProbe,
  type RuntimeSettings,
  type TaskRuntime,
} from '@fog/runtimes';

export function createRuntimes(settings: RuntimeSettings): TaskRuntime[] {
  return [createWasmRuntime(settings), createJavascriptRuntime(settings)];
}

/** Asks all at once. One that cannot tell is not available. */
export async function probeRuntimes(runtimes: readonly TaskRuntime[]): Promise<NodeDescription['runtimes']> {
  const probes = await Promise.all(runtimes.map(async (runtime) => [runtime.name, await probe(runtime)] as const));
  const found = Object.fromEntries(probes) as NodeDescription['runtimes'];
  for (const name of RUNTIME_NAMES) {
    found[name] ??= { available: false, reason: 'this agent was started without it' };
  }
  return found;
}

async function probe(runtime: TaskRuntime): Promise<RuntimeProbe> {
  try {
    const result = await runtime.probe();
    if (result.available) return result;
    const { reason, hint } = result;
    return {
      available: false,
      reason: reason.slice(0, 1024),
      ...(hint === undefined ? {} : { hint: hint.slice(0, 1024) }),
    };
  } catch (error) {
    return { available: false, reason: `its probe failed: ${(error as Error).message}`.slice(0, 1024) };
  }
}
