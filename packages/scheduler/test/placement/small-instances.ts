/** Small instances of placement of several shapes, every figure drawn, the same for the same seed. */
import type { NodeOffer, TaskToPlace } from '../../src/placement/index.ts';
import { RandomNumbers } from '../../src/random-numbers.ts';
import { node, processors, task } from './small-fog.ts';

export interface SmallInstance {
  tasks: TaskToPlace[];
  nodes: NodeOffer[];
}

interface Shape {
  nodes: number;
  /** Processors of a node: from the first up to the sum of both. */
  leastCores: number;
  moreCores: number;
  /** The most that a task needs. */
  taskCores: number;
  /** Of all processors, how many are needed at least. */
  load: number;
  /** Watts a processor: at rest, and at work; how unequal the nodes are in them (1: drawn evenly from 0 on). */
  idleWatts: number;
  /** Chance that a node is at work already, so that it need not be woken. */
  isAtWork: number;
}

const TIGHT: Shape = { nodes: 6, leastCores: 2, moreCores: 5, taskCores: 2, load: 0.75, idleWatts: 20, isAtWork: 0 };

export const SMALL_SHAPES = {
  /** Three quarters of all room are needed. */
  tight: TIGHT,
  /** Some 30 tasks on four nodes. */
  manyTasks: { ...TIGHT, nodes: 4, leastCores: 8, moreCores: 8 },
  /** Which of many nodes to wake is most of the question. */
  roomy: { ...TIGHT, nodes: 12, load: 0.35 },
  /** Rest draws much more than work, or hardly anything. */
  unequalPower: { ...TIGHT, nodes: 8, load: 0.5, idleWatts: 120, isAtWork: 0.3 },
  /** Nearly all room is needed, and tasks are of many sizes. */
  full: { ...TIGHT, leastCores: 4, taskCores: 4, load: 0.85 },
} as const satisfies Record<string, Shape>;

export type SmallShape = keyof typeof SMALL_SHAPES;

export const smallShapes = Object.keys(SMALL_SHAPES) as SmallShape[];

export function smallInstance(shape: SmallShape, seed: number): SmallInstance {
  const { nodes: count, leastCores, moreCores, taskCores, load, idleWatts, isAtWork }: Shape = SMALL_SHAPES[shape];
  const random = new RandomNumbers(seed);
  const nodes = Array.from({ length: count }, (_, index) => {
    const cores = leastCores + random.below(moreCores);
    const speed = 0.5 + 2 * random.unit();
    const drawn = node(`n${index}`, {
      capacity: processors(cores),
      owner: `o${random.below(4)}`,
      prefix: `p${random.below(5)}`,
      speed,
      priceMicroFogPerSlice: 1 + Math.round(500 * speed * random.unit()),
      idleWatts: idleWatts * random.unit() * cores,
      busyWatts: (idleWatts + 30 * random.unit()) * cores,
      reputation: 0.7 + 0.3 * random.unit(),
      staying: [{ milliseconds: 3_600_000, probability: random.unit() }],
    });
    return isAtWork > 0 && random.unit() < isAtWork ? { ...drawn, free: processors(cores - 1) } : drawn;
  });
  const room = nodes.reduce((sum, { free }) => sum + free.milliCpu / 1000, 0);
  const tasks: TaskToPlace[] = [];
  for (let used = 0; used < load * room; ) {
    const cores = 1 + random.below(taskCores);
    used += cores;
    const run = 60_000 + 1_800_000 * random.unit();
    tasks.push(
      task(`t${tasks.length}`, {
        needs: processors(cores),
        expectedRunMilliseconds: run,
        priority: random.below(101),
        tenant: `x${random.below(3)}`,
      }),
    );
  }
  return { tasks, nodes };
}
