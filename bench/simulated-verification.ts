/**
 * A fog of simulated nodes, some of which lie, under the verification that ships: every lease, commitment and reveal
 * goes through `verifyTask`, every node's record through `recordVerdict`.
 *
 * Time goes in ticks. In a tick each node, in random order, takes one lease: a spot check, else a replica that waits,
 * else a new task. At its end all commit and reveal, in random order. A task on which replicas cannot agree is run on a
 * machine of the operator's, which does not lie; that counts as a replica.
 */
import type { VerificationPolicy } from '../packages/contract/src/index.ts';
import {
  commitmentOf,
  issueSpotCheck,
  judgeSpotCheck,
  type KnownAnswer,
  knownAnswerOf,
  mayRun,
  type NodeTrust,
  newTaskVerification,
  recordVerdict,
  type SpotCheck,
  standingOf,
  type TaskVerificationState,
  unknownNode,
  VERIFICATION_LIMITS,
  type Verdict,
  type VerificationAction,
  type VerificationEvent,
  verifyTask,
} from '../packages/verification/src/index.ts';
import { Choices, seededRandom } from '../test/support/seeded-random.ts';

export interface SimulationSettings {
  tasks: number;
  nodes: number;
  liars: number;
  /** Probability that a liar lies in a task. */
  lieProbability: number;
  /** Results that a liar computes honestly before its first lie. */
  honestAtFirst: number;
  /** Liars give the same wrong value for the same task. */
  areColluding: boolean;
  /** A liar that was found out comes back as a new node. */
  areWhitewashing: boolean;
  /** A liar that is not asked to reveal as soon as it has committed takes itself for checked, and withholds a lie. */
  areWithholding: boolean;
  policy: VerificationPolicy;
  seed: number;
}

export interface SimulationFigures {
  /** Accepted results that are wrong at the end, as a share of the tasks. */
  wrongResultRate: number;
  /** All runs, with spot checks, verifications repeated and the operator's own, by the number of tasks. */
  replicasPerTask: number;
  /** Results that were accepted wrong at first, corrected later or not, as a share of the tasks. */
  wrongAtFirstRate: number;
  spotChecksPerTask: number;
  /** Tasks verified again because their node was found out, by the number of tasks. */
  reverifiedPerTask: number;
  /** Tasks that the operator's machines decided. */
  adjudications: number;
  /** Honest nodes' results that were found invalid. */
  honestFoundInvalid: number;
  /** Liars that are proven nodes at the end. */
  provenLiars: number;
}

interface SimulatedNode {
  id: string;
  isLiar: boolean;
  computed: number;
  trust: NodeTrust;
}

interface Lease {
  task: number;
  fence: number;
  node: SimulatedNode;
  digest: string;
  nonce: string;
}

interface SimulatedTask {
  state: TaskVerificationState;
  leases: Lease[];
}

const JOB = 'j000000000000000000';
/** Waiting replicas that a node looks at before it takes a new task. */
const LOOK_AHEAD = 20;

export function simulateVerification(settings: SimulationSettings): SimulationFigures {
  const fog = new SimulatedFog(settings);
  while (fog.tick()) {
    // Until nothing is left to do.
  }
  return fog.figures();
}

class SimulatedFog {
  readonly #settings: SimulationSettings;
  readonly #random: () => number;
  readonly #choices: Choices;
  readonly #nodes: SimulatedNode[];
  readonly #tasks: SimulatedTask[] = [];
  /** Tasks that want another replica, once for each. */
  #waiting: number[] = [];
  #leases: Lease[] = [];
  #checks: { check: SpotCheck; node: SimulatedNode; digest: string }[] = [];
  /** The oldest first. */
  #answers: KnownAnswer[] = [];
  #nodesSoFar = 0;
  #lies = 0;
  #runs = 0;
  #spotChecks = 0;
  #reverified = 0;
  #adjudications = 0;
  #wrongAtFirst = 0;
  #honestFoundInvalid = 0;

  constructor(settings: SimulationSettings) {
    this.#settings = settings;
    this.#random = seededRandom(settings.seed);
    this.#choices = new Choices(this.#random);
    this.#nodes = Array.from({ length: settings.nodes }, (_, index) => this.#newNode(index < settings.liars));
  }

  /** False when nothing is left to do. */
  tick(): boolean {
    this.#shuffle(this.#nodes);
    for (const node of [...this.#nodes]) this.#lease(node);
    if (this.#leases.length === 0 && this.#checks.length === 0) return false;
    const leases = this.#leases;
    this.#leases = [];
    this.#shuffle(leases);
    for (const lease of leases) this.#commit(lease);
    const checks = this.#checks;
    this.#checks = [];
    for (const { check, node, digest } of checks) this.#judgeSpotCheck(check, node, digest);
    return true;
  }

  figures(): SimulationFigures {
    const { tasks } = this.#settings;
    const wrong = this.#tasks.filter(({ state }, task) => state.accepted?.digest !== rightDigest(task)).length;
    return {
      wrongResultRate: wrong / tasks,
      replicasPerTask: this.#runs / tasks,
      wrongAtFirstRate: this.#wrongAtFirst / tasks,
      spotChecksPerTask: this.#spotChecks / tasks,
      reverifiedPerTask: this.#reverified / tasks,
      adjudications: this.#adjudications,
      honestFoundInvalid: this.#honestFoundInvalid,
      provenLiars: this.#nodes.filter(({ isLiar, trust }) => isLiar && standingOf(trust) === 'proven').length,
    };
  }

  #newNode(isLiar: boolean): SimulatedNode {
    this.#nodesSoFar += 1;
    return { id: `n${String(this.#nodesSoFar).padStart(32, '0')}`, isLiar, computed: 0, trust: unknownNode() };
  }

  #lease(node: SimulatedNode): void {
    if (this.#leaseSpotCheck(node)) return;
    const places = Math.min(LOOK_AHEAD, this.#waiting.length);
    for (let place = 0; place < places; place += 1) {
      const task = this.#waiting[place] as number;
      const { state } = this.#task(task);
      // What is decided wants no replica any more.
      const isStale = state.phase !== 'collecting' || state.requested === 0;
      if (!isStale && !mayRun(state, holderOf(node))) continue;
      this.#waiting.splice(place, 1);
      if (!isStale) return this.#leaseTask(node, task);
      return this.#lease(node);
    }
    if (this.#tasks.length === this.#settings.tasks) return;
    this.#tasks.push({ state: newTaskVerification(), leases: [] });
    this.#leaseTask(node, this.#tasks.length - 1);
  }

  #leaseSpotCheck(node: SimulatedNode): boolean {
    const { mode, spotChecks } = this.#settings.policy;
    // A check takes the place of new work; a node without work is not kept busy with checks.
    if (mode !== 'adaptive' || this.#tasks.length === this.#settings.tasks) return false;
    const random = { whether: this.#random(), which: this.#random() };
    const issued = issueSpotCheck(this.#answers, holderOf(node), node.trust, spotChecks, random);
    if (issued === null) return false;
    const { answer, check } = issued;
    this.#saveAnswer(check, answer);
    this.#checks.push({ check, node, digest: this.#compute(node, check.task.partition) });
    this.#spotChecks += 1;
    return true;
  }

  #leaseTask(node: SimulatedNode, task: number): void {
    const { leases, state } = this.#task(task);
    const fence = state.lastFence + 1;
    const { trust } = node;
    const digest = this.#compute(node, task);
    const lease: Lease = { task, fence, node, digest, nonce: fence.toString(16).padStart(64, '0') };
    leases.push(lease);
    this.#leases.push(lease);
    this.#apply(task, { kind: 'leased', ...holderOf(node), fence, trust, random: this.#random() });
  }

  #compute(node: SimulatedNode, task: number): string {
    const { lieProbability, areColluding, honestAtFirst } = this.#settings;
    this.#runs += 1;
    node.computed += 1;
    const lies = node.isLiar && node.computed > honestAtFirst && this.#choices.chance(lieProbability);
    if (!lies) return rightDigest(task);
    this.#lies += 1;
    return `sha256:f${(areColluding ? task : this.#lies).toString(16).padStart(63, '0')}`;
  }

  #commit({ task, fence, node, digest, nonce }: Lease): void {
    this.#apply(task, { kind: 'committed', fence, commitment: commitmentOf({ digest, nodeId: node.id, nonce }) });
    if (!this.#settings.areWithholding || digest === rightDigest(task)) return;
    // Asked at once, it has revealed by now, and this changes nothing.
    this.#apply(task, { kind: 'failed', fence });
  }

  #task(task: number): SimulatedTask {
    const found = this.#tasks[task];
    if (found === undefined) throw new Error(`there is no task ${task}`);
    return found;
  }

  #apply(task: number, event: VerificationEvent): boolean {
    const entry = this.#task(task);
    const step = verifyTask(entry.state, event, this.#settings.policy);
    if (step === null) return false;
    entry.state = step.state;
    for (const { fence, verdict } of step.verdicts) {
      const lease = entry.leases.find((candidate) => candidate.fence === fence);
      if (lease !== undefined) this.#record(lease.node, verdict, task);
    }
    for (const action of step.actions) this.#carryOut(task, action);
    return true;
  }

  #carryOut(task: number, action: VerificationAction): void {
    const entry = this.#task(task);
    switch (action.kind) {
      case 'place-replicas':
        for (let count = 0; count < action.count; count += 1) this.#waiting.push(task);
        return;
      case 'open-commitments':
        for (const { fence, digest, nonce } of entry.leases.filter((lease) => action.fences.includes(lease.fence))) {
          this.#apply(task, { kind: 'revealed', fence, digest, nonce });
        }
        return;
      case 'accept':
        if (!action.isCorrection && action.digest !== rightDigest(task)) this.#wrongAtFirst += 1;
        if (this.#settings.policy.mode === 'adaptive') this.#learnAnswer(task);
        return;
      case 'adjudicate':
        this.#runs += 1;
        this.#adjudications += 1;
        this.#apply(task, { kind: 'adjudicated', fence: entry.state.lastFence + 1, digest: rightDigest(task) });
        return;
      case 'cancel':
        // It has been computed and counted already.
        return;
      default:
        throw new Error(`nothing in this simulation leads to ${action.kind}`);
    }
  }

  #learnAnswer(task: number): void {
    const answer = knownAnswerOf({ job: JOB, partition: task }, this.#task(task).state);
    if (answer === null) return;
    this.#answers.push(answer);
    if (this.#answers.length > VERIFICATION_LIMITS.knownAnswers) this.#answers.shift();
  }

  #saveAnswer({ task }: SpotCheck, answer: KnownAnswer | null): void {
    const at = this.#answers.findIndex((candidate) => candidate.task.partition === task.partition);
    if (at >= 0) this.#answers.splice(at, 1, ...(answer === null ? [] : [answer]));
  }

  #judgeSpotCheck(check: SpotCheck, node: SimulatedNode, digest: string): void {
    const { partition } = check.task;
    const known = this.#answers.find((candidate) => candidate.task.partition === partition) ?? null;
    const { answer, verdict } = judgeSpotCheck(known, check, digest);
    this.#saveAnswer(check, answer);
    if (verdict === 'disputed') this.#apply(partition, { kind: 'reopened' });
    else this.#record(node, verdict, partition);
  }

  #record(node: SimulatedNode, verdict: Verdict, partition: number): void {
    const isFoundOut = verdict === 'invalid' || verdict === 'spot-check-failed';
    if (isFoundOut && !node.isLiar) this.#honestFoundInvalid += 1;
    const { trust, reverify } = recordVerdict(node.trust, verdict, { job: JOB, partition });
    node.trust = trust;
    for (const task of reverify) {
      if (this.#apply(task.partition, { kind: 'reopened' })) this.#reverified += 1;
    }
    if (!isFoundOut || !node.isLiar || !this.#settings.areWhitewashing) return;
    const place = this.#nodes.indexOf(node);
    if (place >= 0) this.#nodes[place] = this.#newNode(true);
  }

  #shuffle(items: unknown[]): void {
    for (let last = items.length - 1; last > 0; last -= 1) {
      const other = this.#choices.integer(0, last);
      [items[last], items[other]] = [items[other], items[last]];
    }
  }
}

/** Every node has an owner and a network of its own. */
function holderOf({ id }: SimulatedNode): { nodeId: string; owner: string; prefix: string } {
  return { nodeId: id, owner: id, prefix: id };
}

function rightDigest(task: number): string {
  return `sha256:${task.toString(16).padStart(64, '0')}`;
}
