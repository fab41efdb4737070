/** The runtimes of this node and what they found on it. */
import { join } from 'node:path';
import { type AgentSettings, type NodeDescription, RUNTIME_NAMES, type RuntimeName } from '@fog/contract';
import {
  type AccessSource,
  createDockerRuntime,
  createJavascriptRuntime,
  createKubernetesRuntime,
  createProcessRuntime,
  createWasmRuntime,
  networkOpener,
  type RuntimeProbe,
  type RuntimeSettings,
  type TaskRuntime,
} from '@fog/runtimes';

/** Those that the owner offers. Each has a folder of its own in the scratch folder. */
export function createRuntimes(
  owner: AgentSettings,
  settings: RuntimeSettings,
  forwarderDirectory: string,
): TaskRuntime[] {
  const own = (name: RuntimeName): RuntimeSettings => ({
    ...settings,
    scratchDirectory: join(settings.scratchDirectory, name),
  });
  const create = {
    wasm: createWasmRuntime,
    javascript: createJavascriptRuntime,
    process: (its) => createProcessRuntime(its, { forwarderCacheDirectory: forwarderDirectory }),
    docker: (its) => createDockerRuntime(its, { network: networkOpener(forwarderDirectory) }),
  } satisfies Record<(typeof owner.runtimes)[number], (settings: RuntimeSettings) => TaskRuntime>;
  const runtimes = owner.runtimes.map((name) => create[name](own(name)));
  if (owner.kubernetes !== undefined) {
    const access: AccessSource =
      owner.kubernetes === 'in-cluster' ? { kind: 'in-cluster' } : { kind: 'kubeconfig', path: owner.kubernetes };
    runtimes.push(createKubernetesRuntime(own('kubernetes'), { access }));
  }
  return runtimes;
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
