/** Mistakes with money at the command line: each is a typed error, with --json too, and moves nothing. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { coordinatorSettingsSchema, type Wallet } from '@fog/contract';
import { type RunningCoordinator, startCoordinator } from '@fog/coordinator';
import { fog } from './test-terminal.ts';

const MOST = '340282366920938463463374607431768.211455';
const BEYOND = '340282366920938463463374607431768.211456';
const NOWHERE = '0'.repeat(64);

let folder: string;
let coordinator: RunningCoordinator;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fog-money-cli-'));
  const settings = coordinatorSettingsSchema.parse({ listen: '127.0.0.1:0', economy: 'on', faucet: 'off' });
  coordinator = await startCoordinator({ dataDirectory: join(folder, 'data'), settings });
});
after(async () => {
  await coordinator.close();
  await rm(folder, { recursive: true });
});

async function call(...args: string[]) {
  const place = args.indexOf('--');
  const run = await fog(args.toSpliced(place < 0 ? args.length : place, 0, '--json'), {
    environment: { FOG_URL: coordinator.url, FOG_TOKEN: coordinator.adminToken, XDG_CONFIG_HOME: folder },
  });
  return { ...run, problem: run.code === 0 ? null : (JSON.parse(run.stderr) as { code: string; detail: string }) };
}

test('amounts: nothing, less, too fine, no number, all there can be, and more', async () => {
  const refusals: [code: string, args: string[]][] = [
    ...['0', '-1', '1e9', '0.0000001', 'NaN', '', BEYOND].map((amount): [string, string[]] => [
      'invalid-request',
      ['wallet', 'send', 'bob', '--', amount],
    ]),
    ['insufficient-funds', ['wallet', 'send', 'bob', MOST]],
    ['invalid-request', ['stake', 'bond', '0']],
    ['invalid-request', ['stake', 'bond', BEYOND]],
    ['insufficient-funds', ['stake', 'bond', MOST]],
    ['invalid-request', ['dao', 'propose', 'grant', 'bob', '0']],
    ['invalid-request', ['dao', 'propose', 'grant', 'bob', BEYOND]],
  ];
  await assertRefused(refusals);
});

test('names: a wallet, a job, a validator, a slash and a proposal that there are not, or cannot be', async () => {
  await assertRefused([
    ['invalid-request', ['wallet', 'send', 'a b', '1']],
    ['not-found', ['wallet', 'job', 'j000000000000000000']],
    ['invalid-request', ['wallet', 'job', 'something']],
    ['not-found', ['stake', 'delegate', 'nobody', '10']],
    ['not-found', ['stake', 'appeal', 'j000000000000000000/0/1', '--reason', 'a']],
    ['not-found', ['dao', 'execute', NOWHERE]],
    ['not-found', ['dao', 'vote', NOWHERE, 'for']],
    ['invalid-request', ['dao', 'vote', NOWHERE, 'perhaps']],
    ['invalid-request', ['dao', 'show', 'zz']],
    ['invalid-request', ['dao', 'delegate', 'a b']],
  ]);
  const { stdout } = await call('wallet', '--principal', 'nobody');
  assert.deepEqual((JSON.parse(stdout) as Wallet).balances, [{ currency: 'fog', available: '0', inEscrow: '0' }]);
});

test('parameters: out of range, unknown, and no value', async () => {
  await assertRefused([
    ['invalid-request', ['dao', 'propose', 'parameter', 'feePpm', '200%']],
    ['invalid-request', ['dao', 'propose', 'parameter', 'feePpm', '--', '-1']],
    ['invalid-request', ['dao', 'propose', 'parameter', 'feePpm', 'much']],
    ['invalid-request', ['dao', 'propose', 'parameter', 'votingPeriodMilliseconds', '0s']],
    ['invalid-request', ['dao', 'propose', 'parameter', 'nothing', '1']],
    ['invalid-request', ['stake', 'commission', '101']],
  ]);
});

test('keys: the same one for something else', async () => {
  for (const args of [
    ['wallet', 'send', 'bob', '1', '--key', 'k'],
    ['stake', 'bond', '100', '--key', 'k'],
    ['stake', 'unbond', '10', '--key', 'k'],
  ]) {
    for (let time = 0; time < 2; time += 1) assert.equal((await call(...args)).code, 0, args.join(' '));
  }
  await assertRefused([
    ['conflict', ['wallet', 'send', 'bob', '2', '--key', 'k']],
    ['conflict', ['wallet', 'send', 'eve', '1', '--key', 'k']],
    ['conflict', ['stake', 'bond', '99', '--key', 'k']],
    ['conflict', ['stake', 'unbond', '20', '--key', 'k']],
  ]);
});

async function assertRefused(refusals: readonly [code: string, args: string[]][]): Promise<void> {
  const before = (await call('wallet')).stdout;
  for (const [code, args] of refusals) {
    const run = await call(...args);
    assert.deepEqual([run.problem?.code, run.stdout], [code, ''], args.join(' '));
    assert.equal(run.code, 2, args.join(' '));
    assert.doesNotMatch(run.problem?.detail ?? '', /argument/, 'the command line is right');
  }
  assert.equal((await call('wallet')).stdout, before, 'nothing has moved');
}
