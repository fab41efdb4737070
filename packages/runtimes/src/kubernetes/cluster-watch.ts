/**
 * Follows all objects of one kind with our label, by the list-and-watch of the API.
 *
 *     listing -> watching -> the server or the line ended it -> watching from the last version seen
 *        ^           \-> 410 Gone, or what is no event -> listing
 *        \________________________________________________/
 *
 * Who listens gets states, not changes: after a gap it sees the newest state of each object, and what is gone.
 */
import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { FogError } from '@fog/contract';
import { KUBERNETES_LIMITS } from '../limits.ts';
import type { ClusterClient, Kind } from './cluster-client.ts';
import { parseJson } from './cluster-connection.ts';
import { type Fields, integer, nameOf, record, text } from './fields.ts';
import type { KubernetesTiming } from './timing.ts';

export interface WatchListener {
  changed(object: Fields): void;
  /** `object` as it was last. */
  gone(object: Fields): void;
}

export class ClusterWatch {
  readonly #client: ClusterClient;
  readonly #kind: Kind;
  readonly #labelSelector: string;
  readonly #timing: KubernetesTiming;
  readonly #listener: WatchListener;
  readonly #stop = new AbortController();
  readonly #known = new Map<string, Fields>();
  #run: Promise<void> | null = null;

  constructor(
    client: ClusterClient,
    kind: Kind,
    labelSelector: string,
    timing: KubernetesTiming,
    listener: WatchListener,
  ) {
    this.#client = client;
    this.#kind = kind;
    this.#labelSelector = labelSelector;
    this.#timing = timing;
    this.#listener = listener;
  }

  /** Objects as they were last seen. */
  get known(): Iterable<Fields> {
    return this.#known.values();
  }

  /** Idempotent. */
  start(): void {
    this.#run ??= this.#follow();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#run;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    const { reopenMilliseconds, retryMostMilliseconds } = this.#timing;
    let version: string | null = null;
    let failures = 0;
    while (!signal.aborted) {
      const begunAtMilliseconds = performance.now();
      try {
        version ??= await this.#list();
        version = await this.#watch(version);
        failures = 0;
      } catch (error) {
        if (isOutdated(error)) version = null;
        failures += 1;
      }
      // A server that ends each watch at once must not be asked in a loop.
      const pause = Math.min(retryMostMilliseconds, reopenMilliseconds * 2 ** Math.max(0, failures - 1));
      const rest = pause - (performance.now() - begunAtMilliseconds);
      if (rest > 0) await delay(rest, undefined, { signal }).catch(() => undefined);
    }
  }

  async #list(): Promise<string> {
    const query = { labelSelector: this.#labelSelector };
    const { items, resourceVersion } = await this.#client.list(this.#kind, query, this.#stop.signal);
    const names = new Set(items.map(nameOf));
    for (const [name, object] of [...this.#known]) if (!names.has(name)) this.#forget(name, object);
    for (const object of items) this.#take(object);
    return resourceVersion;
  }

  /** Until the stream ends; answers the version to go on from. Throws `conflict` when the list must be read again. */
  async #watch(from: string): Promise<string> {
    const end = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, end.signal]);
    const query = {
      labelSelector: this.#labelSelector,
      resourceVersion: from,
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(Math.ceil(this.#timing.watchMilliseconds / 1000)),
    };
    const stream = await this.#client.watch(this.#kind, query, signal);
    const silence = setTimeout(() => end.abort(), this.#timing.watchSilenceMilliseconds);
    let version = from;
    try {
      for await (const line of lines(stream, KUBERNETES_LIMITS.watchLineBytes)) {
        silence.refresh();
        version = this.#event(line) ?? version;
      }
    } catch (error) {
      // A cut line loses nothing: what was seen is seen, the rest comes from this version on.
      if (error instanceof FogError) throw error;
    } finally {
      clearTimeout(silence);
      end.abort();
    }
    return version;
  }

  #event(line: Uint8Array): string | null {
    const event = record(parseJson(line));
    const object = record(event.object);
    const type = text(event.type);
    if (type === 'ERROR') {
      const status = integer(object.code) ?? 0;
      throw new FogError('conflict', `the watch ended with ${status}: ${text(object.message)}`);
    }
    if (type === 'ADDED' || type === 'MODIFIED') this.#take(object);
    else if (type === 'DELETED') this.#forget(nameOf(object), object);
    else if (type !== 'BOOKMARK') throw new FogError('conflict', 'the watch sent what is no event');
    return text(record(object.metadata).resourceVersion) || null;
  }

  #take(object: Fields): void {
    this.#known.set(nameOf(object), object);
    this.#listener.changed(object);
  }

  #forget(name: string, object: Fields): void {
    this.#known.delete(name);
    this.#listener.gone(object);
  }
}

function isOutdated(error: unknown): boolean {
  return error instanceof FogError && (error.code === 'conflict' || error.code === 'body-too-large');
}

/** Whole lines of a stream. Throws `body-too-large` for one that is longer than `mostBytes`. */
async function* lines(stream: IncomingMessage, mostBytes: number): AsyncGenerator<Uint8Array> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(10, from); end >= 0; end = chunk.indexOf(10, from)) {
      const line = Buffer.concat([...rest, chunk.subarray(from, end)]);
      rest = [];
      restBytes = 0;
      from = end + 1;
      if (line.byteLength > 0) yield line;
    }
    rest.push(chunk.subarray(from));
    restBytes += chunk.byteLength - from;
    if (restBytes > mostBytes) throw new FogError('body-too-large', `one event has more than ${mostBytes} bytes`);
  }
}
