/** Tasks and nodes for tests: little ones by hand, and drawn ones for properties. */
import fc from 'fast-check';
import { type NodeOffer, nodeOffer, type TaskToPlace, taskToPlace } from '../../src/placement/index.ts';

export const NOW = 1_800_000_000_000;
const GIBIBYTE = 2 ** 30;

/** Resources of so many processors, with 2 GiB for each. */
export function processors(count: number, slots = count) {
  return { milliCpu: 1000 * count, memoryBytes: 2 * GIBIBYTE * count, others: { slots } };
}

export function node(id: string, changes: Partial<NodeOffer> = {}): NodeOffer {
  return nodeOffer({
    id,
    capacity: processors(4),
    reputation: 0.95,
    prefix: `10.${id.length}.0.0/16-${id}`,
    ...changes,
  });
}

export function task(id: string, changes: Partial<TaskToPlace> = {}): TaskToPlace {
  return taskToPlace({ id, needs: processors(1), expectedRunMilliseconds: 60_000, ...changes });
}

const drawnNode = fc.record({
  cores: fc.integer({ min: 1, max: 6 }),
  taken: fc.integer({ min: 0, max: 6 }),
  owner: fc.constantFrom('ann', 'ben', 'cyd', 'dan'),
  prefix: fc.constantFrom('10.1.0.0/16', '10.2.0.0/16', '10.3.0.0/16', null),
  speed: fc.constantFrom(0.5, 1, 2),
  price: fc.integer({ min: 0, max: 1000 }),
  reputation: fc.double({ min: 0, max: 1, noNaN: true }),
  region: fc.constantFrom('eu', 'us', null),
  latency: fc.integer({ min: 0, max: 300 }),
  takesWork: fc.boolean().map((value) => value || true),
  leaves: fc.double({ min: 0, max: 1, noNaN: true }),
});

const drawnTask = fc.record({
  cores: fc.integer({ min: 0, max: 3 }),
  run: fc.integer({ min: 0, max: 600_000 }),
  priority: fc.integer({ min: 0, max: 100 }),
  group: fc.constantFrom(null, null, 'one', 'two'),
  regions: fc.constantFrom<string[][]>([], ['eu'], ['eu', 'us']),
  trustFloor: fc.constantFrom(0, 0, 0.3),
  tenant: fc.constantFrom('x', 'y', 'z'),
  deadline: fc.constantFrom(null, 1000, 300_000),
  isStrict: fc.boolean(),
  bytes: fc.constantFrom(0, 1e6, 1e9),
  holder: fc.nat(5),
  runsOn: fc.constantFrom(null, null, null, 0, 1),
});

export interface DrawnFog {
  tasks: TaskToPlace[];
  nodes: NodeOffer[];
}

/** A fog that may be too small for its tasks. What runs has its room already. */
export const drawnFog: fc.Arbitrary<DrawnFog> = fc
  .tuple(fc.array(drawnNode, { maxLength: 8 }), fc.array(drawnTask, { maxLength: 14 }))
  .map(([drawnNodes, drawnTasks]) => {
    const nodes = drawnNodes.map(({ cores, taken, owner, prefix, speed, price, ...rest }, index) => {
      const { reputation, region, latency: latencyMilliseconds, leaves } = rest;
      return node(`n${index}`, {
        capacity: processors(cores),
        free: processors(Math.max(0, cores - taken)),
        ...{ owner, prefix, speed, reputation, region, latencyMilliseconds },
        priceMicroFogPerSlice: price,
        idleWatts: 10 * cores,
        busyWatts: 30 * cores,
        staying: [{ milliseconds: 600_000, probability: leaves }],
      });
    });
    const tasks = drawnTasks.map(({ cores, run, group, deadline, isStrict, bytes, holder, runsOn, ...rest }, index) => {
      const running = runsOn === null ? undefined : nodes[runsOn];
      return task(`t${index}`, {
        ...rest,
        needs: processors(cores, 1),
        expectedRunMilliseconds: run,
        replicaGroup: running === undefined ? group : null,
        deadline: deadline === null ? null : { atMilliseconds: NOW + deadline, isStrict },
        inputs: bytes === 0 ? [] : [{ bytes, nodes: [`n${holder}`] }],
        running:
          running === undefined
            ? null
            : {
                node: running.id,
                remainingMilliseconds: run,
                restartMilliseconds: 30_000,
                remainingRunMilliseconds: run * running.speed,
              },
      });
    });
    return { tasks, nodes };
  });
