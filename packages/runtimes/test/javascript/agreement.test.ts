/** Within the documented globals both engines give the same bytes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { BothEngines } from './both-engines.ts';

const SEED = 20_261_122;

describe('javascript: agreement of v8 and quickjs', () => {
  let engines: BothEngines;
  before(async () => {
    engines = await BothEngines.create();
  });
  after(() => engines[Symbol.asyncDispose]());

  /** Values drawn by fast-check with a fixed seed, as JSON that both read; NaN and -0 travel as hexadecimal. */
  const doubles = (count: number): string => {
    const everywhere = fc.double();
    const moderate = fc.double({ min: -1000, max: 1000, noNaN: true });
    const small = fc.double({ min: -1.5, max: 1.5, noNaN: true });
    const values = fc.sample(fc.oneof(everywhere, moderate, small), { numRuns: count, seed: SEED });
    const bytes = Buffer.from(
      Float64Array.from([0, -0, 1, -1, Number.NaN, Infinity, -Infinity, 5e-324, ...values]).buffer,
    );
    return JSON.stringify({ hex: bytes.toString('hex') });
  };
  const READ_DOUBLES = `
    const readDoubles = (hex) => {
      const bytes = new Uint8Array(hex.length / 2);
      for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16);
      return Array.from(new Float64Array(bytes.buffer));
    };
    const bits = (x) => { const v = new DataView(new ArrayBuffer(8)); v.setFloat64(0, Number.isNaN(x) ? NaN : x); return v.getBigUint64(0).toString(16); };
  `;

  it('has the same globals, everything reachable included', async () => {
    const walk = readFileSync(new URL('./walk-globals.js', import.meta.url), 'utf8');
    const source = `export default () => ${walk
      .slice(walk.indexOf('*/') + 2)
      .trim()
      .replace(/;$/, '')}`;
    const [v8, quickjs] = await Promise.all([engines.run('v8', source), engines.run('quickjs', source)]);
    // The one exception that docs/javascript-globals.md names.
    const lines = (text: string): string[] =>
      String(JSON.parse(text))
        .split('\n')
        .filter((line) => !line.startsWith('%Error%.stack'));
    assert.deepEqual(lines(v8.text), lines(quickjs.text));
    assert.ok(lines(v8.text).length > 2000);
    for (const name of [
      'process',
      'require',
      'WebAssembly',
      'SharedArrayBuffer',
      'Atomics',
      'Intl',
      'WeakRef',
      'eval',
      'Temporal',
      'performance',
    ]) {
      assert.ok(!lines(v8.text).some((line) => line.startsWith(`globalThis.${name}:`)), name);
    }
  });

  it('computes every function of Math and ** to the same bits', async () => {
    const source = `${READ_DOUBLES}
      export default ({ hex }) => {
        const xs = readDoubles(hex); const lines = [];
        for (const name of Object.getOwnPropertyNames(Math).sort()) {
          if (typeof Math[name] !== 'function' || name === 'random') continue;
          lines.push(name + ' ' + xs.map((x, i) => bits(Math[name](x, xs[(i * 7 + 3) % xs.length]))).join());
        }
        lines.push('power ' + xs.map((x, i) => bits(x ** xs[(i * 5 + 1) % xs.length])).join());
        lines.push('whole ' + xs.map((x, i) => bits(Math.abs(x) ** (i % 41 - 20))).join());
        let y = 1.5; const o = { n: 0, get k() { this.n++; return 'v'; }, v: 3 };
        y **= 2.5; o[o.k] **= 0.3; o.v **= 2;
        lines.push('commented ' + xs.map((x, i) => bits(x/**/**xs[(i * 3 + 2) % xs.length])).join());
        lines.push([y, o.n, o.v, 2 ** 3 ** 2, (-2) ** 3, 2n ** 70n, 10 ** -32, 10 ** 23].map(String).join());
        return lines;
      };`;
    const text = await engines.agree(source, { stdin: { data: Buffer.from(doubles(600)) } });
    assert.match(text, /512,-8,1180591620717411303424,1e-32,1e\+23/);
  });

  it('prints and reads numbers alike', async () => {
    const source = `${READ_DOUBLES}
      export default ({ hex }) => readDoubles(hex).map((x, i) => [
        String(x), x.toString(2 + (i % 35)), Math.abs(x) < 1e21 ? x.toFixed(i % 20) : '', x.toExponential(i % 20), x.toPrecision(1 + (i % 30)),
        parseFloat(String(x).slice(0, 9)), Number(String(x)), parseInt(String(x), 2 + (i % 35)), Math.trunc(x) % 97, x | 0, x >>> 0,
        JSON.stringify(x), Math.fround(x), x.toLocaleString(), Number.isFinite(x) ? BigInt(Math.trunc(x)).toString(36) : '',
      ].map(String));`;
    await engines.agree(source, { stdin: { data: Buffer.from(doubles(1500)) } });
  });

  it('treats texts alike', async () => {
    const texts = fc.sample(fc.string({ unit: 'grapheme', maxLength: 20 }), { numRuns: 300, seed: SEED });
    const source = `export default ({ texts }) => texts.map((t, i) => [
        t.toUpperCase(), t.toLowerCase(), t.normalize('NFC'), t.normalize('NFKD'), t.localeCompare(texts[(i * 7) % texts.length]),
        encodeURIComponent(t), escape(t), [...t].length, t.split(''), t.padEnd(12, 'ab'), JSON.stringify(t), t.at(-1), t.isWellFormed(),
        Array.from(new TextEncoder().encode(t)), new TextDecoder().decode(new TextEncoder().encode(t)), t.replace(/\\p{L}+/gu, '_'),
        t.match(/[\\p{Lu}\\s]/u)?.index, t.search(/\\w/), t.toLocaleUpperCase(), texts.slice(0, 20).sort().join(),
      ]);`;
    await engines.agree(source, { stdin: { data: Buffer.from(JSON.stringify({ texts })) } });
  });

  it('treats dates alike, in UTC on the virtual clock', async () => {
    const texts = [
      '2020',
      '2020-02',
      '2020-02-30',
      '2020-13-01',
      '2020-01-01T24:00',
      '2020-01-01T10:20:30.1239+02:30',
      '+012345-01-01',
      '-000000',
      'Jan 1 2020',
      '2020-1-1',
      '1/2/2020',
      'Wed Jan 01 2020 10:00:00 GMT+0100',
      'Wed, 01 Jan 2020 10:00:00 GMT',
      'x',
      '',
    ];
    const source = `export default ({ texts, numbers }) => {
      const show = (d) => [d.getTime(), String(d), d.toDateString(), d.toTimeString(), d.toUTCString(), d.toLocaleString(), d.toLocaleDateString(), d.toLocaleTimeString(), d.getTimezoneOffset(), d.getYear(), JSON.stringify(d)].map(String);
      class Later extends Date { later() { return new Later(this.getTime() + 1); } }
      return [texts.map((t) => show(new Date(t))), texts.map((t) => Date.parse(t)), numbers.map((n) => show(new Date(n))),
        show(new Date(2020, 1, 29, 12, 30)), show(new Date()), show(new Date(new Date(5))), Date.now(), Date().slice(0, 33), show(new Later(5).later()),
        new Date(2019, 0, 31).setMonth(1), Date.UTC(99, 0), new Date(Date.prototype.constructor === Date), typeof Date(), Date.length, new Date({ valueOf: () => 7 }).getTime()];
    };`;
    const numbers = fc.sample(fc.integer({ min: -8.64e15, max: 8.64e15 }), { numRuns: 200, seed: SEED });
    const text = await engines.agree(source, { stdin: { data: Buffer.from(JSON.stringify({ texts, numbers })) } });
    assert.match(text, /2026-01-02T03:04:05/);
  });

  it('sorts with the same calls of the comparator', async () => {
    const source = `export default (_, { random }) => {
      const calls = []; const shuffled = Array.from({ length: 100 }, (_, i) => i).sort(() => Math.random() - 0.5);
      const stable = Array.from({ length: 200 }, (_, i) => ({ k: i % 7, i })).sort((a, b) => a.k - b.k).map((x) => x.i);
      const holes = [3, , 1, undefined, 2]; holes.sort((a, b) => { calls.push(a + ':' + b); return a - b; });
      return [shuffled, stable, calls, Object.keys(holes), [5, 1, 4].toSorted((a, b) => b - a), Array.from(Float64Array.of(3, -0, 0, NaN, 1).sort((a, b) => a - b)).map(String), [10, 9, 1].sort(), random()];
    };`;
    await engines.agree(source);
  });

  it('shares the rest of the language', async () => {
    const source = `
      function* numbers() { yield 1; yield* [2, 3]; }
      class Point { #x = 1; static made = 0; constructor() { Point.made++; } get x() { return this.#x; } static { Point.label = 'p'; } }
      export default async ({ args, files, stdin }, ctx) => {
        const order = []; setTimeout(() => order.push('t5'), 5); setTimeout(() => order.push('t1'), 1); queueMicrotask(() => order.push('m'));
        Promise.resolve().then(() => order.push('p')); await null; order.push('a');
        const before = Date.now(); await new Promise((r) => setTimeout(r, 5000)); const waited = Date.now() - before;
        let interval = 0; await new Promise((r) => { const id = setInterval(() => { if (++interval === 3) { clearInterval(id); r(); } }, 10); });
        const errors = []; for (const f of [() => null.x, () => undefined(), () => new Array(-1), () => BigInt(0.5), () => JSON.parse('{'), () => eval('1'), () => new Function('1'), () => decodeURI('%'), () => Symbol() + '', () => x]) {
          try { f(); errors.push('none'); } catch (error) { errors.push([error.name, error.constructor.name, error instanceof Error, typeof error.stack]); }
        }
        try { (function deep() { deep(); })(); } catch (error) { errors.push(error.name); }
        const dynamic = await import('node:fs').then(() => 'loaded', (error) => error.name);
        let x = 1;
        return { args, stdin, env: ctx.env, partition: ctx.partition, random: [ctx.random(), Math.random()], signal: ctx.signal.aborted, frozen: [Object.isFrozen(ctx), Object.isFrozen(files), Object.isFrozen(ctx.env)],
          order, waited, interval, errors, dynamic, generator: [...numbers()], point: [new Point().x, Point.made, Point.label],
          keys: Object.keys({ b: 1, 2: 1, a: 1, 1: 1, [4294967294]: 1, [4294967296]: 1 }), group: Object.groupBy([1, 2, 3], (n) => n % 2 ? 'odd' : 'even'),
          set: [...new Set([1, 2]).union(new Set([2, 3]))], iterator: [1, 2, 3].values().map((n) => n * 2).toArray(), native: [Math.max + '', [].map.bind(1) + '', ((a) => a) + ''],
          regexp: ['2026-11-22'.replace(/(?<y>\\d+)-(?<m>\\d+)/, '$<m>/$<y>'), 'aBc'.match(/b/i).index, /(?<=a)b/.exec('ab').index, /a/y.flags],
          tags: [globalThis, JSON, Math, new Map(), (function () { return arguments; })(), function* () {}].map((v) => Object.prototype.toString.call(v)),
          cloned: JSON.parse(JSON.stringify({ d: new Date(0), u: undefined, n: null, nested: [[]] })), typed: Array.from(Uint8Array.from([1, 256, -1])),
          label: String(Symbol.for('a')), tagged: ((s, ...v) => s.raw.join('|') + v)\`a\${1}\\n\${2}b\`, nul: 'a\\0b', lone: '\\ud800',
          files: Object.entries(files).map(([path, f]) => [path, f.bytes, f.text(), Array.from(f.data()).length, path.endsWith('json') ? f.json() : null]) };
      };`;
    const contents = { '/in/b.json': '\ufeff{"a": "ü"}', '/in/a.txt': 'a\0ü\0\0', '/in/empty': '' };
    const inputs = await Promise.all(
      Object.entries(contents).map(async ([sandboxPath, content]) => {
        const hostPath = await engines.stage.write('data', content);
        return { sandboxPath, hostPath, bytes: Buffer.byteLength(content) };
      }),
    );
    await engines.agree(source, {
      args: ['one', 'zwei ü'],
      env: { B: '2', A: '' },
      inputs,
      stdin: { data: Buffer.from('no json') },
    });
  });

  it('cannot tell one attempt from the next', async () => {
    const source = `globalThis.count = (globalThis.count ?? 0) + 1; Array.prototype.left = 1; Math.sin = null;
      export default () => [globalThis.count, Math.sin === null];`;
    const first = await engines.agree(source);
    for (let round = 0; round < 3; round += 1) assert.equal(await engines.agree(source), first);
    assert.equal(await engines.agree('export default () => [typeof Math.sin, [].left]'), '["function",null]');
  });
});
