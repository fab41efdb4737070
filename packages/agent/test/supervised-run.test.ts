/** A program that is kept running, on a clock that stands still. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import type { HealthReport, HealthSpec, UsageSample } from '@fog/contract';
import type { AttemptHost, AttemptOutcome, RunningAttempt } from '@fog/runtimes';
import { AttemptFailure } from '../src/attempt-failure.ts';
import { SupervisedRun, type SupervisedRunDependencies } from '../src/supervised-run.ts';
import { FakeTimer, settle } from './fake-timer.ts';

const SAMPLE: UsageSample = {
  cpuMilliseconds: 10,
  memoryBytes: 1000,
  networkReceivedBytes: 100,
  networkSentBytes: null,
  diskBytes: 5,
  processes: 2,
};

/** One run of the program, in the hands of the test. */
class FakeRun implements RunningAttempt {
  readonly outcome: Promise<AttemptOutcome>;
  readonly #settle: (outcome: AttemptOutcome) => void;
  cleaned?: Promise<void>;
  sampled: UsageSample | null = SAMPLE;
  isListening = true;
  canFreeze = true;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<AttemptOutcome>();
    this.outcome = promise;
    this.#settle = resolve;
  }

  end(reason: 'exit-code' | 'sandbox' | 'unhealthy' | 'drained' | 'oom' | null, message = 'It ended.'): void {
    const usage = { wallMilliseconds: 100, cpuMilliseconds: 10, peakMemoryBytes: 1000 };
    if (reason === null) this.#settle({ status: 'succeeded', exitCode: 0, outputs: [], usage, engine: 'fake' });
    else this.#settle({ status: 'failed', reason, message, exitCode: 1, usage, engine: 'fake' });
  }

  kill(reason: string, message: string): void {
    this.end(reason as 'drained', message);
  }

  async sample(): Promise<UsageSample | null> {
    return this.sampled;
  }

  async pause(): Promise<boolean> {
    return this.canFreeze;
  }

  async resume(): Promise<boolean> {
    return this.canFreeze;
  }

  async connect(): Promise<PassThrough> {
    if (!this.isListening) throw new Error('nobody listens');
    return new PassThrough();
  }
}

function supervise(change: Partial<SupervisedRunDependencies> & { cleaned?: Promise<void> } = {}) {
  const timer = new FakeTimer();
  const runs: FakeRun[] = [];
  const reports: HealthReport[] = [];
  const log: string[] = [];
  let started = 0;
  const host: AttemptHost = {
    started: () => {
      started += 1;
    },
    log: (stream, data) => log.push(`${stream}: ${Buffer.from(data)}`),
    progress: () => {},
  };
  const begin = (given: AttemptHost): FakeRun => {
    const run = new FakeRun();
    if (change.cleaned !== undefined) run.cleaned = change.cleaned;
    runs.push(run);
    given.started();
    return run;
  };
  const { cleaned: _, ...dependencies } = change;
  const supervised = new SupervisedRun(
    {
      restart: { attempts: 2, withinMilliseconds: 60_000, delayMilliseconds: 1000 },
      health: null,
      host,
      start: async (given) => begin(given),
      report: (health) => reports.push(health),
      isAdopted: false,
      ...dependencies,
    },
    timer,
  );
  supervised.follow(begin(supervised.host));
  const told = () => reports.map(({ status, restarts }) => `${status} ${restarts}`);
  return { supervised, timer, runs, reports, told, log, starts: () => started, last: () => runs.at(-1) as FakeRun };
}

const check: HealthSpec = { tcp: { port: 1 }, interval: '10s', timeout: '2s', retries: 2, startPeriod: '0s' };

describe('a program that is kept running', () => {
  test('is restarted after a pause, in whichever way it ended, as the same attempt', async () => {
    const it = supervise();
    it.last().end(null);
    await it.timer.advance(999);
    assert.equal(it.runs.length, 1);
    await it.timer.advance(1);
    assert.equal(it.runs.length, 2);
    it.last().end('exit-code', 'It ended with code 1.');
    await it.timer.advance(1000);
    assert.equal(it.runs.length, 3);
    assert.equal(it.starts(), 1, 'the attempt has started once');
    assert.deepEqual(it.log, [
      'stderr: [fog: restart 1: The program ended.]\n',
      'stderr: [fog: restart 2: It ended with code 1.]\n',
    ]);
    assert.deepEqual(it.told(), ['starting 1', 'healthy 1', 'starting 2', 'healthy 2']);
  });

  test('fails when it has ended too often within the time, with what it used in all', async () => {
    const it = supervise();
    for (let count = 0; count < 3; count += 1) {
      it.last().end('exit-code');
      await it.timer.advance(1000);
    }
    const outcome = await it.supervised.outcome;
    assert.ok(outcome.status === 'failed');
    assert.deepEqual([outcome.reason, outcome.exitCode, outcome.engine], ['exit-code', 1, 'fake']);
    assert.equal(outcome.message, 'It ended. 2 restarts within 1m are allowed on one node.');
    assert.deepEqual(outcome.usage, { wallMilliseconds: 300, cpuMilliseconds: 30, peakMemoryBytes: 1000 });
    assert.equal(it.runs.length, 3);
    assert.equal(it.timer.waiting, 0);
  });

  test('an end without failure is one, too', async () => {
    const it = supervise({ restart: { attempts: 0, withinMilliseconds: 1, delayMilliseconds: 1 } });
    it.last().end(null);
    const outcome = await it.supervised.outcome;
    assert.deepEqual([outcome.status, outcome.status === 'failed' && outcome.reason], ['failed', 'ended']);
  });

  test('restarts that are long ago do not count', async () => {
    const it = supervise();
    for (let count = 0; count < 10; count += 1) {
      await it.timer.advance(40_000);
      it.last().end('oom');
      await it.timer.advance(1000);
    }
    assert.equal(it.runs.length, 11);
    assert.equal(it.reports.at(-1)?.restarts, 10);
  });

  test('is not restarted where the node or the specification is at fault', async () => {
    const it = supervise();
    it.last().end('sandbox', 'It broke.');
    const outcome = await it.supervised.outcome;
    assert.deepEqual([outcome.status === 'failed' && outcome.message, it.runs.length], ['It broke.', 1]);
  });

  test('waits until nothing is left of the run before', async () => {
    const cleaned = Promise.withResolvers<void>();
    const it = supervise({ cleaned: cleaned.promise });
    it.last().end(null);
    await it.timer.advance(5000);
    assert.equal(it.runs.length, 1);
    cleaned.resolve();
    await settle();
    await it.timer.advance(1000);
    assert.equal(it.runs.length, 2);
  });

  test('is killed while it runs, and while it pauses', async () => {
    const running = supervise();
    running.supervised.kill('drained', 'Away.');
    const first = await running.supervised.outcome;
    assert.deepEqual(first.status === 'failed' && [first.reason, first.message], ['drained', 'Away.']);
    const pausing = supervise();
    pausing.last().end(null);
    await settle();
    pausing.supervised.kill('superseded', 'Gone.');
    const second = await pausing.supervised.outcome;
    assert.equal(second.status === 'failed' && second.reason, 'superseded');
    assert.deepEqual([pausing.runs.length, pausing.timer.waiting], [1, 0]);
  });

  test('fails with the reason when it cannot be started again', async () => {
    const it = supervise({ start: () => Promise.reject(new AttemptFailure('staging', 'The line is down.')) });
    it.last().end(null);
    await it.timer.advance(1000);
    const outcome = await it.supervised.outcome;
    assert.deepEqual(outcome.status === 'failed' && [outcome.reason, outcome.message], [
      'staging',
      'The line is down.',
    ]);
    const bare = supervise({ start: null });
    bare.last().end(null);
    const other = await bare.supervised.outcome;
    assert.match(other.status === 'failed' ? other.message : '', /secrets are gone/);
  });

  test('counters of its use go on over restarts', async () => {
    const it = supervise();
    await it.supervised.sample();
    it.last().end(null);
    await it.timer.advance(500);
    assert.equal(await it.supervised.sample(), null);
    await it.timer.advance(500);
    assert.deepEqual(await it.supervised.sample(), {
      ...SAMPLE,
      cpuMilliseconds: 20,
      networkReceivedBytes: 200,
    });
    it.last().sampled = null;
    assert.equal(await it.supervised.sample(), null);
  });

  test('can be reached only while it runs', async () => {
    const it = supervise();
    assert.ok(await it.supervised.connect(1));
    it.last().end(null);
    await settle();
    await assert.rejects(it.supervised.connect(1), { code: 'unavailable' });
    await assert.rejects(it.supervised.exec(['x'], 1), { code: 'unavailable' });
  });
});

describe('its health', () => {
  test('is told when it changes, and ends a run that is unhealthy', async () => {
    const it = supervise({ health: check });
    await it.timer.advance(1000);
    assert.deepEqual(it.told(), ['healthy 0']);
    await it.timer.advance(30_000);
    assert.equal(it.reports.length, 1, 'nothing new');
    it.last().isListening = false;
    await it.timer.advance(10_000);
    assert.equal(it.reports.length, 1, 'one failure is not enough');
    await it.timer.advance(10_000);
    assert.deepEqual(it.told(), ['healthy 0', 'unhealthy 0', 'starting 1']);
    assert.equal(it.reports[1]?.message, 'nobody listens');
    assert.equal(it.reports[2]?.message, 'Its health check failed 2 times in a row: nobody listens');
    await it.timer.advance(2000);
    assert.deepEqual(it.told().at(-1), 'healthy 1');
    assert.equal(it.runs.length, 2);
  });

  test('that fails from the start is told with the first check, and once', async () => {
    const it = supervise({ health: check });
    it.last().isListening = false;
    await it.timer.advance(1000);
    assert.deepEqual(it.reports, [{ status: 'starting', message: 'nobody listens', restarts: 0 }]);
    await it.timer.advance(10_000);
    assert.deepEqual(it.told(), ['starting 0', 'unhealthy 0', 'starting 1']);
  });

  test('of a run that was taken over is told once it is known, without a start period', async () => {
    const it = supervise({ health: { ...check, startPeriod: '1h' }, isAdopted: true });
    it.last().isListening = false;
    await it.timer.advance(900);
    assert.deepEqual(it.reports, []);
    await it.timer.advance(10_100);
    assert.deepEqual(it.told(), ['unhealthy 0', 'starting 1']);
    await it.timer.advance(1000);
    it.last().isListening = false;
    await it.timer.advance(60_000);
    assert.equal(it.runs.length, 2, 'the next run has its start period');
  });

  test('is not looked at while it is frozen', async () => {
    const it = supervise({ health: check });
    await it.timer.advance(1000);
    it.last().isListening = false;
    assert.equal(await it.supervised.pause(), true);
    await it.timer.advance(600_000);
    assert.deepEqual([it.told(), it.timer.waiting], [['healthy 0'], 0]);
    assert.equal(await it.supervised.resume(), true);
    await it.timer.advance(20_000);
    assert.deepEqual(it.told(), ['healthy 0', 'unhealthy 0', 'starting 1']);
    assert.equal(await it.supervised.pause(), false, 'nothing runs');
    await it.timer.advance(2000);
    it.last().canFreeze = false;
    assert.equal(await it.supervised.pause(), false);
    it.last().isListening = false;
    await it.timer.advance(20_000);
    assert.equal(it.told().at(-1), 'starting 2');
  });

  test('is not looked at any more once it is killed', async () => {
    const it = supervise({ health: check });
    it.supervised.kill('drained', '');
    await it.timer.advance(60_000);
    assert.deepEqual([it.reports, it.timer.waiting], [[], 0]);
  });
});
