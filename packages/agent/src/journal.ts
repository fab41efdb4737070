/**
 * What the coordinator has to learn and has not acknowledged yet, on disk.
 *
 *     append -> pending -> (one write and one sync for all of a turn) durable -> sent -> acknowledged -> gone
 *
 * Entries are sent only after they are durable, so a number that was ever sent still names the same entry after a
 * crash. Where the file lost that property (gone, or damaged in the middle) the journal gets a new name and counts
 * from 1 again; what is readable is sent once more, which the coordinator recognises by attempt and fence.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { FogError, type JournalEntry, LIMITS } from '@fog/contract';
import { writeFileDurably } from './durable-file.ts';
import { decodeJournal, encodeEntry, encodeHeader } from './journal-codec.ts';
import { AGENT_LIMITS } from './limits.ts';

export interface JournalDependencies {
  /** Further entries became durable. */
  onDurable(): void;
  /** A write failed and is tried again; the entries stay in memory meanwhile. */
  onWriteError(error: unknown): void;
  /** The file could not be used as it was. */
  onDamage?(readableEntries: number): void;
}

interface StoredEntry {
  entry: JournalEntry;
  /** Bytes of its line; 0 until it is written. */
  bytes: number;
}

export interface JournalBatch {
  first: number;
  entries: JournalEntry[];
}

export class Journal {
  readonly #path: string;
  readonly #dependencies: JournalDependencies;
  #file: FileHandle;
  #fileBytes: number;
  /** Bytes of durable entries that are not acknowledged. */
  #liveBytes = 0;
  #id: string;
  /** Unacknowledged entries; the first of them has the number `#first`. */
  #entries: StoredEntry[];
  #first: number;
  #durable: number;
  #rewriteWanted = false;
  #renewals: (() => void)[] = [];
  #writing: Promise<void> | null = null;
  #closed = false;
  #linger: NodeJS.Timeout | null = null;

  /** Reads the file, or starts a new one. Throws `data-directory` when it can be neither read nor written. */
  static async open(path: string, dependencies: JournalDependencies): Promise<Journal> {
    try {
      const decoded = await readJournal(path);
      if (decoded?.status === 'intact') {
        const file = await open(path, 'r+');
        await file.truncate(decoded.wholeBytes);
        return new Journal(path, dependencies, file, decoded);
      }
      const entries = decoded?.entries ?? [];
      if (decoded !== null) dependencies.onDamage?.(entries.length);
      const id = randomUUID();
      const content = encodeHeader(id, 1) + entries.map((entry, index) => encodeEntry(index + 1, entry)).join('');
      await writeFileDurably(path, content, 0o600);
      const file = await open(path, 'r+');
      return new Journal(path, dependencies, file, { id, first: 1, entries, wholeBytes: Buffer.byteLength(content) });
    } catch (cause) {
      throw new FogError('data-directory', `cannot use ${path}: ${(cause as Error).message}`, { cause });
    }
  }

  private constructor(
    path: string,
    dependencies: JournalDependencies,
    file: FileHandle,
    content: { id: string; first: number; entries: JournalEntry[]; wholeBytes: number },
  ) {
    this.#path = path;
    this.#dependencies = dependencies;
    this.#file = file;
    this.#fileBytes = content.wholeBytes;
    this.#id = content.id;
    this.#first = content.first;
    this.#durable = content.first + content.entries.length - 1;
    this.#entries = content.entries.map((entry, index) => {
      const bytes = Buffer.byteLength(encodeEntry(content.first + index, entry));
      this.#liveBytes += bytes;
      return { entry, bytes };
    });
  }

  get id(): string {
    return this.#id;
  }

  /** The number the next entry will carry. */
  get nextSequence(): number {
    return this.#first + this.#entries.length;
  }

  /** The number of the last entry that may be sent. */
  get durableSequence(): number {
    return this.#durable;
  }

  get hasUnacknowledged(): boolean {
    return this.#entries.length > 0;
  }

  /** Entries that are not acknowledged, durable or not, in order. */
  unacknowledged(): JournalEntry[] {
    return this.#entries.map(({ entry }) => entry);
  }

  /**
   * Nothing happens after `close`. An entry that nobody waits for may linger a moment, so that what follows it, most
   * often the outcome of a short attempt, shares its sync and its frame.
   */
  append(entry: JournalEntry, { mayLinger = false } = {}): void {
    if (this.#closed) return;
    this.#entries.push({ entry, bytes: 0 });
    if (!mayLinger) this.#wake();
    else this.#linger ??= setTimeout(() => this.#wake(), AGENT_LIMITS.journalLingerMilliseconds);
  }

  /** The durable entries after number `after`, as many as one frame takes; null when there are none. */
  batch(after: number): JournalBatch | null {
    const first = Math.max(after + 1, this.#first);
    const entries: JournalEntry[] = [];
    let bytes = 0;
    for (let sequence = first; sequence <= this.#durable && entries.length < LIMITS.journalEntries; sequence += 1) {
      const stored = this.#entries[sequence - this.#first];
      if (stored === undefined) break;
      bytes += stored.bytes;
      if (entries.length > 0 && bytes > AGENT_LIMITS.journalFrameBytes) break;
      entries.push(stored.entry);
    }
    return entries.length === 0 ? null : { first, entries };
  }

  /** Forgets the entries up to this number and returns them. */
  acknowledge(sequence: number): JournalEntry[] {
    const count = Math.min(sequence, this.#durable) - this.#first + 1;
    if (count <= 0) return [];
    const gone = this.#entries.splice(0, count);
    this.#first += count;
    for (const { bytes } of gone) this.#liveBytes -= bytes;
    const deadBytes = this.#fileBytes - this.#liveBytes;
    if (deadBytes > AGENT_LIMITS.journalDeadBytes && deadBytes > this.#liveBytes) {
      this.#rewriteWanted = true;
      this.#wake();
    }
    return gone.map(({ entry }) => entry);
  }

  /**
   * Whether the coordinator, whose last entry of this journal is `acknowledged`, can go on with it. It cannot when
   * one of the two sides was restored from an old copy.
   */
  continuesFrom(acknowledged: number): boolean {
    return acknowledged + 1 >= this.#first && acknowledged <= this.#durable;
  }

  /** Goes on under a new name: what is unacknowledged is numbered from 1. Resolves when that is durable. */
  renew(): Promise<void> {
    return new Promise((resolve) => {
      this.#renewals.push(resolve);
      this.#wake();
    });
  }

  /** Resolves when everything appended is durable, or the journal is closed. */
  async flushed(): Promise<void> {
    if (this.#linger !== null) this.#wake();
    while (this.#writing !== null) await this.#writing;
  }

  /** Writes what is pending, if the disk lets it, and closes the file. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.flushed();
    await this.#file.close();
  }

  #wake(): void {
    if (this.#linger !== null) clearTimeout(this.#linger);
    this.#linger = null;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null;
    });
  }

  async #write(): Promise<void> {
    await turn(); // everything that this turn of the event loop appends shares one sync
    while (this.#renewals.length > 0 || this.#rewriteWanted || this.nextSequence - 1 > this.#durable) {
      try {
        if (this.#renewals.length > 0 || this.#rewriteWanted) await this.#rewrite();
        else await this.#writePending();
      } catch (error) {
        this.#dependencies.onWriteError(error);
        if (this.#closed) return;
        await sleep(AGENT_LIMITS.journalRetryMilliseconds);
      }
    }
  }

  async #writePending(): Promise<void> {
    const last = this.nextSequence - 1;
    const lines: string[] = [];
    for (let sequence = this.#durable + 1; sequence <= last; sequence += 1) {
      const stored = this.#entries[sequence - this.#first] as StoredEntry;
      const line = encodeEntry(sequence, stored.entry);
      stored.bytes = Buffer.byteLength(line);
      lines.push(line);
    }
    const content = Buffer.from(lines.join(''));
    // Always at the known end: a write that failed half way is overwritten by the next try.
    await this.#file.write(content, 0, content.length, this.#fileBytes);
    await this.#file.datasync();
    this.#fileBytes += content.length;
    this.#liveBytes += content.length;
    this.#durable = last;
    this.#dependencies.onDurable();
  }

  /** Replaces the file by one with only what is unacknowledged, under a new name when that was asked for. */
  async #rewrite(): Promise<void> {
    const renewals = this.#renewals.splice(0);
    if (renewals.length > 0) {
      this.#id = randomUUID();
      this.#first = 1;
      this.#durable = 0;
    }
    const snapshot = [...this.#entries];
    const first = this.#first;
    const header = encodeHeader(this.#id, first);
    const lines = snapshot.map(({ entry }, index) => encodeEntry(first + index, entry));
    const content = header + lines.join('');
    try {
      await writeFileDurably(this.#path, content, 0o600);
      const previous = this.#file;
      this.#file = await open(this.#path, 'r+');
      await previous.close();
    } catch (error) {
      this.#renewals.unshift(...renewals);
      throw error;
    }
    snapshot.forEach((stored, index) => {
      stored.bytes = Buffer.byteLength(lines[index] as string);
    });
    this.#rewriteWanted = false;
    this.#fileBytes = Buffer.byteLength(content);
    this.#durable = first + snapshot.length - 1;
    const live = this.#entries.slice(0, this.#durable - this.#first + 1);
    this.#liveBytes = live.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const resolve of renewals) resolve();
    this.#dependencies.onDurable();
  }
}

async function readJournal(path: string): Promise<ReturnType<typeof decodeJournal> | null> {
  try {
    return decodeJournal(await readFile(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
