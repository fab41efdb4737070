import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Congestion } from '../../src/node/congestion.ts';

function bench() {
  const said: (number | 'all' | 'release')[] = [];
  const congestion = new Congestion({
    crowdedAbove: 100,
    fullAbove: 200,
    hold: (who) => said.push(who),
    release: () => said.push('release'),
  });
  const remove = (sender: number, packets: number) => {
    for (let index = 0; index < packets; index += 1) congestion.removed(sender);
    congestion.settle();
  };
  return { congestion, said, remove };
}

test('who brings most of what waits is held alone, and read again when half of the mark is left', () => {
  const { congestion, said, remove } = bench();
  congestion.added(1, 90);
  for (const honest of [2, 3, 4]) congestion.added(honest, 5);
  assert.deepEqual(said, [], 'nobody of these has an equal part');
  congestion.added(1, 10);
  congestion.added(1, 10);
  assert.deepEqual(said, [1], 'told once');
  remove(1, 74);
  assert.deepEqual(said, [1], '51 are left');
  remove(2, 1);
  assert.deepEqual(said, [1, 'release']);
  congestion.added(1, 60);
  assert.deepEqual(said, [1, 'release', 1]);
});

test('whoever has an equal part waits, one sender alone included', () => {
  const { congestion, said, remove } = bench();
  congestion.added(0, 101);
  assert.deepEqual(said, [0]);
  remove(0, 101);
  congestion.added(1, 50);
  congestion.added(2, 60);
  congestion.added(1, 10);
  assert.deepEqual(said, [0, 'release', 2, 1]);
});

test('above the second mark everybody waits', () => {
  const { congestion, said, remove } = bench();
  for (let sender = 0; sender < 300; sender += 1) congestion.added(sender, 1);
  const all = said.indexOf('all');
  assert.ok(all !== -1 && all === said.length - 1);
  for (let sender = 0; sender < 250; sender += 1) remove(sender, 1);
  assert.equal(said.at(-1), 'release');
  assert.equal(said.filter((what) => what === 'release').length, 1);
});
