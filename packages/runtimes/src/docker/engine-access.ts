/** Finds the engine of this machine, and finds it again after it was away. */
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { DOCKER_LIMITS } from '../limits.ts';
import { Engine, type EngineInfo, type EngineVersion } from './engine.ts';
import { EngineUnreachable, socketCandidates } from './engine-client.ts';

export interface EngineDescription {
  version: EngineVersion;
  info: EngineInfo;
}

export class EngineAccess {
  readonly #sockets: readonly string[];
  #engine: Engine | null = null;
  #description: Promise<EngineDescription> | null = null;

  /** Without `socketPath`, the sockets that `environment` and custom name. */
  constructor(socketPath: string | undefined, environment: Readonly<Record<string, string | undefined>>) {
    this.#sockets = socketPath === undefined ? socketCandidates(environment) : [socketPath];
  }

  /** The engine at the first socket that there is; one that was found is kept. Throws EngineUnreachable. */
  engine(): Engine {
    if (this.#engine !== null) return this.#engine;
    const path = this.#sockets.find((socket) => existsSync(socket)) ?? this.#sockets[0];
    if (path === undefined) throw new EngineUnreachable('DOCKER_HOST does not name a Unix socket');
    this.#engine = new Engine(path);
    return this.#engine;
  }

  /** Asked once, until the engine was away. */
  describe(): Promise<EngineDescription> {
    this.#description ??= this.#ask().catch((error: unknown) => {
      this.#description = null;
      throw error;
    });
    return this.#description;
  }

  async #ask(): Promise<EngineDescription> {
    const engine = this.engine();
    const [version, info] = await Promise.all([engine.version(), engine.info()]);
    return { version, info };
  }

  /** Resolves once the engine answers again. Throws EngineUnreachable when it has not come back within the limit. */
  async comeBack(signal: AbortSignal): Promise<void> {
    this.#description = null;
    const engine = this.engine();
    const until = performance.now() + DOCKER_LIMITS.engineReturnMilliseconds;
    for (;;) {
      engine.client.forgetVersion();
      try {
        await engine.client.apiVersion();
        return;
      } catch (error) {
        if (performance.now() > until) throw error;
      }
      await delay(DOCKER_LIMITS.engineRetryMilliseconds, undefined, { signal });
    }
  }

  close(): void {
    this.#engine?.close();
  }
}
