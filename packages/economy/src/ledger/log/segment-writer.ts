/**
 * The segments that groups are written into, one after the other, and the reserved one that comes next.
 *
 *     spare:   none -> making -> ready -> none (it has become the segment that is written)
 *                      making -> full -> making (after a pause) | failed
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isFullDisk } from './faults.ts';
import { LOG_LIMITS } from './limits.ts';
import type { LogPosition } from './log-reader.ts';
import { encodeMark, encodeSegmentHeader, logFileName, MARK_AT, SEGMENT_DATA_AT, SPARE_NAME } from './segment.ts';
import type { LogStorage, WritableFile } from './storage.ts';

const NANOSECONDS_PER_MILLISECOND = 1_000_000n;

type Spare =
  | { status: 'none' | 'making' }
  | { status: 'ready'; file: WritableFile }
  | { status: 'full'; since: bigint; error: unknown }
  | { status: 'failed'; error: unknown };

export interface SegmentWriterDependencies {
  storage: LogStorage;
  segmentBytes: number;
  /** Nanoseconds. */
  now(): bigint;
  /** The reserved segment is there, or cannot be made. */
  onSpare(): void;
}

/** What stands in the way of the next segment: nothing, time, or the error of the disk. */
export type NextSegment = { status: 'ready' } | { status: 'later' } | { status: 'full' | 'failed'; error: unknown };

export class SegmentWriter {
  readonly #dependencies: SegmentWriterDependencies;
  #current: WritableFile | null = null;
  /** Where the next group begins, in the current segment or, when `#rolls`, in the next. */
  #offset = 0;
  #rolls = false;
  #spare: Spare = { status: 'none' };
  #making: Promise<void> = Promise.resolve();
  #isClosing = false;

  constructor(dependencies: SegmentWriterDependencies) {
    this.#dependencies = dependencies;
  }

  /** Bytes of the largest group that still fits. */
  get room(): number {
    return this.#current === null && !this.#rolls ? 0 : this.#dependencies.segmentBytes - this.#offset;
  }

  /** Begins to reserve the next segment, if that is not done; answers when it is there, or cannot be. */
  prepare(): Promise<void> {
    if (this.#spare.status === 'none') {
      this.#spare = { status: 'making' };
      this.#making = this.#reserve();
    }
    return this.#making;
  }

  /** Lets the next group go into the next segment. Only for a group that is still empty. */
  planNext(): NextSegment {
    const spare = this.#spare;
    if (spare.status === 'full') {
      const pause = BigInt(LOG_LIMITS.fullDiskMilliseconds) * NANOSECONDS_PER_MILLISECOND;
      if (this.#dependencies.now() - spare.since < pause) return { status: 'full', error: spare.error };
      this.#spare = { status: 'none' };
      void this.prepare();
      return { status: 'later' };
    }
    if (spare.status === 'failed') return { status: 'failed', error: spare.error };
    // The segment that was planned before is not begun yet.
    if (spare.status !== 'ready' || this.#rolls) return { status: 'later' };
    this.#rolls = true;
    this.#offset = SEGMENT_DATA_AT;
    return { status: 'ready' };
  }

  /** Takes the place of a group; it has to be written before the next is claimed. */
  claim(bytes: number): { offset: number; rolls: boolean } {
    const claimed = { offset: this.#offset, rolls: this.#rolls };
    this.#offset += bytes;
    return claimed;
  }

  /** Writes a group that begins after a position, and syncs. Throws what the storage throws: then all is over. */
  async write(place: { offset: number; rolls: boolean }, blocks: Uint8Array, after: LogPosition): Promise<void> {
    if (place.rolls) await this.#roll(after);
    const file = this.#current as WritableFile;
    await file.write(place.offset, blocks);
    await file.sync();
    if (place.rolls) await this.#dependencies.storage.syncFolder();
    if (place.rolls) void this.prepare();
  }

  /** Tells the next recovery that all up to there was durable. Without a sync it is a hint that may be lost. */
  async mark({ sequence, hash }: LogPosition, syncs: boolean): Promise<void> {
    if (this.#current === null) return;
    await this.#current.write(MARK_AT, encodeMark({ sequence, hash }));
    if (syncs) await this.#current.sync();
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#making;
    await this.#current?.close();
    if (this.#spare.status === 'ready') await this.#spare.file.close();
    this.#current = null;
    this.#spare = { status: 'none' };
  }

  /** The spare becomes the segment that is written. Its name is durable only with the sync of the folder. */
  async #roll(after: LogPosition): Promise<void> {
    const spare = this.#spare;
    if (spare.status !== 'ready') throw new Error('there is no reserved segment');
    await this.#current?.close();
    const first = after.sequence + 1n;
    await this.#dependencies.storage.rename(SPARE_NAME, logFileName(first, 'log'));
    this.#current = spare.file;
    this.#spare = { status: 'none' };
    this.#rolls = false;
    await this.#current.write(0, encodeSegmentHeader({ first, previousHash: after.hash }));
  }

  /** Nobody waits for the next segment as long as half of this one is free. */
  async #pace(): Promise<void> {
    const isUrgent = this.#isClosing || this.room < this.#dependencies.segmentBytes / 2;
    if (!isUrgent) await sleep(LOG_LIMITS.reservePauseMilliseconds);
  }

  async #reserve(): Promise<void> {
    const { storage, segmentBytes, now, onSpare } = this.#dependencies;
    let file: WritableFile | null = null;
    try {
      file = await storage.create(SPARE_NAME);
      await file.reserve(segmentBytes, () => this.#pace());
      await file.sync();
      this.#spare = { status: 'ready', file };
    } catch (error) {
      // What was reserved is given back: others may need the room.
      await file?.close().catch(() => undefined);
      await storage.remove(SPARE_NAME).catch(() => undefined);
      this.#spare = isFullDisk(error) ? { status: 'full', since: now(), error } : { status: 'failed', error };
    }
    onSpare();
  }
}
