/** Money for work, as its users meet it: the commands, two principals, and the ledger checked afterwards. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Fog } from '@fog/sdk';
import { skipProcess } from '../../packages/runtimes/test/process/programs.ts';
import { fog as command, type FogProcess, startFog, temporaryFolder } from '../support/fog-process.ts';

const WORK = 'export default () => { const end = Date.now() + 60; while (Date.now() < end); return 1; };';

describe('paid work', { timeout: 90_000 }, () => {
  let data: string;
  let running: FogProcess;
  /** Of another principal than the owner of the nodes. */
  let token: string;

  const read = async (...args: string[]) => {
    const { code, stdout, stderr } = await command(data, ...args, '--json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  };

  before(async () => {
    data = temporaryFolder('paid');
    running = await startFog(data, ['--nodes', '1']);
    ({ token } = await read('token', 'create', '--scope', 'submit', '--principal', 'alice'));
  });
  after(() => running.interrupt());

  test('the first money is there, and a price', async () => {
    assert.deepEqual(await read('wallet'), {
      principal: 'admin',
      balances: [{ currency: 'fog', available: '850000000000', inEscrow: '0' }],
    });
    let { items } = await read('market');
    // Nodes are looked at every two seconds.
    for (let tries = 0; items.length === 0 && tries < 100; tries += 1) ({ items } = await read('market'));
    assert.deepEqual(
      items.map(({ region, microFog }: { region: string; microFog: number }) => [region, microFog > 0]),
      [['', true]],
    );
  });

  test('somebody without money runs a job by the faucet; the owner of the nodes is paid; the rest returns', async () => {
    const fog = await Fog.connect({ url: running.ready.url, token, environment: {} });
    const job = await fog.run(
      {
        kind: 'Job',
        spec: {
          count: 3,
          timeouts: { attempt: '1m' },
          task: {
            runtime: 'javascript',
            javascript: { script: 'work.js' },
            resources: { cpu: '100m', memory: '64Mi', disk: '1Mi' },
          },
        },
      },
      { files: { 'work.js': WORK } },
    );
    await job.wait();
    let payment = await read('wallet', 'job', job.id);
    for (let tries = 0; payment.phase === 'open' && tries < 100; tries += 1)
      payment = await read('wallet', 'job', job.id);
    assert.equal(payment.phase, 'closed');
    const paid = BigInt(payment.paid);
    assert.ok(paid >= 3n, `${paid} micro-FOG for three results`);
    const wallet = await read('wallet');
    const earned = wallet.balances.find(({ currency }: { currency: string }) => currency === 'faucet');
    assert.equal(earned.available, String(paid));
    const { items } = await read('wallet', 'history', '--principal', 'alice');
    assert.deepEqual(items.map(({ kind }: { kind: string }) => kind).sort(), ['cover', 'faucet', 'refund']);
    const { stdout } = await command(data, 'wallet', 'job', job.id);
    assert.match(stdout, /covered with/);
  });

  test('a service is covered by its owner, and its node is paid for the time that it ran', {
    skip: skipProcess,
  }, async () => {
    const fog = await Fog.connect({ url: running.ready.url, token, environment: {} });
    const deployed = await fog.deploy({
      kind: 'Job',
      metadata: { name: 'web' },
      spec: {
        type: 'service',
        update: { healthyFor: '500ms' },
        task: {
          runtime: 'process',
          process: { command: ['/bin/sleep', '600'] },
          resources: { cpu: '500m', memory: '64Mi', disk: '1Mi' },
        },
      },
    });
    await fog.deployment('web').wait(1);
    // Until a look has seen it: they are five seconds apart.
    await pause(6000);
    const payment = await read('wallet', 'deployment', 'web', '--principal', 'alice');
    assert.equal(payment.currency, 'faucet');
    assert.ok(payment.coveredUntil > Date.now());
    const { stdout } = await command(data, 'wallet', 'deployment', 'web', '--principal', 'alice');
    assert.match(stdout, /covered until .*UTC \(in /);
    await fog.deployment('web').remove();
    const job = deployed.revisions[0]?.job ?? '';
    let after = await read('wallet', 'job', job);
    for (let tries = 0; after.phase === 'open' && tries < 100; tries += 1) after = await read('wallet', 'job', job);
    assert.deepEqual([after.phase, BigInt(after.paid) > 0n], ['closed', true]);
    const [deposited, ...others] = [after.deposited, after.paid, after.fees, after.credits, after.refunded].map(BigInt);
    assert.equal(
      others.reduce((sum, one) => sum + one, 0n),
      deposited,
    );
  });

  test('what is sent arrives; what is not there is refused with what is missing', async () => {
    const sent = await command(data, 'wallet', 'send', 'bob', '12.5', '--key', 'rent');
    assert.deepEqual([sent.code, /12\.5 FOG sent to bob/.test(sent.stderr)], [0, true]);
    await command(data, 'wallet', 'send', 'bob', '12.5', '--key', 'rent');
    const { balances } = await read('wallet', '--principal', 'bob');
    assert.equal(balances[0].available, '12500000');
    const refused = await command(data, 'wallet', 'send', 'bob', '99999999');
    assert.deepEqual([refused.code, /is missing/.test(refused.stderr)], [2, true]);
    const words = await command(data, 'wallet', 'send', 'bob', 'much');
    assert.deepEqual([words.code, /"much" is no amount of FOG/.test(words.stderr)], [2, true]);
  });

  test('the ledger is as it should be, and goes on from the seal that the coordinator told', async () => {
    let { sealed } = await read('ledger', 'head');
    for (let tries = 0; sealed === null && tries < 100; tries += 1) ({ sealed } = await read('ledger', 'head'));
    const text = (await command(data, 'ledger', 'head')).stdout;
    assert.match(text, /^fog +1000000 FOG in all$/m);
    const noted = ['--head', sealed.hash, '--sequence', String(sealed.sequence)];
    const { stdout, code } = await command(data, 'ledger', 'verify', ...noted);
    assert.deepEqual([code, /the ledger is as it should be/.test(stdout)], [0, true], stdout);
    assert.match(stdout, /goes on from the seal that was noted/);
  });
});

test('a fog that asks for no money says so', { timeout: 60_000 }, async () => {
  const data = temporaryFolder('unpaid');
  const running = await startFog(data, ['--nodes', '1'], { FOG_ECONOMY: 'off' });
  try {
    const { code, stderr } = await command(data, 'wallet');
    assert.deepEqual(
      [code, /this fog asks nobody for money/.test(stderr), /economy = "on"/.test(stderr)],
      [2, true, true],
    );
  } finally {
    await running.interrupt();
  }
});
