/** The SDK against a real coordinator with two real nodes in this process. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Fog, FogError, type LocalFog } from '../src/local/index.ts';

let fog: LocalFog;
before(async () => {
  fog = await Fog.local({ nodes: 2 });
});
after(() => fog.close());

const withCode = (code: string, index?: number) => (error: unknown) =>
  error instanceof FogError && error.code === code && (index === undefined || error.details.index === index);

async function jobCount(): Promise<number> {
  return (await fog.client.call('listJobs', { query: { limit: 1000 } })).items.length;
}

describe('fog.map', () => {
  test('keeps the order and gives every item its context, index and random numbers', async () => {
    const items = Array.from({ length: 57 }, (_, index) => index);
    const results = await fog.map(items, (x, { context, index, random }) => [x * context.factor, index, random()], {
      context: { factor: 2 },
      seed: 4,
    });
    assert.deepEqual(
      results.map(([value, index]) => [value, index]),
      items.map((x) => [x * 2, x]),
    );
    const single = await fog.map([0], (_x, { random }) => random(), { seed: 4 });
    assert.equal(single[0], results[0]?.[2], 'not a matter of batching');
  });

  test('an option that it does not have is an error, not ignored', async () => {
    await assert.rejects(
      fog.map([1], (x) => x, { conetxt: 1 } as object),
      withCode('invalid-request'),
    );
    await assert.rejects(
      fog.map([1], (x) => x, { onError: 'bogus' as 'collect' }),
      withCode('invalid-request'),
    );
  });

  test('streams results of a slow async source in order, and takes bytes', async () => {
    async function* source() {
      for (let index = 0; index < 6; index += 1) {
        yield new Uint8Array(index).fill(index);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    const lengths: number[] = [];
    for await (const result of fog.map(source(), (bytes) => bytes.map((byte) => byte + 1))) {
      assert.ok(result instanceof Uint8Array && result.every((byte) => byte === result.length + 1));
      lengths.push(result.length);
    }
    assert.deepEqual(lengths, [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(await fog.map([], (x) => x), []);
  });

  test('what cannot travel is refused before a job is submitted', async () => {
    const jobsBefore = await jobCount();
    const outside = 3;
    await assert.rejects(
      fog.map([1], (x) => x + outside),
      withCode('function-not-self-contained'),
    );
    await assert.rejects(
      fog.map([1], (x) => x, { context: { when: new Date() } }),
      withCode('not-serialisable'),
    );
    assert.equal(await jobCount(), jobsBefore);
    await assert.rejects(
      fog.map([1, Number.NaN], (x) => x),
      withCode('not-serialisable', 1),
    );
  });

  test('a failed item rejects with its index; collected, it is an entry', async () => {
    const fn = (x: number) => {
      if (x === 7) throw new RangeError('seven');
      return x === 8 ? undefined : x;
    };
    await assert.rejects(fog.map([1, 2, 7, 3], fn), (error) => {
      assert.ok(error instanceof FogError && error.code === 'task-failed');
      assert.equal(error.details.index, 2);
      assert.match(error.message, /item 2 failed: RangeError: seven/);
      return true;
    });
    const settled = await fog.map([1, 7, 8, 3], fn, { onError: 'collect' });
    assert.deepEqual(
      settled.map((entry) => (entry.status === 'fulfilled' ? entry.value : entry.reason.code)),
      [1, 'task-failed', 'not-serialisable', 3],
    );
  });

  test('an item that takes its whole batch down is found', async () => {
    const settled = await fog.map(
      Array.from({ length: 12 }, (_, index) => index),
      (x) => (x === 9 ? new Promise(() => undefined) : x),
      { onError: 'collect' },
    );
    assert.deepEqual(
      settled.flatMap((entry, index) => (entry.status === 'rejected' ? [index] : [])),
      [9],
    );
  });

  test('abort cancels what is outstanding', async () => {
    const stop = new AbortController();
    const endless = fog.map(
      [1, 2, 3, 4],
      () => {
        for (;;);
      },
      { signal: stop.signal, name: 'endless' },
    );
    setTimeout(() => stop.abort(), 300);
    await assert.rejects(endless, withCode('cancelled'));
    const { items } = await fog.client.call('listJobs', { query: { limit: 1000 } });
    const own = items.filter((job) => job.name === 'endless');
    assert.ok(own.length > 0 && own.every((job) => job.state === 'cancelled'), JSON.stringify(own));
    await assert.rejects(
      fog.map([1], (x) => x, { signal: AbortSignal.abort() }),
      withCode('cancelled'),
    );
  });

  test('no node that could run it is an error with the reason', async () => {
    await assert.rejects(
      fog.map([1], (x) => x, { constraints: ['os == plan9'], waitForNodesMilliseconds: 300 }),
      (error) => {
        assert.ok(error instanceof FogError && error.code === 'unavailable');
        assert.match(error.message, /os == plan9/);
        return true;
      },
    );
  });
});

describe('fog.run', () => {
  const script = `export default (input, ctx) => {
    console.log('partition', ctx.partition.index);
    if (ctx.partition.index === 1 && input.args[0] === 'fail') throw new Error('asked to');
    return { from: input.stdin ?? null, index: ctx.partition.index };
  }`;
  const spec = (count: number, args: string[] = []) => ({
    kind: 'Job' as const,
    spec: { count, task: { runtime: 'javascript', javascript: { script: 'main.js' }, args, stdin: { text: '5' } } },
  });

  test('submits, follows, and fetches outputs to memory and disk', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'fog-outputs-'));
    t.after(() => rm(directory, { recursive: true, force: true }));
    const job = await fog.run(spec(2), { files: { 'main.js': script } });
    const { succeeded, failedTask, job: ended } = await job.wait();
    assert.deepEqual([succeeded, failedTask, ended.state], [true, null, 'completed']);
    const [output] = await job.outputs(1);
    assert.deepEqual(await output?.json(), { from: 5, index: 1 });
    await output?.saveTo(directory);
    assert.equal(await readFile(join(directory, 'result'), 'utf8'), '{"from":5,"index":1}');
    assert.equal(
      (await job.wait({ timeoutMilliseconds: 60 * 86_400_000 })).succeeded,
      true,
      'longer than a timer counts',
    );
    await assert.rejects(fog.job(job.id).wait({ timeoutMilliseconds: 0 }), withCode('timed-out'));
    const ofOne: string[] = [];
    for await (const { data } of job.events({ partition: 1 })) ofOne.push(data.type);
    assert.deepEqual([ofOne[0], ofOne.at(-1)], ['task.leased', 'task.succeeded']);
    const types: string[] = [];
    for await (const { data } of job.events()) types.push(data.type);
    assert.equal(types[0], 'job.submitted');
    assert.equal(types.at(-1), 'job.completed');
    const lines: string[] = [];
    for await (const record of job.logs()) lines.push(record.text);
    assert.deepEqual(lines.sort(), ['partition 0\n', 'partition 1\n']);
  });

  test('a failed job is a result, with the failed task of the lowest number', async () => {
    const job = await fog.run(spec(2, ['fail']), { files: { 'main.js': script } });
    const result = await job.wait();
    assert.equal(result.succeeded, false);
    assert.equal(result.failedTask?.partition, 1);
    assert.match(result.failedTask?.message ?? '', /asked to/);
    await assert.rejects(job.outputs(1), withCode('conflict'));
  });

  test('a wait ends in time and by signal; the job goes on until it is cancelled', async () => {
    const endless = { 'main.js': 'export default () => { for (;;); }' };
    const job = await fog.run(spec(1), { files: endless });
    await assert.rejects(job.wait({ timeoutMilliseconds: 100 }), withCode('timed-out'));
    await assert.rejects(job.wait({ signal: AbortSignal.timeout(50) }), withCode('cancelled'));
    await job.cancel();
    assert.equal((await job.wait()).job.state, 'cancelled');
  });

  test('a job is suspended with what runs of it, and resumed', async () => {
    const files = { 'loop.js': 'export default () => { for (;;); };' };
    const task = { runtime: 'javascript', javascript: { script: 'loop.js' } };
    const job = await fog.run({ kind: 'Job', spec: { count: 5, task } }, { files });
    const states = async () => (await Array.fromAsync(job.tasks())).flatMap(({ attempts }) => attempts.at(-1)?.state);
    const until = async (...wanted: string[]) => {
      while ((await states()).filter((state) => state !== undefined).join() !== wanted.join()) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    await until('running', 'running');
    assert.equal((await job.suspend()).suspended, true);
    await until('suspended', 'suspended');
    assert.equal((await job.resume()).suspended, false);
    await until('running', 'running');
    await job.suspend(4);
    assert.deepEqual(
      (await Array.fromAsync(job.tasks())).map(({ suspended }) => suspended),
      [false, false, false, false, true],
    );
    await job.cancel();
  });

  test('the same key is the same job; faults are typed and told before anything is sent', async () => {
    const options = { files: { 'main.js': script }, idempotencyKey: 'once' };
    const [one, two] = [await fog.run(spec(1), options), await fog.run(spec(1), options)];
    assert.equal(one.id, two.id);
    await assert.rejects(fog.run(spec(2), options), withCode('idempotency-mismatch'));
    await assert.rejects(
      fog.run({ kind: 'Job', spec: { count: 0, task: { runtime: 'wasm' } } }),
      (error) => error instanceof FogError && (error.details.faults as unknown[]).length >= 2,
    );
  });
});
