/**
 * A state machine over its log: what is acknowledged is on the disk.
 *
 *     request:  waiting -> applied (its record is in the open group) -> written -> durable: acknowledged
 *     log:      open -> failed (a write or sync failed: nothing is acknowledged any more) | closed
 *
 * Requests are applied when they come, while the group before them is being synced; all that comes meanwhile shares
 * the next sync. What the machine itself shows may therefore not be durable yet: whoever reads it waits for `settled`.
 * This is a shell for simulations and benchmarks. Live balances have one home, the coordinator's database.
 */
import { FogError } from '@fog/contract';
import type { LoggedMachine } from '../machine.ts';
import { storageFault, unknownOutcome } from './faults.ts';
import { GroupBuffer } from './group-buffer.ts';
import { LOG_LIMITS } from './limits.ts';
import type { LogPosition } from './log-reader.ts';
import { RECORD_HEADER_BYTES, recordBytes } from './record.ts';
import { mend, type RecoveryReport, recover } from './recovery.ts';
import { SEGMENT_DATA_AT } from './segment.ts';
import { SegmentWriter } from './segment-writer.ts';
import { keepNewest, type Retention, snapshotPieces, writeSnapshot } from './snapshot-file.ts';
import type { LogStorage } from './storage.ts';

export interface MachineLogOptions<Machine extends LoggedMachine> {
  storage: LogStorage;
  createMachine(): Machine;
  /** Nanoseconds; where it stands still or goes back, timestamps grow all the same. */
  now(): bigint;
  /** Of one segment. Default `LOG_LIMITS.segmentBytes`, which is the most. */
  segmentBytes?: number;
  /** What is kept behind a snapshot. Default: two snapshots, and the log since the older one. */
  retention?: Retention;
  /** Makes the snapshot of a durable record from the log, elsewhere. Default: from the machine, which waits meanwhile. */
  makeSnapshot?(sequence: bigint): Promise<number>;
  /** Is told of each request when it has been applied, before it is durable. */
  onApplied?(applied: AppliedRequest): void;
}

export interface AppliedRequest {
  sequence: bigint;
  timestamp: bigint;
  request: Uint8Array;
  answer: Uint8Array;
}

export interface SnapshotReport {
  sequence: bigint;
  bytes: number;
  /** For how long no request could be applied. */
  pausedMilliseconds: number;
}

interface Waiting {
  request: Uint8Array;
  resolve(answer: Uint8Array): void;
  reject(error: FogError): void;
}

interface Answer {
  answer: Uint8Array;
  waiting: Waiting;
}

export class MachineLog<Machine extends LoggedMachine> implements AsyncDisposable {
  readonly machine: Machine;
  readonly recovery: RecoveryReport;
  readonly #options: MachineLogOptions<Machine>;
  readonly #segments: SegmentWriter;
  readonly #mostBody: number;
  #applied: LogPosition;
  #durable: LogPosition;
  #queue: Waiting[] = [];
  /** How many of the queue have been looked at in this round. */
  #taken = 0;
  #open = new GroupBuffer();
  #written = new GroupBuffer();
  #openAnswers: Answer[] = [];
  #writtenAnswers: Answer[] = [];
  #unacknowledged = 0;
  #unacknowledgedBytes = 0;
  #flushing: Promise<void> | null = null;
  #failure: FogError | null = null;
  #isClosed = false;
  #snapshotting: Promise<SnapshotReport> | null = null;
  #forRoom: (() => void)[] = [];

  /**
   * Recovers the state, clears away what a crash has left, and reserves the first segment. Throws `data-directory` for
   * damage (with file, offset, sequence), `storage-full` and `unavailable` for what the disk refuses.
   */
  static async open<Machine extends LoggedMachine>(options: MachineLogOptions<Machine>): Promise<MachineLog<Machine>> {
    const { storage } = options;
    try {
      const recovered = recover(storage, options.createMachine);
      await mend(storage, recovered);
      const log = new MachineLog(options, recovered);
      await log.#segments.prepare();
      return log;
    } catch (error) {
      throw storageFault(error, 'open the log', storage.place);
    }
  }

  private constructor(
    options: MachineLogOptions<Machine>,
    { machine, position, report }: { machine: Machine; position: LogPosition; report: RecoveryReport },
  ) {
    const { storage, now, segmentBytes = LOG_LIMITS.segmentBytes } = options;
    const least = SEGMENT_DATA_AT + LOG_LIMITS.blockBytes;
    if (!(Number.isInteger(segmentBytes / LOG_LIMITS.blockBytes) && segmentBytes >= least)) {
      throw new FogError('invalid-request', `a segment cannot have ${segmentBytes} bytes`, {
        hint: `at least ${least}, in blocks of ${LOG_LIMITS.blockBytes}`,
      });
    }
    this.machine = machine;
    this.recovery = report;
    this.#options = options;
    this.#applied = position;
    this.#durable = position;
    this.#mostBody = Math.min(LOG_LIMITS.requestBytes, segmentBytes - SEGMENT_DATA_AT - RECORD_HEADER_BYTES);
    this.#segments = new SegmentWriter({ storage, segmentBytes, now, onSpare: () => this.#advance() });
  }

  /** Number of the last request that was applied, and of the last one that is on the disk. */
  get applied(): bigint {
    return this.#applied.sequence;
  }

  get durable(): bigint {
    return this.#durable.sequence;
  }

  /** SHA-256 of the last durable record: names the whole history. */
  get durableHash(): Uint8Array {
    return this.#durable.hash;
  }

  /** Why nothing is acknowledged any more. */
  get failure(): FogError | null {
    return this.#failure;
  }

  get hasRoom(): boolean {
    return this.#unacknowledged < LOG_LIMITS.waitingRequests && this.#unacknowledgedBytes < LOG_LIMITS.waitingBytes;
  }

  /** Answers when another request is taken: at once, or when some of those that wait have been acknowledged. */
  whenRoom(): Promise<void> {
    if (this.hasRoom || this.#failure !== null || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#forRoom.push(resolve));
  }

  /**
   * The machine's answer, when the request is durable. The bytes may not change until then. Rejects with
   * `invalid-request` for a request that is too long, with the machine's own error for one that it does not read, with
   * `too-many-requests` when too many wait, with `storage-full` when there is no room for it on the disk (it has not
   * happened, and can be sent again), and with `unavailable` or `storage-full` and `outcome: unknown` when its sync failed.
   */
  submit(request: Uint8Array): Promise<Uint8Array> {
    const refusal = this.#refusalOf(request);
    if (refusal !== null) return Promise.reject(refusal);
    this.#unacknowledged += 1;
    this.#unacknowledgedBytes += request.length;
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    this.#queue.push({ request, resolve, reject });
    if (this.#queue.length === 1) this.#advance();
    return promise;
  }

  /** Answers when all that was applied before the call is durable. Rejects when it will never be. */
  async settled(): Promise<void> {
    const wanted = this.#applied.sequence;
    while (this.#durable.sequence < wanted) {
      if (this.#failure !== null) throw this.#failure;
      await this.#flush();
    }
  }

  /**
   * Writes the state as it is now, beside running requests, and removes what is not needed any more. One at a time: a
   * second call gets the first one's report. Rejects with what the disk refuses; the log goes on without it.
   */
  snapshot(): Promise<SnapshotReport> {
    this.#snapshotting ??= this.#snapshot().finally(() => {
      this.#snapshotting = null;
    });
    return this.#snapshotting;
  }

  /** Waits for what was sent, and lets go of the files. Never rejects: what was not acknowledged has been told so. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#snapshotting?.catch(() => undefined);
    await this.settled().catch(() => undefined);
    await this.#flushing;
    this.#refuseQueue(this.#failure ?? new FogError('unavailable', 'the log is closed', { hint: 'open it again' }));
    const last = this.#durable;
    if (this.#failure === null) await this.#segments.mark(last, true).catch(() => undefined);
    await this.#segments.close().catch(() => undefined);
    this.#wakeRoom();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #refusalOf(request: Uint8Array): FogError | null {
    if (this.#failure !== null) return this.#failure;
    if (this.#isClosed) return new FogError('unavailable', 'the log is closed', { hint: 'open it again' });
    if (request.length > this.#mostBody) {
      return new FogError('invalid-request', `a request of ${request.length} bytes is longer than ${this.#mostBody}`, {
        hint: 'send it in parts',
      });
    }
    if (this.hasRoom) return null;
    return new FogError('too-many-requests', `${this.#unacknowledged} requests wait for the disk already`, {
      details: { requests: this.#unacknowledged, bytes: this.#unacknowledgedBytes },
      hint: 'wait for answers before sending more',
    });
  }

  /** Applies what waits, as far as the open group and the segments have room for it. */
  #advance(): void {
    while (this.#taken < this.#queue.length && this.#failure === null) {
      const waiting = this.#queue[this.#taken] as Waiting;
      const obstacle = this.#obstacleFor(recordBytes(waiting.request.length));
      if (obstacle === 'later' || this.#failure !== null) break;
      this.#taken += 1;
      if (obstacle === null) this.#apply(waiting);
      else this.#refuse(waiting, obstacle);
    }
    this.#queue.splice(0, this.#taken);
    this.#taken = 0;
    if (!this.#open.isEmpty && this.#failure === null) void this.#flush();
  }

  /** null when a record can be appended to the open group. */
  #obstacleFor(bytes: number): FogError | 'later' | null {
    const end = this.#open.bytes + bytes;
    if (!this.#open.isEmpty && end > LOG_LIMITS.groupBytes) return 'later';
    if (end <= this.#segments.room) return null;
    if (!this.#open.isEmpty) return 'later';
    const next = this.#segments.planNext();
    if (next.status === 'ready') return null;
    if (next.status === 'later') return next.status;
    const fault = storageFault(next.error, 'reserve a segment', this.#options.storage.place);
    if (next.status === 'failed') this.#fail(fault);
    return fault;
  }

  #apply(waiting: Waiting): void {
    const { request } = waiting;
    const timestamp = this.#timestampFor(request);
    let answer: Uint8Array;
    try {
      answer = this.machine.apply(request, timestamp);
    } catch (error) {
      // A typed refusal has changed nothing. Of anything else nobody knows what it has left: it is not logged.
      if (!(error instanceof FogError)) this.#fail(FogError.from(error));
      this.#refuse(waiting, FogError.from(error));
      return;
    }
    this.#applied = this.#open.append(this.#applied, timestamp, request);
    this.#openAnswers.push({ answer, waiting });
    this.#options.onApplied?.({ sequence: this.#applied.sequence, timestamp, request, answer });
  }

  /** A machine may give each event of a request a nanosecond of its own; an event has a byte at least. */
  #timestampFor(request: Uint8Array): bigint {
    const now = this.#options.now();
    const least = this.#applied.timestamp + BigInt(request.length) + 1n;
    return now > least ? now : least;
  }

  #flush(): Promise<void> {
    this.#flushing ??= this.#writeGroups();
    return this.#flushing;
  }

  async #writeGroups(): Promise<void> {
    // What comes in the same turn shares the sync.
    await Promise.resolve();
    while (!this.#open.isEmpty && this.#failure === null) await this.#writeGroup();
    this.#flushing = null;
  }

  /** Never rejects. */
  async #writeGroup(): Promise<void> {
    const before = this.#durable;
    const group = this.#open;
    const answers = this.#openAnswers;
    const last = this.#applied;
    this.#open = this.#written;
    this.#openAnswers = this.#writtenAnswers;
    this.#written = group;
    this.#writtenAnswers = answers;
    try {
      const blocks = group.blocks();
      await this.#segments.write(this.#segments.claim(blocks.length), blocks, before);
    } catch (error) {
      this.#fail(storageFault(error, 'write the log', this.#options.storage.place));
      return;
    }
    // A snapshot or a request that the machine broke on may have ended the log meanwhile; this group is durable.
    this.#durable = last;
    this.#acknowledge(answers);
    group.clear();
    this.#advance();
    if (this.#open.isEmpty) await this.#markIdle();
  }

  async #markIdle(): Promise<void> {
    try {
      await this.#segments.mark(this.#durable, false);
    } catch (error) {
      this.#fail(storageFault(error, 'write the log', this.#options.storage.place));
    }
  }

  #acknowledge(answers: Answer[]): void {
    for (const { answer, waiting } of answers) {
      this.#release(waiting);
      waiting.resolve(answer);
    }
    answers.length = 0;
    this.#wakeRoom();
  }

  /** From here on nothing is acknowledged. */
  #fail(failure: FogError): void {
    if (this.#failure !== null) return;
    this.#failure = failure;
    const unknown = unknownOutcome(failure);
    for (const { waiting } of [...this.#writtenAnswers, ...this.#openAnswers]) this.#refuse(waiting, unknown);
    this.#writtenAnswers.length = 0;
    this.#openAnswers.length = 0;
    this.#refuseQueue(failure);
    this.#wakeRoom();
  }

  #refuseQueue(error: FogError): void {
    for (const waiting of this.#queue.splice(this.#taken)) this.#refuse(waiting, error);
  }

  #refuse(waiting: Waiting, error: FogError): void {
    this.#release(waiting);
    waiting.reject(error);
  }

  #release({ request }: Waiting): void {
    this.#unacknowledged -= 1;
    this.#unacknowledgedBytes -= request.length;
  }

  #wakeRoom(): void {
    if (!this.hasRoom && this.#failure === null && !this.#isClosed) return;
    for (const wake of this.#forRoom.splice(0)) wake();
  }

  async #snapshot(): Promise<SnapshotReport> {
    const { storage, makeSnapshot, retention } = this.#options;
    const position = this.#applied;
    const startedAt = performance.now();
    // The pieces are copies: the machine goes on when they are made.
    const pieces = makeSnapshot === undefined ? [...snapshotPieces(position, this.machine.snapshot())] : [];
    const pausedMilliseconds = performance.now() - startedAt;
    try {
      await this.settled();
      const { sequence } = position;
      const bytes = await (makeSnapshot?.(sequence) ?? writeSnapshot(storage, sequence, pieces));
      await keepNewest(storage, retention);
      return { sequence, bytes, pausedMilliseconds };
    } catch (error) {
      throw storageFault(error, 'write a snapshot', storage.place);
    }
  }
}
