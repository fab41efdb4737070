/**
 * Hypervolumes as pagmo's tests have them, in numbers apart by blanks: how many cases; then for each the objectives, the
 * points, the reference, the points, and the answer. What is asked stands at the beginning of the file's name.
 *
 *     c_...   the hypervolume
 *     e_...   index of a point, and its exclusive contribution
 *     lc_...  the index of the least contributor
 *
 * `*.txt` lists which implementation pagmo runs on which file, and is only read.
 */
import assert from 'node:assert/strict';
import { exclusiveContribution, hypervolume, leastContributor } from '@fog/scheduler/nsga2';
import type { Check } from '../vector-shape.ts';
import { assertClose } from './closeness.ts';
import { parseNumber } from './number-table.ts';

const LIST_LINE = /^(compute|exclusive|least_contributor|greatest_contributor) \w+ \S+ \S+$/;
const KINDS = ['c', 'e', 'lc'] as const;
type Kind = (typeof KINDS)[number];

interface HypervolumeCase {
  dimensions: number;
  count: number;
  reference: readonly number[];
  points: readonly number[];
  answer: readonly number[];
}

export function hypervolumeChecks(path: string, text: string): Check[] {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name.endsWith('.txt')) {
    checkList(text);
    return [];
  }
  const kind = KINDS.find((candidate) => name.startsWith(`${candidate}_`));
  if (kind === undefined) throw new Error(`unknown shape: nothing says what ${name} asks`);
  return parseCases(text, kind).map((one, at) => ({ name: `case ${at + 1}`, run: () => check(kind, one) }));
}

function checkList(text: string): void {
  const lines = text.split('\n').map((line) => line.trim());
  const unknown = lines.find((line) => line !== '' && !line.startsWith('#') && !LIST_LINE.test(line));
  if (unknown !== undefined) throw new Error(`unknown shape: ${unknown}`);
}

function parseCases(text: string, kind: Kind): HypervolumeCase[] {
  const numbers = text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map(parseNumber);
  let at = 0;
  const take = (count: number): number[] => {
    if (at + count > numbers.length) throw new Error('unknown shape: the file ends within a case');
    at += count;
    return numbers.slice(at - count, at);
  };
  const whole = (): number => {
    const value = take(1)[0] as number;
    if (!Number.isSafeInteger(value) || value < 1) throw new Error(`unknown shape: ${value} is no number of things`);
    return value;
  };
  const cases = Array.from({ length: whole() }, () => {
    const dimensions = whole();
    const count = whole();
    const reference = take(dimensions);
    const points = take(count * dimensions);
    return { dimensions, count, reference, points, answer: take(kind === 'e' ? 2 : 1) };
  });
  if (at !== numbers.length) throw new Error(`unknown shape: ${numbers.length - at} numbers follow the last case`);
  return cases;
}

/**
 * The published answer of seven objectives was not computed exactly: rational arithmetic over the numbers of that file
 * gives 4.436137897138493e18, which is 2.3e-4 of it more. Pagmo's own list allows 10e-4 from four objectives on.
 */
function toleranceOf(dimensions: number): number {
  return dimensions <= 3 ? 1e-9 : dimensions <= 6 ? 1e-4 : 10e-4;
}

function check(kind: Kind, { dimensions, count, reference, points, answer }: HypervolumeCase): void {
  const [first = Number.NaN, second = Number.NaN] = answer;
  if (kind === 'c') {
    assertClose(hypervolume(points, count, reference), first, toleranceOf(dimensions), 'the hypervolume');
  } else if (kind === 'e') {
    const actual = exclusiveContribution(points, count, reference, first);
    assertClose(actual, second, toleranceOf(dimensions), `the contribution of point ${first}`);
  } else {
    assert.equal(leastContributor(points, count, reference), first, 'the least contributor');
  }
}
