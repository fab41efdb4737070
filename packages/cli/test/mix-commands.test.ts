/** `fog mix`: what is refused before anything starts, and how results look. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createGenesis, ed25519PublicKey, ed25519Signer, type Genesis, networkIdOf, signDocument } from '@fog/betanet';
import pc from 'picocolors';
import type { AnonymityReport } from '../src/mix/anonymity-report.ts';
import { pingOnce } from '../src/mix/ping.ts';
import { pingSummaryText, pingText } from '../src/output/mix-ping-text.ts';
import { type CommandRun, fog } from './test-terminal.ts';

const KEYS = ['a', 'b', 'c'].map((letter) => letter.repeat(64));
const COLOURS = pc.createColors(false);

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fog-mix-cli-'));
});
after(() => rm(folder, { recursive: true, force: true }));

function genesis(change: Partial<Genesis> = {}): Genesis {
  const authorities = KEYS.map((publicKey, at) => ({ id: `a${at}`, publicKey, url: `http://127.0.0.1:${at + 1}` }));
  return createGenesis({ name: 'real', genesisMilliseconds: Date.now(), authorities, ...change });
}

describe('usage', () => {
  test('more layers than packets have hops are refused with the reason and the way out', async () => {
    const { code, stderr } = await fog(['mix', 'up', '--layers', '6', '--data', folder]);
    assert.equal(code, 2);
    assert.match(stderr, /^fog: 6 layers with gateway and service node are 8 hops, and the packets .* room for 7\n/);
    assert.match(stderr, /hint: give packets more room with --hops 8/);
    assert.equal((await fog(['mix', 'up', '--layers', '15', '--hops', '17', '--data', folder])).code, 2);
    assert.equal((await fog(['mix', 'up', '--layers', '0'])).code, 2);
  });

  test('metrics are for this machine unless it is said otherwise', async () => {
    const relay = ['mix', 'node', '--role', 'mix', '--operator', 'me', '--genesis', join(folder, 'absent.json')];
    for (const address of ['0.0.0.0:9464', '[::]:9464', '127.example.org:9464', '192.0.2.7:9464']) {
      const { code, stderr } = await fog([...relay, '--metrics', address]);
      assert.equal(code, 2);
      assert.match(stderr, /would tell whoever gets there exact counts at any time\n {2}hint: .*--expose-metrics/);
    }
    const allowed = [['127.0.0.1:0'], ['[::1]:0'], ['localhost:0'], ['0.0.0.0:0', '--expose-metrics']];
    for (const given of allowed) {
      const { stderr } = await fog([...relay, '--metrics', ...given]);
      assert.match(stderr, /absent\.json/, given.join(' '));
    }
    const authority = ['mix', 'authority', '--genesis', join(folder, 'absent.json'), '--data', join(folder, 'one')];
    assert.match((await fog([...authority, '--metrics', '0.0.0.0:0'])).stderr, /--expose-metrics/);
  });

  test('without a network each command says what to do', async () => {
    for (const command of ['ping', 'verify-lottery']) {
      const { code, stderr } = await fog(['mix', command, '--data', folder]);
      assert.equal(code, 2, command);
      assert.match(
        stderr,
        /no test network has been started: there is no file .*\n {2}hint: start one with "fog mix up"/,
      );
    }
    const status = await fog(['mix', 'status', '--data', folder]);
    assert.deepEqual([status.code, /start one with "fog mix up"/.test(status.stderr)], [125, true]);
    assert.equal((await fog(['mix', 'authority', '--data', join(folder, 'authority')])).code, 2);
    const file = join(folder, 'broken.json');
    await writeFile(file, '{');
    assert.match((await fog(['mix', 'ping', '--genesis', file])).stderr, /broken\.json is not JSON/);
    await writeFile(file, '{}');
    const faults = await fog(['mix', 'ping', '--genesis', file]);
    assert.deepEqual([faults.code, /the genesis of the network has faults/.test(faults.stderr)], [2, true]);
  });

  test('a level that the network has no layers for is refused, never lowered', async () => {
    const file = join(folder, 'two.json');
    await writeFile(file, JSON.stringify(genesis({ layers: 2 })));
    const { code, stderr } = await fog(['mix', 'ping', '--genesis', file, '--level', 'confidential']);
    assert.deepEqual([code, /has 2 layers of mixes, and the level "confidential" needs 3/.test(stderr)], [2, true]);
  });

  test('a relay that nobody could reach, and authorities that are none, are refused', async () => {
    const file = join(folder, 'real.json');
    await writeFile(file, JSON.stringify(genesis()));
    const node = ['mix', 'node', '--genesis', file, '--role', 'mix', '--operator', 'x', '--data', join(folder, 'node')];
    const unreachable = await fog([...node, '--listen', '0.0.0.0:0']);
    assert.deepEqual([unreachable.code, /with --address host:port/.test(unreachable.stderr)], [2, true]);
    const named = await fog([...node, '--address', 'mix.example.org:4000']);
    assert.deepEqual([named.code, /mix\.example\.org is no IP address/.test(named.stderr)], [2, true]);
    const long = await fog([...node, '--address', '192.0.2.7:4000', '--address', '[2A00:0::1]:4000']);
    assert.deepEqual([long.code, /2A00:0::1 is no IP address in its shortest/.test(long.stderr)], [2, true]);
    const nobodys = await fog(['mix', 'node', '--genesis', file, '--role', 'mix', '--data', join(folder, 'node')]);
    assert.deepEqual([nobodys.code, /--operator or by --operator-key/.test(nobodys.stderr)], [2, true]);
    const own = ['mix', 'authority', '--data', join(folder, 'authority')];
    const { stdout: key } = await fog([...own, '--public-key']);
    assert.match(key, /^[0-9a-f]{64}\n$/);
    assert.equal((await fog([...own, '--public-key'])).stdout, key, 'it is kept');
    const stranger = await fog([...own, '--genesis', file]);
    assert.deepEqual([stranger.code, /names no authority with the key/.test(stranger.stderr)], [2, true]);
    const wrong = await fog(['mix', 'genesis', '--name', 'x', '--authority', 'one']);
    assert.deepEqual([wrong.code, /write NAME=PUBLIC_KEY@URL/.test(wrong.stderr)], [2, true]);
    const one = ['--authority', `one=${KEYS[0]}@http://one.example:1`];
    const single = await fog(['mix', 'genesis', '--name', 'x', ...one]);
    assert.deepEqual([single.code, /must be three or more/.test(single.stderr)], [2, true]);
    const test = await fog(['mix', 'genesis', '--name', 'x', '--test', ...one]);
    assert.equal(JSON.parse(test.stdout).epochMilliseconds, 1_200_000);
  });

  test('the benchmark measures what it is asked for, and a real network keeps no times', async () => {
    const { code, stdout } = await fog(['mix', 'bench', '--backend', 'typescript', '--json']);
    assert.equal(code, 0);
    const { backend, tiers } = JSON.parse(stdout) as { backend: string; tiers: { unwrapsPerSecond: number }[] };
    assert.deepEqual([backend, tiers.length], ['typescript', 1]);
    assert.ok((tiers[0]?.unwrapsPerSecond ?? 0) > 1);
    assert.match((await fog(['mix', 'ping', '--help'])).stdout, /On other networks nobody knows that/);
  });
});

describe('simulate', () => {
  const quick = ['mix', 'simulate', '--duration', '20s', '--users', '30', '--attacks', '5'];

  test('a seed repeats every byte, another gives others', async () => {
    const first = await fog([...quick, '--json']);
    assert.equal(first.code, 0, first.stderr);
    assert.equal((await fog([...quick, '--json'])).stdout, first.stdout);
    assert.notEqual((await fog([...quick, '--json', '--seed', '2'])).stdout, first.stdout);
    const { runs, loopix } = JSON.parse(first.stdout) as { runs: AnonymityReport[]; loopix: object };
    assert.equal(Object.hasOwn(loopix, 'latencyMeanMilliseconds'), true);
    const [run] = runs;
    assert.ok(run && runs.length === 1);
    const { network, alarm, client, effectiveSenders, rateTimesDelay } = run;
    assert.deepEqual([network.options.clients, network.options.delay.capMilliseconds], [30, 1000]);
    assert.ok(network.latencyMilliseconds.count > 100);
    assert.ok(effectiveSenders.least <= effectiveSenders.mean && effectiveSenders.mean <= 30);
    assert.equal(alarm.alarmMilliseconds.count, 5);
    assert.equal(rateTimesDelay, 0.1);
    assert.ok(Math.abs(client.bytesPerHour / (2 * 3600 * client.packetBytes) - 1) < 0.1, 'two packets a second');
    assert.ok(Math.abs(client.coverShare - 0.75) < 0.1, 'half of the payload slots stay empty');
  });

  test('a table for people: every figure with what it is, and what was published beside it', async () => {
    const { code, stdout } = await fog([...quick, '--attack']);
    assert.equal(code, 0);
    assert.match(stdout, /^network +30 users, 2 gateways, 3 layers of 2 mixes\n/);
    for (const row of ['drawn delays', 'achieved', 'bits', 'equally likely senders', 'degraded', 'alarm', 'delays:']) {
      assert.match(stdout, new RegExp(`\n${row} .*\\d`), row);
    }
    assert.match(stdout, /falsely: degraded \d+ times and alarm \d+ times in 0\.4 hours/);
    assert.match(stdout, /in the network above: degraded .*; \d+ messages were kept back/);
    const untried = await fog([...quick, '--attack', '--attacks', '0', '--duration', '60s']);
    assert.match(untried.stdout, /no trials were asked for\nin the network above: degraded after [\d.]+ s/);
    assert.match(stdout, /latency, mean +\d+ ms +1930 ms +section 5/);
  });

  test('lists are swept, a row for each combination; what nothing is known of is a dash', async () => {
    const short = ['mix', 'simulate', '--duration', '5s', '--attacks', '0'];
    const { stdout, stderr } = await fog([...short, '--mean-delay', '10,50', '--users', '10,20', '--messages', '0']);
    const rows = stdout.split('\n').filter((line) => /^\d/.test(line));
    assert.deepEqual(
      rows.map((row) => row.split(/ {2,}/).slice(0, 2).join(' ')),
      ['10 10 ms', '10 50 ms', '20 10 ms', '20 50 ms'],
    );
    assert.ok(rows.every((row) => / - +- {2}/.test(row)));
    assert.match(stderr, /simulating 4 of 4/);
  });

  test('what is too much, or no number, is refused before anything runs', async () => {
    const fault = async (...flags: string[]) => {
      const { code, stderr, stdout } = await fog(['mix', 'simulate', ...flags]);
      assert.deepEqual([code, stdout], [2, ''], flags.join(' '));
      return stderr;
    };
    assert.match(await fault('--users', '1e3'), /"1e3" is not a number from 0/);
    assert.match(
      await fault('--users', '3000'),
      /number of clients is 3000, and must be a whole number from 2 to 2000/,
    );
    assert.match(await fault('--users', '2000', '--duration', '10m'), /would have \d+ steps, .*\n {2}hint: lower/);
    assert.match(await fault('--users', '2,3,4,5,6,7', '--payload', '1,2,3,4,5,6'), /these are 36 runs, and 32 is the/);
    assert.match(await fault('--node-loops', '0'), /without loops of nodes nobody notices an attack/);
    assert.match(await fault('--loss', '2'), /share of loops that get lost is 2/);
    assert.match(await fault('--mean-delay', '99999999'), /cap of delays/);
  });
});

describe('a relay that cannot go on ends the command with the reason', () => {
  const secretKey = new Uint8Array(32).fill(7);

  /** Of one authority, which answers nothing but its time. */
  async function runNode(aheadMilliseconds: number, name: string): Promise<CommandRun> {
    let network = '';
    const authority = createServer((incoming, response) => {
      const nonce = new URL(incoming.url ?? '', 'http://a').searchParams.get('nonce');
      const clock = { kind: 'clock', network, authority: 'a', nonce, milliseconds: Date.now() + aheadMilliseconds };
      const signed = signDocument(clock, ed25519Signer(secretKey));
      response.writeHead(nonce === null ? 404 : 200).end(JSON.stringify(signed));
    });
    await new Promise<void>((resolve) => authority.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(authority.address() as AddressInfo).port}`;
    const file = join(folder, `${name}.json`);
    const test = { test: true, epochMilliseconds: 1000, genesisMilliseconds: Date.now() - 60_000 };
    const made = genesis({ ...test, authorities: [{ id: 'a', publicKey: ed25519PublicKey(secretKey), url }] });
    network = networkIdOf(made);
    await writeFile(file, JSON.stringify(made));
    const options = ['--genesis', file, '--role', 'service', '--operator', 'x', '--data', join(folder, name)];
    const run = await fog(['mix', 'node', ...options]);
    authority.closeAllConnections();
    authority.close();
    return run;
  }

  test('when its clock is wrong', async () => {
    const { code, stdout, stderr } = await runNode(120_000, 'late');
    assert.equal(code, 2);
    assert.match(stdout, /^service [0-9a-f]{12} listens at/);
    assert.match(
      stderr,
      /^fog: this clock is 120 s behind those of the directory's authorities\n {2}hint: set the clock/m,
    );
  });

  test('when the folder of its keys is gone', async () => {
    const keys = join(folder, 'robbed', 'keys');
    const robbed = setInterval(() => {
      if (existsSync(keys) && readdirSync(keys).length >= 10) rmSync(keys, { recursive: true });
    }, 20);
    const { code, stderr } = await runNode(0, 'robbed');
    clearInterval(robbed);
    assert.equal(code, 2);
    assert.match(stderr, /^fog: keys cannot be written or deleted: ENOENT/m);
  });
});

const JOURNEY = {
  there: [
    [{ node: 'aa', delayMilliseconds: 5, hash: 'lost' }],
    [
      { node: 'aa', delayMilliseconds: 5, hash: 'h0' },
      { node: 'bb', delayMilliseconds: 0, hash: 'h1' },
    ],
  ],
  back: [{ node: 'cc', delayMilliseconds: 0, hash: 'h2' }],
};

test('a ping joins what the client drew with what the nodes measured; what is not known is not made up', async () => {
  const traced = async ({ bytes }: { bytes: Uint8Array }) => ({ bytes, journey: JOURNEY });
  const consensus = { body: { nodes: [{ id: 'bb', role: 'mix', layer: 2 }] } };
  const client = { traced, consensus } as unknown as Parameters<typeof pingOnce>[1]['client'];
  const times: Record<string, object> = {
    'aa h0': { arrivedAt: 100 },
    'aa h1': { leftAt: 106.5 },
    'bb h1': { arrivedAt: 107, leftAt: 108 },
    'cc h2': { arrivedAt: 110 },
  };
  const askTimes = async (question: readonly (readonly [string, string])[]) =>
    question.map(([node, hash]) => times[`${node} ${hash}`] ?? null);
  const ping = await pingOnce(1, { client, level: 'private', askTimes });
  assert.deepEqual(
    ping.hops.map(({ way, node, measuredMilliseconds }) => [way, node, measuredMilliseconds]),
    [
      ['there', 'aa', 6.5],
      ['there', 'bb', 1],
      ['back', 'cc', null],
    ],
    'of the packets of a message the one that arrived counts',
  );
  const text = pingText({ ...ping, roundTripMilliseconds: 50, waitMilliseconds: 1.25 }, COLOURS);
  assert.match(text, /^answer 1 {2}round trip 50\.0 ms\n/);
  assert.match(text, /there +mix in layer 2 +bb +0 ms +1\.0 ms/);
  assert.match(text, /back +node +cc +0 ms +unavailable/);
  const untimed = await pingOnce(2, { client, level: 'private', askTimes: null });
  assert.ok(untimed.hops.every(({ measuredMilliseconds }) => measuredMilliseconds === null));
  assert.equal(pingSummaryText([], 3), '0 of 3 answered');
});

test('an echo of other bytes is a failure', async () => {
  const traced = async () => ({ bytes: new Uint8Array(3), journey: null });
  const client = { traced, consensus: null } as unknown as Parameters<typeof pingOnce>[1]['client'];
  await assert.rejects(pingOnce(1, { client, level: 'private', askTimes: null }), /not what was sent/);
});
