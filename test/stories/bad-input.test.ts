/**
 * What users and strangers get wrong: every case ends in a typed error that says what, where and what to do, and
 * nothing else is disturbed: after all of it, the same fog runs a good job.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { FogClient, FogError, type TaskWithAttempts } from '@fog/contract';
import { Fog, type LocalFog } from '@fog/sdk/local';
import { Assembler, name } from '../../packages/runtimes/test/wasm/assembler.ts';
import * as programs from '../../packages/runtimes/test/wasm/programs.ts';

let fog: LocalFog;
before(async () => {
  fog = await Fog.local({ nodes: 2 });
});
after(() => fog.close());

describe('a specification with faults', () => {
  test('lists every fault with its path, and what is not built yet as unsupported', async () => {
    const spec = {
      kind: 'Job',
      spec: {
        count: 0,
        bogus: true,
        schedule: '@daily',
        timeouts: { attempt: 'soon' },
        task: { runtime: 'wasm', wasm: { module: 'sha256:12' }, outputs: [{ name: 'a', path: '/out/../etc' }] },
      },
    };
    const error = await rejection(fog.client.call('submitJob', { body: { spec } }));
    assert.equal(error.code, 'invalid-spec');
    const faults = error.details.faults as { path: string; code: string }[];
    assert.deepEqual(faults.map(({ path, code }) => `${path} ${code}`).sort(), [
      'spec.bogus unknown-field',
      'spec.count invalid',
      'spec.schedule unsupported',
      'spec.task.outputs[0].path invalid',
      'spec.task.wasm.module invalid',
      'spec.timeouts.attempt invalid',
    ]);
  });

  test('that asks for what is not built is unsupported', async () => {
    const spec = { kind: 'Job', spec: { schedule: '@daily', task: wasmTask(await put(programs.succeedModule())) } };
    const error = await rejection(fog.client.call('submitJob', { body: { spec } }));
    assert.equal(error.code, 'unsupported');
    assert.deepEqual(error.details.faults, [
      { path: 'spec.schedule', code: 'unsupported', message: 'is not built yet' },
    ]);
  });

  test('that names an unknown blob or secret', async () => {
    const digest = `sha256:${'ab'.repeat(32)}`;
    const error = await rejection(fog.client.call('submitJob', { body: { spec: job(wasmTask(digest)) } }));
    assert.equal(error.code, 'blob-not-found');
    assert.deepEqual(error.details.digests, [digest]);
    const task = { ...wasmTask(await put(programs.succeedModule())), env: { KEY: { secret: 'nobody-set-this' } } };
    const unknown = await rejection(fog.client.call('submitJob', { body: { spec: job(task) } }));
    assert.equal(unknown.code, 'invalid-spec');
    assert.match(unknown.message, /spec\.task\.env\.KEY\.secret.*nobody-set-this/);
  });
});

describe('a program that misbehaves', () => {
  test('is not wasm', async () => {
    await fails(wasm(new TextEncoder().encode('not wasm at all')), 'invalid-module', /not a WebAssembly module/);
  });
  test('imports what is not offered', async () => {
    await fails(wasm(importing('env', 'host_call')), 'invalid-module', /host_call/);
  });
  test('never ends', async () => {
    const started = performance.now();
    await fails(wasm(programs.loopModule(), { timeouts: { attempt: '1s' } }), 'timeout', /1s|second|longer|limit/i);
    assert.ok(performance.now() - started < 10_000);
  });
  test('asks for ever more memory', async () => {
    await fails(wasm(programs.hogModule()), 'oom', /memory/i);
  });
  test('writes 10 GB', async () => {
    const outputs = [{ name: 'big', path: '/out/result' }];
    await fails(
      wasm(programs.floodModule(), { outputs, resources: { disk: '8Mi' } }),
      'output-too-large',
      /disk|bytes/i,
    );
  });
  test('does not write what it declared', async () => {
    await fails(
      wasm(programs.succeedModule(), { outputs: [{ name: 'a', path: '/out/a' }] }),
      'output-missing',
      /\/out\/a/,
    );
  });
  test('exits with a code, which is kept', async () => {
    const task = await fails(wasm(programs.exitModule(7)), 'exit-code', /7/);
    assert.equal(task.exitCode, 7);
  });
  test('throws', async () => {
    await fails(script('export default () => { throw new TypeError("bad day"); }'), 'script-error', /bad day/);
  });
  test('does not parse', async () => {
    await fails(script('export default ('), 'script-error', /./);
  });
});

describe('a blob', () => {
  test('whose bytes have another hash is refused and not stored', async () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const error = await rejection(fog.client.putBlob(digest, new Uint8Array([1, 2, 3])));
    assert.equal(error.code, 'blob-digest-mismatch');
    assert.deepEqual(await fog.client.blobOffset(digest), { complete: false, offset: 0 });
  });

  test('with a path for a name is refused', async () => {
    const response = await fetch(`${fog.url}/v1/blobs/..%2F..%2Fadmin.token`, {
      headers: { authorization: `Bearer ${await fog.createToken('submit')}` },
    });
    assert.equal(response.status, 400);
    assert.equal(((await response.json()) as { code: string }).code, 'invalid-request');
  });
});

describe('a request', () => {
  test('with a forged, revoked or foreign token', async () => {
    const token = await fog.createToken('submit', 'alice');
    const forged = `${token.slice(0, -4)}AAAA`;
    for (const text of ['', 'fog', forged]) {
      const response = await fetch(`${fog.url}/v1/jobs`, { headers: { authorization: `Bearer ${text}` } });
      assert.equal(response.status, 401);
    }
    const asAlice = { headers: { authorization: `Bearer ${token}` } };
    const [tokens, jobs] = await Promise.all([
      fetch(`${fog.url}/v1/tokens`, asAlice),
      fetch(`${fog.url}/v1/jobs`, asAlice),
    ]);
    assert.equal(tokens.status, 403);
    assert.deepEqual(await jobs.json(), { items: [], next: null });
  });

  test('of a stranger: jobs of others are nowhere, not even as work of a node', async () => {
    const loop = await put(programs.loopModule());
    const { id } = await fog.client.call('submitJob', { body: { spec: job(wasmTask(loop)) } });
    const runs = async (client: FogClient) => {
      const { items } = await client.call('listNodes');
      return items.flatMap((node) => node.running).some((attempt) => attempt.job === id);
    };
    while (!(await runs(fog.client))) await new Promise((resolve) => setTimeout(resolve, 20));
    const stranger = new FogClient({ url: fog.url, token: await fog.createToken('submit', 'bob') });
    assert.equal(await runs(stranger), false);
    assert.equal((await rejection(stranger.call('getJob', { params: { job: id } }))).code, 'not-found');
    await fog.client.call('cancelJob', { params: { job: id } });
  });

  test('with a body beyond the limit', async () => {
    const response = await fetch(`${fog.url}/v1/jobs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await fog.createToken('submit')}`, 'content-type': 'application/json' },
      body: JSON.stringify({ spec: 'x'.repeat(4 << 20) }),
    });
    assert.equal(response.status, 413);
    assert.equal(((await response.json()) as { code: string }).code, 'body-too-large');
  });

  test('that is no HTTP', async () => {
    const { hostname, port } = new URL(fog.url);
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), hostname, () => socket.end(randomBytes(2000)));
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('close', () => resolve(text));
      socket.on('error', () => resolve(text));
    });
    assert.match(answer, /^HTTP\/1\.1 400 /);
  });
});

test('the same idempotency key answers the same job, and another specification is an error', async () => {
  const spec = job(wasmTask(await put(programs.succeedModule())));
  const submit = (body: object) => fog.client.call('submitJob', { body: { spec: body, idempotencyKey: 'once' } });
  const [first, second] = await Promise.all([submit(spec), submit(spec)]);
  assert.equal(first.id, second.id);
  const error = await rejection(submit({ ...spec, metadata: { name: 'other' } }));
  assert.equal(error.code, 'idempotency-mismatch');
});

test('a secret reaches the attempt and stands nowhere else', async () => {
  const value = `s3cret-${randomBytes(8).toString('hex')}`;
  await fog.client.call('setSecret', { params: { name: 'api-key' }, body: { value } });
  const source = 'export default (input, ctx) => ({ length: ctx.env.KEY.length })';
  const handle = await fog.run(
    job({ runtime: 'javascript', javascript: { script: 'a.js' }, env: { KEY: { secret: 'api-key' } } }),
    { files: { 'a.js': source } },
  );
  assert.ok((await handle.wait()).succeeded);
  assert.deepEqual(await (await handle.output(0)).json(), { length: value.length });
  const events = await fog.client.call('jobEvents', { params: { job: handle.id } });
  const shown = JSON.stringify([await handle.get(), events, await fog.client.call('listSecrets')]);
  assert.ok(!shown.includes(value));
});

test('after all of this the fog still runs a good job on both nodes', async () => {
  const squares = await fog.map([1, 2, 3, 4], (x) => x * x);
  assert.deepEqual(squares, [1, 4, 9, 16]);
});

interface More {
  outputs?: object[];
  resources?: object;
  timeouts?: object;
}
type Build = () => Promise<{ task: object; timeouts: object }>;

function wasm(module: Uint8Array, more: More = {}): Build {
  const { timeouts = {}, ...rest } = more;
  return async () => ({ task: { ...wasmTask(await put(module)), ...rest }, timeouts });
}

function script(source: string): Build {
  return async () => {
    const digest = await put(new TextEncoder().encode(source));
    return { task: { runtime: 'javascript', javascript: { script: digest } }, timeouts: {} };
  };
}

async function fails(build: Build, reason: string, message: RegExp): Promise<TaskWithAttempts> {
  const { task, timeouts } = await build();
  const handle = await fog.run({ kind: 'Job', spec: { task, timeouts } });
  const { job: ended, failedTask } = await handle.wait({ timeoutMilliseconds: 60_000 });
  assert.equal(ended.state, 'failed');
  assert.equal(failedTask?.reason, reason, failedTask?.message ?? '');
  assert.match(failedTask?.message ?? '', message);
  return failedTask as TaskWithAttempts;
}

function wasmTask(digest: string) {
  return { runtime: 'wasm' as const, wasm: { module: digest } };
}

function job(task: object) {
  return { kind: 'Job', spec: { task } };
}

/** A module that wants a function which nobody offers. */
function importing(module: string, field: string): Uint8Array {
  return new Assembler().build({ start: [], furtherImports: [[...name(module), ...name(field), 0, 0]] });
}

async function put(bytes: Uint8Array): Promise<string> {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  await fog.client.putBlob(digest, bytes);
  return digest;
}

async function rejection(promise: Promise<unknown>): Promise<FogError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof FogError, String(error));
    return error;
  }
  throw new Error('it was accepted');
}
