/** `fog up` as a user meets it: real processes, a real coordinator, real nodes. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findOlderNode } from './older-node.ts';
import { type CommandRun, fog } from './test-terminal.ts';

const BIN = fileURLToPath(new URL('../bin/fog.js', import.meta.url));

interface Ready {
  url: string;
  dataDirectory: string;
  nodes: { id: string; name: string; pid: number }[];
}

interface Up {
  process: ChildProcess;
  ready: Promise<Ready>;
  exit: Promise<number | null>;
  stderr: () => string;
}

const started: ChildProcess[] = [];

function up(node: string, data: string, ...args: string[]): Up {
  const child = spawn(node, [BIN, 'up', '--data', data, '--listen', '127.0.0.1:0', '--json', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  let stdout = '';
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const exit = once(child, 'exit').then(([code]) => code as number | null);
  const ready = new Promise<Ready>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      if (stdout.endsWith('\n')) resolve(JSON.parse(stdout));
    });
    void exit.then(() => reject(new Error(stderr)));
  });
  ready.catch(() => undefined);
  return { process: child, ready, exit, stderr: () => stderr };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(condition: () => boolean | Promise<boolean>, milliseconds = 8000): Promise<void> {
  for (const end = performance.now() + milliseconds; !(await condition()); await pause(50)) {
    if (performance.now() > end) assert.fail('did not come about in time');
  }
}

let folder: string;
let running: Up;
let ready: Ready;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fog-up-'));
  running = up(process.execPath, join(folder, 'data'), '--nodes', '2');
  ready = await running.ready;
  await writeFile(
    join(folder, 'main.js'),
    `export default (input, { partition }) => {
      console.log('task', partition.index, ...input.args);
      if (input.args[0] === 'fail') throw new Error('asked to');
      return { args: input.args };
    }`,
  );
  const spec = (count: number, args: string, rest = '') =>
    `kind: Job\nspec:\n  count: ${count}\n${rest}  task: { runtime: javascript, javascript: { script: main.js }, args: [${args}] }\n`;
  await writeFile(join(folder, 'good.yaml'), spec(3, 'a'));
  await writeFile(join(folder, 'fail.yaml'), spec(2, 'fail'));
  await writeFile(join(folder, 'choice.yaml'), spec(2, 'a', '  objectives: { completionTime: 1, cost: 3 }\n'));
  await writeFile(join(folder, 'nowhere.yaml'), spec(1, 'a', '  placement: { constraints: [os == plan9] }\n'));
  await writeFile(join(folder, 'endless.js'), 'export default () => { for (;;); }');
});
after(async () => {
  for (const child of started) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

function inFog(args: string[], stdin?: string): Promise<CommandRun> {
  return fog(args, {
    environment: { FOG_DATA: join(folder, 'data') },
    workingDirectory: folder,
    ...(stdin === undefined ? {} : { stdin }),
  });
}

async function json(args: string[]) {
  const { code, stdout, stderr } = await inFog([...args, '--json']);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

describe('fog up', () => {
  test('tells where it is; its token is for its owner alone', async () => {
    assert.match(ready.url, /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.equal(ready.dataDirectory, join(folder, 'data'));
    assert.deepEqual(ready.nodes.map((node) => node.name).sort(), ['node-1', 'node-2']);
    for (const file of ['admin.token', 'nodes/join.token']) {
      assert.equal((await stat(join(folder, 'data', file))).mode & 0o777, 0o600, file);
    }
    const nodes = await json(['node', 'ls']);
    assert.ok(nodes.items.every((node: { state: string }) => node.state === 'connected'));
    const commandLine = await readFile(`/proc/${ready.nodes[0]?.pid}/cmdline`, 'utf8').catch(() => '');
    assert.ok(!commandLine.includes('fog_node_'), 'no token on a command line');
  });

  test('a second one on the same folder, a taken port, an unusable folder: one sentence each', async () => {
    const sentences = /^fog: [^\n]+\n( {2}hint: [^\n]+\n)?$/;
    const refused = (...args: string[]) => fog(['up', '--nodes', '0', ...args]);
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await writeFile(join(folder, 'a-file'), '');
    const [second, taken, unusable] = await Promise.all([
      refused('--data', join(folder, 'data'), '--listen', '127.0.0.1:0'),
      refused('--data', join(folder, 'other'), '--listen', `127.0.0.1:${port}`),
      refused('--data', join(folder, 'a-file', 'x'), '--listen', '127.0.0.1:0'),
    ]);
    server.close();
    for (const { code, stderr } of [second, taken, unusable]) {
      assert.equal(code, 2, 'its user can mend that');
      assert.match(stderr, sentences);
    }
    assert.match(second.stderr, /is in use by the fog at http:\/\/127\.0\.0\.1:\d+ \(process \d+\)/);
    assert.match(taken.stderr, new RegExp(String(port)));
    assert.match(unusable.stderr, /a-file/);
  });
});

describe('commands', () => {
  test('fog run waits, prints a small result, and exits 0', async () => {
    const { code, stdout, stderr } = await inFog(['run', 'main.js', '3', 'x']);
    assert.deepEqual([code, stdout], [0, '{"args":["3","x"]}\n'], stderr);
  });

  test('a failed job: the code of the failed task, why, and where to look', async () => {
    const { code, stderr } = await inFog(['run', 'fail.yaml']);
    assert.equal(code, 1);
    assert.match(stderr, /task 0: script-error: .*asked to/);
    assert.match(stderr, /fog job get j/);
    const document = JSON.parse((await inFog(['run', 'fail.yaml', '--json'])).stdout);
    assert.deepEqual([document.exitCode, document.failedTask.partition], [1, 0]);
  });

  test('detached: the id; then get, logs, events, outputs, wait, rerun', async () => {
    const id = (await inFog(['run', 'good.yaml', '--detach'])).stdout.trim();
    assert.match(id, /^j[0-9a-z]{18}$/);
    assert.equal((await inFog(['job', 'wait', id])).code, 0);
    const { job, tasks } = await json(['job', 'get', id]);
    assert.deepEqual([job.state, tasks.length, tasks[0].attempts[0].state], ['completed', 3, 'valid']);
    assert.match((await inFog(['job', 'get', id])).stdout, /TASK +STATE +ATTEMPT +NODE/);
    const logs = (await inFog(['job', 'logs', id])).stdout.trim().split('\n').sort();
    assert.deepEqual(logs, ['[0] task 0 a', '[1] task 1 a', '[2] task 2 a']);
    const followed = (await inFog(['job', 'logs', '-f', id, '--json'])).stdout.trim().split('\n');
    assert.equal(followed.map((line) => JSON.parse(line)).length, 3);
    assert.match((await inFog(['job', 'events', id])).stdout, /job\.submitted.*[\s\S]*job\.completed/);
    const { files } = await json(['job', 'outputs', id, '--to', 'out']);
    assert.equal(files.length, 3);
    assert.equal(await readFile(join(folder, 'out', '2', 'result'), 'utf8'), '{"args":["a"]}');
    const { waiting, placed, plan } = await json(['job', 'why', id, '--task', '2']);
    assert.deepEqual([waiting, placed.suitable, plan.nodes.length], [null, 2, 2]);
    assert.match(placed.message, /^of 2 connected nodes that suited, .*\(balanced\); reputation 1$/);
    const again = (await inFog(['job', 'rerun', id])).stdout.trim();
    assert.notEqual(again, id);
    assert.equal((await inFog(['job', 'wait', again])).code, 0);
    const list = await json(['job', 'ls']);
    assert.ok(list.items.some((item: { id: string }) => item.id === again));
  });

  test('plan and get tell why nothing runs; cancel is 130, a wait that is too long 124', async () => {
    assert.match((await inFog(['plan', 'good.yaml'])).stdout, /2 of 2 nodes can run its 3 tasks/);
    const nowhere = await inFog(['plan', 'nowhere.yaml']);
    assert.equal(nowhere.code, 1);
    assert.match(nowhere.stdout, /os == plan9: excludes 2 nodes/);
    const id = (await inFog(['job', 'run', 'nowhere.yaml', '-d'])).stdout.trim();
    assert.match((await inFog(['job', 'get', id])).stdout, /waits for a node[\s\S]*os == plan9: excludes 2 nodes/);
    const why = 'no node can run it; os == plan9: excludes 2 of 2';
    assert.ok((await inFog(['job', 'get', id])).stdout.includes(`Task 0: ${why}.`), 'the same as job why');
    const waited = await inFog(['run', 'nowhere.yaml', '--timeout', '4s']);
    assert.equal(waited.code, 124);
    assert.equal(waited.stderr.split(`waits: ${why}; fog job why j`).length, 2, 'once');
    assert.match(
      (await inFog(['job', 'why', id])).stdout,
      /why it waits +no node can run it; os == plan9: excludes 2 of 2/,
    );
    assert.equal((await inFog(['job', 'wait', id, '--timeout', '100ms'])).code, 124);
    assert.equal((await inFog(['job', 'cancel', id])).code, 0);
    assert.equal((await inFog(['job', 'wait', id])).code, 130);
    assert.equal((await inFog(['job', 'suspend', id])).code, 2, 'it has ended');
    assert.equal((await inFog(['job', 'get', 'j000000000000000000'])).code, 2);
    for (const command of ['outputs', 'logs', 'events', 'top', 'why']) {
      const { code, stderr } = await inFog(['job', command, id, '--task', '9']);
      assert.deepEqual([code, /has no task 9/.test(stderr)], [2, true], command);
    }
    assert.match((await inFog(['status'])).stdout, /nodes +2 connected[\s\S]*database +sqlite/);
  });

  test('the trade-offs of a job: a table, a picture, and the newest again', async () => {
    const jobs = (await json(['job', 'ls'])).items.length;
    const none = await inFog(['plan', '--front']);
    assert.deepEqual([none.code, /keeps no front 0/.test(none.stderr)], [2, true], none.stderr);
    const svg = ['--svg', 'front.svg', '--axes', 'completionTime,cost'];
    const front = await json(['plan', 'choice.yaml', '--front', '--time', '300ms', ...svg]);
    assert.deepEqual([front.tasks, front.objectives], [2, ['completionTime', 'cost']]);
    const picked = front.points[front.picked];
    assert.equal(picked.values.length, 2);
    assert.equal(
      picked.nodes.reduce((sum: number, { tasks }: { tasks: number }) => sum + tasks, 0),
      2,
    );
    assert.ok(picked.nodes.every(({ id }: { id: string }) => ready.nodes.some((node) => node.id === id)));
    assert.match(await readFile(join(folder, 'front.svg'), 'utf8'), /^<svg [\s\S]*completion[\s\S]*<\/svg>\n?$/);
    assert.deepEqual(await json(['plan', '--front']), front);
    const shown = (await inFog(['plan', '--front'])).stdout;
    assert.match(shown, /^\d+ placements? of 2 tasks; \* is what the weights pick:\n +COMPLETION +COST, MICRO-FOG/);
    assert.match(shown, /\n\* +[\d.]+(ms|s|m) /);
    const much = await readFile(join(folder, 'choice.yaml'), 'utf8');
    await writeFile(join(folder, 'much.yaml'), much.replace(/count: \d+/, 'count: 500'));
    const part = await inFog(['plan', 'much.yaml', '--front', '--time', '100ms']);
    assert.match(part.stderr, /\d+ other tasks of the job would wait: there is no room for more now/);
    const nowhere = await inFog(['plan', 'nowhere.yaml', '--front', '--time', '100ms']);
    assert.deepEqual([nowhere.code, /no connected node can take any/.test(nowhere.stderr)], [125, true]);
    const axes = await inFog(['plan', 'choice.yaml', '--front', '--axes', 'cost,beauty']);
    assert.deepEqual([axes.code, /"cost,beauty" does not name two objectives/.test(axes.stderr)], [2, true]);
    assert.equal((await json(['job', 'ls'])).items.length, jobs, 'nothing was submitted');
  });

  test('Ctrl-C on fog run cancels the job and exits 130', async () => {
    const child = spawn(process.execPath, [BIN, 'run', join(folder, 'endless.js')], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, FOG_DATA: join(folder, 'data') },
    });
    const [line] = await once(child.stderr, 'data');
    const id = /job (\S+) submitted/.exec(String(line))?.[1] ?? assert.fail(String(line));
    child.kill('SIGINT');
    const [code] = await once(child, 'exit');
    assert.equal(code, 130);
    assert.equal((await json(['job', 'get', id])).job.state, 'cancelled');
  });

  test('blobs, secrets and tokens', async () => {
    await writeFile(join(folder, 'bytes.txt'), 'some bytes');
    const digest = (await inFog(['blob', 'put', 'bytes.txt'])).stdout.trim();
    assert.equal((await inFog(['blob', 'put', '-'], 'some bytes')).stdout.trim(), digest);
    assert.equal((await inFog(['blob', 'get', digest])).stdout, 'some bytes');
    assert.equal((await inFog(['blob', 'get', digest, '--to', 'copy.txt'])).code, 0);
    assert.equal(await readFile(join(folder, 'copy.txt'), 'utf8'), 'some bytes');
    assert.equal((await inFog(['blob', 'get', 'sha256:1'])).code, 2);

    assert.equal((await inFog(['secret', 'set', 'key'], 'hush\n')).code, 0);
    assert.deepEqual(
      (await json(['secret', 'ls'])).items.map((item: { name: string }) => item.name),
      ['key'],
    );
    assert.equal((await inFog(['secret', 'rm', 'key'])).code, 0);

    const create = ['token', 'create', '--scope', 'read', '--principal', 'alice', '--expires', '1h'];
    const token = (await inFog(create)).stdout.trim();
    const asAlice = (args: string[]) => fog(args, { environment: { FOG_URL: ready.url, FOG_TOKEN: token } });
    assert.equal((await asAlice(['node', 'ls'])).code, 0);
    const forbidden = await asAlice(['token', 'ls', '--json']);
    assert.deepEqual([forbidden.code, JSON.parse(forbidden.stderr).code], [2, 'forbidden']);
    const { items } = await json(['token', 'ls']);
    const { id } = items.find((item: { principal: string }) => item.principal === 'alice');
    assert.equal((await inFog(['token', 'revoke', id])).code, 0);
    assert.equal(JSON.parse((await asAlice(['node', 'ls', '--json'])).stderr).code, 'unauthenticated');
  });

  test('nodes: cordon, uncordon, and one that is drained stays away', async () => {
    assert.equal((await inFog(['node', 'cordon', 'node-2'])).code, 0);
    assert.match((await inFog(['node', 'ls'])).stdout, /node-2 +connected, cordoned/);
    assert.equal((await inFog(['node', 'uncordon', 'node-2'])).code, 0);
    assert.match((await inFog(['node', 'get', 'node-2'])).stdout, /runtime|javascript/);
    assert.match((await inFog(['node', 'get', 'node-2'])).stdout, /standing +trusted/, 'the nodes of fog up are');
    assert.equal((await inFog(['node', 'untrust', 'node-2'])).code, 0);
    assert.match((await inFog(['node', 'get', 'node-2'])).stdout, /standing +-/);
    assert.equal((await inFog(['node', 'trust', 'node-2'])).code, 0);
    assert.equal((await inFog(['node', 'get', 'node-9'])).code, 2);
    const { pid } = ready.nodes.find((node) => node.name === 'node-2') ?? assert.fail();
    assert.equal((await inFog(['node', 'drain', 'node-2', '--deadline', '5s'])).code, 0);
    await until(() => !isAlive(pid));
    await until(() => running.stderr().includes('node-2: was drained'));
    const back = await inFog(['node', 'uncordon', 'node-2']);
    assert.match(back.stderr, /^node node-2 was drained: it comes back with the next "fog up"/);
  });
});

describe('fog node join', () => {
  test('another node joins with a token file and is drained by SIGTERM', async () => {
    const tokenFile = join(folder, 'token.txt');
    await writeFile(tokenFile, (await inFog(['token', 'create', '--scope', 'node', '--principal', 'bob'])).stdout);
    const args = ['node', 'join', ready.url, '--token-file', tokenFile, '--data', join(folder, 'attic')];
    const child = spawn(process.execPath, [BIN, ...args, '--name', 'attic', '--label', 'room=attic', '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(child.stdout, 'data');
    assert.equal(JSON.parse(String(line)).name, 'attic');
    const node = await json(['node', 'get', 'attic']);
    assert.deepEqual([node.owner, node.description.labels.room], ['bob', 'attic']);
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    assert.equal((await inFog(['node', 'rm', 'attic'])).code, 0);
    assert.equal((await inFog(['node', 'get', 'attic'])).code, 2);
  });

  test('a node that is refused is told so once', async () => {
    const created = await json(['token', 'create', '--scope', 'node', '--principal', 'eve']);
    assert.equal((await inFog(['token', 'revoke', created.id])).code, 0);
    const args = ['node', 'join', ready.url, '--token', created.token, '--data', join(folder, 'eve')];
    const { code, stderr } = await inFog(args);
    assert.equal(code, 2);
    assert.match(stderr, /^fog: [^\n]+\n( {2}hint: [^\n]+\n)?$/);
  });

  test('what cannot be a token is refused with a sentence', async () => {
    const { code, stderr } = await inFog(['node', 'join', ready.url, '--token', 'x', '--data', join(folder, 'y')]);
    assert.equal(code, 2);
    assert.match(stderr, /^fog: this is not a fog token\n/);
  });
});

describe('the end of a fog', () => {
  test('a node that is killed comes back', async () => {
    const first = ready.nodes.find((node) => node.name === 'node-1') ?? assert.fail();
    process.kill(first.pid, 'SIGKILL');
    await until(() => running.stderr().includes('node-1: ended (SIGKILL)'));
    await until(async () => {
      const { items } = await json(['node', 'ls']);
      const node = items.find((item: { name: string }) => item.name === 'node-1');
      return node.state === 'connected' && node.id === first.id;
    });
  });

  test('Ctrl-C stops everything within 5 s and leaves no address behind', async () => {
    const startedAt = performance.now();
    running.process.kill('SIGINT');
    assert.equal(await running.exit, 0);
    assert.ok(performance.now() - startedAt < 5000);
    assert.equal(existsSync(join(folder, 'data', 'endpoint.json')), false);
    const gone = await inFog(['node', 'ls']);
    assert.equal(gone.code, 125);
    assert.match(gone.stderr, /no fog is running/);
  });

  test('what was submitted is there at the next start; nodes end when their parent is killed', async () => {
    // Under an older Node there is one more process between; it is the one that is killed.
    const next = up((await findOlderNode()) ?? process.execPath, join(folder, 'data'), '--nodes', '1');
    const { nodes } = await next.ready;
    assert.deepEqual([nodes.length, nodes[0]?.id], [1, ready.nodes.find((node) => node.name === 'node-1')?.id]);
    assert.ok((await json(['job', 'ls'])).items.length > 5);
    const tokens = (await json(['token', 'ls'])).items.filter(
      (item: { scope: string; principal: string }) => item.scope === 'node' && item.principal === 'admin',
    );
    assert.equal(tokens.length, 1, 'the join token is used again');
    next.process.kill('SIGKILL');
    await next.exit;
    await until(() => nodes.every((node) => !isAlive(node.pid)));
  });
});
