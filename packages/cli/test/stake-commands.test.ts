/** `fog stake` against a coordinator: what an owner does with its stake, what it is told, and what it is refused. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { coordinatorSettingsSchema, type Stake } from '@fog/contract';
import { type RunningCoordinator, startCoordinator } from '@fog/coordinator';
import { type CommandRun, fog } from './test-terminal.ts';

let folder: string;
let paid: RunningCoordinator;
let free: RunningCoordinator;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fog-stake-cli-'));
  const start = (name: string, economy: 'on' | 'off') =>
    startCoordinator({
      dataDirectory: join(folder, name),
      settings: coordinatorSettingsSchema.parse({ listen: '127.0.0.1:0', economy, faucet: 'off' }),
    });
  [paid, free] = [await start('paid', 'on'), await start('free', 'off')];
});
after(async () => {
  await Promise.all([paid.close(), free.close()]);
  await rm(folder, { recursive: true });
});

async function as(token: string, ...args: string[]): Promise<CommandRun> {
  return await fog(['stake', ...args], { environment: { FOG_URL: paid.url, FOG_TOKEN: token } });
}

test('an owner bonds, another delegates, and takes it out again', async () => {
  const { token: dora } = await paid.createToken({ scope: 'submit', principal: 'dora' });
  const sent = await fog(['wallet', 'send', 'dora', '80'], {
    environment: { FOG_URL: paid.url, FOG_TOKEN: paid.adminToken },
  });
  assert.equal(sent.code, 0, sent.stderr);
  for (let time = 0; time < 2; time += 1) {
    const bonded = await as(paid.adminToken, 'bond', '100', '--commission', '2.5', '--key', 'first');
    assert.deepEqual([bonded.code, bonded.stderr], [0, '100 FOG bonded\n']);
  }
  const more = await as(paid.adminToken, 'bond', '1');
  assert.deepEqual([more.code, more.stderr], [0, '1 FOG bonded\n']);
  assert.match((await as(paid.adminToken, 'bond', '1', '--commission', '3')).stderr, /with another commission/);
  assert.match((await as(dora, 'validators')).stdout, /admin +active +101 +2\.5 % +0/);
  assert.equal((await as(dora, 'delegate', 'admin', '50')).code, 0);
  assert.equal((await as(dora, 'unbond', '20', '--from', 'admin')).code, 0);
  const told = await as(dora);
  assert.match(told.stdout, /admin +30 +0 +0/);
  assert.match(told.stdout, /admin +20 +\d{4}-.* UTC \(in 14d/);
  const stake = JSON.parse((await as(dora, '--json')).stdout) as Stake;
  assert.deepEqual([stake.bonded, stake.validator, stake.unbonding.length], ['30000000', null, 1]);
  assert.deepEqual(JSON.parse((await as(paid.adminToken, 'slashes', '--json')).stdout), { items: [] });
});

test('what cannot be is refused, with the reason', async () => {
  const { token: rita } = await paid.createToken({ scope: 'submit', principal: 'rita' });
  const refusals: [args: string[], message: RegExp][] = [
    [['bond', '1'], /1 FOG is missing/],
    [['bond', '1', '--currency', 'faucet'], /faucet/],
    [['delegate', 'nobody', '1'], /1 FOG is missing/],
    [['unbond', 'all'], /rita is no validator/],
    [['redelegate', 'admin', 'rita', 'all'], /rita is no validator/],
    [['withdraw'], /nothing staked/],
    [['unjail'], /rita is no validator/],
    [['commission', '101'], /no percentage/],
    [['--principal', 'admin'], /for admin and the operator alone/],
    [['appeal', 'j000000000000000000/0/1', '--reason', 'a'], /there is no slash/],
    [['appeal', 'something', '--reason', 'a'], /has to be JOB\/PARTITION\/FENCE/],
    [['decide', 'j000000000000000000/0/1', 'upheld', '--reason', 'a'], /token/],
    [['decide', 'j000000000000000000/0/1', 'maybe', '--reason', 'a'], /upheld or overturned/],
  ];
  for (const [args, message] of refusals) {
    const run = await as(rita, ...args);
    assert.notEqual(run.code, 0, args.join(' '));
    assert.match(run.stderr, message, args.join(' '));
  }
});

test('where nobody is asked for money there is no stake, and a hint', async () => {
  const run = await fog(['stake'], { environment: { FOG_URL: free.url, FOG_TOKEN: free.adminToken } });
  assert.notEqual(run.code, 0);
  assert.match(run.stderr, /asks nobody for money[\s\S]*economy = "on"/);
});
