/** Refuses tasks and nodes that make no sense, before anything is computed from them. */
import { FogError } from '@fog/contract';
import { MARKET_LIMITS } from '../market/limits.ts';
import { PLACEMENT_LIMITS } from './limits.ts';
import {
  type NodeOffer,
  OBJECTIVES,
  type ObjectiveName,
  PRIVACY_LEVELS,
  type Resources,
  type TaskToPlace,
} from './model.ts';

/** Whose value it is. Put into words only when something is wrong: thousands of values are checked before a plan. */
interface Owner {
  kind: 'task' | 'node';
  id: string;
}

/** Throws `invalid-request` for what is not a finite number from `least` to `most`. */
export function assertAmount(name: string, value: number, least: number, most: number, owner?: Owner): void {
  if (typeof value === 'number' && value >= least && value <= most) return;
  const what = named(name, owner);
  throw new FogError('invalid-request', `${what} is ${value}, and must be a number from ${least} to ${most}`, {
    details: { what, value: String(value), least, most },
    hint: 'give it in the unit that its name says',
  });
}

/** Throws `invalid-request` for what is not a whole number from `least` to `most`. */
export function assertWhole(name: string, value: number, least: number, most: number, owner?: Owner): void {
  assertAmount(name, value, least, most, owner);
  if (Number.isInteger(value)) return;
  const what = named(name, owner);
  throw new FogError('invalid-request', `${what} is ${value}, and must be a whole number`, {
    details: { what, value },
  });
}

function named(name: string, owner: Owner | undefined): string {
  return owner === undefined ? name : `${name} of ${owner.kind} ${owner.id}`;
}

/** Throws `invalid-request` for a task or node that makes no sense, or an id that occurs twice. */
export function checkTasks(tasks: readonly TaskToPlace[]): void {
  assertWhole('the number of tasks', tasks.length, 0, PLACEMENT_LIMITS.batchTasks);
  assertDistinct('task', tasks);
  tasks.forEach(checkTask);
}

export function checkNodes(nodes: readonly NodeOffer[]): void {
  assertWhole('the number of nodes', nodes.length, 0, PLACEMENT_LIMITS.nodes);
  assertDistinct('node', nodes);
  nodes.forEach(checkNode);
}

/** Throws `invalid-request`. */
export function checkTask(task: TaskToPlace): void {
  const { milliseconds, inputBytes, priceMultiple } = PLACEMENT_LIMITS;
  const { slicePriceMicroFog } = MARKET_LIMITS;
  assertName('the id of a task', task.id);
  const owner: Owner = { kind: 'task', id: task.id };
  assertWhole('version', task.version, 0, Number.MAX_SAFE_INTEGER, owner);
  assertAmount('priority', task.priority, 0, 100, owner);
  checkResources('needs', task.needs, owner);
  assertAmount('expectedRunMilliseconds', task.expectedRunMilliseconds, 0, milliseconds, owner);
  assertAmount('runDeviationMilliseconds', task.runDeviationMilliseconds, 0, milliseconds, owner);
  assertAmount('trustFloor', task.trustFloor, 0, 1, owner);
  assertLevel('privacyLevel', task.privacyLevel, owner);
  assertAmount('priceMultiple', task.priceMultiple, 1, priceMultiple, owner);
  if (task.deadline !== null) {
    assertAmount('deadline', task.deadline.atMilliseconds, 0, Number.MAX_SAFE_INTEGER, owner);
  }
  if (task.priceCapMicroFog !== null) {
    assertAmount(
      'priceCapMicroFog',
      task.priceCapMicroFog,
      0,
      slicePriceMicroFog * milliseconds * priceMultiple,
      owner,
    );
  }
  if (task.latencyCapMilliseconds !== null) {
    assertAmount('latencyCapMilliseconds', task.latencyCapMilliseconds, 0, milliseconds, owner);
  }
  for (const name of LISTS_OF_TASKS) assertList(name, task[name], owner);
  for (const { bytes, nodes } of task.inputs) {
    assertAmount('bytes of an input', bytes, 0, inputBytes, owner);
    assertWhole('nodes of an input', nodes.length, 0, PLACEMENT_LIMITS.nodes, owner);
  }
  if (task.affinity !== null) {
    assertAmount('coldStartMilliseconds', task.affinity.coldStartMilliseconds, 0, milliseconds, owner);
  }
  if (task.running !== null) {
    for (const name of ['remainingMilliseconds', 'restartMilliseconds', 'remainingRunMilliseconds'] as const) {
      assertAmount(name, task.running[name], 0, milliseconds, owner);
    }
  }
}

const LISTS_OF_TASKS = [
  'inputs',
  'regions',
  'constraints',
  'features',
  'excludedNodes',
  'excludedOwners',
  'excludedPrefixes',
] as const;

/** Throws `invalid-request`. */
export function checkNode(node: NodeOffer): void {
  const { milliseconds, watts, speed, bitsPerSecond } = PLACEMENT_LIMITS;
  const { slicePriceMicroFog } = MARKET_LIMITS;
  assertName('the id of a node', node.id);
  const owner: Owner = { kind: 'node', id: node.id };
  assertWhole('version', node.version, 0, Number.MAX_SAFE_INTEGER, owner);
  checkResources('capacity', node.capacity, owner);
  checkResources('free capacity', node.free, owner);
  assertAmount('speed', node.speed, 1 / speed, speed, owner);
  assertAmount('priceMicroFogPerSlice', node.priceMicroFogPerSlice, 0, slicePriceMicroFog, owner);
  assertAmount('idleWatts', node.idleWatts, 0, watts, owner);
  assertAmount('busyWatts', node.busyWatts, node.idleWatts, watts, owner);
  assertAmount('reputation', node.reputation, 0, 1, owner);
  assertAmount('latencyMilliseconds', node.latencyMilliseconds, 0, milliseconds, owner);
  assertAmount('downloadBitsPerSecond', node.downloadBitsPerSecond, 1, bitsPerSecond, owner);
  assertLevel('privacyLevel', node.privacyLevel, owner);
  for (const name of ['features', 'staying'] as const) assertList(name, node[name], owner);
  let before: { milliseconds: number; probability: number } = { milliseconds: 0, probability: 1 };
  for (const point of node.staying) {
    assertAmount('milliseconds of staying', point.milliseconds, before.milliseconds, milliseconds, owner);
    assertAmount('probability of staying', point.probability, 0, before.probability, owner);
    before = point;
  }
}

/** One to four of the objectives, each once. Throws `invalid-configuration`. */
export function checkObjectives(objectives: readonly ObjectiveName[]): void {
  const most = PLACEMENT_LIMITS.objectives;
  const unknown = objectives.find((name) => !OBJECTIVES.includes(name));
  const isDistinct = new Set(objectives).size === objectives.length;
  if (unknown === undefined && isDistinct && objectives.length >= 1 && objectives.length <= most) return;
  const what = unknown === undefined ? `${objectives.length} objectives` : `the objective "${unknown}"`;
  throw new FogError('invalid-configuration', `cannot optimise ${what}${isDistinct ? '' : ', one of them twice'}`, {
    details: { objectives: [...objectives] },
    hint: `choose one to ${most} of ${OBJECTIVES.join(', ')}`,
  });
}

function checkResources(what: string, { milliCpu, memoryBytes, others }: Resources, owner: Owner): void {
  assertResource('milliCpu', milliCpu, what, owner);
  assertResource('memoryBytes', memoryBytes, what, owner);
  let count = 0;
  for (const name in others) {
    count += 1;
    assertResource(name, others[name] as number, what, owner);
  }
  assertWhole('the number of resources', count, 0, PLACEMENT_LIMITS.otherResources, owner);
}

function assertResource(name: string, amount: number, what: string, owner: Owner): void {
  const most = PLACEMENT_LIMITS.resourceAmount;
  if (Number.isInteger(amount) && amount >= 0 && amount <= most) return;
  assertWhole(`${name} in the ${what}`, amount, 0, most, owner);
}

function assertLevel(name: string, level: string, owner: Owner): void {
  if ((PRIVACY_LEVELS as readonly string[]).includes(level)) return;
  throw new FogError('invalid-request', `${named(name, owner)} is "${level}"`, {
    hint: `the levels are ${PRIVACY_LEVELS.join(', ')}`,
  });
}

function assertList(name: string, list: readonly unknown[], owner: Owner): void {
  if (list.length <= PLACEMENT_LIMITS.listEntries) return;
  assertWhole(`the length of ${name}`, list.length, 0, PLACEMENT_LIMITS.listEntries, owner);
}

function assertName(what: string, name: string): void {
  if (typeof name === 'string' && name !== '' && name.length <= PLACEMENT_LIMITS.nameCharacters) return;
  throw new FogError('invalid-request', `${what} must be a text of 1 to ${PLACEMENT_LIMITS.nameCharacters} characters`);
}

function assertDistinct(what: string, owners: readonly { readonly id: string }[]): void {
  const seen = new Set<string>();
  for (const { id } of owners) {
    if (seen.has(id)) {
      throw new FogError('invalid-request', `${what} ${id} is there twice`, {
        details: { [what]: id },
        hint: 'pass the newest state of each once',
      });
    }
    seen.add(id);
  }
}
