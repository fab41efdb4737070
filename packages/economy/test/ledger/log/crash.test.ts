import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type AppliedRequest, MachineLog, recover } from '../../../src/ledger/log/index.ts';
import { LANDINGS, SeededRandom, SimulatedDisk } from '../../../src/ledger/log/simulation/index.ts';
import { CountingMachine } from './counting-machine.ts';
import { openLog, request, SMALL_SEGMENT, simulatedDisk, tornAtEachByte } from './log-fixtures.ts';

const create = () => new CountingMachine();

describe('a crash', () => {
  it('at every byte of a log keeps all that was acknowledged, and nothing that was not sent', async () => {
    const disk = simulatedDisk(1);
    const applied: AppliedRequest[] = [];
    const digests = [create().digest()];
    let images = 0;
    let log: MachineLog<CountingMachine> | null = null;
    const shadow = create();
    const storage = tornAtEachByte(disk, (place) => {
      const acknowledged = log?.durable ?? 0n;
      images += 1;
      const { machine, position } = recover(disk.mount(), create);
      assert.ok(position.sequence >= acknowledged, `${place} lost record ${acknowledged}`);
      assert.ok(position.sequence <= BigInt(applied.length));
      assert.deepEqual(machine.digest(), digests[Number(position.sequence)], 'the state of another history');
    });
    let now = 0n;
    log = await MachineLog.open({
      storage,
      createMachine: create,
      now: () => (now += 1000n),
      segmentBytes: SMALL_SEGMENT,
      onApplied(one) {
        applied.push(one);
        shadow.apply(one.request, one.timestamp);
        digests.push(shadow.digest());
      },
    });
    for (let number = 1; number <= 24; ) {
      const group = Array.from({ length: 1 + (number % 3) }, (_, more) => request(number + more));
      number += group.length;
      await Promise.all(group.map((body) => (log as MachineLog<CountingMachine>).submit(body)));
      if (number === 13) await log.snapshot();
    }
    await log.close();
    assert.ok(images > 3000, `${images} images`);
    assert.equal(applied.length, Number(log.durable));
  });

  it('with writes lost, torn and out of order, again and again, keeps all that was acknowledged (property)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.constantFrom(512, 4096), (seed, sectorBytes) => crashes(seed, sectorBytes)),
      { numRuns: 150, examples: [[1_068_371_995, 512]] },
    );
  });

  it('leaves a torn tail, which is cut off and reported', async () => {
    const disk = simulatedDisk(5);
    const log = await openLog(disk);
    await log.submit(request(1));
    await log.close();
    const [name = ''] = disk.mount().list();
    const content = disk.content('00000000000000000001.log') as Uint8Array;
    assert.equal(name.length > 0, true);
    // The first bytes of a second record.
    content.set(content.slice(8192, 8192 + 40), 8192 + 4096);
    const again = await openLog(disk);
    assert.deepEqual(again.recovery.torn, {
      file: '00000000000000000001.log',
      offset: 8192 + 144,
      bytes: 4096 - 144 + 26,
    });
    assert.equal((disk.content('00000000000000000001.log') as Uint8Array).length, 8192 + 144);
    await again.submit(request(2));
    await again.close();
    assert.equal(recover(disk.mount(), create).position.sequence, 2n);
  });
});

/** A program on a disk that crashes at any moment, a few times in a row. */
async function crashes(seed: number, sectorBytes: number): Promise<void> {
  const random = new SeededRandom(seed);
  const disk = new SimulatedDisk({ random, sectorBytes });
  const history: AppliedRequest[] = [];
  let acknowledged = 0n;
  let now = 0n;
  let number = 0;
  for (let life = 0; life < 5; life += 1) {
    const steps = random.between(0, 120);
    let log: MachineLog<CountingMachine> | null = null;
    const opening = MachineLog.open({
      storage: disk.mount(),
      createMachine: create,
      now: () => (now += 1000n),
      segmentBytes: SMALL_SEGMENT,
      onApplied: (one) => void history.push(one),
    }).then((opened) => {
      log = opened;
    });
    // It never answers after a crash.
    opening.catch(() => undefined);
    for (let step = 0; step < steps; step += 1) {
      const opened = log as MachineLog<CountingMachine> | null;
      if (opened !== null && random.chance(0.5)) {
        number += 1;
        const expected = opened.applied + 1n;
        const body = request(number, random.between(1, 3000));
        opened.submit(body).then(
          () => {
            if (expected > acknowledged) acknowledged = expected;
          },
          () => undefined,
        );
      }
      if (opened !== null && random.chance(0.05)) opened.snapshot().catch(() => undefined);
      if (random.chance(0.02)) disk.failSyncAfter(random.below(3));
      disk.step();
      await new Promise((resolve) => setImmediate(resolve));
    }
    disk.crash(random.pick(LANDINGS));
    const { position, machine } = recover(disk.mount(), create);
    assert.ok(position.sequence >= acknowledged, `record ${acknowledged} is lost, ${position.sequence} is the last`);
    assert.ok(position.sequence <= BigInt(history.length));
    history.length = Number(position.sequence);
    const replayed = create();
    for (const one of history) replayed.apply(one.request, one.timestamp);
    assert.deepEqual(machine.digest(), replayed.digest());
  }
}
