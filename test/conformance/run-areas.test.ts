import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type NativeBackend, X25519_TIERS } from '@fog/sphinx';
import { AREAS, type Areas, type ConformanceArea } from './areas.ts';
import { runConformance } from './run-areas.ts';
import { backendsNotRun } from './sphinx/backends.ts';

/** An area as others will be: sums, in files `sums/*.json` of the shape `[{name, terms, sum}]`. */
const sums: ConformanceArea = {
  summary: 'adds numbers',
  folder: 'vectors',
  files: (path) => /^sums\/.*\.json$/.test(path),
  cases({ content }) {
    const list: unknown = JSON.parse(Buffer.from(content).toString('utf8'));
    if (!Array.isArray(list)) throw new Error('unknown shape: not a list');
    return list.map((data: { name: string }) => ({ name: data.name, data }));
  },
  run({ data }) {
    const { operation, terms, sum } = data as { operation?: string; terms: number[]; sum: number };
    if (operation !== undefined && operation !== 'add') throw new Error(`unknown operation "${operation}"`);
    assert.equal(
      terms.reduce((total, term) => total + term, 0),
      sum,
      'another sum',
    );
  },
};
const EXAMPLE: Areas = new Map([['sums', sums]]);

async function run(
  files: Record<string, unknown> | null,
  { names = [], areas = EXAMPLE, isCi = false }: { names?: string[]; areas?: Areas; isCi?: boolean } = {},
): Promise<{ code: number; lines: string[] }> {
  const root = await mkdtemp(join(tmpdir(), 'fog-conformance-'));
  const vectors = join(root, 'vectors');
  try {
    if (files !== null) await mkdir(join(vectors, 'sums', 'deep'), { recursive: true });
    for (const [path, content] of Object.entries(files ?? {})) {
      await writeFile(join(vectors, path), typeof content === 'string' ? content : JSON.stringify(content));
    }
    const lines: string[] = [];
    const folders = { vectors, traces: join(root, 'traces') };
    const code = await runConformance({ areas, names, folders, isCi, print: (line) => lines.push(line) });
    return { code, lines };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

const right = { name: 'one and two', terms: [1, 2], sum: 3 };
const wrong = { name: 'two and two', terms: [2, 2], sum: 5 };

test('every case of every file of the area is run', async () => {
  const files = { 'sums/a.json': [right, right], 'sums/deep/b.json': [right], 'other.json': 'not of the area' };
  assert.deepEqual(await run(files, { names: ['sums'] }), { code: 0, lines: ['3 passed, 0 failed'] });
});

test('a case that fails is named and the others still run', async () => {
  const { code, lines } = await run({ 'sums/a.json': [wrong, right] });
  assert.equal(code, 1);
  assert.match(lines[0] ?? '', /^failed: sums: sums\/a\.json: two and two: another sum/);
  assert.equal(lines.at(-1), '1 passed, 1 failed');
});

test('an unknown shape and an unknown name are failures', async () => {
  const files = {
    'sums/a.json': { terms: [] },
    'sums/b.json': '{',
    'sums/c.json': [{ ...right, operation: 'divide' }],
  };
  const { code, lines } = await run(files);
  assert.equal(code, 1);
  assert.match(lines.join('\n'), /unknown shape.*\n.*JSON.*\n.*unknown operation "divide"/s);
  assert.equal(lines.at(-1), '0 passed, 3 failed');
});

test('an area for which nothing is found has not passed', async () => {
  const { code, lines } = await run({});
  assert.equal(code, 1);
  assert.match(lines[0] ?? '', /^sums: no cases found in /);
  assert.equal(lines.at(-1), '0 passed, 0 failed');
  assert.equal((await run({ 'sums/empty.json': [] })).code, 1);
});

test('what the machine cannot run is told, and fails nothing', async () => {
  const areas: Areas = new Map([['sums', { ...sums, notRun: () => ['abacus: this machine has none'] }]]);
  assert.deepEqual(await run({ 'sums/a.json': [right] }, { areas }), {
    code: 0,
    lines: ['not run: sums: abacus: this machine has none', '1 passed, 0 failed'],
  });
});

test('cases that are left out are told by their names, and fail nothing', async () => {
  const leftOut = () => ['three: it is odd'];
  const areas: Areas = new Map([['sums', { ...sums, leftOut }]]);
  assert.deepEqual(await run({ 'sums/a.json': [right] }, { areas }), {
    code: 0,
    lines: ['not run: sums: sums/a.json: three: it is odd', '1 passed, 0 failed'],
  });
});

test('each backend that is missing is told with its reason', () => {
  const reason = 'this processor has no instructions for it';
  const none = () => ({ available: false, reason }) as const;
  const lines = backendsNotRun(none, none);
  assert.equal(lines.length, 2 + X25519_TIERS.length, 'libsodium, each tier, and the portable forms of AES and SHA');
  assert.ok(lines.every((line) => line.endsWith(`: ${reason}`)));
  const bare = { description: 'X25519 one by one, AES bitsliced, SHA-256 portable' } as NativeBackend;
  const lacking = backendsNotRun(() => ({ available: true, backend: bare }), none);
  assert.deepEqual(
    lacking.map((line) => line.split(':')[0]),
    ['sodium', 'native with AES-NI', 'native with SHA-NI'],
  );
});

test('a missing folder is skipped in CI and a failure elsewhere', async () => {
  assert.equal((await run(null)).code, 1);
  assert.deepEqual(await run(null, { isCi: true }), {
    code: 0,
    lines: ['skipped: FOG_VECTORS not found', '0 passed, 0 failed'],
  });
  const traces: Areas = new Map([['sums', { ...sums, folder: 'traces' as const }]]);
  assert.equal((await run({}, { areas: traces, isCi: true })).lines[0], 'skipped: FOG_TRACES not found');
});

test('an unknown area is answered with those that there are', async () => {
  const { code, lines } = await run({}, { names: ['sum'] });
  assert.deepEqual({ code, lines }, { code: 2, lines: ['unknown area "sum"; the areas are: sums'] });
  const none = await run({}, { names: ['sum'], areas: new Map() });
  assert.deepEqual(none, { code: 2, lines: ['unknown area "sum"; the areas are: none yet'] });
});

test('without any area there is nothing to fail', async () => {
  const { code, lines } = await run({}, { areas: new Map() });
  assert.deepEqual({ code, lines }, { code: 0, lines: ['there is no area yet', '0 passed, 0 failed'] });
});

test('the program lists its areas and refuses others', async () => {
  const main = join(import.meta.dirname, 'main.ts');
  const call = (...names: string[]) =>
    new Promise<{ code: number; output: string }>((resolve) => {
      const child = execFile(process.execPath, [main, ...names], (_error, output) => {
        resolve({ code: child.exitCode ?? -1, output });
      });
    });
  const listed = await call('--list');
  assert.equal(listed.code, 0);
  for (const name of AREAS.keys()) assert.match(listed.output, new RegExp(`^${name}: `, 'm'));
  assert.equal((await call('no-such-area')).code, 2);
});
