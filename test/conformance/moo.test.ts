import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { MOO_AREA } from './moo/area.ts';

/** What becomes of a file: the names of its cases, each with what is wrong, or null. */
async function outcome(path: string, text: string | Uint8Array, others: Record<string, string> = {}) {
  const content = typeof text === 'string' ? Buffer.from(text) : text;
  const sibling = async (other: string) => {
    const text = others[posix.basename(other)];
    return text === undefined ? null : Buffer.from(text);
  };
  const results: [name: string, failure: string | null][] = [];
  for (const one of await MOO_AREA.cases({ path: `moo/${path}`, content, sibling }, { isQuick: false })) {
    try {
      await MOO_AREA.run(one);
      results.push([one.name, null]);
    } catch (error) {
      results.push([one.name, (error as Error).message]);
    }
  }
  return results;
}

test('values of a problem are compared with those beside its points', async () => {
  const files = { 'zdt1.x': '0.25 0\n1 1\n', 'zdt1.f': '0.25 0.5\n1 6.837722\n' };
  assert.deepEqual(await outcome('a/zdt1.x', files['zdt1.x'], files), [
    ['evaluates', null],
    ['objectives', null],
  ]);
  const wrong = { ...files, 'zdt1.f': '0.25 0.5\n1 6.8\n' };
  assert.match((await outcome('a/zdt1.x', files['zdt1.x'], wrong))[1]?.[1] ?? '', /objective 1 of row 2/);
  assert.deepEqual(await outcome('a/zdt1.f', files['zdt1.f'], files), [], 'the points make the cases');
});

test('hypervolumes are checked by what the name of their file asks', async () => {
  const points = '2 3  3 3  1 2  2 1  0 0';
  assert.deepEqual(await outcome('b_hv/c_a', `1 ${points} 9`), [['case 1', null]]);
  assert.match((await outcome('b_hv/c_a', `1 ${points} 8`))[0]?.[1] ?? '', /the hypervolume is 9/);
  assert.deepEqual(await outcome('b_hv/e_a.gz', gzipSync(`1 ${points} 2 6`)), [['case 1', null]]);
  assert.match((await outcome('b_hv/lc_a', `1 ${points} 1`))[0]?.[1] ?? '', /least contributor/);
});

test('small cases name their section', async () => {
  const text = JSON.stringify({ igd: [{ A: [[1, 1]], ref: [[1, 1]], igd: 0.5 }], dominance: [] });
  assert.deepEqual((await outcome('small.json', text))[0]?.[0], 'igd 1');
  assert.match((await outcome('small.json', text))[0]?.[1] ?? '', /IGD is 0/);
});

test('fronts are data', async () => {
  assert.deepEqual(await outcome('fronts/A.pf', '1 2\n2 1\n'), []);
});

const UNKNOWN: readonly [what: string, path: string, text: string, others?: Record<string, string>][] = [
  ['an ending', 'a/b.csv', '1,2'],
  ['a section of small cases', 'small.json', '{"spread": []}'],
  ['a question about hypervolumes', 'b_hv/gc_a', '1 2 1 1 1 0 0 1'],
  ['a file that ends within a case', 'b_hv/c_a', '1 2 1 1 1 0 0'],
  ['numbers after the last case', 'b_hv/c_a', '1 2 1 1 1 0 0 1 5'],
  ['a word among numbers', 'fronts/A.pf', '1 2\n2 x\n'],
  ['rows of different lengths', 'fronts/A.pf', '1 2\n2\n'],
  ['a problem', 'a/zdt9.x', '1 2', { 'zdt9.x': '1 2' }],
  ['values without points', 'a/zdt1.f', '1 2', { 'zdt1.f': '1 2' }],
  ['values for other points', 'a/zdt1.x', '0 0', { 'zdt1.x': '0 0', 'zdt1.f': '0 1\n0 1' }],
  ['a set without its front', 'c_indicator_vectors/a_1.gd', '1', { 'a_1.f': '1 2' }],
  ['an indicator', 'c_indicator_vectors/a_1.spread', '1'],
];

for (const [what, path, text, others] of UNKNOWN) {
  test(`${what} that is not known is a failure`, async () => {
    await assert.rejects(outcome(path, text, others), /unknown shape|no standard problem/);
  });
}
