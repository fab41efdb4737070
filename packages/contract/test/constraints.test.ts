import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseConstraint, satisfies } from '../src/index.ts';

function holds(text: string, labels: Record<string, string>): boolean {
  return satisfies(parseConstraint(text), labels);
}

test('the truth table of the operators', () => {
  const present = { os: 'linux', cores: '8', 'example.com/zone': 'a', empty: '' };
  const table: Record<string, [withLabels: boolean, without: boolean]> = {
    'os == linux': [true, false],
    'os=linux': [true, false],
    'os == windows': [false, false],
    'os != linux': [false, true],
    'os != windows': [true, true],
    'os in (windows, linux)': [true, false],
    'os in (windows)': [false, false],
    'os notin (windows,linux)': [false, true],
    'os notin (windows)': [true, true],
    os: [true, false],
    '!os': [false, true],
    '! os': [false, true],
    'cores >= 8': [true, false],
    'cores > 8': [false, false],
    'cores <= 8.0': [true, false],
    'cores < 9': [true, false],
    'os > 1': [false, false],
    'empty >= 0': [false, false],
    empty: [true, false],
    'example.com/zone == a': [true, false],
  };
  for (const [text, [withLabels, without]] of Object.entries(table)) {
    assert.equal(holds(text, present), withLabels, text);
    assert.equal(holds(text, {}), without, `${text} without labels`);
  }
});

test('what is no constraint is refused with the forms that are', () => {
  for (const text of [
    '',
    ' ',
    'os ==',
    '== linux',
    'os == a b',
    'os in ()',
    'os in (,)',
    'os in linux',
    'cores >= many',
    'cores > NaN',
    'a b',
    '!',
    '!!gpu',
    'os =>4',
    'os ===4',
    '-os',
    'os-',
    'os == (x)',
  ]) {
    assert.throws(() => parseConstraint(text), { code: 'invalid-request' }, JSON.stringify(text));
  }
});

test('names of the prototype are labels like others', () => {
  for (const name of ['constructor', 'toString', 'hasOwnProperty']) {
    assert.equal(holds(name, {}), false, name);
    assert.equal(holds(`!${name}`, {}), true, name);
    assert.equal(holds(`${name} == x`, { [name]: 'x' }), true, name);
  }
});

const label = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z0-9]$/);
const value = fc.stringMatching(/^[a-z0-9.]{1,8}$/);

test('spaces do not matter, and every operator has its opposite', () => {
  fc.assert(
    fc.property(label, value, value, fc.constantFrom('', ' ', '  '), (name, wanted, actual, space) => {
      const labels = { [name]: actual };
      assert.equal(holds(`${name}${space}==${space}${wanted}`, labels), actual === wanted);
      assert.equal(holds(`${space}${name}${space}!=${space}${wanted}`, labels), actual !== wanted);
      assert.equal(holds(`${name} in (${space}${wanted}${space},${actual})`, labels), true);
      assert.equal(holds(`${name} notin (${wanted})`, labels), actual !== wanted);
    }),
  );
});

test('order is that of numbers', () => {
  const operators = {
    '>': (a: number, b: number) => a > b,
    '>=': (a: number, b: number) => a >= b,
    '<': (a: number, b: number) => a < b,
    '<=': (a: number, b: number) => a <= b,
  };
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer(),
      fc.constantFrom(...(Object.keys(operators) as (keyof typeof operators)[])),
      (left, right, operator) => {
        assert.equal(holds(`n ${operator} ${right}`, { n: String(left) }), operators[operator](left, right));
      },
    ),
  );
});

test('long text is refused quickly', () => {
  const started = performance.now();
  for (const text of [
    `${'a'.repeat(5e5)}!`,
    `${'a-'.repeat(2e5)}(`,
    `a${' '.repeat(5e5)}b`,
    `a in (${','.repeat(5e5)}`,
  ]) {
    assert.throws(() => parseConstraint(text), { code: 'invalid-request' });
  }
  assert.ok(performance.now() - started < 2000);
});
