/**
 * Tells the log of one container as it grows, whatever breaks in between.
 *
 *     following -> (the stream ended or broke) -> pause -> following from the cursor
 *         \-> finish(): the container has ended -> to the end of the stream, then one pass over what is left -> done
 */
import { setTimeout as delay } from 'node:timers/promises';
import { FogError } from '@fog/contract';
import type { ClusterClient } from './cluster-client.ts';
import { LogCursor, type LogPosition } from './log-cursor.ts';
import type { KubernetesTiming } from './timing.ts';

export interface LogFollowerDependencies {
  client: ClusterClient;
  pod: string;
  /** Null: the cluster gives both as one. */
  stream: 'Stdout' | 'Stderr' | null;
  position: LogPosition;
  timing: KubernetesTiming;
  tell(bytes: Uint8Array): void;
}

/** Passes over the rest of a log that may fail before it is left at that. */
const LAST_PASSES = 3;

export class LogFollower {
  readonly #dependencies: LogFollowerDependencies;
  readonly #cursor: LogCursor;
  readonly #stop = new AbortController();
  readonly #containerEnded = new AbortController();
  readonly #done: Promise<void>;

  constructor(dependencies: LogFollowerDependencies) {
    this.#dependencies = dependencies;
    this.#cursor = new LogCursor(dependencies.position, (bytes) => {
      if (!this.#stop.signal.aborted) dependencies.tell(bytes);
    });
    this.#done = this.#follow();
  }

  get position(): LogPosition {
    return this.#cursor.position;
  }

  /** The container has ended: resolves when its whole log is told, or cannot be had. */
  finish(): Promise<void> {
    this.#containerEnded.abort();
    return this.#done;
  }

  /** Tells nothing from now on. */
  stop(): void {
    this.#containerEnded.abort();
    this.#stop.abort();
  }

  async #follow(): Promise<void> {
    const { timing } = this.#dependencies;
    const ended = this.#containerEnded.signal;
    while (!ended.aborted) {
      await this.#pass({ follow: true });
      if (!ended.aborted) await delay(timing.reopenMilliseconds, undefined, { signal: ended }).catch(() => undefined);
    }
    // An end of the stream may have been a cut: only an answer that is not followed is known to be whole.
    for (let pass = 0; pass < LAST_PASSES && !this.#stop.signal.aborted; pass += 1) {
      if (await this.#pass({ follow: false })) return;
      await delay(timing.reopenMilliseconds, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  /** Whether the stream ended as it should. */
  async #pass({ follow }: { follow: boolean }): Promise<boolean> {
    const { client, pod, stream, timing } = this.#dependencies;
    const drained = new AbortController();
    const drain = (): void => {
      timer = setTimeout(() => drained.abort(), timing.logDrainMilliseconds);
    };
    let timer: NodeJS.Timeout | undefined;
    if (!follow) drain();
    else this.#containerEnded.signal.addEventListener('abort', drain, { once: true });
    this.#cursor.reopen();
    try {
      const signal = AbortSignal.any([this.#stop.signal, drained.signal]);
      const query = { follow, timestamps: true, since: this.#cursor.since, stream };
      for await (const chunk of await client.openLog(pod, query, signal)) this.#cursor.feed(chunk as Buffer);
      return true;
    } catch (error) {
      // The pod is gone, and its log with it: there is nothing to wait for.
      return error instanceof FogError && error.code === 'not-found';
    } finally {
      clearTimeout(timer);
      this.#containerEnded.signal.removeEventListener('abort', drain);
      drained.abort();
    }
  }
}
