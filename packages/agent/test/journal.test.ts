import assert from 'node:assert/strict';
import { appendFile, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { JournalEntry } from '@fog/contract';
import fc from 'fast-check';
import { Journal, type JournalDependencies } from '../src/journal.ts';
import { decodeJournal, encodeEntry, encodeHeader } from '../src/journal-codec.ts';
import { temporaryFolder } from './agent-under-test.ts';
import { JOB } from './fake-coordinator.ts';

function entry(number: number, message = 'x'): JournalEntry {
  return {
    attempt: { job: JOB, partition: number, fence: 1 },
    atMilliseconds: number,
    report: { event: 'decline', message },
  };
}

function partitions(entries: readonly JournalEntry[]): number[] {
  return entries.map(({ attempt }) => attempt.partition);
}

const silent = { onDurable: () => {}, onWriteError: (error: unknown) => assert.fail(String(error)) };

async function openAt(folder: string, dependencies: Partial<JournalDependencies> = {}): Promise<Journal> {
  return await Journal.open(join(folder, 'journal.jsonl'), { ...silent, ...dependencies });
}

test('entries survive a restart under the same name and numbers', async () => {
  await using folder = await temporaryFolder();
  let journal = await openAt(folder.path);
  const { id } = journal;
  for (let number = 1; number <= 5; number += 1) journal.append(entry(number));
  assert.equal(journal.batch(0), null, 'nothing may be sent before it is on disk');
  await journal.flushed();
  assert.deepEqual(partitions(journal.acknowledge(2)), [1, 2]);
  await journal.close();
  journal = await openAt(folder.path);
  assert.equal(journal.id, id);
  assert.equal(journal.nextSequence, 6);
  assert(journal.continuesFrom(2) && journal.continuesFrom(5));
  assert(!journal.continuesFrom(6));
  journal.acknowledge(2);
  assert(!journal.continuesFrom(1));
  assert.deepEqual(journal.batch(0), { first: 3, entries: [entry(3), entry(4), entry(5)] });
  await journal.close();
});

test('all entries of a turn share one write and one sync', async () => {
  await using folder = await temporaryFolder();
  let syncs = 0;
  const journal = await openAt(folder.path, {
    onDurable: () => {
      syncs += 1;
    },
  });
  for (let number = 1; number <= 1500; number += 1) journal.append(entry(number));
  await journal.flushed();
  assert.equal(syncs, 1);
  assert.equal(journal.batch(0)?.entries.length, 1000);
  assert.equal(journal.batch(1000)?.first, 1001);
  await journal.close();
});

test('a torn last line is dropped, at every length', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'journal.jsonl');
  const whole = encodeHeader('journal-1', 7) + encodeEntry(7, entry(7));
  const last = encodeEntry(8, entry(8));
  for (let length = 0; length < last.length; length += 13) {
    await writeFile(path, whole + last.slice(0, length));
    const journal = await openAt(folder.path);
    assert.equal(journal.id, 'journal-1');
    assert.equal(journal.nextSequence, 8);
    journal.append(entry(9));
    await journal.close();
    const again = decodeJournal(await readFile(path));
    assert(again.status === 'intact');
    assert.deepEqual(partitions(again.entries), [7, 9]);
  }
});

test('a file damaged in the middle, or lost, starts another journal with what is readable', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'journal.jsonl');
  const lines = [encodeHeader('journal-1', 7), ...[7, 8, 9].map((number) => encodeEntry(number, entry(number)))];
  const flipped = (lines[2] as string).replace('"x"', '"y"');
  for (const [damaged, kept] of [
    [lines[0] + (lines[1] as string) + flipped + lines[3], [7, 9]],
    [lines[0] + (lines[1] as string) + lines[3], [7, 9]],
    [`${lines[1]}${lines[2]}`, [8]],
    ['\0'.repeat(512), []],
    [`${'\0'.repeat(512)}\n${lines[3]}`, [9]],
    ['', []],
  ] as const) {
    await writeFile(path, damaged);
    let readable = -1;
    const journal = await openAt(folder.path, {
      onDamage: (count) => {
        readable = count;
      },
    });
    assert.notEqual(journal.id, 'journal-1');
    assert.equal(readable, kept.length);
    assert.deepEqual(partitions(journal.batch(0)?.entries ?? []), kept);
    await journal.close();
    assert.equal(decodeJournal(await readFile(path)).status, 'intact');
  }
  await writeFile(path, '');
});

test('acknowledged entries leave the file', async () => {
  await using folder = await temporaryFolder();
  const journal = await openAt(folder.path);
  const { id } = journal;
  const text = 'm'.repeat(4000);
  for (let number = 1; number <= 300; number += 1) journal.append(entry(number, text));
  await journal.flushed();
  journal.acknowledge(298);
  journal.append(entry(301));
  await journal.flushed();
  assert((await stat(join(folder.path, 'journal.jsonl'))).size < 20_000);
  journal.append(entry(302));
  await journal.close();
  const again = await openAt(folder.path);
  assert.equal(again.id, id);
  assert.deepEqual(partitions(again.batch(0)?.entries ?? []), [299, 300, 301, 302]);
  assert.equal(again.nextSequence, 303);
  await again.close();
});

test('a failed write is tried again and nothing is sent meanwhile', async () => {
  await using folder = await temporaryFolder();
  const errors: unknown[] = [];
  const journal = await openAt(folder.path, { onWriteError: (error) => errors.push(error) });
  const circular = entry(1) as JournalEntry & { self?: unknown };
  circular.self = circular; // cannot be written
  journal.append(circular);
  while (errors.length === 0) await new Promise(setImmediate);
  assert.equal(journal.batch(0), null);
  delete circular.self;
  await journal.flushed();
  assert.deepEqual(partitions(journal.batch(0)?.entries ?? []), [1]);
  await journal.close();
});

/** What a coordinator does with journal frames: every number once, in order. */
class Receiver {
  readonly journals = new Map<string, JournalEntry[]>();

  take(id: string, first: number, entries: readonly JournalEntry[]): void {
    const journal = this.of(id);
    entries.forEach((received, index) => {
      const sequence = first + index;
      assert(sequence <= journal.length + 1, `gap before ${sequence}`);
      if (sequence === journal.length + 1) journal.push(received);
      else assert.deepEqual(received, journal[sequence - 1]);
    });
  }

  of(id: string): JournalEntry[] {
    const journal = this.journals.get(id) ?? [];
    this.journals.set(id, journal);
    return journal;
  }
}

type Step =
  | { do: 'append'; count: number }
  | { do: 'send'; frames: number }
  | { do: 'acknowledge' }
  | { do: 'cut' }
  | { do: 'renew' }
  | { do: 'crash'; tornBytes: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('append' as const), count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('send' as const), frames: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 4, arbitrary: fc.constantFrom<Step>({ do: 'acknowledge' }, { do: 'cut' }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('renew' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), tornBytes: fc.nat(60) }) },
);

test('over any cuts, crashes and lost acknowledgements everything durable arrives once and in order', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'journal.jsonl');
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      await writeFile(path, encodeHeader('journal-0', 1));
      let journal = await openAt(folder.path);
      const receiver = new Receiver();
      let sent = 0;
      let appended = 0;
      const durable: number[] = [];
      /** As after a welcome. */
      const agree = (): void => {
        assert(journal.continuesFrom(receiver.of(journal.id).length));
        sent = receiver.of(journal.id).length;
        journal.acknowledge(sent);
      };
      const send = (): boolean => {
        const batch = journal.batch(sent);
        if (batch === null) return false;
        receiver.take(journal.id, batch.first, batch.entries);
        sent = batch.first + batch.entries.length - 1;
        return true;
      };
      for (const action of steps) {
        if (action.do === 'append') {
          for (let count = 0; count < action.count; count += 1) {
            appended += 1;
            journal.append(entry(appended));
          }
          await journal.flushed();
          while (durable.length < appended) durable.push(durable.length + 1);
        } else if (action.do === 'send') for (let frame = 0; frame < action.frames; frame += 1) send();
        else if (action.do === 'acknowledge') journal.acknowledge(sent);
        else if (action.do === 'cut') agree();
        else if (action.do === 'renew') {
          await journal.renew();
          sent = 0;
        } else {
          await journal.close();
          await appendFile(path, encodeEntry(journal.nextSequence, entry(999)).slice(0, action.tornBytes));
          journal = await openAt(folder.path);
          agree();
        }
      }
      while (send());
      await journal.close();
      const arrived = new Set([...receiver.journals.values()].flatMap((entries) => partitions(entries)));
      assert.deepEqual(
        [...arrived].sort((a, b) => a - b),
        durable,
      );
      for (const entries of receiver.journals.values()) {
        const numbers = partitions(entries);
        assert.deepEqual(
          numbers,
          [...new Set(numbers)].sort((a, b) => a - b),
          'once and in order',
        );
      }
    }),
    { numRuns: 60 },
  );
  await truncate(path);
});
