/** A world for the controller without a store: jobs, replicas and nodes that do what the test tells them. */
import {
  DEPLOYMENT_TRANSITIONS,
  type DeploymentEvent,
  type DeploymentState,
  REVISION_TRANSITIONS,
  type RevisionEvent,
  type RevisionState,
  transition,
} from '@fog/contract';
import {
  type ControlledDeployment,
  type ControlledNode,
  type ControlledReplica,
  type Decision,
  decide,
  isAvailable,
} from '../../src/deployments/controller.ts';

export const HEALTHY_FOR = 5000;
export const DEADLINE = 600_000;

interface WorldRevision {
  revision: number;
  job: string;
  /** Its replicas become ready; those of others fail. */
  isGood: boolean;
  state: RevisionState;
  wasStable: boolean;
}

export interface WorldOptions {
  type?: 'service' | 'daemon';
  wanted?: number;
  maxUnavailable?: number;
  rollback?: boolean;
  /** Places of all nodes together, for services. */
  places?: number;
}

export class FakeWorld {
  now = 1_000_000;
  state: DeploymentState = 'rolling-out';
  reason: string | null = null;
  wanted: number;
  /** So many replicas have cover; null: all. */
  covered: number | null = null;
  mostAvailable = 0;
  progressAt = this.now;
  places: number;
  readonly type: 'service' | 'daemon';
  readonly update: ControlledDeployment['update'];
  readonly revisions: WorldRevision[] = [];
  readonly closed = new Set<string>();
  nodes: ControlledNode[] = [];
  replicas: ControlledReplica[] = [];
  isGone = false;
  #partitions = 0;

  constructor(options: WorldOptions = {}) {
    this.type = options.type ?? 'service';
    this.wanted = options.wanted ?? 3;
    this.places = options.places ?? 1000;
    const { maxUnavailable = 1, rollback = true } = options;
    this.update = {
      maxUnavailable,
      healthyForMilliseconds: HEALTHY_FOR,
      deadlineMilliseconds: DEADLINE,
      rollback,
    };
  }

  get current(): WorldRevision {
    const current = this.revisions[0];
    if (current === undefined) throw new Error('nothing is deployed');
    return current;
  }

  deploy(isGood: boolean): void {
    this.#begin({ job: `j${this.revisions.length + 1}`, isGood }, 'deploy', 'supersede');
  }

  /** Its owner goes back to a specification whose job has ended. */
  rollBack(isGood: boolean): void {
    this.#begin({ job: `j${this.revisions.length + 1}`, isGood }, 'roll-back', 'roll-back');
  }

  scale(wanted: number): void {
    if (this.state === 'failed') {
      this.#moveRevision('retry');
      this.mostAvailable = 0;
      for (const replica of this.replicas) replica.jobFailures = 0;
    }
    this.wanted = wanted;
    this.mostAvailable = Math.min(this.mostAvailable, wanted);
    this.progressAt = this.now;
    this.#move('scale');
  }

  remove(): void {
    this.#move('remove');
  }

  view(): ControlledDeployment {
    const good = this.revisions.slice(1).find((revision) => revision.wasStable);
    const jobs = [...new Set(this.revisions.map((revision) => revision.job))];
    return {
      type: this.type,
      state: this.state,
      wanted: this.wanted,
      covered: this.covered,
      uncovered: this.covered === null ? null : 'no cover',
      update: this.update,
      current: {
        job: this.current.job,
        state: this.current.state,
        mostAvailable: this.mostAvailable,
        progressAt: this.progressAt,
      },
      lastGood: good === undefined || this.closed.has(good.job) ? null : good,
      openJobs: jobs.filter((job) => !this.closed.has(job)),
      replicas: structuredClone(this.replicas),
      nodes: this.nodes,
      hasPlace: this.places > 0,
      whyNoPlace: this.places > 0 ? 'none of the nodes that suit has room' : 'no node can run it',
    };
  }

  /** Decides and does it. Answers the decision. */
  look(): Decision {
    const decision = decide(this.view(), this.now);
    this.apply(decision);
    return decision;
  }

  apply({ create, cancel, closeJobs, change, counts, isProgress, isGone }: Decision): void {
    const cancelled = new Set(cancel.map(({ job, partition }) => `${job}/${partition}`));
    for (const replica of this.replicas) replica.leaving ||= cancelled.has(`${replica.job}/${replica.partition}`);
    for (const node of create) this.#add(node);
    for (const job of closeJobs) {
      this.closed.add(job);
      this.replicas = this.replicas.filter((replica) => replica.job !== job);
    }
    if (isProgress) {
      this.mostAvailable = counts.updated;
      this.progressAt = this.now;
    }
    if (this.type === 'daemon') this.wanted = counts.wanted;
    this.isGone = isGone;
    if (change === null) return;
    this.reason = 'reason' in change ? change.reason : null;
    if (change.event === 'roll-back') {
      const target = this.revisions.find((revision) => revision.revision === change.to);
      if (target === undefined) throw new Error(`there is no revision ${change.to}`);
      this.#begin(target, 'roll-back', 'roll-back');
      return;
    }
    if (change.event === 'finish' || change.event === 'fail') this.#moveRevision(change.event);
    this.#move(change.event);
  }

  /** Time passes: what leaves has left, what waits finds a place if there is one, what starts becomes ready or fails. */
  pass(milliseconds: number): void {
    this.now += milliseconds;
    this.replicas = this.replicas.filter((replica) => !replica.leaving);
    for (const replica of this.replicas) {
      if (replica.condition === 'starting') {
        const isGood = this.revisions.some((revision) => revision.job === replica.job && revision.isGood);
        if (isGood) this.#turn(replica, 'ready');
        else this.fail(replica);
      } else if (replica.condition === 'backing-off') this.#turn(replica, 'waiting');
      else if (replica.condition === 'waiting' && this.#hasPlaceFor(replica)) this.#turn(replica, 'starting');
    }
  }

  fail(replica: ControlledReplica): void {
    replica.jobFailures += 1;
    replica.why = 'exit-code: code 1';
    this.#turn(replica, 'backing-off');
  }

  /** Looks and lets time pass in turns. */
  run(rounds: number, milliseconds = 1000): void {
    for (let round = 0; round < rounds; round += 1) {
      this.look();
      this.pass(milliseconds);
    }
  }

  available(): ControlledReplica[] {
    const view = this.view();
    return this.replicas.filter((replica) => isAvailable(view, replica, this.now));
  }

  #hasPlaceFor({ node }: ControlledReplica): boolean {
    const placed = this.replicas.filter(({ condition }) => condition === 'starting' || condition === 'ready');
    if (node === null) return placed.length < this.places;
    return this.nodes.some(({ id, takesWork }) => id === node && takesWork);
  }

  #add(node: string | null): void {
    const { job } = this.current;
    const partition = this.#partitions++;
    this.replicas.push({
      job,
      partition,
      node,
      condition: 'waiting',
      since: this.now,
      leaving: false,
      jobFailures: 0,
      why: null,
    });
  }

  #turn(replica: ControlledReplica, condition: ControlledReplica['condition']): void {
    replica.condition = condition;
    replica.since = this.now;
  }

  #begin(next: { job: string; isGood: boolean }, event: 'deploy' | 'roll-back', before: RevisionEvent): void {
    if (this.revisions.length > 0) {
      this.#moveRevision(before);
      this.#move(event);
    }
    const revision = this.revisions.length + 1;
    this.revisions.unshift({ job: next.job, isGood: next.isGood, revision, state: 'rolling-out', wasStable: false });
    this.mostAvailable = 0;
    this.progressAt = this.now;
  }

  #move(event: DeploymentEvent): void {
    const next = transition(DEPLOYMENT_TRANSITIONS, this.state, event);
    if (next === null) throw new Error(`${this.state} knows no ${event}`);
    this.state = next;
  }

  #moveRevision(event: RevisionEvent): void {
    const next = transition(REVISION_TRANSITIONS, this.current.state, event);
    if (next === null) return;
    this.current.state = next;
    this.current.wasStable ||= next === 'stable';
  }
}
