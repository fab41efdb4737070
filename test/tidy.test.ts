/** Style as a test: what the linter cannot know of layers, sizes, names and leftovers. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename, dirname, join, posix, relative, sep } from 'node:path';
import { test } from 'node:test';

const ROOT = dirname(import.meta.dirname);
const MOST_FILE_LINES = 450;
const MOST_FUNCTION_LINES = 80;

const FLOOR = ['scheduler', 'economy', 'verification', 'runtimes', 'harvest', 'sphinx', 'transport'];
const NETWORK = ['betanet', 'vpn', 'messaging'];
const BELOW_PROGRAMS = ['contract', ...FLOOR, ...NETWORK];

/** Which packages of ours each package may import; ARCHITECTURE.md tells why. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  ...Object.fromEntries(FLOOR.map((name) => [name, ['contract']])),
  betanet: ['contract', 'sphinx', 'transport'],
  vpn: ['contract', 'betanet', 'sphinx', 'transport'],
  messaging: ['contract', 'betanet', 'sphinx', 'transport'],
  agent: BELOW_PROGRAMS,
  coordinator: BELOW_PROGRAMS,
  sdk: ['contract', 'scheduler'],
  cli: ['contract', 'sdk', 'coordinator', 'agent', 'scheduler', 'economy', 'betanet', 'sphinx', 'transport'],
  panel: ['contract', 'sdk'],
};
/** The one folder that may go round its package's layer: a whole fog inside the caller's process. */
const LOCAL_FOG = {
  folder: 'packages/sdk/src/local/',
  may: ['contract', 'coordinator', 'agent'],
  entry: '@fog/sdk/local',
};

interface SourceFile {
  /** Relative to the repository, with forward slashes. */
  path: string;
  text: string;
  lines: string[];
  /** Specifiers of its imports and re-exports, dynamic ones included. */
  imports: string[];
  /** Name of its package, or null outside of packages/. */
  owner: string | null;
  /** Part of what is shipped. */
  isSource: boolean;
}

interface PackageDescription {
  exports?: Record<string, string>;
  bin?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

const files = ['packages', 'test', 'bench', 'examples'].flatMap(readSources);
const packages = new Map(
  readdirSync(join(ROOT, 'packages'))
    .filter((name) => existsSync(join(ROOT, 'packages', name, 'package.json')))
    .map((name) => [name, readDescription(join(ROOT, 'packages', name, 'package.json'))]),
);
const rootDescription = readDescription(join(ROOT, 'package.json'));

function readSources(folder: string): SourceFile[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|tsx|js|mjs)$/.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !/(^|\/)(node_modules|dist|vendor)\/|^bench\/peers\//.test(path))
    .map(readSource);
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const [, owner = null, part] = /^packages\/([^/]+)\/([^/]+)\//.exec(path) ?? [];
  const statements = text.matchAll(/^(?:import|export)\s(?:[^;'"`]*?\sfrom\s)?['"]([^'"]+)['"]/gm);
  const calls = text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g);
  const imports = [...statements, ...calls].map((match) => match[1] ?? '');
  return { path, text, lines: text.split('\n'), imports, owner, isSource: part === 'src' };
}

function readDescription(path: string): PackageDescription {
  return JSON.parse(readFileSync(path, 'utf8')) as PackageDescription;
}

function assertNone(offenders: readonly string[], what: string): void {
  assert.equal(offenders.length, 0, `${what}:\n  ${offenders.join('\n  ')}`);
}

/** `path:line: text` of every line that matches. */
function linesMatching(among: readonly SourceFile[], pattern: RegExp): string[] {
  return among.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  );
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

test('packages import only what lies below them', () => {
  const offenders = files.flatMap(({ path, owner, imports, isSource }) => {
    if (owner === null || !isSource) return [];
    const allowed = path.startsWith(LOCAL_FOG.folder) ? LOCAL_FOG.may : LAYERS[owner];
    if (allowed === undefined) return [`${path}: package ${owner} has no layer in test/tidy.test.ts`];
    return imports.flatMap((specifier) => {
      const target = /^@fog\/([^/]+)/.exec(specifier)?.[1];
      if (target === undefined) return [];
      const isLocalFog = owner === 'panel' && specifier === LOCAL_FOG.entry;
      return allowed.includes(target) && !isLocalFog ? [] : [`${path} imports ${specifier}`];
    });
  });
  assertNone(offenders, 'imports against the layers');
});

test('packages are entered by their front doors', () => {
  const offenders = files.flatMap(({ path, owner, imports, isSource }) => {
    if (owner === null) return [];
    return imports.flatMap((specifier) => {
      if (specifier.startsWith('.')) {
        const target = posix.join(posix.dirname(path), specifier);
        const isShared = !isSource && target.startsWith('test/support/');
        return isShared || target.startsWith(`packages/${owner}/`) ? [] : [`${path} reaches into ${target}`];
      }
      const [, name, door] = /^@fog\/([^/]+)(.*)$/.exec(specifier) ?? [];
      if (name === undefined || packages.get(name)?.exports?.[`.${door}`] !== undefined) return [];
      return [`${path} imports ${specifier}, which is not in the exports of ${name}`];
    });
  });
  assertNone(offenders, 'imports past an index.ts');
});

test('the log of a ledger is a shell for simulations and benchmarks: no part of a running fog opens one', () => {
  const opens = files.filter(({ path, text }) => /^packages\//.test(path) && /economy\/ledger\/log/.test(text));
  assert.deepEqual(
    opens.map(({ path }) => path).filter((path) => !path.startsWith('packages/economy/')),
    [],
  );
});

test('every dependency is declared where it is used', () => {
  const offenders = files.flatMap(({ path, owner, imports, isSource }) => {
    const own = owner === null ? rootDescription : (packages.get(owner) ?? {});
    const shipped = { ...own.dependencies, ...own.optionalDependencies, ...own.peerDependencies };
    const known = isSource ? shipped : { ...shipped, ...own.devDependencies, ...rootDescription.devDependencies };
    return imports.flatMap((specifier) => {
      const name = packageOf(specifier);
      // Outside of packages/, the packages of this repository are there without being declared.
      const isKnown = name in known || name === `@fog/${owner}` || (owner === null && name.startsWith('@fog/'));
      return specifier.startsWith('.') || isBuiltin(specifier) || isKnown ? [] : [`${path} imports ${specifier}`];
    });
  });
  assertNone(offenders, 'undeclared dependencies');
});

test('files are short', () => {
  const offenders = files
    .map(({ path, lines }) => ({ path, amount: lines.at(-1) === '' ? lines.length - 1 : lines.length }))
    .filter(({ amount }) => amount > MOST_FILE_LINES)
    .map(({ path, amount }) => `${path}: ${amount} lines`);
  assertNone(offenders, `files of more than ${MOST_FILE_LINES} lines`);
});

/**
 * Lengths of the functions of formatted code: a block ends at the next line that is indented like its first one and
 * begins with a closing brace. `describe` only holds functions.
 */
function longFunctions({ path, lines }: SourceFile, most: number): string[] {
  return lines.flatMap((line, index) => {
    const isFunction =
      /(=> |\)(: .+)? )\{$/.test(line) && !/^\s*(\} )?(else|if|for|while|switch|catch|describe)\b/.test(line);
    if (!isFunction) return [];
    const indent = /^ */.exec(line)?.[0] ?? '';
    const end = lines.findIndex((other, at) => at > index && other.startsWith(`${indent}}`));
    const amount = end - index + 1;
    return amount > most ? [`${path}:${index + 1}: ${amount} lines: ${line.trim()}`] : [];
  });
}

test('functions are short', () => {
  const offenders = files.flatMap((file) => longFunctions(file, MOST_FUNCTION_LINES));
  assertNone(offenders, `functions of more than ${MOST_FUNCTION_LINES} lines`);
});

test('the length of a function is measured from its head to its brace', () => {
  const body = (amount: number) => Array.from({ length: amount }, (_, index) => `  call(${index});`);
  const text = ['function short() {', ...body(2), '}', 'const long = async (): Promise<void> => {', ...body(9), '};'];
  const file: SourceFile = { path: 'a.ts', text: '', lines: text, imports: [], owner: null, isSource: true };
  assert.deepEqual(longFunctions(file, 10), ['a.ts:5: 11 lines: const long = async (): Promise<void> => {']);
  assert.deepEqual(longFunctions(file, 11), []);
});

test('files are named for what they hold', () => {
  const names = files.map(({ path }) => ({ path, name: basename(path) }));
  const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|config|d))?\.(ts|tsx|js|mjs)$/;
  assertNone(
    names.filter(({ name }) => !kebab.test(name)).map(({ path }) => path),
    'names that are not kebab-case',
  );
  const parts = files.filter(({ path }) => path.split(/[/.-]/).some((part) => /^(util|helper|manager)s?$/.test(part)));
  assertNone(
    parts.map(({ path }) => path),
    'names that tell nothing',
  );
});

test('unions instead of enums, modules instead of namespaces', () => {
  const pattern = /^\s*(export )?(declare )?((const )?enum|namespace) [A-Z]/;
  assertNone(linesMatching(files, pattern), 'enums and namespaces');
});

test('only programs print', () => {
  const others = files.filter(({ path, isSource }) => isSource && !path.startsWith('packages/cli/'));
  assertNone(linesMatching(others, /\bconsole\.(log|info|debug|warn|error)\(/), 'prints');
});

test('nothing is left for later', () => {
  const marks = ['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X'].join('|');
  assertNone(linesMatching(files, new RegExp(`\\b(${marks})\\b`)), 'marks of unfinished work');
});

test('no source knows the machine it was written on', () => {
  const sources = files.filter(({ isSource }) => isSource);
  // Every sandbox has a /tmp of its own.
  const outside = sources.filter(({ owner }) => owner !== 'runtimes');
  const offenders = linesMatching(sources, /['"`]\/(home|root|work)(\/|['"`])/);
  assertNone([...offenders, ...linesMatching(outside, /['"`]\/tmp(\/|['"`])/)], 'absolute paths');
});

/**
 * Rows of docs/limits.md: `GROUP.name`, or the name of a limit that stands alone, with its value. A group is named in a
 * line of its own above its table.
 */
function documentedLimits(text: string): Map<string, string> {
  const rows = new Map<string, string>();
  let group = '';
  for (const line of text.split('\n')) {
    group = /^`(\w+)`$/.exec(line)?.[1] ?? group;
    const [, name, value = ''] = /^\| `(\w+)` \| (.*?) \| [^|]*\|$/.exec(line) ?? [];
    if (name !== undefined) rows.set(/^[A-Z_]+$/.test(name) ? name : `${group}.${name}`, value);
  }
  return rows;
}

/** The same of a limits.ts, as it is formatted: fields of exported objects, and exported values. */
function declaredLimits(text: string): [name: string, value: string][] {
  let group = '';
  return text.split('\n').flatMap((line): [string, string][] => {
    const [, constant, given = ''] = /^export const (\w+)(?:: .+)? = (.+?);?$/.exec(line) ?? [];
    if (/^\w/.test(line)) group = given === '{' ? (constant ?? '') : '';
    if (constant !== undefined && group === '') return [[constant, given]];
    const [, name, value = ''] = /^ {2}(\w+): (.+?),?$/.exec(line) ?? [];
    return name === undefined || group === '' ? [] : [[`${group}.${name}`, value]];
  });
}

test('every limit has a row of its own in docs/limits.md, with its value, and no row is of another', () => {
  const rows = documentedLimits(readFileSync(join(ROOT, 'docs/limits.md'), 'utf8'));
  const limits = files
    .filter(({ path, isSource }) => isSource && basename(path) === 'limits.ts')
    .flatMap(({ path, text }) => declaredLimits(text).map(([name, value]) => ({ path, name, value })));
  const offenders = limits
    .filter(({ name, value }) => rows.get(name) !== value)
    .map(
      ({ path, name, value }) => `${path}: ${name} is ${value}, and in docs/limits.md ${rows.get(name) ?? 'no row'}`,
    );
  const known = new Set(limits.map(({ name }) => name));
  const stale = [...rows.keys()]
    .filter((name) => !known.has(name))
    .map((name) => `docs/limits.md: ${name} is no limit`);
  assertNone([...offenders, ...stale], 'limits and their rows');
});

test('a limit that stands in the row of another has no row', () => {
  const text = '/** Why. */\nexport const SOME_LIMITS = {\n  /** A. */\n  first: 1 << 2,\n  second: 3,\n} as const;\n';
  const declared = declaredLimits(`${text}export const ALONE = 0.5;\nexport type Other = {\n  third: 1,\n};\n`);
  assert.deepEqual(declared, [
    ['SOME_LIMITS.first', '1 << 2'],
    ['SOME_LIMITS.second', '3'],
    ['ALONE', '0.5'],
  ]);
  const rows = documentedLimits(
    '`SOME_LIMITS`\n\n| limit | value | reason |\n| `second` | 3 | A. / first: 1 << 2, /** B. |',
  );
  assert.deepEqual([...rows], [['SOME_LIMITS.second', '3']]);
});

/** Files that a package.json, an import, or a path in quotes (children that are spawned, or read) leads to. */
function reachableFiles(): Set<string> {
  const reached = new Set<string>();
  for (const [name, { exports = {}, bin = {} }] of packages) {
    for (const door of [...Object.values(exports), ...Object.values(bin)]) {
      reached.add(posix.join('packages', name, door));
    }
  }
  for (const { path, text } of files.filter(({ path }) => !/(^|\/)test\//.test(path))) {
    for (const [, quoted = ''] of text.matchAll(/['"`](\.\.?\/[\w./-]+)['"`]/g)) {
      reached.add(posix.join(posix.dirname(path), quoted));
    }
  }
  return reached;
}

test('every source file is used', () => {
  const reached = reachableFiles();
  // Scripts for another realm are read by name.
  const words = new Set(
    files.flatMap(({ text }) => [...text.matchAll(/'([a-z0-9]+(?:-[a-z0-9]+)+)'/g)].map(([, word]) => word)),
  );
  const isRead = (path: string) => path.endsWith('.js') && words.has(basename(path, '.js'));
  const offenders = files
    .filter(({ path, isSource }) => isSource && !reached.has(path) && !isRead(path))
    .map(({ path }) => path);
  assertNone(offenders, 'files that nothing leads to');
});
