/** Which spot attempts leave for tasks that find no room. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { roomsFor, type SpotNode } from '../../src/dispatch/spot-victims.ts';

const NEEDS = { milliCpu: 1000, memoryBytes: 1, diskBytes: 1 };
const FULL = { slots: 0, milliCpu: 0, memoryBytes: 100, diskBytes: 100 };
const name = (partition: number) => ({ job: 'j1', partition, fence: 1 });
const spot = (partition: number, safeAt: number | null, milliCpu = 1000) => {
  return { name: name(partition), needs: { ...NEEDS, milliCpu }, safeAt };
};

test('what has not begun loses nothing, then what began last, on whatever node', () => {
  const nodes: SpotNode[] = [
    { id: 'a', free: FULL, spot: [spot(0, 1_000), spot(1, 9_000)] },
    { id: 'b', free: FULL, spot: [spot(2, null), spot(3, 5_000)] },
  ];
  const rooms = roomsFor(NEEDS, 3, nodes, 10_000);
  assert.deepEqual(
    rooms.map(({ victims }) => victims.map(({ partition }) => partition)),
    [[2], [1], [3]],
  );
  assert.equal(roomsFor(NEEDS, 9, nodes, 10_000).length, 4, 'no more than there is');
  const coming = { ...FULL, slots: 1, milliCpu: 1000 };
  assert.deepEqual(roomsFor(NEEDS, 1, [{ id: 'c', free: coming, spot: [] }], 0), [{ node: 'c', victims: [] }]);
});

test('property: rooms never need more than the node has, and nobody leaves twice', () => {
  const amount = fc.integer({ min: 100, max: 3000 });
  const node = fc.record({ free: fc.integer({ min: -2000, max: 2000 }), spot: fc.array(amount, { maxLength: 6 }) });
  fc.assert(
    fc.property(fc.array(node, { maxLength: 4 }), amount, fc.integer({ min: 1, max: 8 }), (rows, milliCpu, most) => {
      let partition = 0;
      const nodes = rows.map((row, index): SpotNode => {
        const held = row.spot.map((cpu) => spot(partition++, partition, cpu));
        return { id: `n${index}`, free: { ...FULL, slots: 9, milliCpu: row.free }, spot: held };
      });
      const rooms = roomsFor({ ...NEEDS, milliCpu }, most, nodes, 1000);
      const gone = rooms.flatMap(({ victims }) => victims.map((victim) => victim.partition));
      assert.equal(new Set(gone).size, gone.length);
      for (const { id, free, spot: held } of nodes) {
        const given = rooms.filter((room) => room.node === id).length;
        const freed = held.filter((attempt) => gone.includes(attempt.name.partition));
        const room = freed.reduce((sum, { needs }) => sum + needs.milliCpu, free.milliCpu);
        if (given > 0) assert.ok(given * milliCpu <= room, `${id} has room for ${given}`);
      }
    }),
  );
});
