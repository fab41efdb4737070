/** The part of a turn that leases queued tasks to free places, in the order that `queueing/claim-order.ts` describes. */
import { attemptKey } from '@fog/contract';
import { readBlobSizes } from '../blobs/blob-rows.ts';
import { DISPATCH_LIMITS, PLACEMENT_LIMITS } from '../limits.ts';
import { tierPrice } from '../settlement/job-terms.ts';
import { bondOn, storedBond, type TurnBonds } from '../settlement/stake/bonds.ts';
import { type ClaimedTask, claimTasks, giveBackTasks, queueHead } from '../store/claim.ts';
import type { Database, Writer } from '../store/database.ts';
import { saveAttempts } from '../store/turn-rows.ts';
import { saveVerification } from '../store/verification-rows.ts';
import { changesBond, coveredPortion } from './bonded-places.ts';
import type { Hold, Holds } from './holds.ts';
import type { JobCache } from './job-cache.ts';
import type { Lease } from './leases.ts';
import type { Place } from './placement/placer.ts';
import type { Planner } from './placement/planner.ts';
import type { PlacementClasses } from './placement-classes.ts';
import { compareHeads, type HungryClass, type QueueHead, type QueueHints, waitingClass } from './queue-hints.ts';
import { type Band, ClaimOrder, ServedTimes, servedKey } from './queueing/claim-order.ts';
import { type BlockedHeads, KeptNodes, longestRun } from './queueing/kept-nodes.ts';
import type { KeptNode, PlacedUntil } from './queueing/kept-places.ts';
import { fairPortions, nextPortion, type PlaceFinder, type Portion, type Shares } from './queueing/portions.ts';
import type { OwnUse, QuotaGate, Quotas } from './queueing/quotas.ts';
import { firstWaitsOf, type LeaseWait, type ServiceWaits } from './queueing/service-waits.ts';
import { TurnUses } from './queueing/tenant-uses.ts';
import type { Requirements } from './requirements.ts';
import type { Reservations } from './reservations.ts';
import type { AgentSession, Sessions } from './sessions.ts';
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
  quotas: Pick<Quotas, 'openGate' | 'told'>;
  serviceWaits: Pick<ServiceWaits, 'note'>;
  /** After this wait, work goes before all of its priority that has waited less. */
  agingMilliseconds: number;
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
  /** How long tasks have waited for their first node. */
  waits: LeaseWait[];
  /** Tenants of whom more could have been placed but for their quota. */
  overQuota: Set<string>;
  /** What other coordinators have been told of quotas. */
  told: OwnUse[];
  /** What leases of this turn bind; null where nobody asks for bonds. */
  bonds: TurnBonds | null;
  /** Nodes that are kept for heads without room. */
  kept: KeptNode[];
  /** Who has got something, by `servedKey`. */
  served: ReadonlySet<string>;
  /** The turn has reached its limits: another may find more. */
  moreToClaim: boolean;
}

/** What the claims of one turn share. */
interface Round {
  writer: Writer;
  turn: Turn;
  now: number;
  taken: Reservations;
  uses: TurnUses;
  order: ClaimOrder;
  gate: QuotaGate;
  heads: BlockedHeads;
  claims: Claims;
  tries: number;
  /** Places that the portions of the last round did not fill. */
  givenBack: number;
  /** Those that were found for its portions. */
  found: PlacedUntil[];
}

export class Claiming {
  readonly #dependencies: ClaimingDependencies;
  readonly #served = new ServedTimes(DISPATCH_LIMITS.servedTenants);
  readonly #kept: KeptNodes;

  constructor(dependencies: ClaimingDependencies) {
    this.#dependencies = dependencies;
    this.#kept = new KeptNodes(dependencies);
  }

  /** The node that is kept for the head of this class, as of the last turn. */
  keptFor(classId: string): KeptNode | undefined {
    return this.#kept.of(classId);
  }

  /** Claims in the transaction of the turn. Changes nothing in memory but hints, of which too many do no harm. */
  async claim(writer: Writer, turn: Turn, now: number): Promise<Claims> {
    const uses = new TurnUses(this.#dependencies.sessions.uses);
    const taken = this.#givenBack(turn, uses, now);
    await this.#loadSizes(writer);
    await this.#hintRequeued(writer, turn);
    const round = await this.#open({ writer, turn, now, taken, uses });
    const { order, claims } = round;
    // Most turns have a task or two to lease, and places cost time to find.
    let most: number = DISPATCH_LIMITS.firstClaim;
    for (let band = order.first(); band !== undefined; band = order.first()) {
      const room = DISPATCH_LIMITS.leasesPerTurn - claims.leases.length;
      const mostClasses = DISPATCH_LIMITS.classesPerTurn - round.tries;
      if (room === 0 || mostClasses === 0) {
        claims.moreToClaim = true;
        break;
      }
      if (await this.#knowsHeads(round, band)) {
        const { portions, empty } = await this.#portions(round, band, { most: Math.min(most, room), mostClasses });
        const limits = portions.map(({ hungry }) => order.limitOf(hungry, band, portions.length === 1));
        round.givenBack = 0;
        for (const [index, portion] of portions.entries()) {
          const next = await this.#claimClass(round, await this.#covered(round, portion), limits[index] ?? null);
          if (next === null) continue;
          order.insert(next);
          most = DISPATCH_LIMITS.leasesPerTurn;
        }
        if (round.givenBack > 0) for (const hungry of empty) order.insert(hungry);
      }
    }
    claims.served = order.served;
    claims.kept = round.heads.kept;
    claims.told = await round.gate.save();
    await this.#saveReplicas(writer, turn, claims, now);
    return claims;
  }

  /** The turn is committed. */
  committed({ hints, served, kept, waits, overQuota, told, bonds }: Claims, now: number): void {
    const { hints: known, quotas, serviceWaits, sessions } = this.#dependencies;
    if (bonds !== null) sessions.placer.bonds?.keep(bonds, now);
    for (const update of hints) known.update(update.classId, update.head, update.version);
    serviceWaits.note(waits, overQuota, now);
    quotas.told(told);
    this.#served.note(served, now);
    this.#kept.keep(kept, now);
  }

  async #open(basis: Pick<Round, 'writer' | 'turn' | 'now' | 'taken' | 'uses'>): Promise<Round> {
    const { hints, holds, planner, quotas, sessions, agingMilliseconds } = this.#dependencies;
    holds.withhold(basis.taken);
    const hungry = hints.all();
    if (hungry.length > 0) await basis.taken.bonds?.load(basis.writer, sessions.placer.bonds?.watched() ?? []);
    planner.look(
      hungry
        .filter(({ placement: { requirements } }) => isForPlan(requirements))
        .map((one) => waitingClass(one, basis.now)),
      basis.now,
    );
    const order = new ClaimOrder(hungry, { now: basis.now, agingMilliseconds, served: this.#served });
    const claims: Claims = {
      leases: [],
      hints: [],
      filled: [],
      waits: [],
      overQuota: new Set(),
      told: [],
      bonds: basis.taken.bonds,
      kept: [],
      served: order.served,
      moreToClaim: false,
    };
    const tenants = new Set(hungry.map(({ placement }) => placement.requirements.submitter));
    const gate = await quotas.openGate(basis.writer, tenants, basis.uses);
    const { turn, taken, now } = basis;
    const found: PlacedUntil[] = [];
    const heads = this.#kept.look({ taken, turn, leases: claims.leases, found, now });
    return { ...basis, order, gate, heads, claims, tries: 0, givenBack: 0, found };
  }

  /**
   * Where a class stands has to be known where others wait as well. What is not is looked up and put where it belongs;
   * then the answer is false.
   */
  async #knowsHeads(round: Round, band: Band): Promise<boolean> {
    const { order, claims, writer } = round;
    if (order.isSingle) return true;
    const unknown = [...band.tenants].find(([, [first]]) => first?.head.job === '');
    if (unknown === undefined) return true;
    const found = order.take(band, unknown[0]);
    const { placement, version } = found;
    const head = await queueHead(writer, placement.id, placement.requirements.reverify === true);
    claims.hints.push({ classId: placement.id, head, version });
    if (head !== null) order.insert({ ...found, head });
    round.tries += 1;
    return false;
  }

  async #portions(
    round: Round,
    band: Band,
    { most, mostClasses }: { most: number; mostClasses: number },
  ): Promise<Shares> {
    const { order, uses } = round;
    const finder = this.#finder(round);
    const isFair = band.tenants.size > 1 && !band.queueClass.hasAged;
    if (!isFair) return await nextPortion(order, band, most, finder);
    const { capacity } = this.#dependencies.sessions;
    const usedBy = (tenant: string) => uses.of(tenant);
    return await fairPortions(order, band, { most, mostClasses }, { ...finder, capacity, usedBy });
  }

  #finder({ taken, uses, gate, heads, claims, found, writer, now }: Round): PlaceFinder {
    // Those of the round before are leases by now, or given back.
    found.length = 0;
    const { planner, sessions, holds, jobs } = this.#dependencies;
    const isHeld = ({ placement }: HungryClass) => isForPlan(placement.requirements) && planner.isHeld(placement, now);
    return {
      find: (hungry, most) => {
        const { placement, head } = hungry;
        const { requirements } = placement;
        const allowed = Math.min(most, gate.allows(requirements.submitter, requirements));
        if (allowed < most) claims.overQuota.add(requirements.submitter);
        const job = jobs.find(head.job);
        const endsBy = job === undefined ? Number.POSITIVE_INFINITY : now + longestRun(sessions, job);
        if (allowed === 0 || isHeld(hungry)) return { places: [], isFull: true, isTimed: false, endsBy, bond: null };
        const bond = job?.bond ?? null;
        taken.placeFor(placement.id, endsBy, bond);
        const request = { ...waitingClass(hungry, now), most: allowed, taken, now };
        let isPlanned = false;
        const places = holds.lend(placement.id, taken, () => {
          const planned = isForPlan(requirements) ? planner.places(request) : [];
          isPlanned = planned.length > 0;
          return isPlanned ? planned : sessions.placer.places(request);
        });
        uses.take(requirements.submitter, requirements, places.length);
        for (const { session } of places) found.push({ session, needs: requirements, endsBy });
        // Beyond its plan, it may find more places.
        return { places, isFull: places.length < most && !isPlanned, isTimed: taken.isTimed, endsBy, bond };
      },
      blocked: async (hungry) => {
        const { requirements } = hungry.placement;
        if (gate.allows(requirements.submitter, requirements) > 0 && !isHeld(hungry)) await heads.add(writer, hungry);
      },
    };
  }

  /** What leases of verified tasks lead to: most want another replica, which the next turn looks for. */
  async #saveReplicas(writer: Writer, turn: Turn, claims: Claims, now: number): Promise<void> {
    if (turn.verification.changed.size === 0) return;
    await saveAttempts(writer, turn);
    await saveVerification(writer, turn.verification, this.#dependencies.classes, now);
    await this.#hintRequeued(writer, turn);
    claims.moreToClaim = true;
  }

  /** Places of owners without the bond are given back. */
  async #covered(round: Round, portion: Portion): Promise<Portion> {
    const { writer, taken, uses } = round;
    const covered = await coveredPortion(writer, portion, { taken, jobs: this.#dependencies.jobs });
    const { placement, head, version } = covered.hungry;
    if (head.job !== portion.hungry.head.job) round.claims.hints.push({ classId: placement.id, head, version });
    const dropped = portion.places.length - covered.places.length;
    uses.take(placement.requirements.submitter, placement.requirements, -dropped);
    round.givenBack += dropped;
    return covered;
  }

  /** Claims for one class. Answers the class when it may have more tasks, from where it stands now. */
  async #claimClass(round: Round, portion: Portion, limit: QueueHead | null): Promise<HungryClass | null> {
    const { database, jobs } = this.#dependencies;
    const { writer, order, claims, now } = round;
    const { hungry, places, isFull } = portion;
    const { placement, version } = hungry;
    const { requirements } = placement;
    round.tries += 1;
    // All of them were of owners without the bond: by now it is known of which.
    if (places.length === 0) return isFull ? null : hungry;
    const isAgain = requirements.reverify === true;
    // It was asked whether tasks of this job end in time, and of no other.
    const until = portion.isTimed ? hungry.head : limit;
    const claimed = await claimTasks(writer, database.engine, {
      classId: placement.id,
      most: places.length,
      until,
      isAgain,
    });
    await jobs.load(
      writer,
      claimed.map((task) => task.job),
    );
    const leased = await this.#lease(round, portion, claimed);
    if (leased.length > 0) order.served.add(servedKey(hungry));
    claims.waits.push(...firstWaitsOf(leased, requirements, jobs, now));
    const last = claimed.at(-1);
    if (claimed.length === places.length && last !== undefined) {
      const head = { rank: hungry.head.rank, job: last.job };
      claims.hints.push({ classId: placement.id, head, version });
      return isFull ? null : { ...hungry, head };
    }
    const head = until === null ? null : await queueHead(writer, placement.id, isAgain);
    claims.hints.push({ classId: placement.id, head, version });
    // A head in front of `until` is locked by another coordinator: asking again at once would find it locked again.
    return head !== null && until !== null && compareHeads(head, until) > 0 ? { ...hungry, head } : null;
  }

  /** Gives the claimed tasks their places, and the places that are left back. Answers the tasks that were leased. */
  async #lease(round: Round, portion: Portion, claimed: readonly ClaimedTask[]): Promise<ClaimedTask[]> {
    const { holds, jobs, sessions } = this.#dependencies;
    const { writer, turn, taken, uses, claims, now } = round;
    const { places, endsBy, bond } = portion;
    const { placement } = portion.hungry;
    const { requirements } = placement;
    const suitable = sessions.placer.suitable(placement);
    const given = places.map(({ session }) => session);
    const replicas = await this.#replicas(writer, turn, claimed, { places: given, now });
    const unused = given.slice(claimed.length);
    const leased: ClaimedTask[] = [];
    const uncovered: ClaimedTask[] = [];
    for (const [index, task] of claimed.entries()) {
      const { job, partition, fence, checkpoint } = task;
      const name = { job, partition, fence };
      const { session, reason } = places[index] as Place;
      const replica = replicas?.get(attemptKey(name));
      const known = jobs.get(job);
      const isCovered =
        replica === 'refused' || (await changesBond(writer, session, { portion, taken, to: known.bond }));
      if (!isCovered) uncovered.push(task);
      if (replica === 'refused' || !isCovered) {
        unused.push(session);
        continue;
      }
      leased.push(task);
      const isVerified = replica === 'verified';
      const terms = (known.payment ?? known.oversight)?.terms;
      const price = terms === undefined ? null : tierPrice(sessions.placer.priceOn(session), terms);
      const bound = taken.bonds === null ? null : storedBond(bondOn(known.bond, session.identity));
      claims.leases.push({ name, session, suitable, reason, price, bond: bound, job: known, checkpoint, isVerified });
      if (holds.size > 0) claims.filled.push({ classId: placement.id, node: session.nodeId });
      if (replica === undefined) turn.leased(name, { id: session.nodeId, name: session.description.name });
    }
    await giveBackTasks(writer, uncovered, now + DISPATCH_LIMITS.declinePauseMilliseconds);
    taken.placeFor(placement.id, endsBy, bond);
    for (const session of unused) taken.giveBack(session, requirements);
    round.givenBack += unused.length;
    uses.take(requirements.submitter, requirements, -unused.length);
    return leased;
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

  /** How large the blobs are that classes ask for by where they are. */
  async #loadSizes(writer: Writer): Promise<void> {
    const { hints, sessions } = this.#dependencies;
    const { blobs } = sessions.placer;
    const wanted = hints.all().flatMap(({ placement }) => placement.requirements.data ?? []);
    const unsized = blobs.unsized([...new Set(wanted)]).slice(0, PLACEMENT_LIMITS.sizedBlobs);
    if (unsized.length === 0) return;
    for (const { digest, bytes } of await readBlobSizes(writer, unsized)) blobs.size(digest, bytes);
  }

  /** Places of attempts that this turn has ended can be given away in it. */
  #givenBack(turn: Turn, uses: TurnUses, now: number): Reservations {
    const taken = this.#dependencies.sessions.placer.begin(now);
    for (const attempt of turn.freed()) {
      const session = this.#dependencies.sessions.get(attempt.node);
      const needs = session?.needsOf(attempt);
      if (session === undefined || needs === undefined || !session.isPlaced(attempt)) continue;
      taken.free(session, needs);
      uses.take(session.tenantOf(attempt), needs, -1);
    }
    for (const attempt of turn.verification.committed) {
      // What has ended in the same turn has given back all that it had.
      if (attempt.state !== 'committed') continue;
      const session = this.#dependencies.sessions.get(attempt.node);
      const needs = session?.needsOf(attempt);
      if (session === undefined || needs === undefined) continue;
      // Its outputs stay on the disk.
      taken.free(session, { ...needs, diskBytes: 0 });
      uses.take(session.tenantOf(attempt), { ...needs, diskBytes: 0 }, -1);
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
function isForPlan({ objectives, prefer }: Requirements): boolean {
  return objectives !== undefined && prefer === undefined;
}
