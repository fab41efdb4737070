/** The forwarder as a program, beside this process; what a sandbox adds is tested with the process runtime. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { forwarderBinary } from '../../src/network/forwarder-binary.ts';
import { openSandboxNetwork, type SandboxNetwork } from '../../src/network/sandbox-network.ts';

const cache = await mkdtemp(join(tmpdir(), 'fog-forwarder-'));
const binary = await forwarderBinary(cache);
const isRequired = process.env.FOG_REQUIRE_BUBBLEWRAP === '1';
const skip = binary.available || isRequired ? false : binary.reason;
const forwarderPath = binary.available ? binary.path : '';

after(() => rm(cache, { recursive: true, force: true }));

describe('forwarder binary', { skip }, () => {
  it('is compiled once, under a name of its own, and cannot be written', async () => {
    assert.match(forwarderPath, new RegExp(`/forwarder-[0-9a-f]{16}-${process.arch}$`));
    assert.equal((await stat(forwarderPath)).mode & 0o777, 0o555);
    const before = (await stat(forwarderPath)).ino;
    const again = await Promise.all([forwarderBinary(cache), forwarderBinary(cache)]);
    assert.deepEqual(again, [binary, binary]);
    assert.equal((await stat(forwarderPath)).ino, before);
    assert.equal((await readdir(cache)).length, 1);
  });

  it('says what is missing where there is no compiler, or one that fails', async () => {
    const folder = await mkdtemp(join(cache, 'none-'));
    const missing = await forwarderBinary(folder, ['no-such-compiler']);
    assert.ok(!missing.available && /no C compiler/.test(missing.reason) && /apt install/.test(missing.hint));
    const failing = await forwarderBinary(folder, ['false']);
    assert.ok(!failing.available && /does not compile/.test(failing.reason));
    assert.deepEqual(await readdir(folder), []);
    await rm(folder, { recursive: true });
  });
});

describe('forwarder', { skip }, () => {
  let folder = '';
  let network: SandboxNetwork;
  let port = 0;
  const children: ChildProcess[] = [];
  const echo = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  const echoPort = () => (echo.address() as AddressInfo).port;

  before(async () => {
    await once(echo.listen(0, '127.0.0.1'), 'listening');
    folder = await mkdtemp(join(tmpdir(), 'fog-net-'));
    port = await freePort();
    network = await openNetwork();
  });
  after(async () => {
    await network.close();
    echo.close();
    await rm(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });

  function openNetwork(): Promise<SandboxNetwork> {
    const policy = { allow: [`127.0.0.1:${echoPort()}`], inbound: true };
    return openSandboxNetwork({ directory: join(folder, 'net'), policy, forwarderPath });
  }

  function start(command: string[] = [], socketPath = join(network.hostDirectory, 'agent.sock')): ChildProcess {
    const args = ['--socket', socketPath, '--port', String(port)];
    const child = spawn(forwarderPath, [...args, ...(command.length > 0 ? ['--', ...command] : [])], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    return child;
  }

  async function exchange(socket: Socket | Awaited<ReturnType<SandboxNetwork['connect']>>, bytes: Uint8Array) {
    const hash = createHash('sha256');
    const end = once(socket, 'end');
    let received = 0;
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
      hash.update(chunk);
    });
    socket.end(bytes);
    await end;
    return { received, digest: hash.digest('hex') };
  }

  it('opens ports for the agent: large transfers, half-closed, many at a time', async () => {
    start();
    const bytes = randomBytes(3_000_000);
    const digest = createHash('sha256').update(bytes).digest('hex');
    const results = await Promise.all(
      Array.from({ length: 20 }, async () => exchange(await network.connect(echoPort()), bytes)),
    );
    for (const result of results) assert.deepEqual(result, { received: bytes.length, digest });
    assert.ok(network.usage().receivedBytes >= 20 * bytes.length && network.usage().sentBytes >= 20 * bytes.length);
  });

  it('rejects with unavailable where nobody listens', async () => {
    start();
    await assert.rejects(network.connect(1), { code: 'unavailable' });
    await assert.rejects(network.connect(0), { code: 'unavailable' });
  });

  it('refuses more connections than it has room for, and goes on', async () => {
    start();
    const opened = await Promise.allSettled(Array.from({ length: 60 }, () => network.connect(echoPort())));
    const second = await Promise.allSettled(Array.from({ length: 60 }, () => network.connect(echoPort())));
    const third = await Promise.allSettled(Array.from({ length: 20 }, () => network.connect(echoPort())));
    const all = [...opened, ...second, ...third].flatMap((result) =>
      result.status === 'fulfilled' ? [result.value] : [],
    );
    assert.equal(all.length, 128);
    for (const socket of all) socket.destroy();
    await sleep(50);
    assert.equal((await exchange(await network.connect(echoPort()), Buffer.from('still'))).received, 5);
  });

  it('relays to the proxy of the agent', async () => {
    start();
    await network.exec(['true'], 1000);
    const socket = connect(port, '127.0.0.1');
    socket.write(`CONNECT 127.0.0.1:${echoPort()} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const [head] = (await once(socket, 'data')) as [Buffer];
    assert.match(head.toString(), /^HTTP\/1\.1 200/);
    const bytes = randomBytes(1_000_000);
    assert.equal((await exchange(socket, bytes)).received, bytes.length);
    const refused = connect(port, '127.0.0.1');
    refused.end('CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.match(await text(refused), /^HTTP\/1\.1 403/);
  });

  it('runs commands: output, exit code, time limit, what cannot be run, what floods', async () => {
    start();
    const run = (script: string, milliseconds = 5000) => network.exec(['sh', '-c', script], milliseconds);
    assert.deepEqual(await run('echo out; echo err >&2; exit 7'), { exitCode: 7, output: 'out\nerr\n' });
    const begin = performance.now();
    assert.deepEqual(await run('echo begun; sleep 60 & sleep 60', 200), { exitCode: null, output: 'begun\n' });
    assert.ok(performance.now() - begin < 3000);
    assert.equal((await run('kill -9 $$')).exitCode, null);
    const flood = await run('yes | head -c 10000000');
    assert.deepEqual([flood.exitCode, flood.output.length], [0, 4096]);
    const missing = await network.exec(['/no/such'], 1000);
    assert.equal(missing.exitCode, 127);
    assert.match(missing.output, /\/no\/such: No such file/);
    await assert.rejects(network.exec([], 1000), { code: 'invalid-request' });
    const many = await Promise.allSettled(Array.from({ length: 8 }, () => run('sleep 0.1; echo x')));
    assert.ok(many.every((result) => result.status === 'fulfilled' && result.value.output === 'x\n'));
  });

  it('as a parent passes on the exit code and signals', async () => {
    const code = async (child: ChildProcess) => (await once(child, 'exit'))[0];
    assert.equal(await code(start(['sh', '-c', 'exit 42'])), 42);
    assert.equal(await code(start(['sh', '-c', 'kill -SEGV $$'])), 128 + 11);
    const child = start(['sh', '-c', 'trap "exit 9" TERM; echo ready; while :; do sleep 0.01; done']);
    await once(child.stdout ?? assert.fail(), 'data');
    child.kill('SIGTERM');
    assert.equal(await code(child), 9);
    assert.equal(network.startFailure(), null);
    assert.equal(await code(start(['/no/such/program'])), 127);
    for (let wait = 0; wait < 100 && network.startFailure() === null; wait += 1) await sleep(10);
    assert.equal(network.startFailure(), 2);
  });

  it('dials again after the agent has come back', async () => {
    start();
    assert.equal((await network.exec(['true'], 1000)).exitCode, 0);
    await network.close();
    await assert.rejects(network.connect(echoPort()), { code: 'unavailable' });
    network = await openNetwork();
    assert.equal((await exchange(await network.connect(echoPort()), Buffer.from('again'))).received, 5);
  });

  it('outlives an agent that sends any bytes', async () => {
    const path = join(folder, 'fuzz.sock');
    const waiting: ((socket: Socket) => void)[] = [];
    const agent: Server = createServer((socket) => {
      socket
        .on('error', () => {})
        .once('data', (chunk: Buffer) => {
          if (chunk[0] === 0x43) waiting.shift()?.(socket);
          else socket.destroy();
        });
    });
    await once(agent.listen(path), 'listening');
    chmodSync(path, 0o666);
    let next = new Promise<Socket>((resolve) => waiting.push(resolve));
    const child = start([], path);
    const frames = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => new Uint8Array([0x4f, ...bytes])),
      fc
        .uint8Array({ maxLength: 40 })
        .map((bytes) => new Uint8Array([0x52, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, bytes.length, ...bytes])),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(frames, { maxLength: 5 }), async (parts) => {
        const socket = await next;
        next = new Promise((resolve) => waiting.push(resolve));
        socket.end(Buffer.concat(parts));
        await next;
        assert.equal(child.exitCode, null);
        assert.equal(child.signalCode, null);
      }),
      { numRuns: 25 },
    );
    const socket = await next;
    socket.write(new Uint8Array([0x52, 0, 0, 0, 1, 0, 0, 0, 9, 0, 1, 0, 1]));
    await once(socket.resume(), 'close');
    agent.close();
    for (const one of waiting) void one;
    child.kill('SIGKILL');
  });

  it('ends connections of a sandbox that say nothing, or nonsense, and takes no more than its number', async () => {
    const path = join(network.hostDirectory, 'agent.sock');
    const nonsense = connect(path);
    nonsense.write('Q');
    await once(nonsense.resume(), 'close');
    const forged = connect(path);
    forged.write(Buffer.from([0x44, 1, 2, 3, 4, 0]));
    await once(forged.resume(), 'close');
    for (const begun of [[0x44], [0x44, 0, 0, 0, 1], [0x58], []]) {
      const half = connect(path);
      half.end(Buffer.from(begun));
      await once(half.resume(), 'close');
    }
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 12 }), async (bytes) => {
        const socket = connect(path);
        socket.on('error', () => {});
        socket.end(bytes);
        await once(socket.resume(), 'close');
      }),
      { numRuns: 100 },
    );
    start();
    assert.equal((await network.exec(['true'], 2000)).exitCode, 0);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
