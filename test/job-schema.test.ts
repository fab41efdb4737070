/** The published JSON Schema of a job: up to date, and true to the examples, the documents and the parser. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import {
  type BlobReference,
  blobReferences,
  isFileName,
  jobSpecJsonSchema,
  parseJobSpec,
  readSpecTexts,
} from '@fog/contract';
import { Ajv2020 } from 'ajv/dist/2020.js';

const ROOT = dirname(import.meta.dirname);
const DIGEST = `sha256:${'0'.repeat(64)}`;
const PUBLISHED = 'docs/job.schema.json';

const published: unknown = JSON.parse(readFileSync(join(ROOT, PUBLISHED), 'utf8'));
const validate = new Ajv2020({ allErrors: true, strict: true, strictRequired: false }).compile(published as object);

function faultsOf(document: unknown): string {
  return validate(document) ? '' : JSON.stringify(validate.errors);
}

test('the published file is up to date', () => {
  const now: unknown = JSON.parse(JSON.stringify(jobSpecJsonSchema()));
  assert.deepEqual(published, now, `${PUBLISHED} is out of date: run "npm run schema"`);
});

/** Files under a folder of the repository, relative to it. */
function filesIn(folder: string, ending: RegExp): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => ending.test(path) && !path.includes('node_modules'))
    .map((path) => join(folder, path));
}

/** What stands in examples and documents, by where it stands. */
function writtenJobs(): [place: string, text: string][] {
  const isJob = (text: string) => /^kind: Job$/m.test(text);
  const examples = filesIn('examples', /\.ya?ml$/).map((path): [string, string] => [path, read(path)]);
  const documents = ['README.md', 'ARCHITECTURE.md', ...filesIn('docs', /\.md$/), ...filesIn('examples', /\.md$/)];
  const blocks = documents.flatMap((path) =>
    [...read(path).matchAll(/^```ya?ml\n(.*?)^```/gms)].map((match, index): [string, string] => {
      return [`${path}, YAML block ${index + 1}`, match[1] ?? ''];
    }),
  );
  return [...examples, ...blocks].filter(([, text]) => isJob(text));
}

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

describe('what the documents show', () => {
  const jobs = writtenJobs();
  test('is found', () => {
    const places = jobs.map(([place]) => place).join('\n');
    assert.match(places, /examples\/hello\/job\.yaml/);
    assert.match(places, /docs\/concepts\.md/);
  });

  for (const [place, text] of jobs) {
    test(`${place} fits the schema and parses`, () => {
      for (const document of readSpecTexts(text)) {
        nameOthersById(document);
        assert.equal(faultsOf(document), '');
        const files = blobReferences(document).filter((reference: BlobReference) => isFileName(reference.text));
        for (const { owner, key } of files) owner[key] = DIGEST;
        parseJobSpec(document);
      }
    });
  }

  test('leads editors to the schema', () => {
    const [, path] = /^# yaml-language-server: \$schema=(\S+)$/m.exec(read('examples/hello/job.yaml')) ?? [];
    assert.equal(resolve(ROOT, 'examples/hello', path ?? ''), join(ROOT, PUBLISHED));
  });
});

/** Documents of one file wait for each other by their names; a job that is submitted waits for ids. */
function nameOthersById(document: unknown): void {
  const { spec } = document as { spec: { dependsOn?: string[] } };
  if (spec.dependsOn !== undefined) spec.dependsOn = spec.dependsOn.map(() => `j${'0'.repeat(18)}`);
}

/** A job that fits, with some fields of `spec` and `spec.task` changed. */
function job(task: object = {}, spec: object = {}): object {
  const script = { runtime: 'javascript', javascript: { script: './hello.js' } };
  return { kind: 'Job', spec: { ...spec, task: { ...script, ...task } } };
}

const SERVED = { ports: [{ name: 'web', port: 80 }], health: { http: { port: 80 }, startPeriod: '0s' } };
function service(spec: object = {}): object {
  const program = { runtime: 'process', process: { command: ['/bin/serve'] }, javascript: undefined };
  return { ...job(program, { type: 'service', ...spec }), metadata: { name: 'web' } };
}

test('what a user may write fits', () => {
  const jobs = [
    job(),
    job({ javascript: { script: DIGEST } }),
    job({ javascript: { script: 'C:\\jobs\\hello.js' } }),
    job({ inputs: [{ source: '../data', path: '/in/data', type: 'folder' }], stdin: { source: 'a file.txt' } }),
    job({ resources: { cpu: 0.5, memory: '1.5Gi', disk: 1_000_000, gpu: 0 } }),
    job({ runtime: 'wasm', wasm: { module: 'a.wasm', deterministic: true }, javascript: undefined }),
    job({}, { type: 'ops', count: 1, timeouts: { heartbeat: '1h30m' } }),
    service({ count: 3, update: { maxUnavailable: 1, healthyFor: '5s', deadline: '10m', rollback: false } }),
    service({ type: 'daemon' }),
    job({}, { placement: { constraints: ['cores >= 4', 'region in (eu, us)', '!spot'] } }),
    job(
      { runtime: 'process', process: { command: ['x'] }, javascript: undefined, ...SERVED },
      { type: 'service', count: 3, restart: { within: '1h' } },
    ),
    { ...job(), metadata: { name: 'a', namespace: 'default', labels: { team: 'a' } } },
  ];
  for (const document of jobs) assert.equal(faultsOf(JSON.parse(JSON.stringify(document))), '');
});

const MISTAKES: Record<string, object> = {
  'a misspelt field': job({ argz: [] }),
  'a misspelt runtime': job({ runtime: 'js' }),
  'no task': { kind: 'Job', spec: {} },
  'no kind': { spec: job() },
  'the block of another runtime': job({ runtime: 'wasm' }),
  'two blocks': job({ wasm: { module: 'a.wasm' } }),
  'a number as an argument': job({ args: [7] }),
  'a variable that is none': job({ env: { 'NOT-ONE': '1' } }),
  'an unknown unit of bytes': job({ resources: { memory: '256MB' } }),
  'no memory at all': job({ resources: { memory: '0' } }),
  'less than no processor': job({ resources: { cpu: -1 } }),
  'a duration without a unit': job({}, { timeouts: { attempt: 30 } }),
  'a duration in words': job({}, { timeouts: { attempt: '5 minutes' } }),
  'a duration of nothing': job({}, { timeouts: { queue: '0s' } }),
  'a constraint in other words': job({}, { placement: { constraints: ['os is linux'] } }),
  'a constraint that compares with no number': job({}, { placement: { constraints: ['cores >= many'] } }),
  'a short digest': job({ javascript: { script: 'sha256:12' } }),
  'a source that is not built': job({ inputs: [{ source: 's3://bucket/key', path: '/in/a' }] }),
  'an empty source': job({ javascript: { script: '' } }),
  'a path out of the sandbox': job({ outputs: [{ name: 'a', path: '/out/../etc' }] }),
  'a relative path': job({ outputs: [{ name: 'a', path: 'out/a' }] }),
  'a name with spaces': job({ outputs: [{ name: 'my result', path: '/out/a' }] }),
  'two kinds of standard input': job({ stdin: { text: '', source: 'a' } }),
  'a count for ops': job({}, { type: 'ops', count: 2 }),
  'a count for a daemon': service({ type: 'daemon', count: 2 }),
  'too many replicas': service({ count: 10_001 }),
  'a script as a service': job({}, { type: 'service' }),
  'a limit for what has no end': service({ timeouts: { total: '1h' } }),
  'retries of what is kept running anyway': service({ retry: { attempts: 2 } }),
  'an update of what has an end': job({}, { update: { rollback: true } }),
  'no partition': job({}, { count: 0 }),
  'a heartbeat of wasm': job(
    { runtime: 'wasm', wasm: { module: 'a' }, javascript: undefined },
    { timeouts: { heartbeat: '5m' } },
  ),
  'ports of a batch': job({ runtime: 'process', process: { command: ['x'] }, javascript: undefined, ...SERVED }),
  'a restart of ops': job({}, { type: 'ops', restart: {} }),
  'ports of a script': job(SERVED, { type: 'service' }),
  'two health checks': job(
    {
      runtime: 'process',
      process: { command: ['x'] },
      javascript: undefined,
      health: { tcp: { port: 1 }, command: ['x'] },
    },
    { type: 'service' },
  ),
  'outputs of a service': job({ outputs: [{ name: 'a', path: '/a' }] }, { type: 'service' }),
  'a kind that is not built': { ...job(), kind: 'Cron' },
  'a namespace': { ...job(), metadata: { namespace: 'mine' } },
};

describe('one mistake does not fit, and is refused by the parser as well:', () => {
  for (const [mistake, written] of Object.entries(MISTAKES)) {
    test(mistake, () => {
      const document: unknown = JSON.parse(JSON.stringify(written));
      assert.equal(validate(document), false);
      for (const { owner, key, text } of blobReferences(document)) if (isFileName(text)) owner[key] = DIGEST;
      assert.throws(() => parseJobSpec(document), { name: 'FogError' });
    });
  }
});
