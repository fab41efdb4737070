import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FogError } from '@fog/contract';
import { PreparedPackets } from '../../src/client/prepared-packets.ts';
import { SlotSender } from '../../src/client/slot-sender.ts';
import { ClientStreams } from '../../src/mixing/cover-streams.ts';
import { RandomNumbers } from '../../src/mixing/random-numbers.ts';
import { seededBytes } from '../../src/mixing/seeded-random.ts';

/** A core of which it is seen when packets are made, and for when. */
function watchedCore() {
  const made: string[] = [];
  const core = {
    queued: 0,
    hasPath: true,
    isBroken: false,
    get held() {
      return { sessions: 0, queuedPackets: core.queued, replyKeys: 0, outstandingFragments: 0, reassemblyBytes: 0 };
    },
    packet(what: string, at: number): Uint8Array {
      if (!core.hasPath) throw new FogError('unavailable', 'no path');
      if (core.isBroken) throw new TypeError('broken');
      made.push(`${what} ${at}`);
      return Buffer.from(`${what} ${at}`);
    },
    slot(at: number) {
      const carries = core.queued > 0 ? ('payload' as const) : ('cover' as const);
      core.queued = Math.max(0, core.queued - 1);
      return { packet: core.packet(carries, at), carries };
    },
    drop: (at: number) => core.packet('drop', at),
    loop: (at: number) => ({ packet: core.packet('loop', at), token: 'token', delayMilliseconds: 0, relays: ['r'] }),
  };
  return { core, made };
}

const textOf = ({ packet }: { packet: Uint8Array }) => Buffer.from(packet).toString();
const SLOTS = { payload: 100, loop: 200, drop: 300 };
const leavesAt = (stream: keyof typeof SLOTS) => SLOTS[stream];

test('packets are made for the time of their slots, and a slot makes none', () => {
  const { core, made } = watchedCore();
  const prepared = new PreparedPackets();
  prepared.prepare(core, leavesAt, 0);
  assert.deepEqual(made, ['cover 100', 'loop 200', 'drop 300']);
  prepared.prepare(core, leavesAt, 50);
  assert.equal(made.length, 3, 'what is there is not made again');
  assert.equal(textOf(prepared.take(core, 'payload', 100)), 'cover 100');
  assert.deepEqual(prepared.take(core, 'loop', 200).token, 'token');
  assert.equal(textOf(prepared.take(core, 'drop', 300)), 'drop 300');
  assert.equal(made.length, 3);
});

test('what comes to be said takes the place of cover at once, not in the slot', () => {
  const { core, made } = watchedCore();
  const prepared = new PreparedPackets();
  prepared.prepare(core, leavesAt, 0);
  core.queued = 2;
  prepared.prepare(core, leavesAt, 60);
  prepared.prepare(core, leavesAt, 61);
  assert.deepEqual([made.length, core.queued], [4, 1], 'one goes in one slot');
  assert.equal(textOf(prepared.take(core, 'payload', 100)), 'payload 100');
});

test('a packet that has missed its slot is not sent; one that is not there is made', () => {
  const { core, made } = watchedCore();
  const prepared = new PreparedPackets();
  prepared.prepare(core, leavesAt, 0);
  assert.equal(textOf(prepared.take(core, 'payload', 5000)), 'cover 5000');
  prepared.prepare(core, leavesAt, 5000);
  assert.equal(made.length, 7);
  prepared.clear();
  core.hasPath = false;
  prepared.prepare(core, leavesAt, 0);
  assert.throws(() => prepared.take(core, 'drop', 0));
});

test('without a path nothing is prepared and slots stay empty; any other error is told to the owner', async () => {
  const { core } = watchedCore();
  const prepared = new PreparedPackets();
  core.isBroken = true;
  assert.throws(() => prepared.prepare(core, leavesAt, 0), TypeError);
  assert.throws(() => prepared.take(core, 'loop', 200), TypeError);
  const random = new RandomNumbers(seededBytes(1));
  const budget = { bytesPerHour: null, packetBytes: 100 };
  const streams = new ClientStreams({ payload: 1000, loop: 0, drop: 0 }, budget, performance.now(), random);
  const slots = new SlotSender({ streams, random });
  const pass = () => sleep(20);
  await pass();
  assert.throws(() => slots.sendDue(core, () => 'sent'), TypeError);
  core.isBroken = false;
  core.hasPath = false;
  await pass();
  slots.sendDue(core, () => assert.fail('there was nothing to send'));
  assert.ok(slots.counters.withoutPath > 0);
  core.hasPath = true;
  await pass();
  slots.sendDue(core, () => 'sent');
  assert.ok(slots.counters.sent > 0);
});
