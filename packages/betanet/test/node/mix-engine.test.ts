import assert from 'node:assert/strict';
import { randomBytes, randomFillSync } from 'node:crypto';
import fs from 'node:fs';
import { appendFile, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  chooseBackend,
  createPacket,
  createReplyBlock,
  geometryOf,
  nodePrimitives,
  openReply,
  type PathHop,
  packetFromReplyBlock,
  readOutcome,
  x25519PublicKey,
} from '@fog/sphinx';
import { DropCounters } from '../../src/mixing/drop-counters.ts';
import { RandomNumbers } from '../../src/mixing/random-numbers.ts';
import { type EpochKey, EpochKeyStore } from '../../src/node/epoch-key-store.ts';
import { NODE_LIMITS } from '../../src/node/limits.ts';
import { MixEngine } from '../../src/node/mix-engine.ts';

const GEOMETRY = geometryOf({ hops: 3, userPayloadBytes: 40 });
/** The fastest there is: a thousand packets are made here. */
const PRIMITIVES = nodePrimitives(chooseBackend().backend.x25519);
const OWN_ID = randomBytes(32);
const NEXT = { id: randomBytes(32), privateKey: randomBytes(32) };
const NEXT_KEY = x25519PublicKey(NEXT.privateKey);
const RECIPIENT = randomBytes(32);
const BOOT = randomBytes(16);
const EPOCH = 300;

interface Bench extends AsyncDisposable {
  engine: MixEngine;
  keys: EpochKeyStore;
  key: EpochKey;
  drops: DropCounters;
  forwarded: Uint8Array[];
  delivered: Uint8Array[];
  retired: [number, string][];
  accepted: Set<number>;
  /** Who sent what was worth nothing. */
  worthless: number[];
  /** What the engine said of its load, in order. */
  congestion: (number | 'all' | 'release')[];
  send(...packets: Uint8Array[]): void;
  until(condition: () => boolean): Promise<void>;
}

/** Packets one after another, as they have just come. */
function received(bytes: Uint8Array, sender = 0) {
  const packets = Buffer.from(bytes);
  const stride = GEOMETRY.packetBytes;
  return { packets, count: packets.length / stride, stride, sender, receivedMilliseconds: performance.now() };
}

async function start(
  folder: string,
  {
    bootId = BOOT,
    replayCapacity = 1000,
    failed = (error: Error) => assert.fail(error),
  }: { bootId?: Uint8Array | null; replayCapacity?: number; failed?: (error: Error) => void } = {},
): Promise<Bench> {
  const retired: [number, string][] = [];
  const keys = await EpochKeyStore.open({
    folder,
    bootId,
    replayCapacity,
    retired: (epoch, reason) => retired.push([epoch, reason]),
  });
  const [key] = (await keys.require([EPOCH, EPOCH + 1])) as [EpochKey, EpochKey];
  const congestion: Bench['congestion'] = [];
  const worthless: number[] = [];
  const [drops, forwarded, delivered, accepted] = [
    new DropCounters(),
    [] as Uint8Array[],
    [] as Uint8Array[],
    new Set([EPOCH]),
  ];
  const engine = new MixEngine({
    geometry: GEOMETRY,
    threads: 1,
    keys,
    queueCapacity: 64,
    delayCapMilliseconds: 200,
    random: new RandomNumbers(randomFillSync),
    drops,
    now: () => performance.now(),
    accepts: (epoch) => accepted.has(epoch),
    worthless: (sender) => worthless.push(sender),
    hold: (sender) => congestion.push(sender),
    release: () => congestion.push('release'),
    nextHop: (id) => (id === Buffer.from(NEXT.id).toString('hex') ? 5 : -1),
    forward: (nextHop, packet) => {
      assert.equal(nextHop, 5);
      forwarded.push(Uint8Array.from(packet));
    },
    deliver: (delivery) => delivered.push(Uint8Array.from(delivery)),
    failed,
  });
  engine.setKeys([key]);
  const send = (...packets: Uint8Array[]) => {
    engine.receive(received(Buffer.concat(packets)));
  };
  const until = async (condition: () => boolean) => {
    const end = performance.now() + 10_000;
    while (!condition()) {
      assert.ok(performance.now() < end, 'it did not happen within ten seconds');
      await sleep(1);
    }
  };
  const dispose = async () => {
    await engine[Symbol.asyncDispose]();
    keys[Symbol.dispose]();
  };
  return {
    engine,
    keys,
    key,
    drops,
    forwarded,
    delivered,
    retired,
    accepted,
    worthless,
    congestion,
    send,
    until,
    [Symbol.asyncDispose]: dispose,
  };
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fog-mix-engine-'));
  try {
    await use(join(folder, 'keys'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function pathFrom(key: EpochKey, delayMilliseconds: number, nextId: Uint8Array = NEXT.id): PathHop[] {
  return [
    { id: OWN_ID, publicKey: key.publicKey, delayMilliseconds },
    { id: nextId, publicKey: NEXT_KEY, delayMilliseconds: 0 },
  ];
}

function packetOf(path: PathHop[]): Uint8Array {
  const payload = new Uint8Array(GEOMETRY.payloadBytes).fill(7);
  return createPacket({ geometry: GEOMETRY, path, recipient: RECIPIENT, payload, primitives: PRIMITIVES });
}

test('a packet is held for as long as it asks, but not beyond the cap', () =>
  withFolder(async (folder) => {
    await using bench = await start(folder);
    const { engine, key, forwarded, send, until, drops } = bench;
    send(packetOf(pathFrom(key, 30)), packetOf(pathFrom(key, 100_000)));
    await until(() => forwarded.length === 2);
    const { askedMilliseconds, heldMilliseconds } = engine.counters();
    assert.equal(askedMilliseconds, 230);
    assert.ok(heldMilliseconds >= 228, `held for ${heldMilliseconds} ms`);
    assert.equal(drops.count('delay-capped'), 1);
    assert.equal(engine.processing.count, 2);
  }));

test('each way to be dropped has its counter, and nothing of it is forwarded', () =>
  withFolder(async (folder) => {
    await using bench = await start(folder);
    const { key, keys, engine, send, until, drops, forwarded, delivered } = bench;
    const good = packetOf(pathFrom(key, 0));
    const damaged = packetOf(pathFrom(key, 0));
    damaged[40] = (damaged[40] as number) ^ 1;
    const version = packetOf(pathFrom(key, 0));
    version[1] = 1;
    const lowOrder = packetOf(pathFrom(key, 0)).fill(0, 2, 34);
    const lastPath: PathHop[] = [{ id: OWN_ID, publicKey: key.publicKey, delayMilliseconds: 0 }];
    const badPayload = packetOf(lastPath);
    badPayload[GEOMETRY.headerBytes + 3] = 0;
    const [, next] = (await keys.require([EPOCH, EPOCH + 1])) as [EpochKey, EpochKey];
    engine.setKeys([key, next]);
    send(good, good, damaged, version, lowOrder, badPayload);
    send(packetOf(pathFrom(key, 0, randomBytes(32))), packetOf(pathFrom(next, 0)));
    const sum = () => drops.entries().reduce((total, [, count]) => total + count, 0);
    await until(() => sum() === 7 && forwarded.length === 1);
    const counted = Object.fromEntries(drops.entries().filter(([, count]) => count > 0));
    assert.deepEqual(counted, {
      malformed: 1,
      'bad-mac': 1,
      'zero-secret': 1,
      'bad-payload': 1,
      replay: 1,
      'expired-key': 1,
      'unknown-next-hop': 1,
    });
    assert.equal(delivered.length, 0);
  }));

test('who sends what no key fits, or what was here before, is named; who sends what others made badly is not', () =>
  withFolder(async (folder) => {
    await using bench = await start(folder);
    const { key, engine, until, drops, worthless } = bench;
    const good = packetOf(pathFrom(key, 0));
    const lastPath: PathHop[] = [{ id: OWN_ID, publicKey: key.publicKey, delayMilliseconds: 0 }];
    const badPayload = packetOf(lastPath);
    badPayload[GEOMETRY.headerBytes + 3] = 0;
    const packets = [
      good,
      good,
      new Uint8Array(GEOMETRY.packetBytes),
      badPayload,
      packetOf(pathFrom(key, 0, RECIPIENT)),
    ];
    for (const [sender, packet] of packets.entries()) engine.receive(received(packet, sender));
    await until(() => drops.entries().reduce((total, [, count]) => total + count, 0) === 4);
    assert.deepEqual(worthless, [1, 2]);
  }));

test('what arrives is delivered with all that is known of it', () =>
  withFolder(async (folder) => {
    await using bench = await start(folder);
    const { key, send, until, delivered } = bench;
    const path: PathHop[] = [{ id: OWN_ID, publicKey: key.publicKey, delayMilliseconds: 0 }];
    const replyId = randomBytes(16);
    const { block, keys } = createReplyBlock({ geometry: GEOMETRY, path, recipient: RECIPIENT, replyId });
    const answer = new Uint8Array(GEOMETRY.payloadBytes).fill(9);
    send(packetOf(path), packetFromReplyBlock(GEOMETRY, block, answer).packet);
    await until(() => delivered.length === 2);
    const byStatus = new Map(delivered.map((delivery) => [readOutcome(delivery).status, delivery]));
    const [message, reply] = [byStatus.get('deliver'), byStatus.get('reply')];
    assert.ok(message !== undefined && reply !== undefined);
    assert.deepEqual(Buffer.from(readOutcome(message).id), RECIPIENT);
    assert.ok(message.subarray(GEOMETRY.headerBytes + 32).every((byte) => byte === 7));
    assert.deepEqual(Buffer.from(readOutcome(reply).replyId), replyId);
    assert.deepEqual(openReply(GEOMETRY, keys, reply.subarray(GEOMETRY.headerBytes)), answer);
    assert.ok(
      message.subarray(64, GEOMETRY.headerBytes).every((byte) => byte === 0),
      'nothing of the header is left',
    );
  }));

test('a packet is not taken again after a restart, and its tag was on the disk before it left', () =>
  withFolder(async (folder) => {
    let packet: Uint8Array;
    {
      await using bench = await start(folder);
      packet = packetOf(pathFrom(bench.key, 0));
      bench.send(packet);
      await bench.until(() => bench.forwarded.length === 1);
      assert.equal((await stat(join(folder, `${EPOCH}.tags`))).size, 64 + 8, 'header and one tag');
      assert.equal((await stat(join(folder, `${EPOCH}.key`))).mode & 0o777, 0o600);
    }
    await appendFile(join(folder, `${EPOCH}.tags`), Buffer.alloc(5), {});
    await using again = await start(folder);
    assert.deepEqual(again.retired, []);
    again.send(packet, packetOf(pathFrom(again.key, 0)));
    await again.until(() => again.forwarded.length === 1 && again.drops.count('replay') === 1);
    assert.equal((await stat(join(folder, `${EPOCH}.tags`))).size, 64 + 16, 'the torn tail was cut');
  }));

test('after another boot, or without knowing it, keys under which packets have left are retired and made anew', () =>
  withFolder(async (folder) => {
    const used: Uint8Array[] = [];
    let unused: Uint8Array | null = null;
    for (const [bootId, reason] of [
      [BOOT, null],
      [randomBytes(16), 'other-boot'],
      [null, 'unknown-boot'],
    ] as const) {
      await using bench = await start(folder, { bootId });
      assert.deepEqual(bench.retired, reason === null ? [] : [[EPOCH, reason]]);
      const [key, next] = await bench.keys.require([EPOCH, EPOCH + 1]);
      assert.ok(used.every((before) => Buffer.compare(before, key?.publicKey ?? before) !== 0));
      unused ??= next?.publicKey ?? null;
      assert.deepEqual(next?.publicKey, unused, 'nothing can be missing of what was never used');
      used.push(bench.key.publicKey);
      bench.send(packetOf(pathFrom(bench.key, 0)));
      await bench.until(() => bench.forwarded.length === 1);
    }
  }));

test('a key that has outlived a boot unused is used and found again in the new one', () =>
  withFolder(async (folder) => {
    await (await start(folder))[Symbol.asyncDispose]();
    const bootId = randomBytes(16);
    let packet: Uint8Array;
    {
      await using bench = await start(folder, { bootId });
      packet = packetOf(pathFrom(bench.key, 0));
      bench.send(packet);
      await bench.until(() => bench.forwarded.length === 1);
    }
    await using again = await start(folder, { bootId });
    again.send(packet);
    await again.until(() => again.drops.count('replay') === 1);
    assert.deepEqual([again.retired, again.forwarded], [[], []]);
  }));

/** From now on the disk takes `bytes` more bytes, and then none. */
function fillDisk(bytes: number): void {
  const write = fs.writeSync;
  let left = bytes;
  mock.method(fs, 'writeSync', (descriptor: number, data: Uint8Array, at: number, length: number) => {
    if (left === 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    const written = write(descriptor, data, at, Math.min(left, length));
    left -= written;
    return written;
  });
  syncBuiltinESMExports();
}

function freeDisk(): void {
  mock.restoreAll();
  syncBuiltinESMExports();
}

test('where the disk takes no more tags the engine fails, and gives nothing away, also when there is room again', () =>
  withFolder(async (folder) => {
    // More tags than are kept for one write: the disk is found full within a row, too.
    const packets = 300;
    for (const room of [0, 12, 256 * 8 + 4]) {
      const errors: string[] = [];
      await using bench = await start(`${folder}-${room}`, { failed: (error) => errors.push(error.message) });
      const { key, engine, forwarded, until } = bench;
      const row = Array.from({ length: packets }, () => packetOf(pathFrom(key, 0)));
      fillDisk(room);
      try {
        bench.send(...row);
        await until(() => errors.length > 0);
      } finally {
        freeDisk();
      }
      const before = forwarded.length;
      assert.ok(before * 8 <= room, `${before} packets have left, and the disk had room for ${room} bytes`);
      engine.advance();
      await sleep(20);
      assert.equal(forwarded.length, before);
      assert.deepEqual(errors, ['no space left on device'], 'told once');
    }
  }));

test('beyond its capacity a key takes no more packets, and forgets none', () =>
  withFolder(async (folder) => {
    await using bench = await start(folder, { replayCapacity: 3 });
    const { key, send, until, drops, forwarded } = bench;
    const packets = Array.from({ length: 5 }, () => packetOf(pathFrom(key, 0)));
    send(...packets, ...packets);
    await until(() => drops.count('replay') + drops.count('replay-full') === 7 && forwarded.length > 2);
    assert.deepEqual([drops.count('replay-full'), drops.count('replay'), forwarded.length], [4, 3, 3]);
  }));

test('keys whose time is over are deleted with their tags', () =>
  withFolder(async (folder) => {
    await using bench = await start(folder);
    await bench.keys.require([EPOCH + 1, EPOCH + 2]);
    const files = (await readdir(folder)).toSorted();
    assert.deepEqual(files, [`${EPOCH + 1}.key`, `${EPOCH + 1}.tags`, `${EPOCH + 2}.key`, `${EPOCH + 2}.tags`]);
    assert.equal(bench.keys.find(EPOCH & 0xff), null);
    assert.ok(
      bench.key.privateKey.every((byte) => byte === 0),
      'and wiped',
    );
  }));

test('many packets that wait are told before any finds no room, and again when half of them are through', () =>
  withFolder(async (folder) => {
    await using bench = await start(folder);
    const { engine, key, congestion, drops, until } = bench;
    const packet = packetOf(pathFrom(key, 0));
    const message = Buffer.concat(Array.from({ length: 16 }, () => packet));
    while (congestion.length === 0) engine.receive(received(message));
    assert.equal(engine.counters().unwrapping, NODE_LIMITS.congestedAbove + 16);
    engine.receive(received(message));
    assert.deepEqual(congestion, [0], 'told once');
    await until(() => congestion.length === 2);
    assert.equal(congestion[1], 'release');
    assert.ok(engine.counters().unwrapping <= NODE_LIMITS.congestedAbove / 2);
    await until(() => engine.counters().unwrapping === 0);
    assert.equal(drops.count('queue-full'), 0);
    assert.equal(drops.count('replay'), engine.counters().received - 1);
  }));
