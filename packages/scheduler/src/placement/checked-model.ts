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

/** Throws `invalid-request` for what is not a finite number from `least` to `most`. */
export function assertAmount(what: string, value: number, least: number, most: number): void {
  if (typeof value === 'number' && value >= least && value <= most) return;
  throw new FogError('invalid-request', `${what} is ${value}, and must be a number from ${least} to ${most}`, {
    details: { what, value: String(value), least, most },
    hint: 'give it in the unit that its name says',
  });
}

/** Throws `invalid-request` for what is not a whole number from `least` to `most`. */
export function assertWhole(what: string, value: number, least: number, most: number): void {
  assertAmount(what, value, least, most);
  if (Number.isInteger(value)) return;
  throw new FogError('invalid-request', `${what} is ${value}, and must be a whole number`, {
    details: { what, value },
  });
}

/** Throws `invalid-request` for a task or node that makes no sense, or an id that occurs twice. */
export function checkTasks(tasks: readonly TaskToPlace[]): void {
  assertWhole('the number of tasks', tasks.length, 0, PLACEMENT_LIMITS.batchTasks);
  assertDistinct(
    'task',
    tasks.map(({ id }) => id),
  );
  tasks.forEach(checkTask);
}

export function checkNodes(nodes: readonly NodeOffer[]): void {
  assertWhole('the number of nodes', nodes.length, 0, PLACEMENT_LIMITS.nodes);
  assertDistinct(
    'node',
    nodes.map(({ id }) => id),
  );
  nodes.forEach(checkNode);
}

/** Throws `invalid-request`. */
export function checkTask(task: TaskToPlace): void {
  const { milliseconds, inputBytes } = PLACEMENT_LIMITS;
  const { slicePriceMicroFog } = MARKET_LIMITS;
  assertName('the id of a task', task.id);
  const of = (what: string) => `${what} of task ${task.id}`;
  assertWhole(of('version'), task.version, 0, Number.MAX_SAFE_INTEGER);
  assertAmount(of('priority'), task.priority, 0, 100);
  checkResources(of('needs'), task.needs);
  assertAmount(of('expectedRunMilliseconds'), task.expectedRunMilliseconds, 0, milliseconds);
  assertAmount(of('runDeviationMilliseconds'), task.runDeviationMilliseconds, 0, milliseconds);
  assertAmount(of('trustFloor'), task.trustFloor, 0, 1);
  assertLevel(of('privacyLevel'), task.privacyLevel);
  if (task.deadline !== null) {
    assertAmount(of('deadline'), task.deadline.atMilliseconds, 0, Number.MAX_SAFE_INTEGER);
  }
  if (task.priceCapMicroFog !== null) {
    assertAmount(of('priceCapMicroFog'), task.priceCapMicroFog, 0, slicePriceMicroFog * milliseconds);
  }
  if (task.latencyCapMilliseconds !== null) {
    assertAmount(of('latencyCapMilliseconds'), task.latencyCapMilliseconds, 0, milliseconds);
  }
  for (const name of LISTS_OF_TASKS) assertList(of(name), task[name]);
  for (const { bytes, nodes } of task.inputs) {
    assertAmount(of('bytes of an input'), bytes, 0, inputBytes);
    assertWhole(of('nodes of an input'), nodes.length, 0, PLACEMENT_LIMITS.nodes);
  }
  if (task.affinity !== null) {
    assertAmount(of('coldStartMilliseconds'), task.affinity.coldStartMilliseconds, 0, milliseconds);
  }
  if (task.running !== null) {
    for (const name of ['remainingMilliseconds', 'restartMilliseconds', 'remainingRunMilliseconds'] as const) {
      assertAmount(of(name), task.running[name], 0, milliseconds);
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
  const of = (what: string) => `${what} of node ${node.id}`;
  assertWhole(of('version'), node.version, 0, Number.MAX_SAFE_INTEGER);
  checkResources(of('capacity'), node.capacity);
  checkResources(of('free capacity'), node.free);
  assertAmount(of('speed'), node.speed, 1 / speed, speed);
  assertAmount(of('priceMicroFogPerSlice'), node.priceMicroFogPerSlice, 0, slicePriceMicroFog);
  assertAmount(of('idleWatts'), node.idleWatts, 0, watts);
  assertAmount(of('busyWatts'), node.busyWatts, node.idleWatts, watts);
  assertAmount(of('reputation'), node.reputation, 0, 1);
  assertAmount(of('latencyMilliseconds'), node.latencyMilliseconds, 0, milliseconds);
  assertAmount(of('downloadBitsPerSecond'), node.downloadBitsPerSecond, 1, bitsPerSecond);
  assertLevel(of('privacyLevel'), node.privacyLevel);
  for (const name of ['features', 'staying'] as const) assertList(of(name), node[name]);
  let before: { milliseconds: number; probability: number } = { milliseconds: 0, probability: 1 };
  for (const point of node.staying) {
    assertAmount(of('milliseconds of staying'), point.milliseconds, before.milliseconds, milliseconds);
    assertAmount(of('probability of staying'), point.probability, 0, before.probability);
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

function checkResources(what: string, { milliCpu, memoryBytes, others }: Resources): void {
  const most = PLACEMENT_LIMITS.resourceAmount;
  assertWhole(`milliCpu in the ${what}`, milliCpu, 0, most);
  assertWhole(`memoryBytes in the ${what}`, memoryBytes, 0, most);
  const names = Object.keys(others);
  assertWhole(`the number of other resources in the ${what}`, names.length, 0, PLACEMENT_LIMITS.otherResources);
  for (const name of names) assertWhole(`${name} in the ${what}`, others[name] as number, 0, most);
}

function assertLevel(what: string, level: string): void {
  if ((PRIVACY_LEVELS as readonly string[]).includes(level)) return;
  throw new FogError('invalid-request', `${what} is "${level}"`, {
    hint: `the levels are ${PRIVACY_LEVELS.join(', ')}`,
  });
}

function assertList(what: string, list: readonly unknown[]): void {
  assertWhole(`the length of ${what}`, list.length, 0, PLACEMENT_LIMITS.listEntries);
}

function assertName(what: string, name: string): void {
  if (typeof name === 'string' && name !== '' && name.length <= PLACEMENT_LIMITS.nameCharacters) return;
  throw new FogError('invalid-request', `${what} must be a text of 1 to ${PLACEMENT_LIMITS.nameCharacters} characters`);
}

function assertDistinct(what: string, ids: readonly string[]): void {
  const seen = new Set<string>();
  for (const id of ids) {
    if (seen.has(id)) {
      throw new FogError('invalid-request', `${what} ${id} is there twice`, {
        details: { [what]: id },
        hint: 'pass the newest state of each once',
      });
    }
    seen.add(id);
  }
}
