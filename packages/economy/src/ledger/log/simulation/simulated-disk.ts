/**
 * A folder on a disk that does everything that disks are allowed to do, repeatably. What is asked for happens when
 * `step` lets it happen, so that a crash can come between any two things; what was not synced a crash leaves whole, in
 * part, in another order, or not at all; names are as lasting as the last sync of the folder.
 */
import type { LogStorage, WritableFile } from '../storage.ts';
import type { SeededRandom } from './seeded-random.ts';
import { LANDINGS, type Landing, SimulatedFile } from './simulated-file.ts';

export interface SimulatedDiskOptions {
  random: SeededRandom;
  /** What is asked for happens at once. Default: with `step`. */
  isImmediate?: boolean;
  sectorBytes?: number;
  /** Of all files together. Default: without limit. */
  roomBytes?: number;
}

interface Operation {
  kind: 'write' | 'sync' | 'other';
  file: SimulatedFile | null;
  change: { offset: number; bytes: Uint8Array } | null;
  run(): void;
  fail(error: Error): void;
}

type Ask = (
  kind: Operation['kind'],
  file: SimulatedFile | null,
  run: () => void,
  change?: Operation['change'],
) => Promise<void>;

type FolderChange = (names: Map<string, SimulatedFile>) => void;

export class SimulatedDisk {
  readonly #options: SimulatedDiskOptions;
  readonly #sectorBytes: number;
  #names = new Map<string, SimulatedFile>();
  #stableNames = new Map<string, SimulatedFile>();
  #folderChanges: FolderChange[] = [];
  #pending: Operation[] = [];
  #boot = 0;
  #syncsUntilFailure = Number.POSITIVE_INFINITY;
  roomBytes: number;

  constructor(options: SimulatedDiskOptions) {
    this.#options = options;
    this.#sectorBytes = options.sectorBytes ?? 512;
    this.roomBytes = options.roomBytes ?? Number.POSITIVE_INFINITY;
  }

  /** Whether anything waits for `step`. */
  get isBusy(): boolean {
    return this.#pending.length > 0;
  }

  /** Lets one of the things happen that were asked for. */
  step(): void {
    if (this.#pending.length === 0) return;
    const [operation] = this.#pending.splice(this.#options.random.below(this.#pending.length), 1);
    this.#perform(operation as Operation);
  }

  /** The sync after so many others fails, and all after it. */
  failSyncAfter(syncs: number): void {
    this.#syncsUntilFailure = syncs;
  }

  /** Power is lost: programs are gone, and what they had not synced is as `landing` says. */
  crash(landing: Landing = this.#options.random.pick(LANDINGS)): void {
    const { random } = this.#options;
    const kept = landing === 'nothing' ? 0 : this.#folderChanges.length;
    const lasting = landing === 'everything' ? kept : random.below(kept + 1);
    for (const change of this.#folderChanges.slice(0, lasting)) change(this.#stableNames);
    for (const file of new Set([...this.#names.values(), ...this.#stableNames.values()])) {
      const underWay = this.#pending.flatMap((operation) =>
        operation.file === file && operation.change !== null ? [operation.change] : [],
      );
      file.crash(landing, random, this.#sectorBytes, underWay);
    }
    this.#names = new Map(this.#stableNames);
    this.#folderChanges = [];
    this.#pending = [];
    this.#syncsUntilFailure = Number.POSITIVE_INFINITY;
    this.#boot += 1;
  }

  /** Content of a file as programs see it; undefined when there is none. */
  content(name: string): Uint8Array | undefined {
    return this.#names.get(name)?.content;
  }

  /** Inverts a bit of what is stored. */
  flip(name: string, offset: number, bit: number): void {
    this.#found(name).flip(offset, bit);
  }

  /** What a program that runs now sees. It is of no use after the next crash: its calls never answer. */
  mount(): LogStorage {
    const boot = this.#boot;
    const ask = this.#asker(boot);
    return {
      place: 'the simulated disk',
      list: () => [...this.#names.keys()],
      openToRead: (name) => {
        const file = this.#found(name);
        const read = (offset: number, into: Uint8Array) => file.read(offset, into);
        return { name, bytes: file.bytes, read, close: () => undefined };
      },
      create: async (name) => {
        const file = new SimulatedFile();
        await ask('other', null, () => this.#change((names) => names.set(name, file)));
        return this.#writable(name, file, ask);
      },
      openToWrite: async (name) => this.#writable(name, this.#found(name), ask),
      rename: (from, to) =>
        ask('other', null, () => {
          const file = this.#found(from);
          this.#change((names) => {
            names.delete(from);
            names.set(to, file);
          });
        }),
      remove: (name) => ask('other', null, () => this.#change((names) => names.delete(name))),
      syncFolder: () =>
        ask('sync', null, () => {
          for (const change of this.#folderChanges.splice(0)) change(this.#stableNames);
        }),
    };
  }

  #writable(name: string, file: SimulatedFile, ask: Ask): WritableFile {
    return {
      name,
      reserve: (bytes) =>
        ask('write', file, () => {
          this.#assertRoom(bytes - file.bytes);
          file.resize(bytes);
        }),
      write: (offset, bytes) => {
        // The caller's buffer may be used again when this has answered, or failed, not before.
        const change = { offset, bytes: bytes.slice() };
        return ask(
          'write',
          file,
          () => {
            this.#assertRoom(Math.max(0, offset + bytes.length - file.bytes));
            file.write(offset, change.bytes);
          },
          change,
        );
      },
      truncate: (bytes) => ask('other', file, () => file.resize(bytes)),
      sync: () => ask('sync', file, () => file.sync()),
      close: () => ask('other', null, () => undefined),
    };
  }

  #asker(boot: number): Ask {
    return (kind, file, run, change = null) =>
      new Promise((resolve, reject) => {
        if (boot !== this.#boot) return;
        const fail = reject;
        const operation: Operation = {
          kind,
          file,
          change,
          fail,
          run() {
            run();
            resolve();
          },
        };
        if (this.#options.isImmediate === true) this.#perform(operation);
        else this.#pending.push(operation);
      });
  }

  #perform(operation: Operation): void {
    try {
      if (operation.kind === 'sync') {
        this.#syncsUntilFailure -= 1;
        if (this.#syncsUntilFailure < 0) {
          operation.file?.failSync(this.#options.random, this.#sectorBytes);
          throw Object.assign(new Error('EIO: the sync failed'), { code: 'EIO' });
        }
      }
      operation.run();
    } catch (error) {
      operation.fail(error as Error);
    }
  }

  #assertRoom(more: number): void {
    if (more <= 0) return;
    let used = 0;
    for (const file of this.#names.values()) used += file.bytes;
    if (used + more <= this.roomBytes) return;
    throw Object.assign(new Error('ENOSPC: no space left on the disk'), { code: 'ENOSPC' });
  }

  #change(change: FolderChange): void {
    change(this.#names);
    this.#folderChanges.push(change);
  }

  #found(name: string): SimulatedFile {
    const file = this.#names.get(name);
    if (file === undefined) throw Object.assign(new Error(`ENOENT: there is no ${name}`), { code: 'ENOENT' });
    return file;
  }
}
