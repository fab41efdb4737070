/** The script around a mapped function, run here as a module; the real engines run it in local-map.test.ts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FogError } from '@fog/contract';
import { decodeResult, type EncodedItem, encodeBatch, type ItemOutcome } from '../src/map/batch-frames.ts';
import { batchScript } from '../src/map/batch-script.ts';
import { jsonText } from '../src/map/json-value.ts';

async function runBatch(
  source: string,
  items: unknown[],
  options: { start?: number; context?: unknown; seed?: number; collect?: boolean } = {},
): Promise<ItemOutcome[]> {
  const script = batchScript({
    source,
    contextText: options.context === undefined ? undefined : JSON.stringify(options.context),
    seed: options.seed ?? 0,
    collectErrors: options.collect ?? true,
  });
  const module = (await import(`data:text/javascript,${encodeURIComponent(script)}`)) as {
    default(input: unknown, ctx: unknown): Promise<unknown>;
  };
  const encoded = items.map(
    (item): EncodedItem => (item instanceof Uint8Array ? { data: item } : { text: jsonText(item, 'item') }),
  );
  const { stdin, bytes } = encodeBatch(options.start ?? 0, encoded);
  const files = { '/in/bytes': { data: () => bytes } };
  const result = await module.default({ ...JSON.parse(stdin), files }, { log() {} });
  return decodeResult(result instanceof Uint8Array ? result : new TextEncoder().encode(JSON.stringify(result)));
}

const values = (outcomes: ItemOutcome[]) => outcomes.map((outcome) => ('value' in outcome ? outcome.value : outcome));

describe('a batch', () => {
  test('JSON and bytes travel both ways, mixed', async () => {
    const items = [1, new Uint8Array([1, 2]), 'ä\u2028', new Uint8Array(0), { a: [null, true] }];
    assert.deepEqual(values(await runBatch('(x) => x', items)), items);
    assert.deepEqual(values(await runBatch('(x) => x.length', [new Uint8Array(300)])), [300]);
    assert.deepEqual(values(await runBatch('(x) => new Uint8Array(x)', [2, 0])), [
      new Uint8Array(2),
      new Uint8Array(0),
    ]);
  });

  test('index, context and random are those of the item, not of the batch', async () => {
    const fn = '(x, { index, context, random }) => [index, context.a, random(), random()]';
    const together = values(await runBatch(fn, [0, 0, 0], { start: 5, context: { a: 1 }, seed: 7 }));
    const apart = [5, 6, 7].map((start) => runBatch(fn, [0], { start, context: { a: 1 }, seed: 7 }));
    assert.deepEqual(together, (await Promise.all(apart)).flatMap(values));
    const numbers = (together as number[][]).flatMap((value) => value.slice(2));
    assert.equal(new Set(numbers).size, 6);
    assert.ok(numbers.every((number) => number >= 0 && number < 1));
    const other = values(await runBatch(fn, [0], { start: 5, context: { a: 1 }, seed: 8 }));
    assert.notDeepEqual(other[0], together[0]);
  });

  test('the context is frozen', async () => {
    const [outcome] = await runBatch('(x, { context }) => { context.a.push(1); }', [1], { context: { a: [] } });
    assert.ok(outcome !== undefined && 'error' in outcome);
    assert.equal(outcome.error.name, 'TypeError');
  });

  test('a failed item is told by place; without collecting the batch ends there', async () => {
    const fn = '(x) => { if (x === 2) throw new RangeError("two"); return x; }';
    const error = { name: 'RangeError', message: 'two', notSerialisable: false };
    assert.deepEqual(values(await runBatch(fn, [1, 2, 3])), [1, { error }, 3]);
    assert.deepEqual(values(await runBatch(fn, [1, 2, 3], { collect: false })), [1, { error }]);
  });

  test('results that are not JSON are errors with the place in the value', async () => {
    const of = async (body: string) => {
      const [outcome] = await runBatch(`() => ${body}`, [1]);
      assert.ok(outcome !== undefined && 'error' in outcome && outcome.error.notSerialisable, body);
      return outcome.error.message;
    };
    assert.equal(await of('undefined'), 'undefined');
    assert.equal(await of('NaN'), 'NaN');
    assert.match(await of('({ a: [1, new Map()] })'), /a Map at a at \[1\]/);
    assert.match(await of('10n'), /a bigint/);
    assert.match(await of('{ const a = {}; a.a = a; return a; }'), /circle/);
  });

  test('what is thrown may be anything', async () => {
    for (const thrown of ['null', 'undefined', '"text"', '{ toString() { throw 1 } }', 'Symbol("s")']) {
      const [outcome] = await runBatch(`() => { throw ${thrown}; }`, [1]);
      assert.ok(outcome !== undefined && 'error' in outcome, thrown);
    }
  });

  test('an answer of a dishonest node is a protocol violation, never a crash', () => {
    const forged = [
      '',
      'null',
      '{}',
      '{"values":[],"bytes":[[0,1]],"errors":[]}',
      '{"values":[1],"bytes":[],"errors":[[0,null]]}',
      '{"values":[1],"bytes":[[0,99]],"errors":[]}',
      '\0\u00ff\u0000\u0000\u0000{}',
    ];
    for (const text of forged) {
      assert.throws(
        () => decodeResult(new TextEncoder().encode(text)),
        (error) => error instanceof FogError && error.code === 'protocol-violation',
        text,
      );
    }
  });
});

describe('JSON values', () => {
  test('what JSON.stringify would change is refused with its place', () => {
    const refused: [unknown, string][] = [
      [Number.NaN, ''],
      [{ a: [new Date()] }, 'a[0]'],
      [[undefined], '[0]'],
      [{ f() {} }, 'f'],
      [{ deep: { big: 1n } }, 'deep.big'],
      [new Map(), ''],
    ];
    for (const [value, path] of refused) {
      assert.throws(
        () => jsonText(value, 'item 3', { index: 3 }),
        (error) =>
          error instanceof FogError &&
          error.code === 'not-serialisable' &&
          error.details.index === 3 &&
          error.details.path === path,
      );
    }
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    assert.throws(() => jsonText(circle, 'item'), /circle/);
    const twice = { a: 1 };
    assert.equal(jsonText([twice, twice, { gone: undefined }], 'item'), '[{"a":1},{"a":1},{}]');
  });
});
