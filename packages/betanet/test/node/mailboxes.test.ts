import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { clientRecipient, Mailboxes, type SendDelivery } from '../../src/node/mailboxes.ts';

const ALICE = clientRecipient(new Uint8Array(32).fill(1));
const BOB = clientRecipient(new Uint8Array(32).fill(2));
const letter = (number: number) => Uint8Array.of(number);

/** A link that takes so many deliveries. */
function linkOf(room: number): { send: SendDelivery; got: number[]; room: number } {
  const link = {
    room,
    got: [] as number[],
    send: (delivery: Uint8Array) => {
      if (link.got.length >= link.room) return 'full' as const;
      link.got.push(delivery[0] as number);
      return 'sent' as const;
    },
  };
  return link;
}

test('what comes for a client that is away waits for it, in its order', () => {
  const boxes = new Mailboxes();
  assert.equal(boxes.deliver(ALICE, letter(0)), 'unknown');
  const first = linkOf(1);
  boxes.connected(ALICE, first.send);
  assert.deepEqual([boxes.deliver(ALICE, letter(1)), boxes.deliver(ALICE, letter(2))], ['sent', 'kept']);
  boxes.disconnected(ALICE, first.send, 0);
  const reused = letter(3);
  assert.equal(boxes.deliver(ALICE, reused), 'kept');
  reused[0] = 99;
  const second = linkOf(1);
  boxes.connected(ALICE, second.send);
  second.room = 9;
  assert.equal(boxes.deliver(ALICE, letter(4)), 'kept', 'nothing overtakes what waits');
  boxes.drained(ALICE);
  assert.deepEqual([first.got, second.got, boxes.kept], [[1], [2, 3, 4], 0]);
});

test('a second link of a client takes the place of the first, whose end then means nothing', () => {
  const boxes = new Mailboxes();
  const [older, newer] = [linkOf(9), linkOf(9)];
  boxes.connected(ALICE, older.send);
  boxes.connected(ALICE, newer.send);
  boxes.disconnected(ALICE, older.send, 0);
  assert.equal(boxes.deliver(ALICE, letter(1)), 'sent');
  assert.deepEqual([older.got, newer.got], [[], [1]]);
});

test('who is away for too long is forgotten, and nobody else', () => {
  const boxes = new Mailboxes({ keepMilliseconds: 100 });
  const [alice, bob] = [linkOf(0), linkOf(0)];
  boxes.connected(ALICE, alice.send);
  boxes.connected(BOB, bob.send);
  boxes.disconnected(ALICE, alice.send, 50);
  boxes.deliver(ALICE, letter(1));
  boxes.deliver(BOB, letter(2));
  boxes.sweep(149);
  assert.deepEqual([boxes.clients, boxes.kept], [2, 2]);
  boxes.sweep(150);
  assert.deepEqual([boxes.clients, boxes.kept], [1, 1]);
  assert.equal(boxes.deliver(ALICE, letter(3)), 'unknown');
});

test('never more is kept than all clients, and each of them, may have', () => {
  const recipients = Array.from({ length: 4 }, (_, index) => clientRecipient(new Uint8Array(32).fill(index)));
  const event = fc.record({
    kind: fc.constantFrom('connect', 'disconnect', 'deliver', 'deliver', 'deliver', 'drain', 'sweep'),
    who: fc.nat(3),
    room: fc.nat(3),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), (events) => {
      const boxes = new Mailboxes({ capacity: 7, perClient: 3, keepMilliseconds: 10 });
      const links = new Map<number, ReturnType<typeof linkOf>>();
      let kept = 0;
      for (const [now, { kind, who, room }] of events.entries()) {
        const recipient = recipients[who] as Uint8Array;
        const link = links.get(who) ?? linkOf(room);
        if (kind === 'connect') {
          links.set(who, linkOf(room));
          boxes.connected(recipient, (links.get(who) as typeof link).send);
        } else if (kind === 'disconnect') boxes.disconnected(recipient, link.send, now);
        else if (kind === 'drain') {
          link.room += room;
          boxes.drained(recipient);
        } else if (kind === 'sweep') boxes.sweep(now);
        else if (boxes.deliver(recipient, letter(now)) === 'kept') kept += 1;
        assert.ok(boxes.kept >= 0 && boxes.kept <= Math.min(7, 3 * boxes.clients, kept));
      }
      boxes.sweep(Number.POSITIVE_INFINITY);
      for (const [who, link] of links) boxes.disconnected(recipients[who] as Uint8Array, link.send, 0);
      boxes.sweep(Number.POSITIVE_INFINITY);
      assert.deepEqual([boxes.clients, boxes.kept], [0, 0]);
    }),
  );
});
