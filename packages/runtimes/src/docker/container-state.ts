/** What the engine says of a container's life. */
import { setTimeout as delay } from 'node:timers/promises';
import { DOCKER_LIMITS } from '../limits.ts';
import type { ContainerState, Engine } from './engine.ts';

/** Looks after the word of the kernel that the memory was exceeded; it may come to the engine after the end. */
const OOM_LOOKS = 3;

/** The state of a container that has ended with `exitCode`. */
export async function stateAfterEnd(
  engine: Engine,
  containerId: string,
  exitCode: number,
  signal: AbortSignal,
): Promise<ContainerState> {
  for (let looks = 1; ; looks += 1) {
    const { State } = await engine.inspectContainer(containerId, signal);
    if (exitCode !== 137 || State.OOMKilled || looks === OOM_LOOKS) return State;
    await delay(DOCKER_LIMITS.oomWordMilliseconds);
  }
}

/** An engine that has not yet taken note of the start says that it was in the year 1. */
export function millisecondsSinceStart({ StartedAt }: ContainerState): number {
  const startedAtMilliseconds = Date.parse(StartedAt);
  return startedAtMilliseconds > 0 ? Math.max(0, Date.now() - startedAtMilliseconds) : 0;
}

/** Null where the engine does not know. */
export function millisecondsFromStartToEnd({ StartedAt, FinishedAt }: ContainerState): number | null {
  const milliseconds = Date.parse(FinishedAt) - Date.parse(StartedAt);
  return Number.isFinite(milliseconds) && milliseconds >= 0 ? milliseconds : null;
}
