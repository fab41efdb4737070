import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  CONSTRAINT_PATTERN,
  isSandboxPath,
  jobSpecJsonSchema,
  LIMITS,
  parseConstraint,
  parseJobSpec,
  RESTART_DEFAULTS,
  SANDBOX_PATH_PATTERN,
} from '../src/index.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;
const MINIMAL = { kind: 'Job', spec: { task: { runtime: 'wasm', wasm: { module: DIGEST } } } };

interface Schema {
  $schema?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean;
  maximum?: number;
  enum?: unknown[];
  pattern?: string;
  items?: Schema;
  description?: string;
}

test('the published schema describes what a user may write', () => {
  const schema = jobSpecJsonSchema() as Schema;
  assert.match(schema.$schema ?? '', /2020-12/);
  assert.deepEqual(schema.required?.toSorted(), ['kind', 'spec'], 'what has a default may be left out');
  assert.equal(schema.additionalProperties, false);
  const inner = schema.properties?.spec;
  assert.deepEqual(inner?.required, ['task']);
  assert.equal(inner?.properties?.count?.maximum, LIMITS.partitions);
  assert.deepEqual(inner?.properties?.type?.enum, ['batch', 'ops', 'service', 'daemon']);
  const task = inner?.properties?.task;
  assert.deepEqual(task?.required, ['runtime']);
  const names = (value: object) => Object.keys(value).sort();
  const parsed = parseJobSpec({ ...MINIMAL, spec: { ...MINIMAL.spec, verification: {} } });
  const placement = { objectives: {}, budget: {}, privacy: '', tier: '', spot: false, deadline: {}, dependsOn: [] };
  const others = { restart: RESTART_DEFAULTS, suspend: {}, update: {}, ...placement };
  assert.deepEqual(names(inner?.properties ?? {}), names({ ...parsed.spec, ...others }));
  for (const name of Object.keys(parsed.spec.task)) assert.ok(task?.properties?.[name], name);
  assert.match(task?.properties?.javascript?.properties?.script?.description ?? '', /file/);
  const root = task?.properties?.process?.properties?.root;
  assert.match(root?.description ?? '', /tar archive.*file/);
  assert.ok(new RegExp(root?.pattern ?? '').test('./rootfs.tar.gz'));
});

test('every pattern of it is one that editors can compile', () => {
  const patterns = [...JSON.stringify(jobSpecJsonSchema()).matchAll(/"pattern":("(?:[^"\\]|\\.)*")/g)];
  assert.ok(patterns.length > 10);
  for (const [, text = ''] of patterns) assert.ok(new RegExp(JSON.parse(text), 'u'), text);
});

test('property: the pattern of constraints takes what the parser takes', () => {
  const word = fc.constantFrom('os', 'a/b.c', 'gpu', '-x', 'x-', 'in', 'notin', '4', '1e3', '.5', '0x1F', 'many', 'ü');
  const mark = fc.constantFrom(' ', '', '\t', '==', '=', '!=', '>=', '<', '!', '(', ')', ',', 'in', 'notin', ' in (');
  fc.assert(
    fc.property(fc.array(fc.oneof(word, mark), { maxLength: 7 }), (parts) => {
      const text = parts.join('');
      assert.equal(CONSTRAINT_PATTERN.test(text), parses(text), JSON.stringify(text));
    }),
    { numRuns: 5000 },
  );
  for (const text of [
    'os == linux',
    'arch != arm64',
    'region in (eu, us)',
    'tier notin (spot)',
    '!gpu',
    'cores >= 4',
  ]) {
    assert.ok(CONSTRAINT_PATTERN.test(text), text);
  }
  for (const text of ['cores >= many', 'region in ()', 'region in (,)', 'a b', 'os ==', '']) {
    assert.ok(!CONSTRAINT_PATTERN.test(text), text);
  }
});

function parses(text: string): boolean {
  try {
    parseConstraint(text);
    return true;
  } catch {
    return false;
  }
}

test('property: the pattern of paths takes what is a path of the sandbox', () => {
  const part = fc.constantFrom('/', '.', '..', 'in', 'a.b', '...', '\\', '\0', ' ', 'ü', '\n');
  const byParts = (path: string) =>
    path.startsWith('/') &&
    !/[\0\\]/.test(path) &&
    path
      .slice(1)
      .split('/')
      .every((name) => name !== '' && name !== '.' && name !== '..');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const path = parts.join('');
      assert.equal(SANDBOX_PATH_PATTERN.test(path), byParts(path), JSON.stringify(path));
      assert.equal(isSandboxPath(path), byParts(path));
    }),
    { numRuns: 2000 },
  );
});
