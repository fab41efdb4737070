import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  logFileName,
  MachineLog,
  openFolder,
  recover,
  sequencesOf,
  snapshotThread,
} from '../../../src/ledger/log/index.ts';
import { CountingMachine } from './counting-machine.ts';
import { isFogError, submitEach } from './log-fixtures.ts';

const create = () => new CountingMachine();
const SEGMENT_BYTES = 65_536;

describe('a log in a folder', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fog-ledger-log-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const open = (storage: ReturnType<typeof openFolder>, makeSnapshot?: (sequence: bigint) => Promise<number>) =>
    MachineLog.open({
      storage,
      createMachine: create,
      now: () => BigInt(Date.now()) * 1_000_000n,
      segmentBytes: SEGMENT_BYTES,
      ...(makeSnapshot === undefined ? {} : { makeSnapshot }),
    });

  it('is there again, with its segments reserved and readable by nobody else', async () => {
    let digest: Uint8Array;
    {
      using storage = openFolder(folder);
      await using log = await open(storage);
      await submitEach(log, 1, 60);
      await log.snapshot();
      await submitEach(log, 61, 90);
      digest = log.machine.digest();
      const [first = 0n] = sequencesOf(storage.list(), 'log');
      const { size, mode } = statSync(join(folder, logFileName(first, 'log')));
      assert.equal(size, SEGMENT_BYTES);
      if (process.platform !== 'win32') assert.equal(mode & 0o777, 0o600);
    }
    using storage = openFolder(folder);
    await using log = await open(storage);
    assert.deepEqual(log.machine.digest(), digest);
    assert.equal(log.recovery.snapshot, 60n);
    assert.equal(log.recovery.records, 30);
  });

  it('is refused to a second process, and keeps what a killed one acknowledged', async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'ledger-process.ts'), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    while (!said.includes('\n50\n')) await once(child.stdout, 'data');
    assert.throws(() => openFolder(folder), isFogError('data-directory', { inUse: true }));
    child.kill('SIGKILL');
    await once(child, 'close');
    const acknowledged = said.slice(0, said.lastIndexOf('\n')).split('\n').length - 1;
    using storage = openFolder(folder);
    await using log = await open(storage);
    assert.ok(log.durable >= BigInt(acknowledged), `${log.durable} of ${acknowledged}`);
    await submitEach(log, 1, 3);
  });

  it('has its snapshots made by a thread from the log, and goes on when the thread cannot', async () => {
    using storage = openFolder(folder);
    const machineModule = new URL('./plain-counting-machine.ts', import.meta.url).href;
    const thread = snapshotThread({ folder, machineModule, createMachine: 'createCountingMachine' });
    let digest: Uint8Array;
    {
      await using log = await open(storage, thread);
      await submitEach(log, 1, 40);
      const made = log.snapshot();
      await submitEach(log, 41, 60);
      assert.equal((await made).sequence, 40n);
      digest = log.machine.digest();
    }
    const { machine, report } = recover(storage, create);
    assert.equal(report.snapshot, 40n);
    assert.deepEqual(machine.digest(), digest);
    await using log = await open(storage, snapshotThread({ folder, machineModule, createMachine: 'nothing' }));
    await assert.rejects(log.snapshot(), isFogError('unavailable'));
    await submitEach(log, 61, 62);
  });
});
