/** Records of votes, as files that anybody hands to a recount. */
import assert from 'node:assert/strict';
import { FogError } from '@fog/contract';
import { type DaoRecord, formatDaoRecord, parseDaoRecord, recount } from '@fog/economy/governance';
import { DAY, FOG, openDao } from '../../../packages/economy/test/governance/dao.ts';
import type { FuzzRandom } from '../fuzz-random.ts';
import { oneByOne } from '../fuzz-target.ts';

function honestRecords(): DaoRecord[] {
  return (['text', 'parameter', 'treasury'] as const).map((kind) => {
    const { dao, id } = openDao(
      kind === 'text'
        ? { kind }
        : kind === 'parameter'
          ? { kind, changes: [{ name: 'feePpm', value: 5n }] }
          : { kind, grants: [{ to: 'dee', amountMicroFog: FOG }] },
    );
    dao.vote(id, 'ann', 'for');
    dao.vote(id, 'cy', 'against');
    dao.pass(7 * DAY + 1);
    return dao.record(id);
  });
}

/**
 * Invariants: damaged text is refused in words, or is a record that written again reads the same; a recount of it ends,
 * and what differs from the honest record in a ballot, its proof or the snapshot is a fault.
 */
export const DAO_RECORDS = oneByOne(
  { summary: 'records of votes: damaged text, fields that were exchanged, and recounts of both', share: 1 / 100 },
  () => {
    const files = honestRecords().map(formatDaoRecord);
    return (random) => {
      const file = random.pick(files);
      let record: DaoRecord;
      try {
        record = parseDaoRecord(random.once(2) ? damagedText(file, random) : damagedField(file, random));
      } catch (error) {
        assert.ok(error instanceof FogError && error.code === 'invalid-request', String(error));
        return /not JSON/.test(error.message) ? 'refused: not JSON' : 'refused: not of its form';
      }
      const text = formatDaoRecord(record);
      assert.equal(formatDaoRecord(parseDaoRecord(text)), text);
      const { faults } = recount(record.proposal, record.snapshot, record.ballots);
      if (text === file) {
        assert.deepEqual(faults, []);
        return 'untouched';
      }
      if (faults.length === 0) assert.ok(isHarmless(file, text), 'something was changed, and nothing is found');
      return faults.length === 0 ? 'changed where it does not count' : `found: ${faults[0]?.fault}`;
    };
  },
);

/** What a recount does not depend on: what became of the proposal after the count, and times within the vote. */
const NOT_COUNTED = [
  'executableAtMilliseconds',
  'expiresAtMilliseconds',
  'endedAtMilliseconds',
  'vetoReason',
  'deposit',
];
const LOOSE = [...NOT_COUNTED, 'state', 'castSequence', 'castAtMilliseconds', 'leaves'];

function isHarmless(left: string, right: string): boolean {
  const rest = (text: string) =>
    JSON.stringify(JSON.parse(text, (key, value: unknown) => (LOOSE.includes(key) ? null : value)));
  return rest(left) === rest(right);
}

function damagedText(text: string, random: FuzzRandom): string {
  let damaged = text;
  for (let edits = random.below(3); edits >= 0; edits -= 1) {
    const at = random.below(damaged.length);
    const put = random.pick(['', '0', 'f', '"', '{', '}', '[', ',', '-1', 'null', '\\u0000', 'ann', '1e9']);
    damaged = damaged.slice(0, at) + put + damaged.slice(at + random.below(9));
  }
  return damaged;
}

/** One value of the document becomes another of it, or one of its kind. */
function damagedField(text: string, random: FuzzRandom): string {
  const values: unknown[] = ['0', '7', 0, 1, 2 ** 53 - 1, null, true, [], {}, '00'.repeat(32), 'for', 'bo'];
  let count = 0;
  JSON.parse(text, (_key, value: unknown) => {
    count += 1;
    if (typeof value !== 'object') values.push(value);
    return value;
  });
  let at = random.below(count);
  const put = random.pick(values);
  const edited = JSON.parse(text, (_key, value: unknown) => {
    at -= 1;
    return at === -1 ? put : value;
  });
  return JSON.stringify(edited) ?? '';
}
