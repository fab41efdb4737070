/**
 * What a node keeps on its disk, by digest, and may drop again when space is short: the least recently used first.
 *
 *     absent -> on its way (one flight, however many wait) -> in use <-> idle -> dropped
 */
import { AttemptFailure } from './attempt-failure.ts';
import { Flights } from './flights.ts';

export interface Cached {
  digest: string;
  hostPath: string;
  bytes: number;
}

export interface DiskCacheOptions {
  /** All entries together, those on their way included. */
  capacityBytes: number;
  /** What they are, and the setting of their capacity; for people. */
  what: { plural: string; setting: string };
  /** Takes it off the disk: out of its place at once, for the same digest may be wanted again at any time. */
  drop(entry: Cached): void;
}

interface Entry extends Cached {
  users: number;
}

export class DiskCache {
  readonly #options: DiskCacheOptions;
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>();
  readonly #flights = new Flights<Entry>();
  #usedBytes = 0;

  constructor(options: DiskCacheOptions) {
    this.#options = options;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  has(digest: string): boolean {
    return this.#entries.has(digest);
  }

  /** Takes over what earlier runs left, the least recently used first. */
  adopt(found: readonly Cached[]): void {
    for (const entry of found) {
      this.#entries.set(entry.digest, { ...entry, users: 0 });
      this.#usedBytes += entry.bytes;
    }
    this.reserve(0);
  }

  /**
   * The entry, kept from being dropped until `release`. One that is absent is made by `make`, which reserves its bytes
   * and gives them back when it fails.
   */
  async acquire(digest: string, make: (signal: AbortSignal) => Promise<Cached>, signal: AbortSignal): Promise<Cached> {
    for (let it = this.#flights.ending(digest); it !== null; it = this.#flights.ending(digest)) await it;
    const entry = this.#entries.get(digest);
    if (entry === undefined) return await this.#make(digest, make, signal);
    this.#entries.delete(digest);
    this.#entries.set(digest, entry);
    entry.users += 1;
    return entry;
  }

  release(digest: string): void {
    const entry = this.#entries.get(digest);
    if (entry !== undefined) entry.users -= 1;
  }

  /** Takes room for something on its way, by dropping what is idle. Throws `staging` when what is in use leaves none. */
  reserve(bytes: number): void {
    const { capacityBytes, what } = this.#options;
    this.#usedBytes += bytes;
    for (const entry of this.#entries.values()) {
      if (this.#usedBytes <= capacityBytes) return;
      if (entry.users === 0) this.#drop(entry);
    }
    if (this.#usedBytes <= capacityBytes) return;
    this.#usedBytes -= bytes;
    const most = `${capacityBytes} bytes, setting ${what.setting}`;
    throw new AttemptFailure('staging', `the ${what.plural} in use do not fit into the cache of the node (${most})`);
  }

  /** Of what was reserved. */
  giveBack(bytes: number): void {
    this.#usedBytes -= bytes;
  }

  #make(digest: string, make: (signal: AbortSignal) => Promise<Cached>, signal: AbortSignal): Promise<Cached> {
    const plan = {
      fly: async (until: AbortSignal): Promise<Entry> => ({ ...(await make(until)), users: 0 }),
      landed: (entry: Entry, waiting: number) => {
        entry.users = waiting;
        this.#entries.set(digest, entry);
      },
      unclaimed: () => this.release(digest),
    };
    return this.#flights.join(digest, plan, signal);
  }

  #drop(entry: Entry): void {
    this.#entries.delete(entry.digest);
    this.#usedBytes -= entry.bytes;
    this.#options.drop(entry);
  }
}
