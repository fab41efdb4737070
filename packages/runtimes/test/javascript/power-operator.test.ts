import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'acorn';

const {
  needsRewriting,
  rewritePowers,
}: {
  needsRewriting: (source: string) => boolean;
  rewritePowers: (source: string, parser: typeof parse) => string;
} = await import(new URL('../../src/javascript/child/power-operator.js', import.meta.url).href);

/** Evaluates an expression list after rewriting, with a function that works as the operator does. */
function evaluate(body: string): unknown {
  const operator = Object.assign((a: number, b: number) => a ** b, {
    reference: (object: Record<string, number>, key: string) => {
      const before = object[key] ?? Number.NaN;
      return { power: (value: number) => Reflect.set(object, key, before ** value) && object[key] };
    },
  });
  const module = rewritePowers(`export default () => { ${body} }`, parse);
  assert.doesNotMatch(JSON.stringify(parse(module, { ecmaVersion: 2024, sourceType: 'module' })), /"operator":"\*\*/);
  const rewritten = module.replace('export default', 'return');
  return new Function('__fogPower', rewritten)(operator)();
}

describe('javascript: rewriting of **', () => {
  for (const body of [
    'return 2 ** 3 ** 2;',
    'return (2 ** 3) ** 2;',
    'return (-2) ** (1 + 2) * 3 ** 2;',
    'let x = 3; x **= 2; return x;',
    'let x = 2; x **= x **= 2; return x;',
    'const o = { a: 3, n: 0, get k() { this.n += 1; return "a"; } }; o[o.k] **= 2; o.a **= 2; return [o.a, o.n];',
    'const o = { a: { b: 2 } }; o.a.b **= 2 ** 2; o["a"]["b"] **= 2; return o.a.b;',
    'class P { #x = 3; x = 2; f() { this.#x **= 2; this.x **= 3; return [this.#x, this.x]; } } return new P().f();',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: source text
    'return `${2 ** 2}` + ((a) => a ** 2)(3) + [1, 2].map((x) => x ** 2);',
    'return 2 /* ** a */ ** /* b */ 3;',
    'return 2 // **\n ** 3;',
    'const o = [2]; o[0 /* ] */] **= 3; return o;',
    'return ((((2)))) ** ((2));',
    'return "a ** b" + /\\*\\*/.source.length;',
    'const x = 3, y = 2; return x/**/**y;',
    'const x = 3, y = 2; return x/***/**/* ** **/y;',
    'const x = 3, y = 2; return x /** ** */ ** /** ** */ y;',
    'const x = 3, y = 2; return x// **\n/* **\n**/**y;',
    'const x = 3, y = 2; return x// **\u2028**y;',
    'let x = 3; x/**/**=/**/2; return x;',
    'let x = 3; (x) **= 2; return x;',
    'const o = { a: 2, b: { c: 3 } }; (o)/* . */. /* ** */a **= 2; return o;',
    'const o = { a: 2 }; (((o)))["a"] **= 2; return o;',
    'return String(/ /**2) + 2**/a/.lastIndex;',
    'const y = 2; return 5 * /* * */ y * /**/ 3;',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: source text
    'return `**${`/**${2/**/**2}**/`}**`;',
    "return '/*' + 2 ** 3 + '*/';",
    'return /[/*]\\*/.source.length + 2 ** 2;',
  ]) {
    it(body.replaceAll('\n', ' '), () => assert.deepEqual(evaluate(body), new Function(body)()));
  }

  it('keeps lines', () => {
    const source = 'export default () => {\n  return 2\n    ** 3;\n};\n';
    assert.equal(rewritePowers(source, parse).split('\n').length, source.split('\n').length);
  });

  it('parses only what may hold the operator or newer syntax', () => {
    assert.equal(needsRewriting('/** A comment. */ const a = b * c; /***/'), false);
    assert.equal(needsRewriting('/***\n * A banner.\n ***/\n\t/** One. **/\nb * /* */ * c;'), false);
    for (const source of ['x/**/**y', 'x/***/**y', '/**/**y', 'x\n**/a/.y', 'x/* **/**y', "'/*' ** '*/'", '/ /**2']) {
      assert.equal(needsRewriting(source), true, source);
    }
    assert.equal(needsRewriting('a ** b'), true);
    assert.equal(needsRewriting('a**=b'), true);
    assert.equal(needsRewriting('using x = y;'), true);
    assert.throws(() => rewritePowers('{ using x = y; }', parse), SyntaxError);
  });

  it('refuses the one form it cannot rewrite', () => {
    assert.throws(() => rewritePowers('class A { f(o) { o.g().#x **= 2; } #x; }', parse), /write the assignment out/);
  });
});
