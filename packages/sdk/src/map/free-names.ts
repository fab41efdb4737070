/** Which names a function uses that neither it nor the javascript runtime declares. */
import type { Node } from 'acorn';
import { analyze } from 'eslint-scope';

/**
 * Globals of a script in the fog, as docs/javascript-globals.md lists them; a test compares this list with the one
 * that the runtime keeps.
 */
export const SCRIPT_GLOBALS: ReadonlySet<string> = new Set(
  [
    'AggregateError Array ArrayBuffer BigInt BigInt64Array BigUint64Array Boolean DataView Date Error EvalError',
    'Float16Array Float32Array Float64Array Function Infinity Int16Array Int32Array Int8Array Iterator JSON Map',
    'Math NaN Number Object Promise Proxy RangeError ReferenceError Reflect RegExp Set String Symbol SyntaxError',
    'TypeError URIError Uint16Array Uint32Array Uint8Array Uint8ClampedArray WeakMap WeakSet decodeURI',
    'decodeURIComponent encodeURI encodeURIComponent escape globalThis isFinite isNaN parseFloat parseInt',
    'queueMicrotask undefined unescape',
    'TextDecoder TextEncoder clearInterval clearTimeout console setInterval setTimeout',
  ].flatMap((line) => line.split(' ')),
);

export interface OutsideUse {
  /** `rate`, `import()`, `this`. */
  name: string;
  /** Line within the function, from 1. */
  line: number;
}

type TreeNode = Node & Record<string, unknown>;

/**
 * What the program (an acorn tree of one function) takes from outside, by first use, each once. `typeof name` is a
 * use as any other: over there it would give 'undefined' for a name that has a value here, without an error.
 */
export function usesFromOutside(program: Node, functionNode: Node): OutsideUse[] {
  const uses: { name: string; line: number; at: number }[] = [];
  const scopes = analyze(program as never, { ecmaVersion: 2022, sourceType: 'module' });
  walk(functionNode as TreeNode, (node, hasOwnThis) => {
    const add = (name: string) => uses.push({ name, line: lineOf(node), at: node.start });
    if (node.type === 'ImportExpression') add('import()');
    else if (node.type === 'MetaProperty' && isImportMeta(node)) add('import.meta');
    else if (node.type === 'ThisExpression' && !hasOwnThis) add('this');
    else if (node.type === 'Super' && !hasOwnThis) add('super');
  });
  for (const reference of scopes.globalScope?.through ?? []) {
    const identifier = reference.identifier as unknown as TreeNode & { name: string };
    if (SCRIPT_GLOBALS.has(identifier.name)) continue;
    uses.push({ name: identifier.name, line: lineOf(identifier), at: identifier.start });
  }
  uses.sort((left, right) => left.at - right.at);
  const seen = new Set<string>();
  return uses.flatMap(({ name, line }) => {
    if (seen.has(name)) return [];
    seen.add(name);
    return [{ name, line }];
  });
}

/**
 * Visits all nodes below a function. `hasOwnThis` tells whether `this` there belongs to a function or class inside
 * it; the `this` of the function itself would come from its caller, and so from outside.
 */
function walk(root: TreeNode, visit: (node: TreeNode, hasOwnThis: boolean) => void): void {
  const descend = (node: TreeNode, hasOwnThis: boolean) => {
    visit(node, hasOwnThis);
    const binds =
      node !== root &&
      (node.type === 'FunctionExpression' || node.type === 'FunctionDeclaration' || node.type === 'ClassBody');
    for (const value of Object.values(node)) {
      for (const child of Array.isArray(value) ? value : [value]) {
        if (isNode(child)) descend(child, hasOwnThis || binds);
      }
    }
  };
  descend(root, false);
}

function isNode(value: unknown): value is TreeNode {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
}

function isImportMeta(node: TreeNode): boolean {
  return (node.meta as { name?: string } | undefined)?.name === 'import';
}

function lineOf(node: TreeNode): number {
  return (node.loc as { start: { line: number } } | undefined)?.start.line ?? 1;
}
