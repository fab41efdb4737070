import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { exactly, withinTolerance } from '../src/index.ts';

const bytes = (text: string) => Buffer.from(text, 'utf8');
const json = (value: unknown) => bytes(JSON.stringify(value));

test('tolerance: the truth table', () => {
  const near = withinTolerance({ absolute: 0.01, relative: 0 });
  const relative = withinTolerance({ absolute: 0, relative: 0.1 });
  const table: [left: string, right: string, near: boolean, relative: boolean][] = [
    ['1', '1.005', true, true],
    ['1', '1.05', false, true],
    ['100', '109', false, true],
    ['100', '112', false, false],
    ['0', '1e-9', true, false],
    ['-1', '1', false, false],
    ['1e999', '1', false, false],
    ['1e999', '1e999 ', true, true],
    ['1', '"1"', false, false],
    ['[1,2]', '[1,2,3]', false, false],
    ['[1,2]', '[2,1]', false, false],
    ['[]', '{}', false, false],
    ['{"a":1,"b":[2]}', '{"b":[2.001],"a":1}', true, true],
    ['{"a":1}', '{"b":1}', false, false],
    ['{"a":1}', '{"a":1,"b":1}', false, false],
    ['{"__proto__":1}', '{"x":1}', false, false],
    ['null', '0', false, false],
    ['not json', 'not json', true, true],
    ['not json', 'not jso', false, false],
  ];
  for (const [left, right, isNear, isRelative] of table) {
    assert.equal(near(bytes(left), bytes(right)), isNear, `${left} ${right} absolute`);
    assert.equal(relative(bytes(left), bytes(right)), isRelative, `${left} ${right} relative`);
  }
});

test('tolerance: reflexive, symmetric, and with none the same as equal JSON', () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.jsonValue(),
      fc.double({ min: 0, max: 10, noNaN: true }),
      (left, right, absolute) => {
        const near = withinTolerance({ absolute, relative: 0 });
        assert.ok(near(json(left), json(left)));
        assert.equal(near(json(left), json(right)), near(json(right), json(left)));
        if (exactly(json(left), json(right)))
          assert.ok(withinTolerance({ absolute: 0, relative: 0 })(json(left), json(right)));
      },
    ),
  );
});

test('tolerance: a result nested too deep agrees with nothing else, and breaks nothing', () => {
  const deep = (value: number) => bytes(`${'['.repeat(5000)}${value}${']'.repeat(5000)}`);
  assert.equal(withinTolerance({ absolute: 1, relative: 0 })(deep(1), deep(2)), false);
});
