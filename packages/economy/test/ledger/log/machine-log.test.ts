import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LOG_LIMITS, MachineLog, recover, sequencesOf } from '../../../src/ledger/log/index.ts';
import { SeededRandom, SimulatedDisk } from '../../../src/ledger/log/simulation/index.ts';
import { BREAKING, CountingMachine, REFUSED } from './counting-machine.ts';
import { isFogError, openLog, request, SMALL_SEGMENT, simulatedDisk, submitEach } from './log-fixtures.ts';

/** Lets promises run, and the disk do all that is asked of it. */
async function settle(disk: SimulatedDisk): Promise<void> {
  for (let round = 0; round < 50; round += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    while (disk.isBusy) {
      disk.step();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

describe('a log under a machine', () => {
  it('answers what the machine answers, and has the same state when it is opened again', async () => {
    const disk = simulatedDisk(1);
    const log = await openLog(disk);
    assert.deepEqual(await log.submit(request(1)), Uint8Array.of(1, 2));
    await submitEach(log, 2, 200);
    const digest = log.machine.digest();
    const hash = log.durableHash;
    await log.close();
    assert.ok(sequencesOf(disk.mount().list(), 'log').length > 20, 'several segments');
    const again = await openLog(disk);
    assert.deepEqual(again.machine.digest(), digest);
    assert.deepEqual(again.durableHash, hash);
    assert.equal(again.recovery.records, 200);
    assert.equal(again.recovery.torn, null);
    assert.deepEqual(await again.submit(request(201)), Uint8Array.of(201, 202));
    await again.close();
  });

  it('lets requests that come during a sync share the next one', async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(1) });
    const opening = openLog(disk, { segmentBytes: 4 * SMALL_SEGMENT });
    await settle(disk);
    const log = await opening;
    const answered: number[] = [];
    const send = (number: number) => log.submit(request(number)).then(() => answered.push(number));
    void send(1);
    await new Promise((resolve) => setImmediate(resolve));
    for (let number = 2; number <= 100; number += 1) void send(number);
    assert.equal(log.applied, 100n);
    assert.equal(log.durable, 0n);
    let steps = 0;
    while (log.durable < 100n) {
      disk.step();
      steps += 1;
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(answered.length, Number(log.durable), 'acknowledged = durable');
    }
    assert.ok(steps < 20, `${steps} operations for 100 requests`);
    const closing = log.close();
    await settle(disk);
    await closing;
    const { report } = recover(disk.mount(), () => new CountingMachine());
    assert.equal(report.sequence, 100n);
  });

  it('tells who sends too much to wait, and when there is room', async () => {
    const disk = new SimulatedDisk({ random: new SeededRandom(1) });
    const opening = openLog(disk, { segmentBytes: LOG_LIMITS.segmentBytes });
    await settle(disk);
    const log = await opening;
    const large = new Uint8Array(LOG_LIMITS.requestBytes).fill(1);
    const sent = Array.from({ length: LOG_LIMITS.waitingBytes / large.length }, () => log.submit(large));
    assert.equal(log.hasRoom, false);
    await assert.rejects(log.submit(request(1)), isFogError('too-many-requests', { requests: sent.length }));
    let hasRoom = false;
    void log.whenRoom().then(() => {
      hasRoom = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(hasRoom, false);
    await settle(disk);
    assert.equal(hasRoom, true);
    assert.equal((await Promise.all(sent)).length, sent.length);
    const last = log.submit(request(1));
    await settle(disk);
    await last;
    const closing = log.close();
    await settle(disk);
    await closing;
  });

  it('refuses what is too long, what the machine does not read, and everything after its end', async () => {
    const disk = simulatedDisk(1);
    const log = await openLog(disk);
    await assert.rejects(log.submit(new Uint8Array(SMALL_SEGMENT)), isFogError('invalid-request'));
    await assert.rejects(log.submit(Uint8Array.of(REFUSED)), isFogError('invalid-request'));
    await log.submit(request(1));
    assert.equal(log.durable, 1n, 'a refused request has no record');
    await log.close();
    await assert.rejects(log.submit(request(2)), isFogError('unavailable'));
    await assert.rejects(openLog(disk, { segmentBytes: 5000 }), isFogError('invalid-request'));
  });

  it('never logs what its machine breaks on, and ends', async () => {
    const disk = simulatedDisk(1);
    const log = await openLog(disk);
    await log.submit(request(1));
    const before = log.submit(request(2));
    const broken = log.submit(Uint8Array.of(BREAKING));
    const after = log.submit(request(3));
    await assert.rejects(broken, isFogError('internal'));
    await assert.rejects(before, isFogError('internal', { outcome: 'unknown' }));
    await assert.rejects(after, isFogError('internal'));
    await assert.rejects(log.submit(request(4)), isFogError('internal'));
    await log.close();
    const again = await openLog(disk);
    assert.ok(again.durable === 1n || again.durable === 2n);
    await again.close();
  });

  it('acknowledges nothing after a failed sync', async () => {
    const disk = simulatedDisk(3);
    const log = await openLog(disk);
    await submitEach(log, 1, 5);
    disk.failSyncAfter(0);
    const failed = log.submit(request(6));
    const alike = log.submit(request(7));
    await assert.rejects(failed, isFogError('unavailable', { outcome: 'unknown' }));
    await assert.rejects(alike, isFogError('unavailable', { outcome: 'unknown' }));
    disk.failSyncAfter(Number.POSITIVE_INFINITY);
    await assert.rejects(log.submit(request(8)), isFogError('unavailable'));
    await assert.rejects(log.settled(), isFogError('unavailable'));
    await assert.rejects(log.snapshot(), isFogError('unavailable'));
    assert.equal(log.durable, 5n);
    await log.close();
    disk.crash();
    const again = await openLog(disk);
    assert.ok(again.durable >= 5n && again.durable <= 7n);
    await again.close();
  });

  it('refuses requests while the disk is full, and takes them when there is room again', async () => {
    let now = 0n;
    const disk = simulatedDisk(1, { roomBytes: 3 * SMALL_SEGMENT });
    const log = await openLog(disk, { now: () => now });
    const outcomes: string[] = [];
    for (let number = 1; number <= 12; number += 1) {
      outcomes.push(
        await log.submit(request(number)).then(
          () => 'done',
          (error) => error.code,
        ),
      );
    }
    // Two blocks of each segment are for records.
    assert.deepEqual(outcomes, [...Array(6).fill('done'), ...Array(6).fill('storage-full')]);
    assert.equal(log.durable, 6n);
    disk.roomBytes = Number.POSITIVE_INFINITY;
    now += 2_000_000_000n;
    assert.deepEqual(await log.submit(request(7)), Uint8Array.of(7, 8), 'what was refused has not happened');
    await log.close();
    const again = await openLog(disk);
    assert.equal(again.durable, 7n);
    await again.close();
  });

  it('gives every request a later time, though the clock stands still', async () => {
    const disk = simulatedDisk(1);
    const times: bigint[] = [];
    const log = await openLog(disk, { now: () => 0n, onApplied: ({ timestamp }) => times.push(timestamp) });
    await submitEach(log, 1, 5);
    for (const [index, time] of times.entries()) {
      assert.ok(time - (times[index - 1] ?? 0n) > BigInt(request(index + 1).length), 'each byte has its nanosecond');
    }
    await log.close();
  });
});

describe('snapshots', () => {
  it('hold the state at their call, beside requests that come meanwhile, and let go of the log before', async () => {
    const disk = simulatedDisk(1);
    const log = await openLog(disk);
    await submitEach(log, 1, 20);
    const first = log.snapshot();
    assert.equal(log.snapshot(), first, 'one at a time');
    await submitEach(log, 21, 40);
    assert.equal((await first).sequence, 20n);
    await submitEach(log, 41, 60);
    await log.snapshot();
    await submitEach(log, 61, 80);
    await log.snapshot();
    const names = disk.mount().list();
    assert.deepEqual(sequencesOf(names, 'snapshot'), [60n, 80n]);
    const [firstSegment = 0n] = sequencesOf(names, 'log');
    assert.ok(firstSegment > 50n && firstSegment <= 60n, `the log since record ${firstSegment} is kept`);
    const digest = log.machine.digest();
    await log.close();
    const again = await openLog(disk);
    assert.equal(again.recovery.snapshot, 80n);
    assert.equal(again.recovery.records, 0);
    assert.deepEqual(again.machine.digest(), digest);
    await again.close();
  });

  it('may keep the whole log, which gives the same state', async () => {
    const disk = simulatedDisk(1);
    const log = await openLog(disk, { retention: { snapshots: 1, wholeLog: true } });
    await submitEach(log, 1, 30);
    await log.snapshot();
    await submitEach(log, 31, 50);
    await log.close();
    const create = () => new CountingMachine();
    const short = recover(disk.mount(), create);
    const long = recover(disk.mount(), create, { useSnapshots: false });
    assert.equal(short.report.records, 20);
    assert.equal(long.report.records, 50);
    assert.deepEqual(short.machine.digest(), long.machine.digest());
    const until = recover(disk.mount(), create, { until: 40n });
    assert.equal(until.machine.count, 40);
  });

  it('that fail leave the log as it was', async () => {
    const disk = simulatedDisk(1, { roomBytes: 200_000 });
    const create = () => new CountingMachine(3 << 20);
    const options = { storage: disk.mount(), createMachine: create, now: () => 0n, segmentBytes: SMALL_SEGMENT };
    const log = await MachineLog.open(options);
    await log.submit(request(1));
    await assert.rejects(log.snapshot(), isFogError('storage-full'));
    await log.submit(request(2));
    assert.ok(
      !disk
        .mount()
        .list()
        .some((name) => name.includes('snapshot')),
    );
    disk.roomBytes = Number.POSITIVE_INFINITY;
    const { bytes } = await log.snapshot();
    assert.ok(bytes > 3 << 20);
    await log.close();
    assert.equal(recover(disk.mount(), create).report.snapshot, 2n);
  });
});
