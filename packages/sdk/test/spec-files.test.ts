import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { FogError, parseJobSpec, type SpecFault } from '@fog/contract';
import { Fog } from '../src/fog.ts';
import { checkSpec, standInForSpecFiles, uploadSpecFiles } from '../src/spec-files.ts';
import { digestOf } from '../src/upload.ts';
import { BlobServer } from './blob-server.ts';

let base: string;
before(async () => {
  base = await mkdtemp(join(tmpdir(), 'fog-spec-files-'));
  await writeFile(join(base, 'main.js'), 'export default () => 1');
  await mkdir(join(base, 'data'));
  await writeFile(join(base, 'data', 'a.txt'), 'a');
});
after(() => rm(base, { recursive: true, force: true }));

const text = (content: string) => digestOf(new TextEncoder().encode(content));
const spec = (task: object) => ({ kind: 'Job', spec: { task: { runtime: 'javascript', ...task } } });

describe('files of a specification', () => {
  test('are uploaded and replaced; folders say so; digests stay', async () => {
    const server = new BlobServer();
    const known = `sha256:${'0'.repeat(64)}`;
    const document = spec({
      javascript: { script: './main.js' },
      stdin: { source: 'data/a.txt' },
      inputs: [
        { source: 'data', path: '/in/data' },
        { source: known, path: '/in/known' },
      ],
    });
    Object.assign(document.spec, { verification: { compare: { script: 'main.js' } } });
    const before = structuredClone(document);
    const uploaded = parseJobSpec(await uploadSpecFiles(server.client, document, { baseDirectory: base }));
    const { task, verification } = uploaded.spec;
    assert.deepEqual(verification?.compare, { script: text('export default () => 1') });
    assert.equal(task.javascript?.script, text('export default () => 1'));
    assert.deepEqual(task.stdin, { source: text('a') });
    assert.equal(task.inputs[0]?.type, 'folder');
    assert.equal(task.inputs[1]?.source, known);
    assert.deepEqual(document, before, 'the document of the caller is untouched');
  });

  test('the root of a native program is one of them, and no folder', async () => {
    const server = new BlobServer();
    const document = {
      kind: 'Job',
      spec: { task: { runtime: 'process', process: { command: ['a'], root: 'main.js' } } },
    };
    const before = structuredClone(document);
    const uploaded = parseJobSpec(await uploadSpecFiles(server.client, document, { baseDirectory: base }));
    assert.equal(uploaded.spec.task.process?.root, text('export default () => 1'));
    assert.deepEqual(document, before, 'the document of the caller is untouched');
    document.spec.task.process.root = 'data';
    await assert.rejects(
      checkSpec(document, { baseDirectory: base }),
      /process\.root: data is a folder; a file is needed/,
    );
  });

  test('contents given by name go before files', async () => {
    const server = new BlobServer();
    const document = spec({ javascript: { script: 'main.js' } });
    const files = { 'main.js': 'export default () => 2' };
    const uploaded = parseJobSpec(await uploadSpecFiles(server.client, document, { baseDirectory: base, files }));
    assert.equal(uploaded.spec.task.javascript?.script, text('export default () => 2'));
  });

  test('all missing files are told at once with their place', async () => {
    const server = new BlobServer();
    const document = spec({
      javascript: { script: 'gone.js' },
      inputs: [{ source: 'gone.txt', path: '/in/x' }],
      stdin: { source: 'data' },
    });
    await assert.rejects(uploadSpecFiles(server.client, document, { baseDirectory: base }), (error) => {
      assert.ok(error instanceof FogError);
      assert.equal(error.code, 'invalid-spec');
      const faults = error.details.faults as { path: string; message: string }[];
      assert.deepEqual(faults.map((fault) => fault.path).sort(), [
        'spec.task.inputs[0].source',
        'spec.task.javascript.script',
        'spec.task.stdin.source',
      ]);
      return true;
    });
  });

  test('documents of another shape are left to the parser; addresses are not files', async () => {
    for (const document of [null, 5, [], {}, { spec: { task: 7 } }, { spec: { task: { inputs: ['x', null] } } }]) {
      assert.deepEqual(await standInForSpecFiles(document), document);
    }
    const server = new BlobServer();
    const remote = spec({ javascript: { script: 'https://fog.example/x.js' } });
    assert.deepEqual(await uploadSpecFiles(server.client, remote, { baseDirectory: base }), remote);
  });
});

describe('a check', () => {
  const faultsOf = async (document: unknown, files: Record<string, string> = {}): Promise<string[]> => {
    try {
      await checkSpec(document, { baseDirectory: base, files });
      return [];
    } catch (error) {
      assert.ok(error instanceof FogError, String(error));
      return (error.details.faults as SpecFault[]).map(({ path, code }) => `${path} ${code}`).sort();
    }
  };

  test('tells files that do not exist together with every other fault', async () => {
    const document = spec({
      javascript: { script: 'gone.js', engine: 'v9' },
      args: [1],
      stdin: { source: 'data' },
      network: 'full',
      inputs: [
        { source: 'gone.txt', path: '/in/x' },
        { source: 's3://bucket/key', path: '/in/x' },
        { source: 'data', path: '/in/data' },
        { source: 'sha256:12', path: '/in/y' },
      ],
    });
    assert.deepEqual(await faultsOf(document), [
      'spec.task.args[0] invalid',
      'spec.task.inputs[0].source invalid',
      'spec.task.inputs[1].path invalid',
      'spec.task.inputs[1].source unsupported',
      'spec.task.inputs[3].source invalid',
      'spec.task.javascript.engine invalid',
      'spec.task.javascript.script invalid',
      'spec.task.network invalid',
      'spec.task.stdin.source invalid',
    ]);
  });

  test('finds files of an otherwise good specification, and contents given by name', async () => {
    const document = spec({ javascript: { script: 'gone.js' } });
    assert.deepEqual(await faultsOf(document), ['spec.task.javascript.script invalid']);
    assert.deepEqual(await faultsOf(document, { 'gone.js': '' }), []);
    assert.deepEqual(await faultsOf(spec({ javascript: { script: './main.js' } })), []);
  });

  test('takes documents of any shape, those that hold themselves included', async () => {
    const circle: unknown[] = [];
    circle.push(circle);
    for (const document of [null, 5, [], {}, { spec: { task: 7 } }, spec({ args: circle })]) {
      assert.notDeepEqual(await faultsOf(document), []);
    }
  });

  test('comes before anything is sent', async () => {
    const server = new BlobServer();
    const run = new Fog(server.client).submit(spec({ javascript: { script: 'gone.js' }, args: [1] }), {
      baseDirectory: base,
    });
    await assert.rejects(run, (error: FogError) => (error.details.faults as SpecFault[]).length === 2);
  });
});
