/**
 * All attempts this node holds.
 *
 *     lease -> declined ------------------------------------> reported -> acknowledged: forgotten
 *           -> waiting (for those being stopped) -> running -> reported
 *                                       verified: running -> committed -> asked for its result -> reported
 *                                   stopped by the coordinator: forgotten without a report
 *
 * Two sums are kept. What is *committed* decides whether a lease is taken: attempts being stopped are as good as
 * gone, the coordinator has counted them off already. What is *used* decides when it starts: never above capacity.
 */
import type { Duplex } from 'node:stream';
import {
  type AttemptName,
  type AttemptReport,
  attemptKey,
  type Capacity,
  type DepartureReason,
  type FailureReason,
  FogError,
  type HeldAttempt,
  type JournalEntry,
  type LeaseGroup,
  type NodeDescription,
  policyIncludes,
  type UsageSample,
} from '@fog/contract';
import type { AttemptRequest, Program } from '@fog/runtimes';
import {
  addLoad,
  type Demand,
  declineReason,
  demandOf,
  demandOfOutputs,
  type Load,
  limitsOf,
  NO_LOAD,
  overload,
} from './admission.ts';
import { Attempt, type AttemptDependencies, type StopOptions } from './attempt.ts';
import { AGENT_LIMITS } from './limits.ts';
import type { AttemptLog } from './logs.ts';
import { isTerminalReport } from './reports.ts';

export interface AttemptsDependencies {
  node: Pick<NodeDescription, 'policy' | 'runtimes' | 'capacity'>;
  programOf(group: LeaseGroup): Program | null;
  /** Asks the runtime of the job. */
  refusal(request: Pick<AttemptRequest, 'program' | 'trusted' | 'limits'>): string | null;
  /** What an attempt runs with. */
  attemptDependencies(
    group: LeaseGroup,
    name: AttemptName,
    program: Program,
    checkpoint: string | null,
  ): Omit<AttemptDependencies, 'report' | 'logged' | 'program' | 'committed'>;
  report(attempt: AttemptName, report: AttemptReport): void;
  logged(attempt: AttemptName, log: AttemptLog): void;
  /** The log of this attempt is wanted no more. */
  forgotten(log: AttemptLog): void;
}

interface Reported {
  name: AttemptName;
  /** Null after a restart: logs are kept in memory only. */
  log: AttemptLog | null;
}

export class Attempts {
  readonly #dependencies: AttemptsDependencies;
  /** Leased to uploading, those being stopped included. */
  readonly #live = new Map<string, Attempt>();
  /** Live ones that have not started for lack of room, in order. */
  readonly #waiting: Attempt[] = [];
  readonly #reported = new Map<string, Reported>();
  #committed: Load = NO_LOAD;
  #used: Load = NO_LOAD;
  #isDraining = false;

  constructor(dependencies: AttemptsDependencies, unacknowledged: readonly JournalEntry[]) {
    this.#dependencies = dependencies;
    for (const { attempt, report } of unacknowledged) {
      if (isTerminalReport(report)) this.#reported.set(attemptKey(attempt), { name: attempt, log: null });
    }
  }

  get isIdle(): boolean {
    return this.#live.size === 0;
  }

  /** Attempts that hold resources. */
  get count(): number {
    return this.#live.size;
  }

  get capacity(): Capacity {
    return this.#isDraining
      ? { slots: 0, milliCpu: 0, memoryBytes: 0, diskBytes: 0 }
      : this.#dependencies.node.capacity;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Those that run. */
  *running(): Generator<Pick<Attempt, 'name'> & { sample(): Promise<UsageSample | null> }> {
    for (const attempt of this.#live.values()) {
      if (attempt.state === 'running' || attempt.state === 'suspended')
        yield { name: attempt.name, sample: () => attempt.sample() };
    }
  }

  /** A connection to a published port of an attempt that runs here. Rejects with `not-found` or `unavailable`. */
  async connect(name: AttemptName, port: number): Promise<Duplex> {
    const attempt = this.#live.get(attemptKey(name));
    if (attempt === undefined) throw new FogError('not-found', 'the attempt is not on this node');
    return await attempt.connect(port);
  }

  /** From now on every lease is declined; services end at once, and what has checkpoints leaves. */
  drain(): void {
    this.#isDraining = true;
    for (const attempt of this.#live.values()) {
      attempt.migration.drain();
      // What is kept running would end within no deadline, and is to begin elsewhere soon.
      if (attempt.demand.runMilliseconds < Number.POSITIVE_INFINITY) continue;
      this.#stopLive(attempt, 'drained', 'the node was drained');
    }
  }

  /** Those that are not held, or have ended, are passed over. */
  suspend(names: readonly AttemptName[], keepLeaseMilliseconds: number): void {
    for (const name of names) this.#live.get(attemptKey(name))?.migration.suspend(keepLeaseMilliseconds);
  }

  resume(names: readonly AttemptName[]): void {
    for (const name of names) this.#live.get(attemptKey(name))?.migration.resume();
  }

  /** These give up their places: at once, or when they have left a last checkpoint. */
  leave(names: readonly AttemptName[], reason: DepartureReason, graceMilliseconds: number): void {
    for (const name of names) {
      const attempt = this.#live.get(attemptKey(name));
      const due = attempt?.migration.leave(reason, graceMilliseconds) ?? null;
      if (attempt === undefined || due === null || attempt.isStopping) continue;
      this.#stopLive(attempt, due.reason, due.message, { yields: due.yields });
    }
    this.#startWaiting();
  }

  /** What hello tells. */
  held(): HeldAttempt[] {
    const held: HeldAttempt[] = [];
    for (const attempt of this.#live.values()) {
      if (!attempt.isDecided) held.push({ attempt: attempt.name, state: attempt.state });
    }
    for (const { name } of this.#reported.values()) held.push({ attempt: name, state: 'reported' });
    return held.slice(0, AGENT_LIMITS.heldAttempts);
  }

  /** Takes or declines every lease of the group; one that is held already is a repetition. */
  lease(group: LeaseGroup): void {
    const demand = demandOf(group.spec);
    for (const { partition, fence, checkpoint = null } of group.leases) {
      const name: AttemptName = { job: group.job, partition, fence };
      const key = attemptKey(name);
      if (!this.#live.has(key) && !this.#reported.has(key)) this.#admit(group, name, demand, checkpoint);
    }
    this.#startWaiting();
  }

  /**
   * Takes over an attempt of an earlier agent, before any session. Answers whether it was still there; rejects with what
   * kept the runtime from looking, and then holds nothing of it.
   */
  async adopt(group: LeaseGroup, name: AttemptName): Promise<boolean> {
    const program = this.#dependencies.programOf(group);
    if (program === null || this.#reported.has(attemptKey(name))) return false;
    const attempt = this.#create(group, name, demandOf(group.spec), program, null);
    let isThere = false;
    try {
      isThere = await attempt.adopt();
    } finally {
      if (isThere) {
        this.#used = addLoad(this.#used, attempt.demand);
        void this.#run(attempt);
      } else {
        this.#live.delete(attempt.key);
        this.#committed = addLoad(this.#committed, attempt.demand, -1);
      }
    }
    return isThere;
  }

  /** The coordinator has decided these: killed and forgotten. */
  stop(name: AttemptName, reason: FailureReason): void {
    const key = attemptKey(name);
    const live = this.#live.get(key);
    if (live !== undefined) this.#stopLive(live, reason, 'the coordinator stopped it', { isDecided: true });
    this.#startWaiting();
    const reported = this.#reported.get(key);
    if (reported === undefined) return;
    this.#reported.delete(key);
    if (reported.log !== null) this.#dependencies.forgotten(reported.log);
  }

  /** These have committed to their results and are asked for them. One that is not here was stopped. */
  reveal(names: readonly AttemptName[]): void {
    for (const name of names) this.#live.get(attemptKey(name))?.reveal();
  }

  /** A session began: logs go on where the coordinator has them; what it does not name it does not want. */
  welcomed(keep: readonly { attempt: AttemptName; logBytes: number }[], stop: readonly AttemptName[]): void {
    const kept = new Map(keep.map(({ attempt, logBytes }) => [attemptKey(attempt), logBytes]));
    for (const name of stop) this.stop(name, 'superseded');
    for (const { key, name, log } of [...this.#live.values()]) {
      const logBytes = kept.get(key);
      if (logBytes === undefined) this.stop(name, 'superseded');
      else this.#resumeLog(name, log, logBytes);
    }
    for (const [key, { name, log }] of [...this.#reported]) {
      if (log !== null) this.#resumeLog(name, log, kept.get(key) ?? log.totalBytes);
    }
  }

  /** These entries are durable on the other side. */
  acknowledged(entries: readonly JournalEntry[]): void {
    for (const { attempt, report } of entries) {
      if (!isTerminalReport(report)) continue;
      const key = attemptKey(attempt);
      const log = this.#reported.get(key)?.log;
      this.#reported.delete(key);
      if (log) this.#dependencies.forgotten(log);
    }
  }

  /** Stops what is over its time. `contactMilliseconds` is when the coordinator was last heard. */
  watch(nowMilliseconds: number, contactMilliseconds: number): void {
    for (const attempt of this.#live.values()) {
      if (attempt.isStopping && !attempt.isYielding) continue;
      const fault = attempt.deadlineFault(nowMilliseconds, contactMilliseconds);
      if (fault !== null) this.#stopLive(attempt, fault.reason, fault.message, { yields: fault.yields ?? null });
    }
    this.#startWaiting();
  }

  /** Stops everything; reported unless `isDecided`. */
  stopAll(reason: FailureReason, message: string, options: StopOptions = {}): void {
    for (const attempt of [...this.#live.values()]) this.#stopLive(attempt, reason, message, options);
    this.#startWaiting();
  }

  #admit(group: LeaseGroup, name: AttemptName, demand: Demand, checkpoint: string | null): void {
    const { node, refusal, programOf, report } = this.#dependencies;
    const program = programOf(group);
    const trusted = policyIncludes(node.policy.trusted, group.submitter);
    const reason = declineReason({
      group,
      demand,
      node,
      capacity: node.capacity,
      load: this.#committed,
      isDraining: this.#isDraining,
      committed: [...this.#live.values()].filter(({ state }) => state === 'committed').length,
      refusal: () =>
        program === null ? 'the job names no program' : refusal({ program, trusted, limits: limitsOf(demand) }),
    });
    if (reason !== null || program === null) {
      this.#reported.set(attemptKey(name), { name, log: null });
      report(name, { event: 'decline', message: reason ?? 'the job names no program' });
      return;
    }
    this.#waiting.push(this.#create(group, name, demand, program, checkpoint));
  }

  /** `checkpoint` is the manifest from which it goes on. */
  #create(group: LeaseGroup, name: AttemptName, demand: Demand, program: Program, checkpoint: string | null): Attempt {
    const { attemptDependencies, report, logged } = this.#dependencies;
    const attempt: Attempt = new Attempt(group, name, demand, {
      ...attemptDependencies(group, name, program, checkpoint),
      program,
      report: (it) => report(name, it),
      logged: (log) => logged(name, log),
      committed: () => this.#keepOutputs(attempt),
    });
    this.#live.set(attempt.key, attempt);
    this.#committed = addLoad(this.#committed, demand);
    return attempt;
  }

  /** It has run: what it keeps until it is asked for its result is on the disk. */
  #keepOutputs(attempt: Attempt): void {
    const outputs = demandOfOutputs(attempt.demand);
    this.#used = addLoad(addLoad(this.#used, attempt.demand, -1), outputs);
    this.#committed = addLoad(addLoad(this.#committed, attempt.demand, -1), outputs);
    attempt.demand = outputs;
    this.#startWaiting();
  }

  #stopLive(attempt: Attempt, reason: FailureReason, message: string, options?: StopOptions): void {
    if (!attempt.isStopping) this.#committed = addLoad(this.#committed, attempt.demand, -1);
    attempt.stop(reason, message, options);
  }

  /** In order: a small one does not overtake a large one, which might else wait for ever. */
  #startWaiting(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const isFree = next.isStopping || overload(this.#dependencies.node.capacity, this.#used, next.demand) === null;
      if (!isFree) return;
      this.#waiting.shift();
      this.#used = addLoad(this.#used, next.demand);
      void this.#run(next);
    }
  }

  async #run(attempt: Attempt): Promise<void> {
    const ending = await attempt.run();
    this.#live.delete(attempt.key);
    this.#used = addLoad(this.#used, attempt.demand, -1);
    if (!attempt.isStopping) this.#committed = addLoad(this.#committed, attempt.demand, -1);
    if (ending !== null) this.#reported.set(attempt.key, { name: attempt.name, log: attempt.log });
    else this.#dependencies.forgotten(attempt.log);
    this.#startWaiting();
    await attempt.cleanUp();
  }

  #resumeLog(name: AttemptName, log: AttemptLog, storedBytes: number): void {
    log.rewind(storedBytes);
    this.#dependencies.logged(name, log);
  }
}
