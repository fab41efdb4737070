import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { FogError } from '@fog/contract';
import { SCRIPT_GLOBALS } from '../src/map/free-names.ts';
import { selfContainedSource } from '../src/map/function-source.ts';

const rate = 3;
const helper = (value: number) => value * rate;

/** Evaluates source as it would be over there: with globals alone. */
function revive(source: string): (...values: unknown[]) => unknown {
  return new Function(`return (${source}\n)`)();
}

function refusal(fn: unknown): FogError {
  try {
    selfContainedSource(fn);
  } catch (error) {
    assert.ok(error instanceof FogError);
    assert.equal(error.code, 'function-not-self-contained');
    return error;
  }
  return assert.fail('was accepted');
}

describe('a function that travels', () => {
  test('arrow functions, function expressions and async ones keep their text', async () => {
    assert.equal(revive(selfContainedSource((x: number) => x * 2))(4), 8);
    assert.equal(await revive(selfContainedSource(async (x: number) => (await x) + 1))(4), 5);
    const named = function factorial(n: number): number {
      return n < 2 ? 1 : n * factorial(n - 1);
    };
    assert.equal(revive(selfContainedSource(named))(5), 120);
  });

  test('method shorthand becomes a function, whatever its name looks like', async () => {
    const key = 'computed';
    const methods = {
      double(x: number) {
        return x * 2;
      },
      async later(x: number) {
        return x * 2;
      },
      'quoted name'(x: number) {
        return x * 2;
      },
      [key](x: number) {
        return x * 2;
      },
      async(x: number) {
        return x * 2;
      },
    };
    for (const method of Object.values(methods)) {
      assert.equal(await revive(selfContainedSource(method))(21), 42, method.name);
    }
  });

  test('own variables, parameters, closures, destructuring and documented globals are fine', () => {
    const fn = ({ a, b = 2 }: { a: number; b?: number }, { context: c }: { context: number }) => {
      const inner = (value: number) => Math.sqrt(value) + a;
      class Local {
        #kept = b;
        kept() {
          return this.#kept;
        }
      }
      function* each() {
        for (const part of [a, b, c]) yield part;
      }
      for (const part of each()) {
        if (part > 100) break;
      }
      console.log(JSON.stringify([...each()]), new TextEncoder(), globalThis.Map);
      return inner(4) + new Local().kept() + c;
    };
    assert.ok(selfContainedSource(fn).length > 0);
  });

  test('typeof of an outer name is a use of it: over there it would be "undefined" without an error', () => {
    assert.deepEqual(refusal((x: number) => [x, typeof rate]).details.uses, [{ name: 'rate', line: 1 }]);
    assert.deepEqual(refusal(new Function('return typeof document === "undefined"')).details.names, ['document']);
    assert.deepEqual(refusal(new Function('return typeof (process)')).details.names, ['process']);
    assert.ok(selfContainedSource((x: unknown) => [typeof x, typeof Map, typeof console, typeof undefined]));
  });

  test('names from outside are listed with their lines, each once', () => {
    const error = refusal((x: number) => {
      const local = rate * x;
      return helper(local) + rate;
    });
    assert.deepEqual(error.details.names, ['rate', 'helper']);
    assert.deepEqual(error.details.uses, [
      { name: 'rate', line: 2 },
      { name: 'helper', line: 3 },
    ]);
    assert.match(error.message, /rate \(line 2\), helper \(line 3\)/);
    assert.match(error.hint ?? '', /context/);
  });

  test('hidden uses are found: defaults, templates, shorthand, assignment, tags, nested functions', () => {
    const outside: Record<string, () => unknown> = {
      'default value': () => refusal((x = rate) => x),
      template: () => refusal((x: number) => `${x}${rate}`),
      shorthand: () => refusal(() => ({ rate })),
      nested: () => refusal(() => [1].map((x) => x * rate)),
      'process and Buffer': () => refusal(() => [process.pid, Buffer.from('')]),
      require: () => refusal(new Function('x', 'return require("fs")')),
      'assigned global': () => refusal(new Function('x', 'leak = x')),
      fetch: () => refusal(() => fetch('http://127.0.0.1')),
      'arguments in an arrow': () => refusal(new Function('return () => arguments[0]')()),
    };
    for (const [name, probe] of Object.entries(outside)) assert.doesNotThrow(probe, name);
  });

  test('import, import.meta, this and super have no meaning over there', () => {
    assert.deepEqual(refusal(() => import('node:fs')).details.names, ['import()']);
    assert.deepEqual(refusal(() => import.meta.url).details.names, ['import.meta']);
    assert.deepEqual(
      refusal(function (this: { a: number }) {
        return this.a;
      }).details.names,
      ['this'],
    );
    const sub = {
      method(x: number) {
        return (super.toString as unknown as (x: number) => string)(x);
      },
    };
    refusal(sub.method);
    assert.ok(
      selfContainedSource(() => {
        const counter = {
          count: 1,
          next() {
            this.count += 1;
            return this.count;
          },
        };
        return counter.next();
      }),
    );
  });

  test('native, bound, class, generator, accessor and what is no function are refused', () => {
    assert.match(refusal(Math.sqrt).message, /native or bound/);
    assert.match(refusal(((x: number) => x).bind(null)).message, /native or bound/);
    assert.match(refusal(class Item {}).message, /class/);
    assert.match(
      refusal(function* () {
        yield 1;
      }).message,
      /generator/,
    );
    const accessor = Object.getOwnPropertyDescriptor(
      {
        get size() {
          return 1;
        },
      },
      'size',
    )?.get;
    assert.match(refusal(accessor).message, /getters/);
    refusal(new Proxy(() => 1, {}));
    refusal('x => x');
    refusal(null);
  });
});

test('the list of globals is the one that the javascript runtime keeps', async (t) => {
  const url = new URL('../../runtimes/src/javascript/realm/allowed-globals.js', import.meta.url);
  const present = await readFile(url).catch(() => null);
  if (present === null) return t.skip('the runtime is not here');
  const { ALLOWED_GLOBALS } = (await import(url.href)) as { ALLOWED_GLOBALS: Record<string, string | string[]> };
  const own = [ALLOWED_GLOBALS.globalThis].flat().flatMap((line) => String(line).split(' '));
  const added = ['TextDecoder', 'TextEncoder', 'clearInterval', 'clearTimeout', 'console', 'setInterval', 'setTimeout'];
  assert.deepEqual([...SCRIPT_GLOBALS].sort(), [...own, ...added].sort());
});
