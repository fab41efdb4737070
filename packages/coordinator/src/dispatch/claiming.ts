/** The part of a turn that leases queued tasks to free places, in the order of the queue across all classes. */
import { attemptKey } from '@fog/contract';
import { readBlobSizes } from '../blobs/blob-rows.ts';
import { DISPATCH_LIMITS, PLACEMENT_LIMITS } from '../limits.ts';
import { type ClaimedTask, claimTasks, queueHead } from '../store/claim.ts';
import type { Database, Writer } from '../store/database.ts';
import { saveAttempts } from '../store/turn-rows.ts';
import { saveVerification } from '../store/verification-rows.ts';
import type { Hold, Holds } from './holds.ts';
import type { JobCache } from './job-cache.ts';
import type { Lease } from './leases.ts';
import type { Place } from './placement/placer.ts';
import type { Planner } from './placement/planner.ts';
import type { PlacementClasses } from './placement-classes.ts';
import {
  compareHeads,
  compareHungry,
  type HungryClass,
  limitOfClaim,
  type QueueHead,
  type QueueHints,
  waitingClass,
} from './queue-hints.ts';
import type { Requirements } from './requirements.ts';
import type { AgentSession, Reservations, Sessions } from './sessions.ts';
import type { Turn } from './turn.ts';
import { leaseVerified, type ReplicaLease } from './verification/replica-leases.ts';

export interface ClaimingDependencies {
  database: Database;
  jobs: JobCache;
  classes: PlacementClasses;
  sessions: Sessions;
  hints: QueueHints;
  planner: Planner;
  holds: Holds;
  random: () => number;
}

/** What a claim has found out about a class; applied to the hints after the commit. */
export interface HintUpdate {
  classId: string;
  head: QueueHead | null;
  version: number;
}

export interface Claims {
  leases: Lease[];
  hints: HintUpdate[];
  /** Leases of classes for which room is kept. */
  filled: Pick<Hold, 'classId' | 'node'>[];
  /** The turn has reached its limits: another may find more. */
  moreToClaim: boolean;
}

export class Claiming {
  readonly #dependencies: ClaimingDependencies;

  constructor(dependencies: ClaimingDependencies) {
    this.#dependencies = dependencies;
  }

  /** Claims in the transaction of the turn. Changes nothing in memory but hints, of which too many do no harm. */
  async claim(writer: Writer, turn: Turn, now: number): Promise<Claims> {
    const taken = this.#givenBack(turn);
    await this.#loadSizes(writer);
    await this.#hintRequeued(writer, turn);
    const claims: Claims = { leases: [], hints: [], filled: [], moreToClaim: false };
    this.#dependencies.holds.withhold(taken);
    const order = this.#dependencies.hints.inOrder();
    this.#dependencies.planner.look(
      order
        .filter(({ placement: { requirements } }) => isPlanned(requirements))
        .map((hungry) => waitingClass(hungry, now)),
      now,
    );
    let tries = 0;
    // Most turns have a task or two to lease, and places cost time to find.
    let most: number = DISPATCH_LIMITS.firstClaim;
    for (let current = order.shift(); current !== undefined; current = order.shift()) {
      const room = DISPATCH_LIMITS.leasesPerTurn - claims.leases.length;
      if (room === 0 || tries === DISPATCH_LIMITS.classesPerTurn) {
        claims.moreToClaim = true;
        break;
      }
      // A class without a place costs no statement and does not count: others must not starve behind it.
      const wanted = Math.min(most, room);
      const places = this.#places(current, wanted, taken, now);
      if (places.length === 0) continue;
      tries += 1;
      const next = await this.#claimClass(writer, turn, {
        current,
        places,
        wanted,
        taken,
        until: limitOfClaim(current, order[0]),
        claims,
        now,
      });
      if (next === null) continue;
      insertInOrder(order, next);
      most = room;
    }
    await this.#saveReplicas(writer, turn, claims, now);
    return claims;
  }

  /** What leases of verified tasks lead to: most want another replica, which the next turn looks for. */
  async #saveReplicas(writer: Writer, turn: Turn, claims: Claims, now: number): Promise<void> {
    if (turn.verification.changed.size === 0) return;
    await saveAttempts(writer, turn);
    await saveVerification(writer, turn.verification, this.#dependencies.classes, now);
    await this.#hintRequeued(writer, turn);
    claims.moreToClaim = true;
  }

  /** Claims for one class. Answers the class when it may have more tasks, from where it stands now. */
  async #claimClass(
    writer: Writer,
    turn: Turn,
    step: {
      current: HungryClass;
      places: Place[];
      /** How many places were looked for. */
      wanted: number;
      taken: Reservations;
      until: QueueHead | null;
      claims: Claims;
      now: number;
    },
  ): Promise<HungryClass | null> {
    const { database, jobs } = this.#dependencies;
    const { current, places, wanted, taken, until, claims } = step;
    const { placement, version } = current;
    const isAgain = placement.requirements.reverify === true;
    const request = { classId: placement.id, most: places.length, until, isAgain };
    const claimed = await claimTasks(writer, database.engine, request);
    await jobs.load(
      writer,
      claimed.map((task) => task.job),
    );
    const suitable = this.#dependencies.sessions.placer.suitable(placement);
    const given = places.map(({ session }) => session);
    const replicas = await this.#replicas(writer, turn, claimed, { places: given, now: step.now });
    claimed.forEach(({ checkpoint, ...name }, index) => {
      const { session, reason } = places[index] as Place;
      const replica = replicas?.get(attemptKey(name));
      if (replica === 'refused') {
        taken.giveBack(session, placement.requirements);
        return;
      }
      const isVerified = replica === 'verified';
      claims.leases.push({ name, session, suitable, reason, job: jobs.get(name.job), checkpoint, isVerified });
      if (this.#dependencies.holds.size > 0) claims.filled.push({ classId: placement.id, node: session.nodeId });
      if (replica === undefined) turn.leased(name, { id: session.nodeId, name: session.description.name });
    });
    for (const session of given.slice(claimed.length)) taken.giveBack(session, placement.requirements);
    const last = claimed.at(-1);
    if (claimed.length === places.length && last !== undefined) {
      const head = { rank: current.head.rank, job: last.job };
      claims.hints.push({ classId: placement.id, head, version });
      return places.length === wanted ? { ...current, head } : null;
    }
    const head = until === null ? null : await queueHead(writer, placement.id, isAgain);
    claims.hints.push({ classId: placement.id, head, version });
    // A head in front of `until` is locked by another coordinator: asking again at once would find it locked again.
    return head !== null && until !== null && compareHeads(head, until) > 0 ? { ...current, head } : null;
  }

  /** Leases of the tasks among these whose results are verified; null where there are none. */
  async #replicas(
    writer: Writer,
    turn: Turn,
    claimed: readonly ClaimedTask[],
    { places, now }: { places: readonly AgentSession[]; now: number },
  ): Promise<Map<string, ReplicaLease> | null> {
    const { jobs, classes, random, hints } = this.#dependencies;
    const verified = claimed.flatMap((task, index) => {
      if (jobs.get(task.job).verification === null) return [];
      return [{ task, session: places[index] as AgentSession }];
    });
    if (verified.length === 0) return null;
    const { leases, checks } = await leaseVerified(writer, turn, { jobs, classes, random, now }, verified);
    for (const { placement, head } of checks) hints.add(placement, head);
    return leases;
  }

  #places(hungry: HungryClass, most: number, taken: Reservations, now: number): Place[] {
    const { planner, sessions, holds } = this.#dependencies;
    const { placement } = hungry;
    const isForPlan = isPlanned(placement.requirements);
    if (isForPlan && planner.isHeld(placement, now)) return [];
    const request = { ...waitingClass(hungry, now), most, taken, now };
    return holds.lend(placement.id, taken, () => {
      const planned = isForPlan ? planner.places(request) : [];
      return planned.length > 0 ? planned : sessions.placer.places(request);
    });
  }

  /** How large the blobs are that classes ask for by where they are. */
  async #loadSizes(writer: Writer): Promise<void> {
    const { hints, sessions } = this.#dependencies;
    const { blobs } = sessions.placer;
    const wanted = hints.inOrder().flatMap(({ placement }) => placement.requirements.data ?? []);
    const unsized = blobs.unsized([...new Set(wanted)]).slice(0, PLACEMENT_LIMITS.sizedBlobs);
    if (unsized.length === 0) return;
    for (const { digest, bytes } of await readBlobSizes(writer, unsized)) blobs.size(digest, bytes);
  }

  /** Places of attempts that this turn has ended can be given away in it. */
  #givenBack(turn: Turn): Reservations {
    const taken = this.#dependencies.sessions.placer.begin();
    for (const attempt of turn.freed()) {
      const session = this.#dependencies.sessions.get(attempt.node);
      const needs = session?.needsOf(attempt);
      if (session !== undefined && needs !== undefined && session.isPlaced(attempt)) taken.giveBack(session, needs);
    }
    for (const attempt of turn.verification.committed) {
      // What has ended in the same turn has given back all that it had.
      if (attempt.state !== 'committed') continue;
      const session = this.#dependencies.sessions.get(attempt.node);
      const needs = session?.needsOf(attempt);
      // Its outputs stay on the disk.
      if (session !== undefined && needs !== undefined) taken.giveBack(session, { ...needs, diskBytes: 0 });
    }
    return taken;
  }

  /** Tasks of these classes wait somewhere in the queue: the next claim finds out where. */
  async follow(classIds: readonly string[]): Promise<void> {
    const { classes, database, hints } = this.#dependencies;
    for (const placement of await classes.load(database.read, classIds)) hints.add(placement, { rank: 0, job: '' });
  }

  /** Tasks that this turn has put back into the queue can be claimed in it. */
  async #hintRequeued(writer: Writer, turn: Turn): Promise<void> {
    if (turn.requeued.length === 0) return;
    const { classes, hints } = this.#dependencies;
    const ids = [...new Set(turn.requeued.map((task) => task.classId))];
    const byId = new Map((await classes.load(writer, ids)).map((placement) => [placement.id, placement]));
    for (const { classId, rank, job } of turn.requeued) {
      const placement = byId.get(classId);
      if (placement !== undefined) hints.add(placement, { rank, job });
    }
  }
}

/** A task that was moved goes where it was moved to. */
function isPlanned({ objectives, prefer }: Requirements): boolean {
  return objectives !== undefined && prefer === undefined;
}

function insertInOrder(order: HungryClass[], item: HungryClass): void {
  const index = order.findIndex((other) => compareHungry(item, other) < 0);
  order.splice(index === -1 ? order.length : index, 0, item);
}
