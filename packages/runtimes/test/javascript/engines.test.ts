/** What each engine allows, limits and refuses. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { chooseEngine } from '../../src/javascript/engine-choice.ts';
import { createJavascriptRuntime } from '../../src/javascript/index.ts';
import { probeBubblewrap } from '../../src/process/bubblewrap.ts';
import type { AttemptOutcome } from '../../src/runtime.ts';
import { runAttempt, STAGE_LIMITS } from '../runtime-stage.ts';
import { BothEngines, RESULT } from './both-engines.ts';

const MEBIBYTE = 1 << 20;
const probe = await probeBubblewrap();
const ENGINES = ['v8', 'quickjs'] as const;

function failureOf(outcome: AttemptOutcome): string {
  return outcome.status === 'failed' ? `${outcome.reason}: ${outcome.message}` : 'succeeded';
}

describe('javascript: engines', () => {
  let engines: BothEngines;
  before(async () => {
    engines = await BothEngines.create();
  });
  after(() => engines[Symbol.asyncDispose]());

  for (const engine of ENGINES) {
    describe(engine, () => {
      it('reaches nothing outside the realm', async () => {
        const source = `export default (input, ctx) => {
          const reached = [];
          const starts = { input, ctx, console, log: ctx.log, random: ctx.random, signal: ctx.signal, sin: Math.sin, Date, setTimeout, TextDecoder, text: input.files['/in/a']?.text };
          for (const [name, start] of Object.entries(starts)) {
            for (let value = start, depth = 0; value != null && depth < 6; value = value.constructor, depth++) {
              try { const got = value.constructor('return typeof process + typeof require')(); if (typeof got === 'string') reached.push(name + ':' + got); } catch {}
              if (value.constructor === value) break;
            }
            for (let proto = start; proto != null; proto = Object.getPrototypeOf(proto)) {
              if (Object.getPrototypeOf(proto) === null && proto !== Object.prototype && proto !== input.files) reached.push(name + ': foreign prototype');
            }
          }
          for (const name of ['process', 'require', 'module', 'global', 'Buffer', 'fetch', 'WebAssembly', 'SharedArrayBuffer', 'Atomics', 'Deno', 'std', 'os', 'gc']) if (name in globalThis) reached.push(name);
          try { reached.push(import.meta.url ?? import.meta.resolve?.('x') ?? '').length; } catch {}
          return reached.filter(Boolean);
        };`;
        const hostPath = await engines.stage.write('a', 'a');
        const { text, outcome } = await engines.run(engine, source, {
          inputs: [{ sandboxPath: '/in/a', hostPath, bytes: 1 }],
        });
        assert.equal(text, '[]', failureOf(outcome));
      });

      it('keeps errors of the host to itself', async () => {
        const inputs = [{ sandboxPath: '/in/gone', hostPath: '/nowhere/gone', bytes: 1 }];
        const source =
          "export default ({ files }) => { try { files['/in/gone'].data(); } catch (e) { return [e.message, e instanceof Error]; } };";
        assert.equal((await engines.run(engine, source, { inputs })).text, '["An input file cannot be read",true]');
      });

      it('has no modules, static or dynamic', async () => {
        const { outcome } = await engines.run(engine, "import fs from 'node:fs'; export default () => fs;");
        assert.match(failureOf(outcome), /^script-error: .*(?:module|import)/);
        const { text } = await engines.run(
          engine,
          "export default () => import('node:fs').catch((error) => error.name);",
        );
        assert.equal(text, '"ReferenceError"');
      });

      it('names what went wrong, with the line', async () => {
        const failing = async (source: string): Promise<string> =>
          failureOf((await engines.run(engine, source)).outcome);
        assert.equal(
          await failing("\nexport default () => {\n  throw new RangeError('too far');\n};"),
          'script-error: RangeError: too far (line 3)',
        );
        assert.match(
          await failing('export default () => {\n  return 1 +;\n};'),
          /^script-error: SyntaxError: .* \(line 2\)/,
        );
        // A process that serves the same script again tells the same.
        const scriptPath = await engines.stage.write('again.js', 'export default () => {\n  return 1 +;\n};');
        for (let round = 0; round < 3; round += 1) {
          const again = await engines.run(engine, '', { program: { runtime: 'javascript', scriptPath, engine } });
          assert.match(failureOf(again.outcome), /^script-error: SyntaxError: .* \(line 2\)/);
        }
        assert.match(
          await failing('export const x = 1;'),
          /^script-error: The script has no function as its default export/,
        );
        assert.match(await failing('throw 5; export default () => 1;'), /^script-error: threw 5/);
        assert.match(await failing('export default () => new Promise(() => {});'), /promise that nothing can settle/);
        assert.match(
          await failing('await new Promise(() => {}); export default () => 1;'),
          /promise that nothing can settle/,
        );
        assert.match(
          await failing('export default () => Promise.reject(new TypeError("late"));'),
          /^script-error: TypeError: late/,
        );
        assert.match(await failing('export default () => 1n;'), /^script-error: TypeError/);
        assert.match(await failing('export default () => () => 1;'), /cannot be stored/);
        assert.match(await failing('{ using x = null; } export default () => 1;'), /^script-error: SyntaxError/);
        assert.match(await failing("export default () => new RegExp('(?i:a)').source;"), /^script-error: SyntaxError/);
      });

      it('stores bytes, JSON, and nothing', async () => {
        const stored = async (source: string): Promise<string> => (await engines.run(engine, source)).text;
        assert.equal(await stored('export default () => new TextEncoder().encode("ü");'), 'ü');
        assert.equal(await stored('export default () => new Uint8Array([65, 66, 67, 68]).subarray(1, 3);'), 'BC');
        assert.equal(await stored('export default () => new Uint16Array([0x4241]).buffer;'), 'AB');
        assert.equal(
          await stored('export default async () => ({ b: 1, a: [undefined, NaN, "\\u2028"] });'),
          '{"b":1,"a":[null,null,"\u2028"]}',
        );
        assert.equal(await stored('export default () => {};'), 'null');
        const { outcome } = await engines.run(engine, 'export default () => {};', { outputs: [] });
        assert.deepEqual(outcome.status === 'succeeded' && outcome.outputs, []);
        assert.equal((await engines.run(engine, 'export default () => 1;', { outputs: [] })).text, '1');
      });

      it('merges standard input', async () => {
        const merged = async (text: string): Promise<string> =>
          (await engines.run(engine, 'export default (input) => input;', { stdin: { data: Buffer.from(text) } })).text;
        assert.equal(await merged('{"a":1,"args":[5]}'), '{"a":1,"args":[],"files":{}}');
        assert.equal(await merged('[1]'), '{"stdin":[1],"args":[],"files":{}}');
        assert.equal(await merged('plain \0 text'), '{"stdin":"plain \\u0000 text","args":[],"files":{}}');
        assert.equal(await merged(''), '{"args":[],"files":{}}');
      });

      it('reports progress and logs while the script runs', async () => {
        const { host, text } = await engines.run(
          engine,
          `export default (_, { progress, log }) => {
          progress(0.25, 'a quarter'); log('x', { a: [1, 'b'] }, new Map([[1, 2]]), -0, null); console.warn('w\\0w'); progress(1); return 1; };`,
        );
        assert.equal(text, '1');
        assert.deepEqual(host.progressed, [
          { fraction: 0.25, message: 'a quarter' },
          { fraction: 1, message: '' },
        ]);
        assert.equal(host.text('stdout'), 'x {a: [1, "b"]} Map {1 => 2} -0 null\n');
        assert.equal(host.text('stderr'), 'w\0w\n');
      });

      it('ends with oom what takes memory outside the heap', async () => {
        const limits = {
          ...STAGE_LIMITS,
          memoryBytes: 64 * MEBIBYTE,
          runMilliseconds: 15_000,
          diskBytes: MEBIBYTE,
          files: 1,
        };
        const source = 'export default () => { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)); };';
        const { outcome } = await engines.run(engine, source, { limits });
        assert.match(failureOf(outcome), /^oom: .*64 MiB/);
        assert.ok((outcome.usage.peakMemoryBytes ?? 0) < 512 * MEBIBYTE, `${outcome.usage.peakMemoryBytes}`);
      });

      it('lets a script use what it asked for', async () => {
        const limits = {
          ...STAGE_LIMITS,
          memoryBytes: 128 * MEBIBYTE,
          runMilliseconds: 15_000,
          diskBytes: MEBIBYTE,
          files: 1,
        };
        const source =
          'export default () => { let n = 0; for (let round = 0; round < 20; round++) { const part = new Uint8Array(32 << 20).fill(round); n += part[5]; } return n; };';
        const { outcome, text } = await engines.run(engine, source, { limits });
        assert.equal(text, '190', failureOf(outcome));
      });

      it('ends endless microtasks and timers at the limit', async () => {
        const limits = {
          ...STAGE_LIMITS,
          memoryBytes: 64 * MEBIBYTE,
          runMilliseconds: 200,
          diskBytes: MEBIBYTE,
          files: 1,
        };
        for (const source of [
          'export default async () => { for (;;) await null; };',
          'export default () => new Promise(() => setInterval(() => {}, 1));',
        ]) {
          assert.match(failureOf((await engines.run(engine, source, { limits })).outcome), /^timeout/);
        }
      });

      it('runs under a limit that no single timer can hold', async () => {
        const limits = { ...STAGE_LIMITS, runMilliseconds: 30 * 24 * 3_600_000 };
        const source =
          'export default () => { const start = Date.now(); while (Date.now() < start + 200_000); return 1; };';
        const { outcome, text } = await engines.run(engine, source, { limits });
        assert.equal(text, '1', failureOf(outcome));
      });

      it('names the true limit when a result is too large', async () => {
        const limits = { ...STAGE_LIMITS, diskBytes: 1000 };
        const { outcome } = await engines.run(engine, "export default () => 'a'.repeat(999);", { limits });
        assert.equal(failureOf(outcome), 'output-too-large: The result has 1001 bytes; resources.disk allows 1000');
      });

      it('refuses more disk than a result may have, with the cap', async () => {
        const request = engines.stage.request({
          program: { runtime: 'javascript', scriptPath: '/nowhere', engine },
          limits: { ...STAGE_LIMITS, diskBytes: 256 * MEBIBYTE + 1 },
        });
        const message =
          'The result of a script is kept in memory, and may have 268435456 bytes at most: resources.disk asks for 268435457.';
        assert.equal(engines.runtime.refusal(request), message);
        assert.equal(failureOf(await runAttempt(engines.runtime, request)), `rejected: ${message}`);
        const most = { ...request, limits: { ...STAGE_LIMITS, diskBytes: 256 * MEBIBYTE } };
        assert.equal(engines.runtime.refusal(most), null);
      });

      it('survives deep recursion', async () => {
        const source =
          'let depth = 0; const down = () => { depth++; down(); }; export default () => { try { down(); } catch (e) { return [e.name, depth > 1000]; } };';
        assert.equal((await engines.run(engine, source)).text, '["RangeError",true]');
        const nested =
          'export default () => { try { return JSON.parse("[".repeat(1e6)).length; } catch (e) { return e instanceof Error; } };';
        assert.equal((await engines.run(engine, nested)).text, 'true');
      });
    });
  }

  it('refuses v8 to strangers without bubblewrap, with the reason and the way out', async () => {
    const missing = {
      available: false,
      reason: 'bubblewrap is not installed',
      hint: 'apt install bubblewrap',
    } as const;
    const runtime = createJavascriptRuntime(engines.stage.settings(1), { probeSandbox: async () => missing });
    try {
      const found = await runtime.probe();
      assert.ok(found.available);
      assert.equal(found.features.v8, 'trusted only: bubblewrap is not installed');
      const scriptPath = await engines.stage.write('script.js', 'export default () => 1;');
      const request = engines.stage.request({
        program: { runtime: 'javascript', scriptPath, engine: 'v8' },
        outputs: RESULT,
        trusted: false,
      });
      assert.match(
        runtime.refusal(request) ?? '',
        /does not trust only inside bubblewrap, and bubblewrap is not installed\..*apt install bubblewrap/,
      );
      assert.match(failureOf(await runAttempt(runtime, request)), /^rejected: /);
      const auto = { ...request, program: { ...request.program, engine: 'auto' } } as const;
      assert.equal(runtime.refusal(auto), null);
      assert.equal((await runAttempt(runtime, auto)).engine, 'quickjs');
      assert.equal((await runAttempt(runtime, { ...auto, trusted: true })).engine, 'v8');
    } finally {
      await runtime.close();
    }
  });

  it('chooses by trust and sandbox', () => {
    const there = { available: true, version: '1' } as const;
    const missing = { available: false, reason: 'r', hint: 'h' } as const;
    assert.deepEqual(chooseEngine('auto', true, missing), { engine: 'v8' });
    assert.deepEqual(chooseEngine('auto', false, there), { engine: 'v8-bubblewrap' });
    assert.deepEqual(chooseEngine('auto', false, missing), { engine: 'quickjs' });
    assert.deepEqual(chooseEngine('v8', false, there), { engine: 'v8-bubblewrap' });
    assert.deepEqual(chooseEngine('quickjs', true, there), { engine: 'quickjs' });
    assert.ok('refusal' in chooseEngine('v8', false, missing));
  });

  it('runs a stranger in bubblewrap, with the same bytes', {
    skip: probe.available ? false : probe.reason,
  }, async () => {
    const source =
      'export default ({ args }, { random }) => { console.log("in"); return [args, random(), Math.sin(1e22), 1.1 ** 2.2]; };';
    const outside = await engines.run('v8', source, { args: ['a'] });
    const inside = await engines.run('v8', source, { args: ['a'], trusted: false });
    assert.equal(inside.outcome.engine, 'v8-bubblewrap', failureOf(inside.outcome));
    assert.equal(inside.text, outside.text);
    const limits = {
      ...STAGE_LIMITS,
      memoryBytes: 64 * MEBIBYTE,
      runMilliseconds: 10_000,
      diskBytes: MEBIBYTE,
      files: 1,
    };
    const hog = 'export default () => { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)); };';
    assert.match(failureOf((await engines.run('auto', hog, { limits, trusted: false })).outcome), /^oom/);
    const loop = { ...limits, runMilliseconds: 200 };
    assert.match(
      failureOf(
        (await engines.run('auto', 'export default () => { for (;;); };', { limits: loop, trusted: false })).outcome,
      ),
      /^timeout/,
    );
  });

  it('has a start for children that imports no TypeScript, whose stripping would cost more than the start', () => {
    for (const file of ['v8-child', 'quickjs-child', 'serve', 'blocking-frames', 'realm-source', 'power-operator']) {
      const text = readFileSync(new URL(`../../src/javascript/child/${file}.js`, import.meta.url), 'utf8');
      assert.doesNotMatch(text, /from '[^']*\.ts'/);
    }
  });
});
