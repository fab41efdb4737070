/**
 * A network within the process, for tests and simulations. Addresses are names of any form; who dials is seen under the
 * name that its transport was made with.
 */
import type { Duplex } from 'node:stream';
import { type Clock, SYSTEM_CLOCK } from '../clock.ts';
import { TRANSPORT_LIMITS } from '../limits.ts';
import {
  aborted,
  addressTaken,
  type DialOptions,
  dialTimedOut,
  type Listener,
  type ListenOptions,
  type OnStream,
  type Transport,
  unreachable,
} from '../transport.ts';
import { MemoryStream } from './memory-stream.ts';

export interface MemoryNetworkOptions {
  clock?: Clock;
  /** How long a chunk takes from one name to another. Default: no time. */
  delayMilliseconds?: (from: string, to: string) => number;
}

interface Connection {
  ends: readonly [string, string];
  streams: readonly [MemoryStream, MemoryStream];
}

export class MemoryNetwork {
  readonly #clock: Clock;
  readonly #delay: (from: string, to: string) => number;
  readonly #listeners = new Map<string, OnStream>();
  readonly #connections = new Set<Connection>();
  readonly #unreachable = new Set<string>();
  #nameNumber = 0;

  constructor({ clock = SYSTEM_CLOCK, delayMilliseconds = () => 0 }: MemoryNetworkOptions = {}) {
    this.#clock = clock;
    this.#delay = delayMilliseconds;
  }

  /** The transport of one participant. */
  transportOf(name: string): Transport {
    return {
      name: 'memory',
      listen: (address, onStream, options) => this.#listen(address, onStream, options),
      dial: (address, options) => this.#dial(name, address, options),
    };
  }

  /** Cuts all connections of a name (with another name), as when a cable is pulled; answers how many. */
  cut(name: string, other?: string): number {
    const isMeant = ({ ends }: Connection) => ends.includes(name) && (other === undefined || ends.includes(other));
    const meant = [...this.#connections].filter(isMeant);
    for (const connection of meant) {
      this.#connections.delete(connection);
      connection.streams[0].destroy(unreachable(name, 'the line was cut'));
    }
    return meant.length;
  }

  /** While it is unreachable, whoever dials it gets no answer. Connections that stand are not touched. */
  setReachable(name: string, isReachable: boolean): void {
    if (isReachable) this.#unreachable.delete(name);
    else this.#unreachable.add(name);
  }

  async #listen(address: string, onStream: OnStream, { signal }: ListenOptions = {}): Promise<Listener> {
    if (signal?.aborted) throw aborted(`listening at ${address}`, signal);
    // As port 0 does: an empty name asks for one that is free.
    if (address === '') this.#nameNumber += 1;
    const name = address === '' ? `memory-${this.#nameNumber}` : address;
    if (this.#listeners.has(name)) throw addressTaken(name);
    this.#listeners.set(name, onStream);
    const close = async () => {
      if (this.#listeners.get(name) === onStream) this.#listeners.delete(name);
      signal?.removeEventListener('abort', onAbort);
    };
    const onAbort = () => void close();
    signal?.addEventListener('abort', onAbort, { once: true });
    return { address: name, close };
  }

  async #dial(from: string, address: string, options: DialOptions = {}): Promise<Duplex> {
    const { signal, timeoutMilliseconds = TRANSPORT_LIMITS.dialMilliseconds } = options;
    if (signal?.aborted) throw aborted(`the connection to ${address}`, signal);
    const isAnswered = !this.#unreachable.has(address);
    const delay = isAnswered ? this.#delay(from, address) + this.#delay(address, from) : Number.POSITIVE_INFINITY;
    if (delay > 0) await this.#wait(Math.min(delay, timeoutMilliseconds), address, signal);
    if (delay > timeoutMilliseconds) throw dialTimedOut(address, timeoutMilliseconds);
    const onStream = this.#listeners.get(address);
    if (onStream === undefined) throw unreachable(address, 'nobody listens there');
    const clock = this.#clock;
    const streams = MemoryStream.pair([
      { clock, delayMilliseconds: () => this.#delay(from, address) },
      { clock, delayMilliseconds: () => this.#delay(address, from) },
    ]);
    const connection: Connection = { ends: [from, address], streams };
    this.#connections.add(connection);
    for (const stream of streams) stream.once('close', () => this.#connections.delete(connection));
    onStream(streams[1], from);
    return streams[0];
  }

  #wait(milliseconds: number, address: string, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        timer.cancel();
        if (signal !== undefined) reject(aborted(`the connection to ${address}`, signal));
      };
      const timer = this.#clock.setTimer(milliseconds, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}
