/** What relays of a mix network count for by the stake and the results of those who run them. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type KnownOwners, readOperators, standingIn } from '../src/mix/fog-standing.ts';

const OLGA = `key-${'a'.repeat(40)}`;
const OLEG = `key-${'b'.repeat(40)}`;
const LIZA = `key-${'c'.repeat(40)}`;
const OPERATORS = new Map([
  [OLGA, 'olga'],
  [OLEG, 'oleg'],
  [LIZA, 'liza'],
]);

const KNOWN: KnownOwners = {
  reputationPpm: new Map([
    ['olga', 900_000],
    ['liza', 800_000],
  ]),
  stake: new Map([
    ['olga', { status: 'active', tokens: 100n }],
    ['oleg', { status: 'active', tokens: 7n }],
    ['liza', { status: 'jailed', tokens: 500n }],
  ]),
};

const standing = (operator: string, relays = 1, known = KNOWN) =>
  standingIn(known, OPERATORS, { id: 'r', operator, relays });

test('the stake of an operator is shared by its relays; more of them are not more', () => {
  assert.deepEqual(standing(OLGA, 3), { stake: 33n, reputationPpm: 900_000 });
  assert.deepEqual(standing(OLEG, 8), { stake: 0n, reputationPpm: 500_000 });
});

test('who is jailed has no stake, and neither has a name that anybody may say', () => {
  assert.deepEqual(standing(LIZA), { stake: 0n, reputationPpm: 800_000 });
  assert.deepEqual(standing('olga'), { stake: 0n, reputationPpm: 500_000 });
});

test('in a fog without money all relays stand alike', () => {
  assert.deepEqual(standing('anybody', 9, { ...KNOWN, stake: null }), { stake: 1n, reputationPpm: 1_000_000 });
});

test('a file of operators names keys and principals, and nothing else', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fog-operators-'));
  try {
    const path = join(folder, 'operators.json');
    await writeFile(path, JSON.stringify({ [OLGA]: 'olga' }));
    assert.deepEqual(await readOperators(path), new Map([[OLGA, 'olga']]));
    for (const text of ['', 'null', '{"olga":"olga"}', `{"${OLGA}":7}`, `{"${OLGA}":"not a name"}`]) {
      await writeFile(path, text);
      await assert.rejects(readOperators(path), { code: 'invalid-configuration' }, text);
    }
    await assert.rejects(readOperators(join(folder, 'none.json')), { code: 'invalid-configuration' });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
