import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SEND_PRIORITIES, type SendPriority, SendQueue } from '../../src/client/send-queue.ts';

const drain = (queue: SendQueue<number>) => {
  const order: string[] = [];
  for (let next = queue.next(); next !== null; next = queue.next()) order.push(`${next.destination}${next.content}`);
  return order;
};

test('destinations take turns; within one, control goes before retransmissions, and these before what is fresh', () => {
  const queue = new SendQueue<number>();
  for (const content of [1, 2, 3]) queue.push({ destination: 'a', priority: 'fresh', content });
  queue.push({ destination: 'b', priority: 'fresh', content: 1 });
  queue.push({ destination: 'a', priority: 'retransmission', content: 8 });
  queue.push({ destination: 'a', priority: 'control', content: 9 });
  queue.push({ destination: 'c', priority: 'control', content: 9 });
  assert.deepEqual(drain(queue), ['a9', 'b1', 'c9', 'a8', 'a1', 'a2', 'a3']);
  assert.equal(queue.length, 0);
});

test('a full queue says so; one destination cannot fill it', () => {
  const queue = new SendQueue<number>({ packets: 5, packetsPerDestination: 3 });
  const push = (destination: string, priority: SendPriority = 'fresh') =>
    queue.push({ destination, priority, content: 0 });
  assert.deepEqual([push('a'), push('a'), push('a'), push('a')], ['queued', 'queued', 'queued', 'full']);
  assert.equal(queue.roomFor('a'), 0);
  assert.equal(queue.roomFor('b'), 2);
  assert.deepEqual(
    [push('b', 'control'), push('b', 'control'), push('b'), push('b')],
    ['queued', 'queued', 'queued', 'full'],
  );
  queue.dropControl('b');
  assert.equal(queue.length, 4);
  queue.dropDestination('a');
  assert.equal(queue.length, 1);
  assert.deepEqual(drain(queue), ['b0']);
});

test('property: nothing is lost, nothing comes twice, and nobody waits longer than one turn of all others', () => {
  const entry = fc.record({
    destination: fc.constantFrom('a', 'b', 'c', 'd'),
    priority: fc.constantFrom(...SEND_PRIORITIES.slice(1)),
  });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 60 }), (entries) => {
      const queue = new SendQueue<number>();
      for (const [content, { destination, priority }] of entries.entries()) {
        queue.push({ destination, priority, content });
      }
      const waiting = new Map<string, number>();
      for (const { destination } of entries) waiting.set(destination, (waiting.get(destination) ?? 0) + 1);
      const order: string[] = [];
      const seen = new Set<number>();
      for (let next = queue.next(); next !== null; next = queue.next()) {
        order.push(next.destination);
        seen.add(next.content);
      }
      assert.equal(seen.size, entries.length);
      for (const [destination, amount] of waiting) {
        const places = order.flatMap((other, place) => (other === destination ? [place] : []));
        assert.equal(places.length, amount);
        for (const [turn, place] of places.entries()) assert.ok(place < (turn + 1) * waiting.size);
      }
    }),
  );
});
