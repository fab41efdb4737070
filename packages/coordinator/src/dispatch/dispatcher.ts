/**
 * The dispatcher: everything that happens to tasks goes through its turns, one at a time.
 *
 *     idle --wake()--> turn: take inputs -> [transaction: load, decide, claim, save] -> apply -> idle | next turn
 *
 * A turn runs inside a group commit, so a submit that waits at the same moment is committed and its tasks are leased
 * by the same sync of the disk. Nothing in memory changes before the commit; what a turn decided is applied after
 * it: acknowledgements and leases are sent, places are taken and freed. If a turn fails, its inputs are kept and
 * tried again, in the end one by one, so that one bad input cannot stop the rest.
 */
import { randomBytes } from 'node:crypto';
import { type AttemptName, attemptKey, FogError } from '@fog/contract';
import type { Bus, Hint } from '../bus.ts';
import { DISPATCH_LIMITS } from '../limits.ts';
import { lockPayers } from '../settlement/oversight.ts';
import type { Settlement } from '../settlement/settlement.ts';
import { valuesAtRisk } from '../settlement/turn-settlement.ts';
import { allOf, beside } from '../store/bulk.ts';
import type { Database, Writer } from '../store/database.ts';
import { insertLeases } from '../store/lease-rows.ts';
import { waitingTasks } from '../store/spot-rows.ts';
import { loadAttempts, saveAttempts, saveJobs } from '../store/turn-rows.ts';
import { saveVerification } from '../store/verification-rows.ts';
import { chooseClasses, roomsForMoves } from './chosen-classes.ts';
import { Claiming } from './claiming.ts';
import { type AdmittedNode, type Arrival, admitNodes, type Reconciliation, reconcile } from './hello.ts';
import { Holds } from './holds.ts';
import { type DispatcherInput, type HelloInput, type HelloOutcome, missingOutputs, namesIn } from './inputs.ts';
import type { JobCache } from './job-cache.ts';
import { LeaseDelivery } from './lease-delivery.ts';
import type { Listening } from './listening.ts';
import type { DispatcherMetrics } from './metrics.ts';
import { sendOrders } from './orders.ts';
import { moveJournals, stillTrue } from './outdated-inputs.ts';
import { learn } from './placement/learning.ts';
import { PlanThread } from './placement/plan-thread.ts';
import { Planner } from './placement/planner.ts';
import type { PlacementClasses } from './placement-classes.ts';
import { QueueHints } from './queue-hints.ts';
import type { KeptNode } from './queueing/kept-places.ts';
import type { Queueing } from './queueing/queueing.ts';
import { runningOf } from './queueing/quotas.ts';
import { expiredWaits } from './queueing/service-waits.ts';
import type { Requirements } from './requirements.ts';
import { AgentSession, Sessions } from './sessions.ts';
import { Turn } from './turn.ts';
import type { TurnResult } from './turn-result.ts';
import type { Witness } from './verification/result-proof.ts';

export interface DispatcherDependencies extends Queueing {
  database: Database;
  bus: Bus;
  jobs: JobCache;
  classes: PlacementClasses;
  coordinatorId: string;
  /** What every agent is told when it is let in. */
  welcome: { coordinatorVersion: string; heartbeatMilliseconds: number; blobBytes: number };
  logLimitBytes: number;
  listening: Pick<Listening, 'since'>;
  /** Null where nobody pays. */
  settlement: Pick<Settlement, 'settle'> | null;
  now: () => number;
  random: () => number;
  /** Values of a submitter's secrets. Throws `not-found` for a name that is gone. */
  resolveSecrets: (principal: string, names: readonly string[]) => Promise<Record<string, string>>;
  metrics: DispatcherMetrics;
  warn: (message: string, data: Record<string, unknown>) => void;
}

/** An agent that connects: what the store says of it, or why it is refused. */
type Arrived = FogError | { admitted: AdmittedNode; blobToken: string; attempts: Reconciliation };

function heldNames(arrived: Arrived): AttemptName[] {
  if (arrived instanceof FogError) return [];
  return [...arrived.attempts.resume, ...arrived.attempts.forgotten].map((entry) => entry.name);
}

/** Where the task of this attempt is to go on, if it was told to leave for that. */
function targetOf(session: AgentSession, name: AttemptName): string | null {
  return session.departures.get(attemptKey(name))?.target ?? null;
}

const FINAL_REPORTS: ReadonlySet<string> = new Set(['succeed', 'fail', 'yield', 'decline']);

export class Dispatcher {
  readonly sessions = new Sessions();
  readonly hints = new QueueHints();
  readonly planner: Planner;
  readonly holds = new Holds(this.sessions);
  readonly #dependencies: DispatcherDependencies;
  readonly #claiming: Claiming;
  readonly #delivery: LeaseDelivery;
  #inputs: DispatcherInput[] = [];
  /** The input whose turn has failed although it was alone and the database answered. */
  #suspect: DispatcherInput | null = null;
  #running: Promise<void> | null = null;
  #again = false;
  /** Own hints come back at once, and say what is known here. */
  #isAnnouncing = false;
  #stopped = false;
  #mostInputs: number = DISPATCH_LIMITS.reportsPerTurn;

  constructor(dependencies: DispatcherDependencies) {
    this.#dependencies = dependencies;
    this.planner = new Planner({
      ...dependencies,
      placer: this.sessions.placer,
      thread: new PlanThread(),
      countWaiting: (classId, most) => waitingTasks(dependencies.database.read, classId, most),
      wake: () => this.wake(),
    });
    const take = (...inputs: DispatcherInput[]) => this.take(...inputs);
    const { sessions, hints, holds, planner } = this;
    this.#delivery = new LeaseDelivery({ ...dependencies, sessions, take });
    this.#claiming = new Claiming({ ...dependencies, sessions, hints, holds, planner });
    dependencies.bus.subscribe((hint) => {
      if (hint.kind === 'departure') return this.#takeDeparture(hint);
      if (hint.kind !== 'queue' || this.#isAnnouncing) return;
      // What fails here is found by the next look into the queue.
      this.#claiming.follow(hint.classIds).then(
        () => this.wake(),
        () => undefined,
      );
    });
  }

  /** Tells the other coordinators that tasks of these classes wait. */
  announce(classIds: string[]): void {
    this.#isAnnouncing = true;
    this.#dependencies.bus.publish({ kind: 'queue', classIds });
    this.#isAnnouncing = false;
  }

  /** Another coordinator wants an attempt to leave whose node may be connected here. */
  #takeDeparture({ node, name, reason, target }: Extract<Hint, { kind: 'departure' }>): void {
    if (this.sessions.get(node) !== undefined) this.take({ kind: 'yield', name, reason, target });
  }

  /** Takes something in; it is decided on in the next turn. */
  take(...inputs: DispatcherInput[]): void {
    this.#inputs.push(...inputs);
    this.wake();
  }

  /** The node that is kept for the head of this class, as of the last turn. */
  keptFor(classId: string): KeptNode | undefined {
    return this.#claiming.keptFor(classId);
  }

  /** Whether the quota of the submitter lets a task with these needs start. */
  mayStart(requirements: Requirements): boolean {
    const { submitter } = requirements;
    return this.#dependencies.quotas.mayStart(submitter, requirements, runningOf(this.sessions.uses.of(submitter)));
  }

  get waitingInputs(): number {
    return this.#inputs.length;
  }

  /** Something may be possible that was not: a place has become free, a task has been queued. */
  wake(): void {
    this.#again = true;
    if (this.#stopped || this.#running !== null) return;
    this.#running = this.#run();
  }

  /** Resolves when everything taken in so far has been decided on. */
  async settled(): Promise<void> {
    while (this.#running !== null && !this.#stopped) await this.#running;
  }

  /** Ends after the turn that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await this.planner.stop();
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped) await this.#turn();
    // At once, not when the promise is settled: whoever wakes the dispatcher in between would find it running.
    this.#running = null;
  }

  async #turn(): Promise<void> {
    this.#again = false;
    const inputs = this.#inputs.splice(0, this.#mostInputs);
    const started = performance.now();
    let result: TurnResult;
    try {
      result = await this.#dependencies.database.write((writer) => this.#decide(writer, inputs));
    } catch (error) {
      return await this.#recover(inputs, error);
    }
    this.#mostInputs = Math.min(DISPATCH_LIMITS.reportsPerTurn, this.#mostInputs * 2);
    this.#apply(result);
    this.#again ||= this.#inputs.length > 0 || result.claims.moreToClaim;
    this.#dependencies.metrics.turn((performance.now() - started) / 1000, inputs.length);
  }

  /**
   * Nothing of a failed turn is in the database, so its inputs are tried again. Only an input that fails twice by
   * itself while the database answers is dropped: an outage must not cost anybody a report.
   */
  async #recover(inputs: DispatcherInput[], error: unknown): Promise<void> {
    this.#dependencies.warn('a turn of the dispatcher failed', { error: String(error), inputs: inputs.length });
    this.#inputs.unshift(...inputs);
    this.#mostInputs = 1;
    this.#again = true;
    const only = inputs[0] !== undefined && inputs.length === 1 && (await this.#databaseAnswers()) ? inputs[0] : null;
    if (only !== null && only === this.#suspect) this.#drop(only);
    this.#suspect = only;
    await new Promise((resolve) => setTimeout(resolve, DISPATCH_LIMITS.retryMilliseconds));
  }

  async #databaseAnswers(): Promise<boolean> {
    try {
      await this.#dependencies.database.write((writer) =>
        writer.selectFrom('coordinators').select('id').limit(1).execute(),
      );
      return true;
    } catch {
      return false;
    }
  }

  /** What follows a dropped entry must not be acknowledged, so the rest of its session goes too; the agent sends it again. */
  #drop(input: DispatcherInput): void {
    const session = 'session' in input ? input.session : null;
    this.#inputs = this.#inputs.filter(
      (other) => other !== input && !(session !== null && 'session' in other && other.session === session),
    );
    if (input.kind === 'hello') input.answer({ accepted: false, code: 'internal', message: 'try again later' });
    session?.link.close('a message could not be processed');
  }

  /** The transaction. Has no effect but its statements and its result: it may be run twice. */
  async #decide(writer: Writer, inputs: readonly DispatcherInput[]): Promise<TurnResult> {
    const { jobs, classes, listening, now, random } = this.#dependencies;
    const at = now();
    const turn = new Turn({
      now: at,
      listeningSince: listening.since,
      random,
      specOf: (job) => jobs.get(job).spec,
      submitterOf: (job) => jobs.get(job).submitter,
      policyOf: (job) => jobs.get(job).verification,
      isCheck: (job) => jobs.get(job).isCheck,
      valuesOf: (job, results) => valuesAtRisk(jobs.get(job), results),
    });
    const heard = await moveJournals(writer, inputs, at);
    const hellos: TurnResult['hellos'] = [];
    const live = await stillTrue(writer, inputs, heard);
    const arrivals = await this.#arrivals(writer, live, at);
    const names = [...namesIn(live), ...[...arrivals.values()].flatMap(heldNames)];
    await jobs.load(writer, new Set(names.map((name) => name.job)));
    const rows = await loadAttempts(writer, names);
    turn.rows.load(rows.tasks, rows.attempts);
    const witnessed = { heard, missing: await missingOutputs(writer, live) };
    const back = new Set<string>();
    for (const input of live) {
      if (input.kind === 'hello') {
        const outcome = this.#hello(turn, input, arrivals.get(input) as Arrived);
        hellos.push({ input, outcome });
        if (outcome.accepted) back.add(input.hello.nodeId);
      } else if (input.kind !== 'lost' || !back.has(input.node)) this.#applyInput(turn, input, witnessed);
    }
    await chooseClasses(writer, this.#dependencies.classes, turn, at);
    await saveAttempts(writer, turn);
    const verdicts = await saveVerification(writer, turn.verification, classes, at);
    const claims = await this.#claiming.claim(writer, turn, at);
    const given = claims.leases.map(({ session, ...lease }) => {
      return { ...lease, node: session.nodeId, payee: session.identity.owner };
    });
    lockPayers(turn, jobs);
    // The ledger comes last: whoever holds it keeps all others from it until the commit.
    const { streams, expired, rooms } = await beside(
      async (stored) => this.#dependencies.settlement?.settle(writer, turn, { leased: claims.waits, stored }),
      async () => {
        const { counts, entries } = turn;
        const [, streams] = await allOf([insertLeases(writer, given, at), saveJobs(writer, counts, entries, at)]);
        const expired = await expiredWaits(writer, turn, live, { jobs, classes, sessions: this.sessions, now: at });
        return { streams, expired, rooms: await roomsForMoves(writer, classes, turn) };
      },
    );
    return { turn, at, live, heard, hellos, claims, expired, streams, verdicts, rooms };
  }

  #applyInput(
    turn: Turn,
    input: Exclude<DispatcherInput, HelloInput>,
    { heard, missing }: Pick<TurnResult, 'heard'> & Pick<Witness, 'missing'>,
  ): void {
    switch (input.kind) {
      case 'entry': {
        const { session, entry } = input;
        const isTrusted = heard.get(session)?.isTrusted === true;
        const witness = { publicKey: session.identity.publicKey, isTrusted, missing };
        turn.report(session.nodeId, entry.attempt, entry.report, witness);
        if (entry.report.event === 'yield') turn.suspensions.prefer(entry.attempt, targetOf(session, entry.attempt));
        return;
      }
      case 'log': {
        const { name, stream, text, offset, bytes, session } = input;
        return turn.log(session.nodeId, { ...name, stream, text }, offset, bytes, this.#dependencies.logLimitBytes);
      }
      case 'lost':
      case 'unheeded':
        return turn.lose(input.name);
      case 'yield':
        return turn.suspensions.leave(input);
      case 'removed':
        return turn.forgotten(input.name, 'removed');
      case 'queue-deadline':
        return turn.expire(input.name);
      case 'verification-due':
      case 'compared':
        return turn.verification.take(turn.rows.task(input.name), input);
      case 'close':
        return turn.close(input.name, input.why);
      case 'suspend':
        return turn.suspensions.suspend(input.name, input.by);
      case 'unsuspend':
        return turn.suspensions.unsuspend(input.name, input.by);
      case 'undelivered':
        return turn.forgotten(input.name, 'undelivered');
      case 'unfillable':
        return turn.failLease(input.name, input.reason, input.message);
    }
  }

  /** Stores the sessions of the agents that connect in this turn. */
  async #arrivals(writer: Writer, inputs: readonly DispatcherInput[], at: number): Promise<Map<HelloInput, Arrived>> {
    const hellos = inputs.filter((input) => input.kind === 'hello');
    if (hellos.length === 0) return new Map();
    const { coordinatorId, database } = this.#dependencies;
    const arrivals = hellos.map(({ hello, joining, prefix }) => {
      return { hello, joining, prefix, blobToken: `fogblob_${hello.nodeId}_${randomBytes(32).toString('base64url')}` };
    });
    const admissions = await admitNodes(writer, arrivals, { engine: database.engine, coordinatorId, now: at });
    return new Map(
      hellos.map((input, index): [HelloInput, Arrived] => {
        const admitted = admissions[index] as AdmittedNode | FogError;
        if (admitted instanceof FogError) return [input, admitted];
        const { blobToken } = arrivals[index] as Arrival;
        return [input, { admitted, blobToken, attempts: reconcile(input.hello.attempts, admitted.believed) }];
      }),
    );
  }

  #hello(turn: Turn, { hello, link, prefix }: HelloInput, arrived: Arrived): HelloOutcome {
    if (arrived instanceof FogError) {
      const { message, hint } = arrived;
      return { accepted: false, code: 'unauthenticated', message, ...(hint === undefined ? {} : { hint }) };
    }
    const { jobs, now, welcome: told } = this.#dependencies;
    const { admitted, blobToken, attempts } = arrived;
    for (const entry of attempts.forgotten) turn.forgotten(entry.name, entry.why);
    const stop = [...attempts.stop];
    const keep: { attempt: AttemptName; logBytes: number }[] = [];
    const session = new AgentSession(link, {
      nodeId: hello.nodeId,
      session: admitted.session,
      identity: { publicKey: hello.publicKey, owner: admitted.owner, prefix, trusted: admitted.trusted },
      description: hello.node,
      cordoned: admitted.cordoned,
      received: admitted.acknowledged,
      record: admitted.record,
    });
    session.drainUntil = admitted.drainUntil;
    for (const { name, logBytes, state, isCommitted } of attempts.resume) {
      if (!turn.resume(name, state)) {
        stop.push(name);
        continue;
      }
      turn.suspensions.remind(name, state);
      keep.push({ attempt: name, logBytes });
      const { attemptMilliseconds, isSpot, needs, submitter: tenant } = jobs.get(name.job);
      // When it began is not known here: it ends by then in any case.
      session.hold(name, needs, { tenant, endsBy: now() + attemptMilliseconds, isSpot });
      if (isCommitted) session.commit(name);
    }
    const welcome = JSON.stringify({
      type: 'welcome',
      session: admitted.session,
      ...told,
      acknowledged: admitted.acknowledged,
      blobToken,
      keep,
      stop,
      cordoned: admitted.cordoned,
    });
    return { accepted: true, session, welcome };
  }

  /** After the commit. */
  #apply(result: TurnResult): void {
    const { bus, metrics } = this.#dependencies;
    // First the new sessions: what they came with may have been decided in this very turn.
    for (const { input, outcome } of result.hellos) this.#admit(input, outcome);
    for (const attempt of result.turn.verification.committed) this.sessions.get(attempt.node)?.commit(attempt);
    for (const attempt of result.turn.freed()) this.sessions.get(attempt.node)?.release(attempt);
    for (const input of result.live) this.#releaseEnded(input);
    const news = learn(this.sessions, this.#dependencies.jobs, result.live, result.turn.verification);
    for (const hint of news) bus.publish(hint);
    for (const [session, { upTo, isTrusted }] of result.heard) {
      session.acknowledged = upTo;
      session.link.send(`{"type":"ack","sequence":${upTo}}`);
      if (session.identity.trusted && !isTrusted) result.turn.verification.outdated.add(session.nodeId);
    }
    // The hints that told of it were lost.
    for (const node of result.turn.verification.outdated) bus.publish({ kind: 'node', node });
    this.#claiming.committed(result.claims, result.at);
    this.#dependencies.serviceWaits.note(result.expired, [], result.at);
    this.holds.fill(result.claims.filled);
    this.#delivery.send(result.claims.leases, result.at);
    for (const room of result.rooms) this.holds.add(room);
    sendOrders(result.turn, this.sessions, bus);
    const requeued = new Set(result.turn.requeued.map((task) => task.classId));
    if (requeued.size > 0) this.announce([...requeued]);
    if (result.streams.length > 0) bus.publish({ kind: 'streams', ids: result.streams });
    metrics.leases(result.claims.leases.length);
    if (result.turn.suspensions.yields.length > 0) metrics.yields(result.turn.suspensions.yields);
    const { accepted } = result.turn.verification.effects;
    if (accepted.length + result.verdicts.length > 0) metrics.verification(result.verdicts, accepted);
  }

  /** Its node has ended the attempt, even where another coordinator has decided on it long ago. */
  #releaseEnded(input: DispatcherInput): void {
    if (input.kind !== 'entry' || !FINAL_REPORTS.has(input.entry.report.event)) return;
    if (input.session.needsOf(input.entry.attempt) === undefined) return;
    input.session.release(input.entry.attempt);
    this.#again = true;
  }

  #admit(input: HelloInput, outcome: HelloOutcome): void {
    if (outcome.accepted) {
      this.sessions.add(outcome.session)?.link.close('the node has connected again');
      this.#again = true;
    }
    input.answer(outcome);
    if (outcome.accepted) outcome.session.sendDrain(this.#dependencies.now());
    this.#dependencies.bus.publish({ kind: 'streams', ids: [input.hello.nodeId] });
    this.#dependencies.bus.publish({ kind: 'node', node: input.hello.nodeId });
  }
}
