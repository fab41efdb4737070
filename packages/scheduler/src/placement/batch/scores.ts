/** What a placement of a whole batch comes to: objectives and violation, from the start or from what has changed. */
import type { AssignmentChange } from '../../nsga2/index.ts';
import { PLACEMENT_LIMITS } from '../limits.ts';
import type { Batch } from './batch.ts';
import { ENERGY_UNITS, type PairTable, RISK_UNITS, SLOWDOWN_UNITS } from './pair-table.ts';

/**
 * The numbers that are kept of each placement:
 *
 *     one sum for each objective | milliseconds late | tasks without a node | slowdowns by tenant | tasks by node
 *
 * The last two only where fairness or energy is an objective.
 */
export class Scores {
  readonly stateNumbers: number;
  readonly #batch: Batch;
  readonly #table: PairTable;
  readonly #late: number;
  readonly #left: number;
  readonly #tenantsAt: number;
  readonly #countsAt: number;
  readonly #risk: number;
  readonly #fairness: number;
  readonly #energy: number;
  readonly #totalWeight: number;
  readonly #results: number;
  readonly #tenantTasks: Float64Array;
  /** Milliseconds of avoidable lateness that the best known placement has too: up to here nothing is broken. */
  #allowed = 0;

  constructor(batch: Batch, table: PairTable) {
    this.#batch = batch;
    this.#table = table;
    const { objectives, tenants, tenantOf, groups, groupOf } = batch;
    this.#risk = objectives.indexOf('failureRisk');
    this.#fairness = objectives.indexOf('fairness');
    this.#energy = objectives.indexOf('energy');
    this.#late = objectives.length;
    this.#left = this.#late + 1;
    this.#tenantsAt = this.#left + 1;
    this.#countsAt = this.#tenantsAt + (this.#fairness >= 0 ? tenants : 0);
    this.stateNumbers = this.#countsAt + (this.#energy >= 0 ? batch.nodes.length : 0);
    this.#totalWeight = table.weights.reduce((sum, weight) => sum + weight, 0);
    this.#results = groups.length + groupOf.reduce((count, group) => count + (group < 0 ? 1 : 0), 0);
    this.#tenantTasks = new Float64Array(tenants);
    for (const tenant of tenantOf) this.#tenantTasks[tenant] = (this.#tenantTasks[tenant] as number) + 1;
  }

  /** Milliseconds of lateness and of tasks left, of a placement whose numbers begin at `stateAt`. */
  brokenMilliseconds(state: Float64Array, stateAt: number): number {
    const left = state[stateAt + this.#left] as number;
    return (state[stateAt + this.#late] as number) + left * PLACEMENT_LIMITS.leftMilliseconds;
  }

  allow(milliseconds: number): void {
    this.#allowed = milliseconds;
  }

  /** As `AssignmentProblem.evaluate`. */
  evaluate(
    genes: Int32Array,
    genesAt: number,
    objectives: Float64Array,
    objectivesAt: number,
    state: Float64Array,
    stateAt: number,
  ): number {
    const { tasks, groups } = this.#batch;
    state.fill(0, stateAt, stateAt + this.stateNumbers);
    for (let task = 0; task < tasks.length; task += 1)
      this.#count(task, genes[genesAt + task] as number, state, stateAt, 1);
    if (this.#risk >= 0) {
      const at = stateAt + this.#risk;
      for (const group of groups) state[at] = (state[at] as number) + this.#groupRisk(group, genes, genesAt);
    }
    return this.#conclude(objectives, objectivesAt, state, stateAt);
  }

  /** As `AssignmentProblem.evaluateChange`: the steps that it takes grow with the tasks that have moved. */
  evaluateChange(change: AssignmentChange): number {
    const { genes, genesAt, parentGenesAt, jobs, jobCount, objectives, objectivesAt, state, stateAt } = change;
    for (let at = 0; at < jobCount; at += 1) {
      const task = jobs[at] as number;
      this.#count(task, genes[parentGenesAt + task] as number, state, stateAt, -1);
      this.#count(task, genes[genesAt + task] as number, state, stateAt, 1);
      const group = this.#batch.groupOf[task] as number;
      if (this.#risk < 0 || group < 0) continue;
      const members = this.#batch.groups[group] as Int32Array;
      if (!isFirstMoved(members, task, genes, genesAt, parentGenesAt)) continue;
      const riskAt = stateAt + this.#risk;
      const difference = this.#groupRisk(members, genes, genesAt) - this.#groupRisk(members, genes, parentGenesAt);
      state[riskAt] = (state[riskAt] as number) + difference;
    }
    return this.#conclude(objectives, objectivesAt, state, stateAt);
  }

  #count(task: number, node: number, state: Float64Array, stateAt: number, sign: 1 | -1): void {
    const { nodes, objectives, groupOf, tenantOf } = this.#batch;
    if (node >= nodes.length) {
      state[stateAt + this.#left] = (state[stateAt + this.#left] as number) + sign;
      // Without a node there will be no result.
      if (this.#risk >= 0 && (groupOf[task] as number) < 0) {
        state[stateAt + this.#risk] = (state[stateAt + this.#risk] as number) + sign * RISK_UNITS;
      }
      return;
    }
    const { values, width, waking } = this.#table;
    const pair = (task * nodes.length + node) * width;
    for (let objective = 0; objective < objectives.length; objective += 1) {
      if (objective === this.#risk && (groupOf[task] as number) >= 0) continue;
      const at = stateAt + objective;
      state[at] = (state[at] as number) + sign * (values[pair + objective] as number);
    }
    state[stateAt + this.#late] = (state[stateAt + this.#late] as number) + sign * (values[pair + width - 1] as number);
    if (this.#fairness >= 0) {
      const at = stateAt + this.#tenantsAt + (tenantOf[task] as number);
      state[at] = (state[at] as number) + sign * (values[pair + this.#fairness] as number);
    }
    if (this.#energy >= 0) {
      const at = stateAt + this.#countsAt + node;
      const before = state[at] as number;
      state[at] = before + sign;
      if (before === 0 || state[at] === 0) {
        const energyAt = stateAt + this.#energy;
        state[energyAt] = (state[energyAt] as number) + sign * (waking[node] as number);
      }
    }
  }

  /** Probability that all replicas fail. */
  #groupRisk(members: Int32Array, genes: Int32Array, genesAt: number): number {
    const { nodes } = this.#batch;
    const { values, width } = this.#table;
    let product = 1;
    for (const member of members) {
      const node = genes[genesAt + member] as number;
      if (node < nodes.length)
        product *= (values[(member * nodes.length + node) * width + this.#risk] as number) / RISK_UNITS;
    }
    return Math.round(product * RISK_UNITS);
  }

  #conclude(objectives: Float64Array, objectivesAt: number, state: Float64Array, stateAt: number): number {
    const names = this.#batch.objectives;
    for (let objective = 0; objective < names.length; objective += 1) {
      const sum = state[stateAt + objective] as number;
      objectives[objectivesAt + objective] = this.#inUnits(objective, sum, state, stateAt);
    }
    return Math.max(0, this.brokenMilliseconds(state, stateAt) - this.#allowed);
  }

  /** completionTime: mean ms by priority; cost: micro-FOG; energy: J; failureRisk: mean 0 to 1; fairness: worst slowdown. */
  #inUnits(objective: number, sum: number, state: Float64Array, stateAt: number): number {
    switch (this.#batch.objectives[objective]) {
      case 'completionTime':
        return sum / this.#totalWeight;
      case 'energy':
        return sum / ENERGY_UNITS;
      case 'failureRisk':
        return sum / (RISK_UNITS * this.#results);
      case 'fairness':
        return this.#worstTenant(state, stateAt + this.#tenantsAt) / SLOWDOWN_UNITS;
      default:
        return sum;
    }
  }

  #worstTenant(state: Float64Array, from: number): number {
    let worst = 0;
    for (let tenant = 0; tenant < this.#tenantTasks.length; tenant += 1) {
      worst = Math.max(worst, (state[from + tenant] as number) / (this.#tenantTasks[tenant] as number));
    }
    return worst;
  }
}

/** A group is looked at once, when the first of its members that moved is. */
function isFirstMoved(
  members: Int32Array,
  task: number,
  genes: Int32Array,
  genesAt: number,
  parentGenesAt: number,
): boolean {
  for (const member of members) {
    if (member === task) return true;
    if (genes[genesAt + member] !== genes[parentGenesAt + member]) return false;
  }
  return true;
}
