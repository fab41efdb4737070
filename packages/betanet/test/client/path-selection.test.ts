/** Which paths are taken: lengths, layers, independence of relays, uniformity, and what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import fc from 'fast-check';
import type { NetworkNode, NetworkView } from '../../src/client/network-view.ts';
import { PRIVACY_HOPS, PRIVACY_LEVELS, type PrivacyLevel, selectPath } from '../../src/client/path-selection.ts';
import { chiSquared } from '../../src/mixing/chi-squared.ts';
import { SeededRandom } from './seeded-random.ts';
import { networkOf, nodeOf, nodesNamed } from './small-network.ts';

const select = (view: NetworkView, level: PrivacyLevel, numbers: SeededRandom) =>
  selectPath({ view, level, numbers, from: nodesNamed(view, 'g0'), to: nodesNamed(view, 's0') });

/** Whether counts are alike, but for what chance does more often than once in a million times. */
function assertAlike(counts: readonly number[]): void {
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  const { value, probability } = chiSquared(
    counts,
    counts.map(() => mean),
  );
  assert.ok(probability > 1e-6, `chi-squared ${value}`);
}

/** The rule in other words than the code's. */
function shareNothing(nodes: readonly NetworkNode[]): boolean {
  const marks = nodes.flatMap(({ operator, addressPrefixes }) => [`o ${operator}`, ...addressPrefixes]);
  return new Set(marks).size === marks.length;
}

function countPaths(draw: () => readonly NetworkNode[], times: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let at = 0; at < times; at += 1) {
    const name = draw()
      .map(({ id }) => Buffer.from(id).toString('hex').slice(0, 8))
      .join(' ');
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

test('levels are hops with gateway and service node, and enter at the last layers', () => {
  const view = networkOf({ layers: 5, relaysPerLayer: 3 });
  for (const level of PRIVACY_LEVELS) {
    const { nodes, anonymity } = select(view, level, new SeededRandom(1));
    assert.equal(nodes.length, PRIVACY_HOPS[level]);
    assert.equal(anonymity, 'mixed');
    const layers = nodes.slice(1, -1).map(({ layer }) => layer);
    assert.deepEqual(layers, [1, 2, 3, 4, 5].slice(-layers.length), level);
  }
});

test('a path of the whole depth goes through every layer, whatever the levels are', () => {
  for (const layers of [1, 2, 4, 8]) {
    const view = networkOf({ layers, relaysPerLayer: 3 });
    const gateway = nodesNamed(view, 'g0');
    const request = { view, level: 'whole', numbers: new SeededRandom(1), from: gateway, to: 'origin' } as const;
    const { nodes } = selectPath(request);
    assert.deepEqual(
      nodes.map(({ layer }) => layer),
      [null, ...Array.from({ length: layers }, (_, index) => index + 1), null],
    );
    const others = view.nodes.filter((node) => node.layer !== layers);
    assert.throws(() => selectPath({ ...request, view: { ...view, nodes: others } }), {
      code: 'unavailable',
      message: `there is no relay for hop ${layers + 1} of a path at level "whole"`,
    });
  }
});

test('a level that needs more layers than the network has is refused with both numbers, never lowered', () => {
  const view = networkOf({ layers: 3, relaysPerLayer: 3 });
  assert.equal(select(view, 'confidential', new SeededRandom(1)).nodes.length, 5);
  assert.throws(() => select(view, 'secret', new SeededRandom(1)), {
    code: 'unavailable',
    retryable: false,
    message: 'this network has 3 layers of mixes, and the level "secret" needs 5',
  });
});

test('a loop ends at the gateway where it began', () => {
  const view = networkOf({ layers: 3, relaysPerLayer: 2 });
  const from = nodesNamed(view, 'g0', 'g1');
  const { nodes } = selectPath({ view, level: 'confidential', from, to: 'origin', numbers: new SeededRandom(3) });
  assert.equal(nodes.length, 5);
  assert.equal(nodes[0], nodes[4]);
});

test('property: no two relays of a path are of one operator or network, and nothing that is possible is refused', () => {
  const place = fc.record({ operator: fc.integer({ min: 0, max: 7 }), prefix: fc.integer({ min: 0, max: 7 }) });
  const layers = fc.array(fc.array(place, { minLength: 1, maxLength: 4 }), { minLength: 5, maxLength: 5 });
  fc.assert(
    fc.property(layers, fc.integer(), (plan, seed) => {
      const nodes = plan.flatMap((relays, layer) =>
        relays.map(({ operator, prefix }, index) => {
          const role = layer === 0 ? 'gateway' : layer === 4 ? 'service' : 'mix';
          const name = `${layer} ${index}`;
          return nodeOf({ name, role, layer, operator: `o${operator}`, prefixes: [`p${prefix}`] }, [0]);
        }),
      );
      const view: NetworkView = { ...networkOf({ layers: 3, relaysPerLayer: 1 }), nodes };
      const of = (layer: number) => nodes.filter((node) => node.layer === layer);
      const request = { view, level: 'confidential', from: of(0), to: of(4), numbers: new SeededRandom(seed) } as const;
      const possible = [0, 1, 2, 3, 4].reduce<NetworkNode[][]>(
        (paths, layer) =>
          paths.flatMap((path) =>
            of(layer).flatMap((node) => (shareNothing([...path, node]) ? [[...path, node]] : [])),
          ),
        [[]],
      );
      if (possible.length === 0) {
        assert.throws(() => selectPath(request), { code: 'unavailable', retryable: true });
      } else {
        const path = selectPath(request).nodes;
        assert.ok(possible.some((other) => other.every((node, index) => node === path[index])));
      }
    }),
    { numRuns: 100 },
  );
});

test('on a test network the rule is lifted, and the result says so', () => {
  const plan = { layers: 3, relaysPerLayer: 2, operator: () => 'one machine' };
  const { nodes, anonymity } = select(networkOf({ ...plan, test: true }), 'confidential', new SeededRandom(1));
  assert.equal(nodes.length, 5);
  assert.equal(anonymity, 'none');
  assert.throws(() => select(networkOf(plan), 'confidential', new SeededRandom(1)), {
    code: 'unavailable',
    details: { level: 'confidential', operatorsPerHop: [1, 1, 1, 1, 1], relaysPerHop: [1, 2, 2, 2, 1] },
  });
});

test('an empty layer is named', () => {
  const view = networkOf({ layers: 3, relaysPerLayer: 2 });
  const nodes = view.nodes.filter(({ layer }) => layer !== 2);
  assert.throws(
    () => select({ ...view, nodes }, 'confidential', new SeededRandom(1)),
    (error: unknown) => {
      assert.ok(error instanceof FogError);
      assert.equal(error.message, 'there is no relay for hop 3 of a path at level "confidential"');
      return true;
    },
  );
});

test('each valid path is as likely as any other (chi-squared), where operators overlap', () => {
  // Operator b runs the first relay of each layer: of 27 paths those with at most one such relay are valid, 8 + 3 * 4.
  const operator = (layer: number, index: number) => (index === 0 ? 'b' : `${layer} ${index}`);
  const view = networkOf({ layers: 3, relaysPerLayer: 3, operator });
  const numbers = new SeededRandom(20);
  const counts = countPaths(() => select(view, 'confidential', numbers).nodes, 20_000);
  assert.equal(counts.size, 20);
  assertAlike([...counts.values()]);
});

test('each valid path is as likely as any other where hardly any is valid, so that drawing finds none', () => {
  // 8 paths of 74,088 are valid: in each layer all relays but two are of the operator of the gateway.
  const operator = (layer: number, index: number) => (index < 40 ? 'big' : `${layer} ${index}`);
  const view = networkOf({ layers: 3, relaysPerLayer: 42, operator });
  const gateway = nodeOf({ name: 'big gateway', role: 'gateway', operator: 'big' }, [0]);
  const numbers = new SeededRandom(21);
  const to = nodesNamed(view, 's0');
  const draw = () => selectPath({ view, level: 'confidential', from: [gateway], to, numbers }).nodes;
  const counts = countPaths(draw, 400);
  assert.equal(counts.size, 8);
  assertAlike([...counts.values()]);
});
