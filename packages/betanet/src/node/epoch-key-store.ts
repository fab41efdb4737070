/**
 * The Sphinx keys of a node, one for each epoch, and what keeps packets under them from being replayed.
 *
 *     key      made (ahead of its epoch) -> published -> in use -> over -> deleted with its tags, see key-schedule.ts
 *              in use --restart in doubt--> retired: deleted, and another one is made for its epoch
 *     log      empty -> first tags, synced to the disk before their packets leave -> more, handed to the system
 *              a write failed --> what was not written stays pending, and no packet leaves before it is
 *
 * An empty log thus says for certain that no packet has left under its key: such a key outlives the boot of the machine.
 *
 * A key and its tags live and die together. In the folder, each readable by the owner alone:
 *
 *     EPOCH.key    private key and tag key, 32 bytes each
 *     EPOCH.tags   the tags seen under it, see ../mixing/replay-log.ts; written before a packet is forwarded
 */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, fdatasyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { x25519PublicKey } from '@fog/sphinx';
import {
  decideOnRestart,
  encodeReplayLogHeader,
  loadReplayTags,
  REPLAY_LOG_HEADER_BYTES,
  type RetirementReason,
} from '../mixing/replay-log.ts';
import { REPLAY_TAG_BYTES, type ReplayAnswer, ReplaySet } from '../mixing/replay-set.ts';
import { NODE_LIMITS } from './limits.ts';

const KEY_BYTES = 32;
const READ_BYTES = 1 << 20;

export interface EpochKeyStoreOptions {
  folder: string;
  /** Of the machine's present boot, 16 bytes; null where the system does not tell. */
  bootId: Uint8Array | null;
  /** Packets that are taken under one key. */
  replayCapacity?: number;
  /** A key was given up at the start: packets that are under way to it are lost. */
  retired(epoch: number, reason: RetirementReason): void;
}

export interface EpochKey {
  readonly epoch: number;
  readonly publicKey: Uint8Array;
  readonly privateKey: Uint8Array;
  readonly tagKey: Uint8Array;
}

export class EpochKeyStore implements Disposable {
  readonly #options: Required<EpochKeyStoreOptions>;
  readonly #keys = new Map<number, StoredKey>();
  /** Who wants keys waits for whom wanted some before: or two would make a key of the same epoch. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: Required<EpochKeyStoreOptions>) {
    this.#options = options;
  }

  /** Takes over what an earlier run of the node left, as far as it can be trusted. */
  static async open(options: EpochKeyStoreOptions): Promise<EpochKeyStore> {
    await mkdir(options.folder, { recursive: true, mode: 0o700 });
    const store = new EpochKeyStore({ replayCapacity: NODE_LIMITS.replayTagsPerKey, ...options });
    const files = await readdir(options.folder);
    for (const file of files) {
      const [, epoch, ending] = /^(\d+)\.(key|key\.new|tags)$/.exec(file) ?? [];
      if (ending === 'key') await store.#takeOver(Number(epoch));
      // Of a run that was killed while it made a key, which nobody has heard of, or deleted one.
      else if (ending === 'key.new' || (ending === 'tags' && !files.includes(`${epoch}.key`)))
        await rm(join(options.folder, file), { force: true });
    }
    return store;
  }

  /**
   * The keys of these epochs, those that are not there made, and before them the older ones from `keptFrom` on that are
   * there. All others are deleted: those that are over, and newer ones, which were made while the clock was wrong
   * (epochs are told apart by one byte). The oldest comes first.
   */
  require(epochs: readonly number[], keptFrom: number = Math.min(...epochs)): Promise<EpochKey[]> {
    const done = this.#last.then(() => this.#require(epochs, keptFrom));
    this.#last = done.catch(() => {});
    return done;
  }

  /** Resolves when nothing is being written. */
  async settled(): Promise<void> {
    await this.#last;
  }

  async #require(epochs: readonly number[], keptFrom: number): Promise<EpochKey[]> {
    const newest = Math.max(...epochs);
    for (const epoch of this.#keys.keys()) if (epoch < keptFrom || epoch > newest) await this.#remove(epoch);
    for (const epoch of epochs) if (!this.#keys.has(epoch)) await this.#make(epoch);
    return [...this.#keys.values()].toSorted((a, b) => a.epoch - b.epoch);
  }

  /** The key of an epoch that is there, by the lowest byte of its number; there are never more than a few. */
  find(lowByte: number): EpochKey | null {
    for (const key of this.#keys.values()) if ((key.epoch & 0xff) === lowByte) return key;
    return null;
  }

  /** Enters the 8 bytes of a tag, to be written by the next `flush`. */
  claim(epoch: number, bytes: Uint8Array, offset: number): ReplayAnswer {
    return this.#keys.get(epoch)?.claim(bytes, offset) ?? 'full';
  }

  /** Hands what was claimed to the operating system. To be called before a packet is forwarded. */
  flush(): void {
    for (const key of this.#keys.values()) key.flush();
  }

  /** Tags and bytes of each key, for metrics. */
  replaySets(): { epoch: number; tags: number; bytes: number; capacity: number }[] {
    return [...this.#keys.values()].map(({ epoch, tags }) => {
      return { epoch, tags: tags.size, bytes: tags.bytesUsed, capacity: tags.capacity };
    });
  }

  [Symbol.dispose](): void {
    for (const key of this.#keys.values()) key.close();
    this.#keys.clear();
  }

  async #make(epoch: number): Promise<StoredKey> {
    const { folder, replayCapacity } = this.#options;
    const secrets = randomBytes(2 * KEY_BYTES);
    const key = new StoredKey(epoch, secrets, replayCapacity);
    try {
      await this.#beginLog(key);
      const temporary = join(folder, `${epoch}.key.new`);
      await writeFile(temporary, secrets, { mode: 0o600 });
      await rename(temporary, this.#path(epoch, 'key'));
    } catch (error) {
      key.close();
      throw error;
    } finally {
      secrets.fill(0);
    }
    this.#keys.set(epoch, key);
    return key;
  }

  async #beginLog(key: StoredKey): Promise<void> {
    const path = this.#path(key.epoch, 'tags');
    // Where the boot has no id, none is written that could ever be found again.
    const bootId = this.#options.bootId ?? randomBytes(16);
    await writeFile(path, encodeReplayLogHeader({ keyId: key.id, bootId }), { mode: 0o600 });
    key.openLog(openSync(path, 'a', 0o600));
  }

  async #takeOver(epoch: number): Promise<void> {
    const { bootId, replayCapacity, retired } = this.#options;
    const secrets = await readFile(this.#path(epoch, 'key'));
    const key = secrets.length === 2 * KEY_BYTES ? new StoredKey(epoch, secrets, replayCapacity) : null;
    secrets.fill(0);
    const path = this.#path(epoch, 'tags');
    const file = await stat(path).catch(() => null);
    const descriptor = key === null || file === null ? null : openSync(path, 'r+', 0o600);
    const head = Buffer.alloc(REPLAY_LOG_HEADER_BYTES);
    if (descriptor !== null) readSync(descriptor, head, 0, head.length, 0);
    const log = file === null ? null : { head, fileBytes: file.size };
    const keyId = key?.id ?? new Uint8Array(KEY_BYTES);
    const decision = decideOnRestart({ log, keyId, bootId, capacity: replayCapacity });
    if (key === null || descriptor === null || decision.action === 'retire') {
      if (descriptor !== null) closeSync(descriptor);
      key?.close();
      await this.#remove(epoch);
      retired(epoch, decision.action === 'retire' ? decision.reason : 'damaged-log');
      return;
    }
    if (decision.action === 'resume') {
      ftruncateSync(descriptor, decision.wholeBytes);
      key.load(descriptor, decision.wholeBytes);
      key.openLog(openSync(path, 'a', 0o600));
    } else await this.#beginLog(key);
    closeSync(descriptor);
    this.#keys.set(epoch, key);
  }

  async #remove(epoch: number): Promise<void> {
    this.#keys.get(epoch)?.close();
    this.#keys.delete(epoch);
    await rm(this.#path(epoch, 'key'), { force: true });
    await rm(this.#path(epoch, 'tags'), { force: true });
  }

  #path(epoch: number, ending: 'key' | 'tags'): string {
    return join(this.#options.folder, `${epoch}.${ending}`);
  }
}

class StoredKey implements EpochKey {
  readonly epoch: number;
  readonly privateKey: Uint8Array;
  readonly tagKey: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly tags: ReplaySet;
  #log: number | null = null;
  /** Tags that are claimed and not written. */
  #pending = new Uint8Array(256 * REPLAY_TAG_BYTES);
  #pendingBytes = 0;
  /** Some of its tags are on the disk for certain. */
  #isBegun = false;

  constructor(epoch: number, secrets: Uint8Array, replayCapacity: number) {
    this.epoch = epoch;
    this.privateKey = Uint8Array.from(secrets.subarray(0, KEY_BYTES));
    this.tagKey = Uint8Array.from(secrets.subarray(KEY_BYTES));
    this.publicKey = x25519PublicKey(this.privateKey);
    this.tags = new ReplaySet(replayCapacity);
  }

  /** Names the key in its log. */
  get id(): Uint8Array {
    return createHash('sha256').update(this.publicKey).digest();
  }

  openLog(descriptor: number): void {
    this.#log = descriptor;
  }

  load(descriptor: number, wholeBytes: number): void {
    const piece = Buffer.alloc(READ_BYTES);
    for (let at = REPLAY_LOG_HEADER_BYTES; at < wholeBytes; ) {
      const length = readSync(descriptor, piece, 0, Math.min(piece.length, wholeBytes - at), at);
      at += loadReplayTags(this.tags, piece.subarray(0, length));
    }
    this.#isBegun = this.tags.size > 0;
  }

  claim(bytes: Uint8Array, offset: number): ReplayAnswer {
    const answer = this.tags.insert(bytes, offset);
    if (answer !== 'new') return answer;
    if (this.#pendingBytes + REPLAY_TAG_BYTES > this.#pending.length) this.flush();
    this.#pending.set(bytes.subarray(offset, offset + REPLAY_TAG_BYTES), this.#pendingBytes);
    this.#pendingBytes += REPLAY_TAG_BYTES;
    return answer;
  }

  /** Throws when the disk takes no more: without its tag a packet must not go on. */
  flush(): void {
    if (this.#pendingBytes === 0 || this.#log === null) return;
    let at = 0;
    try {
      while (at < this.#pendingBytes) at += writeSync(this.#log, this.#pending, at, this.#pendingBytes - at);
      if (!this.#isBegun) fdatasyncSync(this.#log);
      this.#isBegun = true;
    } finally {
      // What is left goes on where the disk stopped, or all later tags would be torn.
      this.#pending.copyWithin(0, at, this.#pendingBytes);
      this.#pendingBytes -= at;
    }
  }

  /** What is pending is of packets that have not left, and do not any more. */
  close(): void {
    this.privateKey.fill(0);
    this.tagKey.fill(0);
    if (this.#log !== null) closeSync(this.#log);
    this.#log = null;
  }
}
