/** A function as text that can run elsewhere. */

import { FogError } from '@fog/contract';
import { type Expression, type Node, type Program, parse } from 'acorn';
import { type OutsideUse, usesFromOutside } from './free-names.ts';

const PARSE_OPTIONS = { ecmaVersion: 'latest', sourceType: 'module', locations: true, ranges: true } as const;
const MOST_NAMES_IN_MESSAGE = 5;

/**
 * The source of `fn` as a function expression: arrow functions and function expressions as they are, method
 * shorthand turned into a function. Throws `function-not-self-contained` for what cannot run elsewhere: native and
 * bound functions, classes, generators, and functions that use names from outside (`details.names`).
 */
export function selfContainedSource(fn: unknown): string {
  if (typeof fn !== 'function') {
    throw new FogError('function-not-self-contained', `a function is needed, not ${fn === null ? 'null' : typeof fn}`);
  }
  const source = Function.prototype.toString.call(fn);
  if (/\{\s*\[native code\]\s*\}\s*$/.test(source)) {
    throw refused(`${fn.name || 'the function'} is native or bound: it has no source that could travel`, {
      hint: 'wrap it: (item) => ...',
    });
  }
  const parsed = parseFunction(source);
  if (parsed === null) throw refused('the source of the function cannot be read as JavaScript');
  if (parsed.kind === 'class') throw refused(`class ${fn.name} is not a function over items`);
  if (parsed.kind === 'accessor') throw refused('getters and setters are not functions over items');
  if (parsed.node.generator) {
    throw refused('generator functions have no single result', { hint: 'return an array instead' });
  }
  const uses = usesFromOutside(parsed.program, parsed.node);
  if (uses.length > 0) throw usesOutside(uses);
  return parsed.text;
}

interface ParsedFunction {
  kind: 'function' | 'class' | 'accessor';
  /** A function expression. */
  text: string;
  program: Program;
  node: Node & { generator?: boolean };
}

function parseFunction(source: string): ParsedFunction | null {
  const direct = parseExpression(source);
  if (direct !== null) {
    const { type } = direct.node;
    if (type === 'ClassExpression') return { kind: 'class', text: source, ...direct };
    if (type === 'ArrowFunctionExpression' || type === 'FunctionExpression') {
      return { kind: 'function', text: source, ...direct };
    }
  }
  return parseMethod(source);
}

/** `name(item) { ... }`, also `async`, `*`, computed and string names: the name is dropped. */
function parseMethod(source: string): ParsedFunction | null {
  const holder = parseExpression(`{${source}}`)?.node as
    | { type: string; properties?: { kind?: string; value?: Node & { async?: boolean; generator?: boolean } }[] }
    | undefined;
  const property = holder?.type === 'ObjectExpression' ? holder.properties?.[0] : undefined;
  if (property?.value === undefined) return null;
  // One character for the parenthesis and one for the brace that were put before the source.
  const rest = source.slice(property.value.start - 2, property.value.end - 2);
  const text = `${property.value.async ? 'async ' : ''}function${property.value.generator ? '*' : ''} ${rest}`;
  const again = parseExpression(text);
  if (again === null) return null;
  return { kind: property.kind === 'init' ? 'function' : 'accessor', text, ...again };
}

function parseExpression(source: string): { program: Program; node: Expression & { generator?: boolean } } | null {
  try {
    const program = parse(`(${source}\n)`, PARSE_OPTIONS);
    const [statement] = program.body;
    if (program.body.length !== 1 || statement?.type !== 'ExpressionStatement') return null;
    return { program, node: statement.expression as Expression & { generator?: boolean } };
  } catch {
    return null;
  }
}

function usesOutside(uses: readonly OutsideUse[]): FogError {
  const names = uses.map((use) => use.name);
  const shown = uses.slice(0, MOST_NAMES_IN_MESSAGE).map((use) => `${use.name} (line ${use.line})`);
  const others = uses.length > shown.length ? ` and ${uses.length - shown.length} more` : '';
  return refused(`the function uses ${shown.join(', ')}${others} from outside itself`, {
    details: { names, uses },
    hint: 'pass data with { context } and read it from ctx.context; define helpers inside the function',
  });
}

function refused(message: string, options: { hint?: string; details?: Record<string, unknown> } = {}): FogError {
  return new FogError('function-not-self-contained', message, options);
}
