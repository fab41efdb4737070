/** Removes what an attempt leaves: its container, its way in and out, its folder. */
import { setTimeout as delay } from 'node:timers/promises';
import { DOCKER_LIMITS } from '../limits.ts';
import type { SandboxNetwork } from '../network/sandbox-network.ts';
import type { AttemptFolder } from './attempt-folder.ts';
import type { Engine } from './engine.ts';

export interface Leavings {
  engine: () => Engine;
  /** Null when there is none, or when the answer to its creation was lost. */
  containerId: string | null;
  labels: Readonly<Record<string, string>>;
  folder: AttemptFolder;
  network: SandboxNetwork | null;
}

/**
 * Tries for as long as an engine may be away; what is left then falls to reap(), which finds it by the folder: that goes
 * last. Never rejects.
 */
export async function removeLeavings({ engine, containerId, labels, folder, network }: Leavings): Promise<void> {
  const removeContainers = async (): Promise<void> => {
    if (containerId !== null) return engine().removeContainer(containerId);
    // Without a folder it never came to a container.
    if (!folder.exists()) return;
    for (const { Id } of await engine().listContainers(labels)) await engine().removeContainer(Id);
  };
  const isRemoved = await persist(removeContainers);
  await network?.close().catch(() => {});
  if (isRemoved) await folder.remove().catch(() => {});
}

/** Answers whether it succeeded in the time. */
async function persist(once: () => Promise<void>): Promise<boolean> {
  const until = performance.now() + DOCKER_LIMITS.engineReturnMilliseconds;
  for (;;) {
    try {
      await once();
      return true;
    } catch {
      if (performance.now() > until) return false;
    }
    await delay(DOCKER_LIMITS.engineRetryMilliseconds, undefined, { ref: false });
  }
}
