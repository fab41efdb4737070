/**
 * What is sent next.
 *
 * The log of an ended attempt goes before its outcome, so a reader who sees the outcome can read the whole log.
 * Journal entries come next, logs of running attempts last. When the socket is full everything waits in its own
 * bounded place: logs in their attempts, entries on disk.
 */
import type { AgentFrame, AttemptName, JournalEntry } from '@fog/contract';
import type { Journal } from './journal.ts';
import { AGENT_LIMITS } from './limits.ts';
import type { AttemptLog } from './logs.ts';

export interface OutboxDependencies {
  journal: Pick<Journal, 'batch'>;
  isOpen(): boolean;
  backlogBytes(): number;
  send(frame: AgentFrame): void;
  now(): number;
}

export class Outbox {
  readonly #dependencies: OutboxDependencies;
  #sentSequence = 0;
  /** Ended attempts with unsent log; the journal waits for them. */
  readonly #ended = new Map<AttemptLog, AttemptName>();
  readonly #running = new Map<AttemptLog, AttemptName>();
  #runningSentMilliseconds = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  constructor(dependencies: OutboxDependencies) {
    this.#dependencies = dependencies;
  }

  /** A session began: everything after these points is sent (again). */
  opened(acknowledged: number): void {
    this.#sentSequence = acknowledged;
    this.flushSoon();
  }

  /** The log has unsent bytes. */
  logged(attempt: AttemptName, log: AttemptLog): void {
    if (!log.hasUnsent) return;
    if (log.isEnded) {
      this.#running.delete(log);
      this.#ended.set(log, attempt);
      return;
    }
    this.#running.set(log, attempt);
    this.#scheduleRunning();
  }

  /** Nobody wants the rest of this log. */
  forget(log: AttemptLog): void {
    this.#running.delete(log);
    this.#ended.delete(log);
  }

  /** Sends at the end of this turn of the event loop. */
  flushSoon(): void {
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined;
      this.flush();
    });
  }

  flush(): void {
    if (!this.#dependencies.isOpen()) return;
    if (this.#sendLogs(this.#ended) && this.#sendJournal() && this.#sendRunningLogs()) return;
    this.#after(AGENT_LIMITS.socketPollMilliseconds);
  }

  close(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#ended.clear();
    this.#running.clear();
  }

  /** One chunk of each in turn. False when the socket is full. */
  #sendLogs(logs: Map<AttemptLog, AttemptName>): boolean {
    while (logs.size > 0) {
      for (const [log, attempt] of logs) {
        if (this.#isFull()) return false;
        const chunk = log.next();
        if (chunk !== null) {
          const { stream, offset, data } = chunk;
          this.#dependencies.send({ type: 'log', attempt, stream, offset, data: data.toString('base64') });
        }
        if (!log.hasUnsent) logs.delete(log);
      }
    }
    return true;
  }

  #sendJournal(): boolean {
    for (;;) {
      if (this.#isFull()) return false;
      const batch = this.#dependencies.journal.batch(this.#sentSequence);
      if (batch === null) return true;
      this.#dependencies.send({ type: 'journal', first: batch.first, entries: batch.entries as JournalEntry[] });
      this.#sentSequence = batch.first + batch.entries.length - 1;
    }
  }

  #sendRunningLogs(): boolean {
    if (this.#running.size === 0) return true;
    const { now } = this.#dependencies;
    if (now() - this.#runningSentMilliseconds < AGENT_LIMITS.logFlushMilliseconds) {
      this.#scheduleRunning();
      return true;
    }
    this.#runningSentMilliseconds = now();
    return this.#sendLogs(this.#running);
  }

  #scheduleRunning(): void {
    const rest = this.#runningSentMilliseconds + AGENT_LIMITS.logFlushMilliseconds - this.#dependencies.now();
    if (rest <= 0) this.flushSoon();
    else this.#after(rest);
  }

  #after(milliseconds: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.flush();
    }, milliseconds);
  }

  #isFull(): boolean {
    return this.#dependencies.backlogBytes() > AGENT_LIMITS.socketBacklogBytes;
  }
}
