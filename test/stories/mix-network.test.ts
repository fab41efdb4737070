/** The mix network as a user meets it: start one, send through it, look at it, check its lottery, stop it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fog, ROOT, temporaryFolder } from '../support/fog-process.ts';

const FOG = join(ROOT, 'packages/cli/bin/fog.js');

interface MixProcess {
  /** The line of JSON that it prints when it is ready. */
  ready: Record<string, unknown>;
  interrupt(): Promise<number | null>;
}

const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill('SIGKILL');
});

async function startMix(data: string, ...args: string[]): Promise<MixProcess> {
  const child: ChildProcess = spawn(process.execPath, [FOG, 'mix', ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, FOG_DATA: data },
  });
  children.push(child);
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let errors = '';
  child.stderr?.on('data', (chunk) => {
    errors += chunk;
  });
  const line = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n')) resolve(text);
    });
    void ended.then((code) => reject(new Error(`fog mix ${args[0]} ended with ${code}: ${errors}`)));
  });
  return {
    ready: JSON.parse(line),
    interrupt() {
      child.kill('SIGINT');
      return ended;
    },
  };
}

interface PingLine {
  roundTripMilliseconds: number;
  hopTimes: string;
  hops: { way: string; role: string; layer: number | null; drawnMilliseconds: number; measuredMilliseconds: number }[];
}

test('a network comes up, carries pings, shows each hop, proves its lottery, and stops', async () => {
  const data = temporaryFolder('mix');
  const running = await startMix(data, 'up');
  const folder = join(data, 'mix-test');
  assert.equal(running.ready.anonymity, 'none', 'it says what it is');
  assert.equal(running.ready.genesis, join(folder, 'genesis.json'));
  assert.equal(statSync(join(folder, 'genesis.json')).mode & 0o777, 0o644);
  assert.equal(statSync(join(folder, 'control.sock')).mode & 0o777, 0o600);

  const pinged = await fog(data, 'mix', 'ping', '--count', '2', '--json');
  assert.equal(pinged.code, 0, pinged.stderr);
  const pings = pinged.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as PingLine);
  assert.equal(pings.length, 2);
  for (const { hops, roundTripMilliseconds } of pings) {
    const way = hops.map(({ way, role, layer }) => `${way} ${role}${layer === null ? '' : ` ${layer}`}`);
    const mixes = (direction: string) => [1, 2, 3].map((layer) => `${direction} mix ${layer}`);
    assert.deepEqual(way, ['there gateway', ...mixes('there'), 'there service', ...mixes('back'), 'back gateway']);
    for (const { drawnMilliseconds, measuredMilliseconds } of hops) {
      assert.ok(measuredMilliseconds >= drawnMilliseconds - 1, `${measuredMilliseconds} of ${drawnMilliseconds}`);
    }
    const sum = hops.reduce((total, { measuredMilliseconds }) => total + measuredMilliseconds, 0);
    assert.ok(sum <= roundTripMilliseconds, `${sum} ms at the hops of ${roundTripMilliseconds} ms`);
  }
  const impossible = await fog(data, 'mix', 'ping', '--level', 'secret');
  assert.equal(impossible.code, 2);
  assert.match(impossible.stderr, /this network has 3 layers of mixes, and the level "secret" needs 5/);

  const lottery = await fog(data, 'mix', 'verify-lottery', '--json');
  assert.equal(lottery.code, 0, lottery.stderr);
  const verdict = JSON.parse(lottery.stdout) as { valid: boolean; seats: { layer: number }[]; endorsedBy: string[] };
  assert.ok(verdict.valid && verdict.endorsedBy.length >= 2);
  assert.deepEqual(verdict.seats.map(({ layer }) => layer).toSorted(), [1, 2, 3]);
  const later = await fog(data, 'mix', 'verify-lottery', '--epoch', '7');
  assert.deepEqual([later.code, /no authority has a consensus of epoch 7/.test(later.stderr)], [2, true]);

  const second = await fog(data, 'mix', 'up');
  assert.equal(second.code, 2);
  assert.match(second.stderr, /a test network runs in .* already \(process \d+\)/);
  const status = await fog(data, 'mix', 'status');
  assert.match(status.stdout, /test network: it gives no anonymity/);
  assert.match(status.stdout, /mix in layer 3 +[0-9a-f]{12} +\d+ +2\/2 +ok/);

  assert.equal(await running.interrupt(), 0);
  assert.equal((await fog(data, 'mix', 'status')).code, 125);
});

test('a network of programs: authorities, relays and a client that share nothing but the genesis', async () => {
  const data = temporaryFolder('mix-programs');
  const port = await freePort();
  const key = (await fog(data, 'mix', 'authority', '--public-key')).stdout.trim();
  const made = await fog(
    data,
    ...['mix', 'genesis', '--test', '--name', 'programs', '--authority', `one=${key}@http://127.0.0.1:${port}`],
    ...['--layers', '1', '--starts-in', '20s', '--first-round', '5s'],
  );
  assert.equal(made.code, 0, made.stderr);
  const genesis = join(data, 'network.json');
  writeFileSync(genesis, made.stdout);
  const relay = (role: string) =>
    startMix(
      data,
      ...['node', '--genesis', genesis, '--role', role, '--operator', role, '--data', join(data, role)],
      ...['--metrics', '127.0.0.1:0'],
    );
  const started = await Promise.all([
    startMix(data, 'authority', '--genesis', genesis, '--listen', `127.0.0.1:${port}`, '--metrics', '127.0.0.1:0'),
    ...['mix', 'gateway', 'service'].map(relay),
  ]);
  const [authority, mix] = started;
  const pinged = await fog(data, 'mix', 'ping', '--genesis', genesis, '--count', '1', '--json');
  assert.equal(pinged.code, 0, pinged.stderr);
  const ping = JSON.parse(pinged.stdout) as PingLine;
  assert.match(ping.hopTimes, /no test network runs here/, 'nothing is invented where nobody kept times');
  assert.deepEqual(new Set(ping.hops.map(({ measuredMilliseconds }) => measuredMilliseconds)), new Set([null]));
  const scraped = await (await fetch(String(mix?.ready.metrics))).text();
  assert.match(scraped, /^fog_mix_in_consensus 1$/m);
  assert.match(scraped, /^fog_mix_drops_total\{cause="bad-mac"\} 0$/m);
  const told = await (await fetch(String(authority?.ready.metrics))).text();
  assert.match(told, /^fog_mix_authority_consensus_epoch 0$/m);
  for (const running of started) assert.equal(await running.interrupt(), 0);
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : assert.fail('no port');
}
