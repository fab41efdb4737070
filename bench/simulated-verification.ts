/**
 * A fog of simulated nodes, some of which lie, under the verification that ships: every lease, commitment and reveal
 * goes through `verifyTask`, every node's record through the transitions of `NodeTrust`.
 *
 * Time goes in ticks. In a tick each node, in random order, takes one lease: a spot check, else a replica that waits,
 * else a new task. At its end all commit and reveal, in random order. A task on which replicas cannot agree is run on a
 * machine of the operator's, which does not lie; that counts as a replica.
 */
import {
  acceptedUnreplicated,
  commitmentOf,
  confirmedAgain,
  credibilityOf,
  type FoundInvalid,
  failedSpotCheck,
  foundInvalid,
  issueSpotCheck,
  judgeSpotCheck,
  type KnownAnswer,
  knownAnswerOf,
  leftInconclusive,
  mismatched,
  type NodeTrust,
  newTaskVerification,
  passedSpotCheck,
  type ReplicaResult,
  rememberAnswer,
  type SpotCheck,
  standingOf,
  type TaskVerification,
  unknownNode,
  type VerificationDecision,
  type VerificationEvent,
  type VerificationPolicy,
  validated,
  verifyTask,
  withheld,
} from '../packages/verification/src/index.ts';
import { Choices, seededRandom } from '../test/chaos/seeded-random.ts';

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
  state: TaskVerification;
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
  #answers: KnownAnswer[] = [];
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
    this.#nodes = Array.from({ length: settings.nodes }, (_, index) => ({
      id: `n${String(index).padStart(32, '0')}`,
      isLiar: index < settings.liars,
      computed: 0,
      trust: unknownNode(),
    }));
  }

  /** False when nothing is left to do. */
  tick(): boolean {
    this.#shuffle(this.#nodes);
    for (const node of this.#nodes) this.#lease(node);
    if (this.#leases.length === 0 && this.#checks.length === 0) return false;
    const leases = this.#leases;
    this.#leases = [];
    this.#shuffle(leases);
    for (const { task, fence, node, digest, nonce } of leases) {
      this.#apply(task, { kind: 'committed', fence, commitment: commitmentOf({ digest, nodeId: node.id, nonce }) });
    }
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

  #lease(node: SimulatedNode): void {
    if (this.#leaseSpotCheck(node)) return;
    const places = Math.min(LOOK_AHEAD, this.#waiting.length);
    for (let place = 0; place < places; place += 1) {
      const task = this.#waiting[place] as number;
      if (!this.#leaseTask(node, task)) continue;
      this.#waiting.splice(place, 1);
      return;
    }
    if (this.#tasks.length === this.#settings.tasks) return;
    this.#tasks.push({ state: newTaskVerification(), leases: [] });
    this.#leaseTask(node, this.#tasks.length - 1);
  }

  #leaseSpotCheck(node: SimulatedNode): boolean {
    const random = { whether: this.#random(), which: this.#random() };
    const { mode, spotChecks } = this.#settings.policy;
    // A check takes the place of new work; a node without work is not kept busy with checks.
    if (mode !== 'adaptive' || this.#tasks.length === this.#settings.tasks) return false;
    const issued = issueSpotCheck(this.#answers, holderOf(node), node.trust, spotChecks, random);
    if (issued === null) return false;
    this.#answers = issued.answers;
    this.#checks.push({ check: issued.check, node, digest: this.#compute(node, issued.check.partition) });
    this.#spotChecks += 1;
    return true;
  }

  #leaseTask(node: SimulatedNode, task: number): boolean {
    const { leases } = this.#task(task);
    const fence = (leases.at(-1)?.fence ?? 0) + 1;
    const lease: Lease = { task, fence, node, digest: '', nonce: fence.toString(16).padStart(64, '0') };
    leases.push(lease);
    const isTaken = this.#apply(task, {
      kind: 'leased',
      ...holderOf(node),
      fence,
      credibility: credibilityOf(node.trust),
      consecutiveValid: node.trust.consecutiveValid,
      random: this.#random(),
    });
    if (!isTaken) {
      leases.pop();
      return false;
    }
    lease.digest = this.#compute(node, task);
    this.#leases.push(lease);
    return true;
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
    for (const decision of step.decisions) this.#carryOut(task, decision);
    return true;
  }

  #carryOut(task: number, decision: VerificationDecision): void {
    switch (decision.kind) {
      case 'replicate':
        for (let count = 0; count < decision.count; count += 1) this.#waiting.push(task);
        return;
      case 'reveal':
        for (const { fence, digest, nonce } of this.#leasesOf(task, decision.fences)) {
          this.#apply(task, { kind: 'revealed', fence, digest, nonce });
        }
        return;
      case 'accept':
        return this.#onAccepted(task, decision);
      case 'mismatch':
        for (const { node } of this.#leasesOf(task, decision.fences)) node.trust = mismatched(node.trust);
        return;
      case 'withheld':
        for (const { node } of this.#leasesOf(task, [decision.fence])) node.trust = withheld(node.trust);
        return;
      case 'adjudicate':
        for (const { node } of this.#leasesOf(task, decision.inconclusive)) node.trust = leftInconclusive(node.trust);
        this.#runs += 1;
        this.#adjudications += 1;
        this.#apply(task, { kind: 'adjudicated', fence: 1000, digest: rightDigest(task) });
        return;
      default:
        throw new Error(`nothing in this simulation leads to ${decision.kind}`);
    }
  }

  #onAccepted(task: number, decision: Extract<VerificationDecision, { kind: 'accept' }>): void {
    const { valid, invalid, fence, isUnreplicated } = decision;
    const isFirst = decision.confirmedAgain.length === 0 && !decision.isCorrection;
    if (isFirst && decision.digest !== rightDigest(task)) this.#wrongAtFirst += 1;
    for (const { node } of this.#leasesOf(task, decision.confirmedAgain)) node.trust = confirmedAgain(node.trust);
    for (const { node } of this.#leasesOf(task, valid)) {
      const reference = { job: JOB, partition: task, fence };
      node.trust = isUnreplicated ? acceptedUnreplicated(node.trust, reference) : validated(node.trust);
    }
    if (!isUnreplicated && this.#settings.policy.mode === 'adaptive') this.#learnAnswer(task, valid, invalid);
    for (const { node } of this.#leasesOf(task, invalid)) this.#onFoundInvalid(node, foundInvalid(node.trust));
  }

  #learnAnswer(task: number, valid: readonly number[], invalid: readonly number[]): void {
    const results = this.#task(task).state.replicas as ReplicaResult[];
    const among = (fences: readonly number[]) => results.filter(({ fence }) => fences.includes(fence));
    const answer = knownAnswerOf({ job: JOB, partition: task }, among(valid), among(invalid));
    if (answer !== null) this.#answers = rememberAnswer(this.#answers, answer);
  }

  #judgeSpotCheck(check: SpotCheck, node: SimulatedNode, digest: string): void {
    const { answers, verdict } = judgeSpotCheck(this.#answers, check, digest);
    this.#answers = answers;
    if (verdict === 'passed') node.trust = passedSpotCheck(node.trust);
    else if (verdict === 'failed') this.#onFoundInvalid(node, failedSpotCheck(node.trust));
    else this.#apply(check.partition, { kind: 'reopened' });
  }

  #onFoundInvalid(node: SimulatedNode, found: FoundInvalid): void {
    if (!node.isLiar) this.#honestFoundInvalid += 1;
    node.trust = found.trust;
    for (const { partition } of found.reverify) {
      if (this.#apply(partition, { kind: 'reopened' })) this.#reverified += 1;
    }
  }

  #leasesOf(task: number, fences: readonly number[]): Lease[] {
    return this.#task(task).leases.filter(({ fence }) => fences.includes(fence));
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
