/** `fog ledger`: an export that was written by nothing but the document about it is found right; a changed one is not. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { fog } from './test-terminal.ts';

const WIDTHS: Readonly<Record<string, number>> = {
  ...{ sequence: 8, userData64: 8, timestamp: 8, userData32: 4, timeoutSeconds: 4, ledger: 4, code: 2, flags: 2 },
};
const WIDEST = 16;
const HEX = ['id', 'debitAccount', 'creditAccount', 'pendingId'];
const KINDS: Readonly<Record<string, number>> = { account: 1, transfer: 2 };
const USER_DATA = { userData128: '0', userData64: '0', userData32: '0' };

const id = (value: number) => value.toString(16).padStart(32, '0');
const RECORDS: readonly Record<string, string>[] = [
  { record: 'account', sequence: '1', id: id(1), ...USER_DATA, ledger: '1', code: '1', flags: '0', timestamp: '1001' },
  { record: 'account', sequence: '2', id: id(2), ...USER_DATA, ledger: '1', code: '10', flags: '2', timestamp: '1002' },
  {
    ...{ record: 'transfer', sequence: '3', id: id(9), debitAccount: id(1), creditAccount: id(2), amount: '250' },
    ...{ pendingId: id(0), ...USER_DATA, timeoutSeconds: '0', ledger: '1', code: '1', flags: '0', timestamp: '1003' },
  },
];

/** As docs/economy.md has it. */
function bytesOf({ record = '', ...fields }: Record<string, string>): Buffer {
  const parts = Object.entries(fields).map(([name, text]) => {
    const hex = HEX.includes(name) ? text : BigInt(text).toString(16);
    return Buffer.from(hex.padStart(2 * (WIDTHS[name] ?? WIDEST), '0'), 'hex');
  });
  return Buffer.concat([Buffer.of(KINDS[record] ?? 0), ...parts]);
}

function linesOf(records: readonly Record<string, string>[]): string {
  const header = Buffer.alloc(41);
  [1, 1, 3, 5000, 6000].forEach((value, index) => {
    header.writeBigUInt64BE(BigInt(value), 1 + 8 * index);
  });
  const parts = [header, ...RECORDS.map(bytesOf)];
  const hash = createHash('sha256').update('fog-ledger-1').update(Buffer.alloc(32)).update(Buffer.concat(parts));
  const checks = parts.map((part) => crc32(part).toString(16).padStart(8, '0')).join('');
  const seal = { sealedAt: 6000, hash: hash.digest('hex'), checks };
  const batch = { batch: 1, first: 1, last: 3, writtenAt: 5000, ...seal };
  return [{ format: 'fog-ledger-1' }, batch, ...records].map((line) => `${JSON.stringify(line)}\n`).join('');
}

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fog-ledger-cli-'));
  await writeFile(join(folder, 'right.jsonl'), linesOf(RECORDS));
  const wrong = RECORDS.map((record) => (record.amount === undefined ? record : { ...record, amount: '251' }));
  await writeFile(join(folder, 'wrong.jsonl'), linesOf(wrong));
  await writeFile(join(folder, 'other.jsonl'), 'something else\n');
});
after(() => rm(folder, { recursive: true, force: true }));

const ledger = (...args: string[]) => fog(['ledger', ...args], { workingDirectory: folder });

test('what is right is told with its sums and the hash of the last seal', async () => {
  const { code, stdout, stderr } = await ledger('verify', 'right.jsonl');
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^the ledger is as it should be\nrows +3 in 1 batches; 2 accounts, 0 transfers pending\n/);
  assert.match(
    stdout,
    /sealed +up to row 3, batch 1\n +[0-9a-f]{64}\nunsealed +nothing\nfog +debits and credits 0\.00025 FOG posted, 0 pending\nto note .*: --head [0-9a-f]{64} --sequence 3\n$/,
  );
});

test('what is wrong is told with the place, what has to stand there and what does; the exit code is 1', async () => {
  const { code, stdout } = await ledger('verify', 'wrong.jsonl');
  assert.equal(code, 1);
  assert.match(stdout, /\nfault: ledger_transfers, sequence 3, amount: .*\n +expected 250\n +found +251\n/);
  const { isValid, faults } = JSON.parse((await ledger('verify', 'wrong.jsonl', '--json')).stdout);
  assert.deepEqual([isValid, faults.length, faults[0].expected], [false, 1, '250']);
});

test('a seal that was noted has to be in the chain, where it was', async () => {
  const { stdout: shown } = await ledger('verify', 'right.jsonl');
  const [, head = '', sequence = ''] = /--head ([0-9a-f]+) --sequence (\d+)/.exec(shown) ?? [];
  const right = await ledger('verify', 'right.jsonl', '--head', head.toUpperCase(), '--sequence', sequence);
  assert.deepEqual([right.code, /noted +the chain goes on/.test(right.stdout)], [0, true]);
  const other = 'ab'.repeat(32);
  const faultOf = async (...args: string[]) => {
    const { code, stdout } = await ledger('verify', 'right.jsonl', '--json', ...args);
    const { noted, faults } = JSON.parse(stdout);
    assert.deepEqual([code, noted.isPrefix, faults.length], [1, false, 1]);
    return [faults[0].message, faults[0].found];
  };
  const anew = 'the chain does not go on from what was noted: it was written anew, or is another';
  assert.deepEqual(await faultOf('--head', other), [anew, null]);
  assert.deepEqual(await faultOf('--head', other, '--sequence', '3'), [anew, head]);
  const [cut] = await faultOf('--head', head, '--sequence', '9');
  assert.match(cut, /^the chain ends at row 3, before what was noted/);
  for (const args of [
    ['--head', 'ab'],
    ['--sequence', '3'],
    ['--head', other, '--sequence', '0x1'],
  ]) {
    const { code, stderr } = await ledger('verify', 'right.jsonl', ...args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /--head HASH --sequence N/);
  }
});

test('no ledger, another file, and an address where nobody is, are refused', async () => {
  assert.equal((await ledger('verify', 'nowhere')).code, 2);
  const { code, stderr } = await ledger('verify', 'other.jsonl');
  assert.equal(code, 2);
  assert.match(stderr, /line 1 is no line of an exported ledger/);
  const away = await ledger('verify', 'postgres://fog:secret@127.0.0.1:1/fog');
  assert.equal(away.code, 125);
  assert.doesNotMatch(away.stderr, /secret/);
  assert.equal((await ledger('export', 'copy.jsonl', '--from', 'nowhere')).code, 2);
});
