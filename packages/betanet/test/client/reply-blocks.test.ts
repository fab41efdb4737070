/** Reply blocks are used once, expire, are bounded, and are wiped; both ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteBudget } from '../../src/client/byte-budget.ts';
import { CLIENT_LIMITS } from '../../src/client/limits.ts';
import { ReplyBlockSupply } from '../../src/client/reply-block-supply.ts';
import { ReplyBlockStock, ReplyKeyStore } from '../../src/client/reply-blocks.ts';

const replyId = (number: number) => new Uint8Array(16).fill(number);
const awaited = (expiresAt = 100, session = 's') => {
  return { session, keys: new Uint8Array(8).fill(7), backMilliseconds: 5, expiresAt };
};
const isWiped = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);

test('keys are taken once, and not after they have expired', () => {
  const store = new ReplyKeyStore();
  const mine = awaited();
  store.add(replyId(1), mine);
  assert.equal(store.take(replyId(2), 0), null);
  assert.equal(store.take(replyId(1), 99), mine);
  assert.equal(store.take(replyId(1), 99), null);
  const late = awaited();
  store.add(replyId(3), late);
  assert.equal(store.take(replyId(3), 100), null);
  assert.ok(isWiped(late.keys) && !isWiped(mine.keys));
  assert.equal(store.size, 0);
});

test('keys are wiped when they expire, when their session ends, and when newer ones need the room', () => {
  const store = new ReplyKeyStore(3);
  const [oldest, other, short, newest] = [awaited(), awaited(100, 't'), awaited(50), awaited()];
  for (const [number, keys] of [oldest, other, short, newest].entries()) store.add(replyId(number), keys);
  assert.ok(isWiped(oldest.keys));
  assert.equal(store.crowdedOut, 1);
  store.dropExpired(50);
  assert.ok(isWiped(short.keys) && !isWiped(other.keys));
  store.dropSession('t');
  assert.ok(isWiped(other.keys) && !isWiped(newest.keys));
  assert.equal(store.size, 1);
});

test('a session that waits for ever more replies crowds out its own keys, not those of others', () => {
  const store = new ReplyKeyStore(10, 2);
  const other = awaited(100, 'other');
  store.add(replyId(0), other);
  const greedy = [1, 2, 3, 4].map((number) => {
    const mine = awaited(100, 'greedy');
    store.add(replyId(number), mine);
    return mine;
  });
  assert.deepEqual(
    greedy.map(({ keys }) => isWiped(keys)),
    [true, true, false, false],
  );
  assert.ok(!isWiped(other.keys));
  assert.equal(store.size, 3);
});

const offered = (number: number, expiresAt = 100) => ({ number, expiresAt, block: new Uint8Array(4).fill(number + 1) });
const firstByte = (block: Uint8Array | null) => block?.[0] ?? null;

test('a stock gives what expires first, then what was made first; each once and none too late', () => {
  const stock = new ReplyBlockStock(new ByteBudget(10));
  for (const [number, expiresAt] of [
    [0, 100],
    [3, 60],
    [2, 100],
    [1, 60],
    [4, 30],
  ] as const) {
    assert.equal(stock.offer(offered(number, expiresAt), 0), 'kept');
  }
  assert.equal(stock.offer(offered(2), 0), 'seen');
  assert.equal(stock.offer(offered(5, 20), 20), 'expired');
  assert.equal(stock.offer(offered(5, 90), 20), 'seen', 'a number is used up even if its block was not kept');
  assert.equal(stock.seen, 6);
  const taken = [stock.take(30), stock.take(30), stock.take(60), stock.take(60), stock.take(60)].map(firstByte);
  assert.deepEqual(taken, [2, 4, 1, 3, null]);
});

test('a stock is bounded for one sender and for all', () => {
  const budget = new ByteBudget(5);
  const [first, second] = [new ReplyBlockStock(budget, 3), new ReplyBlockStock(budget, 3)];
  const fates = (stock: ReplyBlockStock) => [0, 1, 2, 3].map((number) => stock.offer(offered(number), 0));
  assert.deepEqual(fates(first), ['kept', 'kept', 'kept', 'full']);
  assert.deepEqual(fates(second), ['kept', 'kept', 'full', 'full']);
  first.take(0);
  assert.equal(budget.used, 4);
  first.dropExpired(100);
  second.close();
  assert.equal(budget.used, 0);
});

test('property: no block of a stock is given out twice, whatever is offered in whichever order', () => {
  const step = fc.record({ number: fc.integer({ min: 0, max: 30 }), take: fc.boolean(), time: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const stock = new ReplyBlockStock(new ByteBudget(20), 8);
      const given = new Set<number>();
      for (const { number, take, time } of steps) {
        stock.offer(offered(number, 10 + (number % 3)), time);
        const block = take ? firstByte(stock.take(time)) : null;
        if (block === null) continue;
        assert.ok(!given.has(block));
        given.add(block);
      }
      assert.ok(stock.size <= 8);
    }),
  );
});

test('a service asks for what it is about to need and a reserve, and for nothing when its stock suffices', () => {
  const stock = new ReplyBlockStock(new ByteBudget(1000));
  assert.equal(stock.wanted(0), CLIENT_LIMITS.replyBlockReserve);
  assert.equal(stock.wanted(10), 10 + CLIENT_LIMITS.replyBlockReserve);
  assert.equal(stock.wanted(1000), CLIENT_LIMITS.replyBlocksPerSender);
  for (let number = 0; number < 10; number += 1) stock.offer(offered(number), 0);
  assert.equal(stock.wanted(2), 0);
});

test('a client sends what the service wants, less what is on its way, and again what was lost', () => {
  const supply = new ReplyBlockSupply();
  supply.require(2);
  assert.equal(supply.missing(0), 2);
  assert.deepEqual([supply.issue(0, 100), supply.issue(0, 100)], [0, 1]);
  assert.equal(supply.missing(0), 0);
  supply.told({ blocksWanted: 3, blocksSeen: 1 });
  assert.equal(supply.missing(50), 2, 'number 1 is still on its way');
  assert.equal(supply.nextDueAt(), 100);
  assert.equal(supply.missing(100), 3);
  supply.told({ blocksWanted: 9, blocksSeen: 0 });
  assert.equal(supply.missing(100), 3, 'an older word says nothing new');
  supply.told({ blocksWanted: 0, blocksSeen: 2 });
  assert.equal(supply.missing(100), 0);
  supply.told({ blocksWanted: 5, blocksSeen: 99 });
  assert.equal(supply.missing(100), 0, 'nobody has seen what was not made');
});

test('when a client has moved, its old blocks are void at both ends', () => {
  const supply = new ReplyBlockSupply();
  for (let number = 0; number < 3; number += 1) supply.issue(0, 1000);
  supply.voidAll(2);
  assert.equal(supply.from, 3);
  assert.equal(supply.missing(0), 2);
  const budget = new ByteBudget(10);
  const stock = new ReplyBlockStock(budget);
  for (const [number, expiresAt] of [
    [0, 50],
    [4, 40],
    [1, 30],
    [3, 60],
  ] as const) {
    stock.offer(offered(number, expiresAt), 0);
  }
  stock.dropBelow(3);
  assert.equal(budget.used, 2);
  assert.deepEqual([stock.take(0), stock.take(0), stock.take(0)].map(firstByte), [5, 4, null]);
});

test('a client does not send reply blocks for ever to a service that stays silent', () => {
  const supply = new ReplyBlockSupply();
  supply.require(3);
  let sent = 0;
  for (let now = 0; now < 10_000; now += 1) {
    for (let missing = supply.missing(now); missing > 0; missing -= 1) {
      supply.issue(now, 10);
      sent += 1;
    }
  }
  assert.equal(sent, 3 * (CLIENT_LIMITS.replyBlockRounds + 1));
  assert.equal(supply.nextDueAt(), Number.POSITIVE_INFINITY);
  supply.require(3);
  assert.equal(supply.missing(10_000), 3);
});
