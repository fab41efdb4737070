import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { FogError } from '@fog/contract';
import { type Damage, type LogStorage, logFileName, recover, sequencesOf } from '../../../src/ledger/log/index.ts';
import type { SimulatedDisk } from '../../../src/ledger/log/simulation/index.ts';
import { CountingMachine } from './counting-machine.ts';
import { isFogError, openLog, request, SMALL_SEGMENT, simulatedDisk, submitEach } from './log-fixtures.ts';

const BLOCK = 4096;
const RECORDS = 24;
const create = () => new CountingMachine();

/** Closed in good order; groups of three records, so two of them fill a segment. */
async function writtenLog(snapshotAfter: number | null = null, wholeLog = true): Promise<SimulatedDisk> {
  const disk = simulatedDisk(1);
  const log = await openLog(disk, { retention: { snapshots: 2, wholeLog } });
  for (let number = 1; number <= RECORDS; number += 3) {
    await Promise.all([0, 1, 2].map((more) => log.submit(request(number + more))));
    if (number + 2 === snapshotAfter) await log.snapshot();
  }
  await log.close();
  return disk;
}

/** `storage` with one file changed or missing. */
function withFile(storage: LogStorage, name: string, content: Uint8Array | null): LogStorage {
  return {
    ...storage,
    list: () => storage.list().filter((other) => other !== name || content !== null),
    openToRead: (other) => {
      if (other !== name || content === null) return storage.openToRead(other);
      const read = (offset: number, into: Uint8Array) => {
        const part = content.subarray(offset, offset + into.length);
        into.set(part);
        return part.length;
      };
      return { name, bytes: content.length, read, close: () => undefined };
    },
  };
}

function damageOf(storage: LogStorage): { damage: Damage; file: string; offset: number; sequence: string } | null {
  try {
    recover(storage, create);
    return null;
  } catch (error) {
    assert.ok(error instanceof FogError && error.code === 'data-directory', String(error));
    return error.details as { damage: Damage; file: string; offset: number; sequence: string };
  }
}

describe('damage of what was acknowledged', () => {
  let disk: SimulatedDisk;
  let storage: LogStorage;
  let digest: Uint8Array;
  const second = logFileName(7n, 'log');
  before(async () => {
    disk = await writtenLog();
    storage = disk.mount();
    digest = recover(storage, create).machine.digest();
  });

  it('is found for every bit of every byte that means something, or changes nothing', () => {
    let found = 0;
    const names = storage.list().filter((name) => name.startsWith('0'));
    for (const name of names) {
      const content = (disk.content(name) as Uint8Array).slice();
      for (let offset = 0; offset < content.length; offset += 1) {
        // Zeros between records mean nothing; some of them are tried all the same.
        if (content[offset] === 0 && offset % 97 !== 0) continue;
        content[offset] = (content[offset] as number) ^ (1 << (offset % 8));
        const changed = withFile(storage, name, content);
        const damage = damageOf(changed);
        if (damage === null) assert.deepEqual(recover(changed, create).machine.digest(), digest, `${name}:${offset}`);
        else {
          found += 1;
          assert.equal(damage.file, name);
          assert.ok(damage.offset <= offset && offset < damage.offset + BLOCK, `${damage.offset} for ${offset}`);
        }
        content[offset] = (content[offset] as number) ^ (1 << (offset % 8));
      }
    }
    assert.ok(found > 3000, `${found} flips were found`);
  });

  it('is told with its file, its byte and its record', () => {
    const content = (disk.content(second) as Uint8Array).slice();
    const first = 2 * BLOCK;
    content[first + 80] = 99;
    assert.deepEqual(damageOf(withFile(storage, second, content)), {
      damage: 'record-checksum',
      file: second,
      offset: first,
      sequence: '7',
    });
  });

  it('is a segment that is not there, in the middle or at the end', () => {
    const missing = (name: string) => damageOf(withFile(storage, name, null));
    assert.equal(missing(logFileName(1n, 'log'))?.damage, 'segment-missing');
    assert.deepEqual(missing(second), {
      damage: 'record-missing',
      file: logFileName(13n, 'log'),
      offset: 0,
      sequence: '7',
    });
  });

  it('is a record that was cut off, though the mark names it', () => {
    const last = logFileName(19n, 'log');
    const content = (disk.content(last) as Uint8Array).slice(0, 3 * BLOCK);
    assert.equal(damageOf(withFile(storage, last, content))?.damage, 'record-missing');
    const none = damageOf(withFile(storage, last, content.slice(0, 100)));
    assert.equal(
      none?.damage ?? 'nothing',
      'nothing',
      'without header, mark and records it is a segment not yet begun',
    );
  });

  it('is a chain that does not fit, though every checksum does', async () => {
    // The same numbers and times with another first request.
    const other = simulatedDisk(1);
    const log = await openLog(other);
    await Promise.all([request(50), request(2), request(3)].map((body) => log.submit(body)));
    for (let number = 4; number <= RECORDS; number += 3) {
      await Promise.all([0, 1, 2].map((more) => log.submit(request(number + more))));
    }
    await log.close();
    const foreign = other.content(second) as Uint8Array;
    assert.equal(damageOf(withFile(storage, second, foreign))?.damage, 'record-chain');
    const content = (disk.content(second) as Uint8Array).slice();
    content.set(foreign.subarray(2 * BLOCK), 2 * BLOCK);
    assert.deepEqual(damageOf(withFile(storage, second, content)), {
      damage: 'record-chain',
      file: second,
      offset: 2 * BLOCK,
      sequence: '7',
    });
  });

  it('is a record that the machine does not take', async () => {
    class Strict extends CountingMachine {
      override apply(body: Uint8Array, timestamp: bigint): Uint8Array {
        if (this.count === 8) throw new FogError('invalid-request', 'this is of another version');
        return super.apply(body, timestamp);
      }
    }
    assert.throws(
      () => recover(storage, () => new Strict()),
      isFogError('data-directory', { damage: 'record-refused', sequence: '9', file: second }),
    );
  });

  it('is a segment of an absurd length', () => {
    const content = new Uint8Array((64 << 20) + 1);
    assert.equal(damageOf(withFile(storage, second, content))?.damage, 'segment-header');
  });
});

describe('damage of a snapshot', () => {
  it('is passed over where the log reaches further back, and reported', async () => {
    const disk = await writtenLog(12);
    const name = logFileName(12n, 'snapshot');
    const digest = recover(disk.mount(), create).machine.digest();
    const content = disk.content(name) as Uint8Array;
    for (let offset = 0; offset < content.length; offset += 1) {
      disk.flip(name, offset, offset % 8);
      const { machine, report } = recover(disk.mount(), create);
      assert.deepEqual(machine.digest(), digest);
      assert.equal(report.snapshot, null);
      assert.equal(report.records, RECORDS);
      assert.equal(report.damagedSnapshots.length, 1);
      const [fault] = report.damagedSnapshots;
      assert.ok(isFogError('data-directory', { file: name, sequence: '12' })(fault));
      disk.flip(name, offset, offset % 8);
    }
    for (const length of [0, 10, 60, content.length - 1, content.length + 1]) {
      const cut = new Uint8Array(length);
      cut.set(content.subarray(0, length));
      const { report } = recover(withFile(disk.mount(), name, cut), create);
      assert.equal(report.damagedSnapshots.length, 1, `${length} bytes`);
    }
  });

  it('is an error where nothing else has what it held', async () => {
    const disk = await writtenLog(12, false);
    const name = logFileName(12n, 'snapshot');
    assert.deepEqual(sequencesOf(disk.mount().list(), 'log')[0], 7n);
    disk.flip(name, 80, 1);
    assert.deepEqual(damageOf(disk.mount()), { damage: 'snapshot-part', file: name, offset: 60, sequence: '12' });
    await assert.rejects(openLog(disk), isFogError('data-directory', { damage: 'snapshot-part' }));
  });

  it('is found when it is of another history', async () => {
    const disk = await writtenLog(12, false);
    const other = simulatedDisk(1);
    const log = await openLog(other, { segmentBytes: SMALL_SEGMENT });
    await submitEach(log, 100, 111);
    await log.snapshot();
    await log.close();
    const name = logFileName(12n, 'snapshot');
    const foreign = other.content(name) as Uint8Array;
    assert.equal(damageOf(withFile(disk.mount(), name, foreign))?.damage, 'snapshot-chain');
  });

  it('is a machine that does not take its parts', async () => {
    const disk = await writtenLog(12, false);
    assert.throws(
      () => recover(disk.mount(), () => new CountingMachine(5)),
      isFogError('data-directory', { damage: 'snapshot-refused', sequence: '12' }),
    );
  });
});
