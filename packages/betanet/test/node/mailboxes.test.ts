import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { clientRecipient, Mailboxes, type SendDelivery } from '../../src/node/mailboxes.ts';

const recipientOf = (number: number) => clientRecipient(new Uint8Array(32).fill(number));
const [ALICE, BOB, CAROL, DAVE] = [1, 2, 3, 4].map(recipientOf) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
const HOME = '192.0.2.0/24';
const letter = (number: number) => Uint8Array.of(number);

/** A link that takes so many records; a dummy is `null`. */
function linkOf(room = 99): { send: SendDelivery; got: (number | null)[]; room: number } {
  const link = {
    room,
    got: [] as (number | null)[],
    send: (delivery: Uint8Array | null) => {
      if (link.got.length >= link.room) return 'full' as const;
      link.got.push(delivery === null ? null : (delivery[0] as number));
      return 'sent' as const;
    },
  };
  return link;
}

/** A client that was there and went, with so many deliveries that came since. */
function leave(boxes: Mailboxes, recipient: Uint8Array, prefix: string, deliveries = 0): void {
  const { send } = linkOf();
  boxes.connected(recipient, prefix, send);
  boxes.disconnected(recipient, send, 0);
  for (let number = 0; number < deliveries; number += 1) boxes.deliver(recipient, letter(number));
}

test('a delivery waits for a slot, and a slot for which nothing waits gets a dummy', () => {
  const boxes = new Mailboxes();
  const link = linkOf();
  boxes.connected(ALICE, HOME, link.send);
  const reused = letter(1);
  assert.equal(boxes.deliver(ALICE, reused), 'kept');
  reused[0] = 99;
  boxes.deliver(ALICE, letter(2));
  boxes.deliver(ALICE, letter(3));
  assert.deepEqual(link.got, [], 'nothing leaves between slots');
  boxes.fillSlots(ALICE, link.send, 2);
  boxes.fillSlots(ALICE, link.send, 2);
  assert.deepEqual([link.got, boxes.kept], [[1, 2, 3, null], 0]);
});

test('what comes for a client that is away or does not read waits for it, in its order', () => {
  const boxes = new Mailboxes();
  assert.equal(boxes.deliver(ALICE, letter(0)), 'unknown');
  const first = linkOf(1);
  boxes.connected(ALICE, HOME, first.send);
  for (const number of [1, 2]) boxes.deliver(ALICE, letter(number));
  boxes.fillSlots(ALICE, first.send, 2);
  boxes.disconnected(ALICE, first.send, 0);
  boxes.deliver(ALICE, letter(3));
  const second = linkOf();
  boxes.fillSlots(ALICE, second.send, 1);
  boxes.connected(ALICE, HOME, second.send);
  boxes.fillSlots(ALICE, second.send, 3);
  assert.deepEqual([first.got, second.got, boxes.kept], [[1], [null, 2, 3, null], 0]);
});

test('a second link of a client takes the place of the first, whose end then means nothing', () => {
  const boxes = new Mailboxes();
  const [older, newer] = [linkOf(), linkOf()];
  boxes.connected(ALICE, HOME, older.send);
  boxes.connected(ALICE, HOME, newer.send);
  boxes.disconnected(ALICE, older.send, 0);
  boxes.deliver(ALICE, letter(1));
  boxes.fillSlots(ALICE, older.send, 1);
  boxes.fillSlots(ALICE, newer.send, 1);
  assert.deepEqual([older.got, newer.got], [[null], [1]]);
});

test('who is away for too long is forgotten, and nobody else', () => {
  const boxes = new Mailboxes({ keepMilliseconds: 100 });
  const [alice, bob] = [linkOf(), linkOf()];
  boxes.connected(ALICE, HOME, alice.send);
  boxes.connected(BOB, HOME, bob.send);
  boxes.disconnected(ALICE, alice.send, 50);
  boxes.deliver(ALICE, letter(1));
  boxes.deliver(BOB, letter(2));
  boxes.sweep(149);
  assert.deepEqual([boxes.clients, boxes.kept], [2, 2]);
  boxes.sweep(150);
  assert.deepEqual([boxes.clients, boxes.kept], [1, 1]);
  assert.equal(boxes.deliver(ALICE, letter(3)), 'unknown');
});

test('when all is full, the fullest mailbox of the fullest prefix makes room', () => {
  const boxes = new Mailboxes({ capacity: 8, perClient: 4 });
  leave(boxes, ALICE, 'stranger', 4);
  leave(boxes, BOB, 'stranger', 3);
  leave(boxes, CAROL, HOME, 1);
  assert.equal(boxes.deliver(CAROL, letter(7)), 'dropped', 'one of the stranger');
  assert.equal(boxes.deliver(BOB, letter(9)), 'dropped', 'its own: it has the most of its prefix');
  const [alice, bob, carol] = [linkOf(), linkOf(), linkOf()];
  const taken = [ALICE, BOB, CAROL].map((recipient, index) => {
    const link = [alice, bob, carol][index] as typeof alice;
    boxes.connected(recipient, 'anywhere', link.send);
    boxes.fillSlots(recipient, link.send, 5);
    return link.got.filter((number) => number !== null);
  });
  assert.deepEqual(taken, [
    [0, 1, 2],
    [0, 1, 2],
    [0, 7],
  ]);
});

test('a stranger with many clients that do not read takes room from himself alone', () => {
  const boxes = new Mailboxes();
  leave(boxes, ALICE, HOME);
  for (let number = 0; number < 80; number += 1) leave(boxes, recipientOf(100 + number), 'stranger', 512);
  const { kept } = boxes;
  for (let number = 0; number < 500; number += 1) boxes.deliver(ALICE, letter(number));
  const link = linkOf(1000);
  boxes.connected(ALICE, HOME, link.send);
  boxes.fillSlots(ALICE, link.send, 500);
  assert.equal(link.got.filter((number) => number !== null).length, 500);
  assert.ok(boxes.kept <= kept);
});

test('of too many clients the oldest of the prefix that has most away is forgotten', () => {
  const boxes = new Mailboxes({ clients: 4 });
  leave(boxes, ALICE, HOME);
  for (const recipient of [BOB, CAROL, DAVE]) leave(boxes, recipient, 'stranger');
  for (let number = 50; number < 60; number += 1) leave(boxes, recipientOf(number), 'stranger');
  assert.equal(boxes.clients, 4);
  assert.equal(boxes.deliver(ALICE, letter(1)), 'kept');
  assert.equal(boxes.deliver(BOB, letter(1)), 'unknown');
  assert.equal(boxes.deliver(recipientOf(59), letter(1)), 'kept');
});

test('never more is kept than all clients, and each of them, may have', () => {
  const recipients = Array.from({ length: 5 }, (_, index) => recipientOf(index));
  const event = fc.record({
    kind: fc.constantFrom('connect', 'disconnect', 'deliver', 'deliver', 'deliver', 'slots', 'sweep'),
    who: fc.nat(4),
    amount: fc.nat(3),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), (events) => {
      const boxes = new Mailboxes({ clients: 4, capacity: 7, perClient: 3, keepMilliseconds: 10 });
      const links = new Map<number, ReturnType<typeof linkOf>>();
      for (const [now, { kind, who, amount }] of events.entries()) {
        const recipient = recipients[who] as Uint8Array;
        const link = links.get(who) ?? linkOf(amount);
        if (kind === 'connect') {
          links.get(who)?.send(null);
          boxes.disconnected(recipient, link.send, now);
          links.set(who, linkOf(amount));
          boxes.connected(recipient, `prefix ${who % 2}`, (links.get(who) as typeof link).send);
        } else if (kind === 'disconnect') boxes.disconnected(recipient, link.send, now);
        else if (kind === 'slots') {
          const before = link.got.length;
          link.room += amount;
          boxes.fillSlots(recipient, link.send, amount);
          assert.equal(link.got.length, before + Math.min(amount, link.room - before), 'as many records as slots');
        } else if (kind === 'sweep') boxes.sweep(now);
        else boxes.deliver(recipient, letter(now));
        assert.ok(boxes.kept >= 0 && boxes.kept <= Math.min(7, 3 * boxes.clients));
      }
      for (const [who, link] of links) boxes.disconnected(recipients[who] as Uint8Array, link.send, 0);
      boxes.sweep(Number.POSITIVE_INFINITY);
      assert.deepEqual([boxes.clients, boxes.kept], [0, 0]);
    }),
  );
});
