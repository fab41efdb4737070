import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayGuards } from '../../src/client/gateway-guards.ts';
import { CLIENT_LIMITS } from '../../src/client/limits.ts';
import { SeededRandom } from './seeded-random.ts';

const LISTED = Array.from({ length: 20 }, (_, at) => ({ id: `gateway ${at}`, weight: 5n }));

function failSeveral(guards: GatewayGuards): void {
  for (let tries = 0; tries < CLIENT_LIMITS.guardTries; tries += 1) guards.failed();
}

test('however often links are cut and tries fail, a client comes to few gateways', () => {
  const random = new SeededRandom(1);
  const guards = new GatewayGuards();
  const used = new Set<string | null>();
  for (let cut = 0; cut < 500; cut += 1) {
    used.add(guards.choose(LISTED, random));
    if (random.below(3) === 0) guards.connected();
    else guards.failed();
  }
  assert.equal(used.size, CLIENT_LIMITS.guards);
});

test('it stays with one that can be reached, and turns to the other when that fails so often in a row', () => {
  const random = new SeededRandom(2);
  const guards = new GatewayGuards();
  const first = guards.choose(LISTED, random);
  for (let cut = 0; cut < 50; cut += 1) {
    guards.failed();
    guards.connected();
    assert.equal(guards.choose(LISTED, random), first);
  }
  failSeveral(guards);
  const second = guards.choose(LISTED, random);
  assert.notEqual(second, first);
  failSeveral(guards);
  assert.equal(guards.choose(LISTED, random), first);
});

test('one that the consensus does not list is passed over; others are drawn only where it lists none of the set', () => {
  const random = new SeededRandom(3);
  const guards = new GatewayGuards();
  const first = guards.choose(LISTED, random) as string;
  const without = LISTED.filter(({ id }) => id !== first);
  const second = guards.choose(without, random) as string;
  assert.equal(guards.choose(LISTED, random), first, 'it is back');
  const rest = without.filter(({ id }) => id !== second);
  const third = guards.choose(rest, random);
  assert.ok(rest.some(({ id }) => id === third));
  assert.equal(guards.choose([], random), null);
  assert.equal(new GatewayGuards().choose([{ id: 'the only one', weight: 1n }], random), 'the only one');
});

test('gateways of one weight are as likely as each other', () => {
  const random = new SeededRandom(4);
  const counts = new Map<string | null, number>();
  for (let run = 0; run < 2000; run += 1) {
    const drawn = new GatewayGuards().choose(LISTED.slice(0, 4), random);
    counts.set(drawn, (counts.get(drawn) ?? 0) + 1);
  }
  for (const count of counts.values()) assert.ok(count > 420 && count < 580, `seed 4: ${[...counts.values()]}`);
  assert.equal(counts.size, 4);
});

test('a thousand gateways with little at stake are drawn no more often than one that has staked as much', () => {
  const random = new SeededRandom(5);
  const listed = Array.from({ length: 1000 }, (_, at) => ({ id: `cheap ${at}`, weight: 10n ** 24n }));
  listed.push({ id: 'one', weight: 1000n * 10n ** 24n }, { id: 'other', weight: 2000n * 10n ** 24n });
  const counts = { cheap: 0, one: 0, other: 0 };
  for (let run = 0; run < 2000; run += 1) {
    const drawn = new GatewayGuards().choose(listed, random) ?? '';
    counts[drawn.startsWith('cheap') ? 'cheap' : (drawn as 'one' | 'other')] += 1;
  }
  const text = `seed 5: ${JSON.stringify(counts)}`;
  assert.ok(Math.abs(counts.cheap - 500) < 90 && Math.abs(counts.one - 500) < 90, text);
  assert.ok(Math.abs(counts.other - 1000) < 110, text);
});
