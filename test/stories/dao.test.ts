/** Members change a rule of a running fog, by the commands that people have: from the key to the recount. */
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { coordinatorSettingsSchema } from '@fog/contract';
import { type RunningCoordinator, startCoordinator } from '@fog/coordinator';
import { fog as command } from '../../packages/cli/test/test-terminal.ts';
import { VotingPower } from '../../packages/coordinator/src/governance/voting-power.ts';
import { SqlLedger } from '../../packages/coordinator/src/settlement/sql-ledger.ts';
import { openDatabase } from '../../packages/coordinator/src/store/open-database.ts';
import { temporaryFolder } from '../support/fog-process.ts';

const FOG = 1_000_000n;
const DAY = 86_400_000;
const PATIENCE_MILLISECONDS = 20_000;

/** What they bonded before. */
async function bonded(dataDirectory: string, stakes: Record<string, bigint>, now: () => number): Promise<void> {
  const database = await openDatabase({ dataDirectory });
  const ledger = new SqlLedger(database.engine);
  const power = new VotingPower({ database, ledger, now });
  const moves = Object.entries(stakes).map(([owner, after]) => ({ owner, before: 0n, after }));
  await database.write(async (writer) => {
    const { sequence } = await ledger.tick(writer, now());
    await power.moved(writer, moves, sequence);
  });
  await database.close();
}

/** Three who run commands, each with a token and settings of their own. */
async function membersOf(coordinator: RunningCoordinator, data: string) {
  const tokenOf = async (principal: string) => (await coordinator.createToken({ scope: 'submit', principal })).token;
  const tokens = { admin: coordinator.adminToken, alice: await tokenOf('alice'), bob: await tokenOf('bob') };
  const run = (who: keyof typeof tokens, ...args: string[]) => {
    const environment = {
      FOG_URL: coordinator.url,
      FOG_TOKEN: tokens[who],
      XDG_CONFIG_HOME: join(data, `of-${who}`),
    };
    return command(args, { environment, workingDirectory: data });
  };
  const json = async (who: keyof typeof tokens, ...args: string[]) => {
    const { code, stdout, stderr } = await run(who, ...args, '--json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  };
  const refused = async (who: keyof typeof tokens, ...args: string[]) => {
    const { code, stderr } = await run(who, ...args);
    assert.equal(code, 2);
    return stderr;
  };
  return { run, json, refused };
}

/** Without a coordinator: the record holds, and a forged one does not. */
async function countAgain(data: string): Promise<void> {
  const counted = await command(['dao', 'recount', 'vote.json', '--json'], { workingDirectory: data });
  assert.equal(counted.code, 0, counted.stderr);
  const { isCarried, countedBallots, tally } = JSON.parse(counted.stdout);
  assert.deepEqual(
    [isCarried, countedBallots, tally.for, tally.against],
    [true, 2, String(1000n * FOG), String(500n * FOG)],
  );
  const forged = readFileSync(join(data, 'vote.json'), 'utf8').replace(/"choice":"against"/, '"choice":"for"');
  writeFileSync(join(data, 'forged.json'), forged);
  const found = await command(['dao', 'recount', 'forged.json'], { workingDirectory: data });
  assert.equal(found.code, 1);
  assert.match(found.stdout, /signature, ballot 1/);
}

test('a vote changes the fee of a running fog, and anyone can count it again', async () => {
  const data = temporaryFolder('dao');
  const clock = { ahead: 0 };
  const now = () => Date.now() + clock.ahead;
  await bonded(data, { alice: 1000n * FOG, bob: 500n * FOG }, now);
  const settings = coordinatorSettingsSchema.parse({ listen: '127.0.0.1:0' });
  const coordinator = await startCoordinator({ dataDirectory: data, settings, now });
  try {
    const { run, json, refused } = await membersOf(coordinator, data);
    const { file, votingKey } = await json('alice', 'dao', 'key');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal((await json('alice', 'dao', 'key')).votingKey, votingKey);
    await json('bob', 'dao', 'key');
    assert.equal((await json('alice', 'dao', 'delegate', 'alice')).power, String(1000n * FOG));
    await json('bob', 'dao', 'delegate', 'bob');
    const table = (await run('alice', 'dao')).stdout;
    assert.match(table, /1000 of 1500/);

    assert.match(await refused('alice', 'dao', 'propose', 'parameter', 'feePpm', '8%'), /FOG is missing/);
    await json('admin', 'wallet', 'send', 'alice', '150');
    assert.match(await refused('bob', 'dao', 'propose', 'parameter', 'feePpm', '21%'), /from 0% to 20%/);
    assert.match(await refused('bob', 'dao', 'propose', 'parameter', 'feePpm', 'lots'), /5%/);
    writeFileSync(join(data, 'why.md'), 'It costs more than it brings.\n');
    const made = await json('alice', 'dao', 'propose', 'parameter', 'feePpm', '8%', '--text', 'why.md');
    const id: string = made.id.slice(0, 12);
    assert.deepEqual([made.title, made.state], ['feePpm to 8%', 'pending']);
    assert.match(await refused('bob', 'dao', 'vote', id, 'for'), /has not opened/);
    assert.match(await refused('bob', 'dao', 'record', id, 'vote.json'), /has not opened/);

    /** The sweep looks every other second. */
    const until = async (state: string) => {
      const end = Date.now() + PATIENCE_MILLISECONDS;
      while ((await json('bob', 'dao', 'show', id)).state !== state) {
        assert.ok(Date.now() < end, `the proposal does not become ${state}`);
        await delay(100);
      }
    };
    clock.ahead += DAY + 1000;
    await until('active');
    assert.equal((await json('alice', 'dao', 'vote', id, 'for')).powerMicroFog, String(1000n * FOG));
    assert.match(await refused('alice', 'dao', 'vote', id, 'against'), /has voted/);
    await json('bob', 'dao', 'vote', id, 'against');
    const shown = (await run('bob', 'dao', 'show', id)).stdout;
    assert.match(shown, /your ballot +against/);
    assert.match(shown, /sets +feePpm to 8%/);
    assert.match(await refused('alice', 'dao', 'cancel', id), /it cannot be cancelled now/);
    assert.match(await refused('bob', 'dao', 'veto', id, '--reason', 'no'), /token/);

    clock.ahead += 7 * DAY + 1000;
    await until('queued');
    assert.match(await refused('bob', 'dao', 'execute', id), /can be executed from/);
    clock.ahead += 2 * DAY + 1000;
    await until('executed');
    const { items } = await json('bob', 'dao', 'parameters');
    const fee = items.find(({ name }: { name: string }) => name === 'feePpm');
    assert.deepEqual([fee.value, fee.proposal], ['80000', made.id]);
    assert.match((await run('bob', 'dao', 'parameters')).stdout, /feePpm +8% +5% +0% to 20%/);
    assert.match((await run('bob', 'dao', 'changes')).stdout, /feePpm from 5% to 8%/);
    assert.match((await run('bob', 'dao', 'ls', '--state', 'executed')).stdout, /feePpm to 8%/);

    await json('bob', 'dao', 'record', id, 'vote.json');
    await countAgain(data);
  } finally {
    await coordinator.close();
  }
});

test('a fog without an economy has nothing to vote on, and says so', async () => {
  const data = temporaryFolder('no-dao');
  const settings = coordinatorSettingsSchema.parse({ listen: '127.0.0.1:0', economy: 'off' });
  const coordinator = await startCoordinator({ dataDirectory: data, settings });
  try {
    const environment = { FOG_URL: coordinator.url, FOG_TOKEN: coordinator.adminToken };
    for (const args of [['dao'], ['dao', 'parameters'], ['dao', 'ls'], ['dao', 'delegate', 'alice']]) {
      const { code, stderr } = await command(args, { environment, workingDirectory: data });
      assert.equal(code, 2);
      assert.match(stderr, /economy = "on"/);
    }
  } finally {
    await coordinator.close();
  }
});
