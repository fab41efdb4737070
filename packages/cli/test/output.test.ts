import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { describe, test } from 'node:test';
import type {
  Attempt,
  Deployment,
  Explanation,
  Job,
  JobEventRecord,
  LogRecord,
  Plan,
  Replica,
  TaskVerification,
  TaskWithAttempts,
} from '@fog/contract';
import pc from 'picocolors';
import {
  deploymentListText,
  deploymentText,
  replicaListText,
  revisionListText,
  rolloutProgressText,
} from '../src/output/deployment-text.ts';
import { eventLine, LogLines } from '../src/output/event-text.ts';
import { JobProgress } from '../src/output/job-progress.ts';
import { countsText, reasonText, taskListText } from '../src/output/job-text.ts';
import { agoText, momentText } from '../src/output/moments.ts';
import { planText } from '../src/output/plan-text.ts';
import { ProgressLine } from '../src/output/progress-line.ts';
import { renderFields, renderTable, safeText } from '../src/output/table.ts';
import { usageRows, usageText } from '../src/output/usage-text.ts';
import { WaitingNote } from '../src/output/waiting-note.ts';
import type { Terminal } from '../src/terminal.ts';
import { nodeShare } from '../src/up/node-share.ts';

const plain = pc.createColors(false);
const noTasks = { queued: 0, scheduled: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0, expired: 0 };

describe('why something waits', () => {
  const waiting = (reason: NonNullable<Explanation['waiting']>['reason'], message = reason as string) => {
    return { reason, message, ahead: 0 };
  };

  test('is told at once where no node can run it, and again when the reason changes', () => {
    const note = new WaitingNote();
    assert.equal(note.take(waiting('no-node', 'no node has joined'), 0), 'no node has joined');
    assert.equal(note.take(waiting('no-node', 'no node has joined'), 1000), null);
    assert.equal(note.take(waiting('no-node', 'gpu: excludes 1'), 2000), 'gpu: excludes 1');
  });

  test('is told after ten seconds without room, once, whatever the counts in it are', () => {
    const note = new WaitingNote();
    assert.equal(note.take(waiting('no-room'), 0), null);
    assert.equal(note.take(null, 5000), null);
    assert.equal(note.take(waiting('no-room'), 6000), null);
    assert.equal(note.take(waiting('no-room'), 15_999), null);
    assert.equal(note.take(waiting('no-room', '3 tasks are in front'), 16_000), '3 tasks are in front');
    assert.equal(note.take(waiting('no-room', '2 tasks are in front'), 17_000), null);
    assert.equal(note.take(waiting('retry'), 18_000), 'retry');
  });

  test('stands above the progress line', () => {
    const written: string[] = [];
    const stderr = Object.assign(new Writable({ write: (chunk, _, done) => done(void written.push(String(chunk))) }), {
      isTTY: true,
      columns: 40,
    });
    const line = new ProgressLine({ stderr, environment: {} } as Terminal, () => 'job j1');
    line.say('before');
    line.start();
    line.say('waits: no room');
    line.stop();
    const clear = '\r\u001b[K';
    assert.equal(written.join(''), `before\n${clear}job j1${clear}waits: no room\n${clear}job j1${clear}`);
  });
});

describe('what people read', () => {
  test('tables have columns and no lines', () => {
    const text = renderTable(
      ['id', 'state'],
      [
        ['j1', 'running'],
        ['j22', 'done'],
      ],
      plain,
    );
    assert.equal(text, 'ID   STATE\nj1   running\nj22  done');
    assert.equal(
      renderFields(
        [
          ['a', '1'],
          ['long', null],
          ['bcd', '2'],
        ],
        plain,
      ),
      'a    1\nbcd  2',
    );
  });

  test('a verified task tells what was found of its replicas, and why one was accepted', () => {
    const attempt: Attempt = {
      fence: 1,
      state: 'confirmed',
      nodeId: `n${'0'.repeat(32)}`,
      nodeName: 'attic',
      leasedAt: 0,
      startedAt: 0,
      endedAt: 1000,
      reason: null,
      message: null,
      exitCode: null,
      engine: 'v8',
      usage: null,
      progress: null,
      health: null,
    };
    const task: TaskWithAttempts = {
      job: 'j0',
      partition: 0,
      state: 'succeeded',
      fence: 2,
      jobFailures: 0,
      nodeFailures: 0,
      notBefore: null,
      reason: null,
      message: null,
      exitCode: null,
      acceptedFence: 2,
      outputs: [],
      suspended: false,
      checkpoint: null,
      verification: { phase: 'accepted', acceptedBy: 'quorum', replicas: 2, requested: 0 },
      attempts: [attempt, { ...attempt, fence: 2, state: 'valid' }],
    };
    const textOf = (change: Partial<TaskVerification>) => {
      const verification = task.verification === null ? null : { ...task.verification, ...change };
      return taskListText([{ ...task, verification }], 1000, plain);
    };
    assert.match(textOf({}), /confirmed.*\n.*valid.*\n.*accepted by a quorum, 2 replicas/);
    assert.match(
      textOf({ phase: 'adjudicating', acceptedBy: null }),
      /2 replicas could not agree: a trusted node decides/,
    );
    assert.match(textOf({ phase: 'collecting', acceptedBy: null, requested: 1 }), /2 replicas, 1 more wanted/);
    assert.match(textOf({ phase: 'collecting' }), /2 replicas, verified again/);
  });

  test('what an attempt uses stands beside the share of the processor since the sample before', () => {
    const use = { memoryBytes: 1 << 20, networkReceivedBytes: null, networkSentBytes: 0, diskBytes: 512, processes: 3 };
    const rows = usageRows(4, [
      { fence: 1, at: 10_000, cpuMilliseconds: 1000, ...use },
      { fence: 1, at: 20_000, cpuMilliseconds: 16_000, ...use },
      { fence: 2, at: 30_000, cpuMilliseconds: 100, ...use },
    ]);
    const lines = usageText(rows, 30_000, plain).split('\n');
    assert.match(lines[2] ?? '', /^4 +1 +10s ago +150 % +16s +1\.0 MiB +unknown +0 B +512 B +3$/);
    assert.match(lines[3] ?? '', /^4 +2 +0s ago +100ms /);
    assert.match(usageText([], 0, plain), /Nothing measured yet/);
  });

  test('a deployment is told with its replicas, their jobs, and why it went back', () => {
    const job = 'j000000000000000001';
    const replica: Replica = {
      job,
      partition: 4,
      revision: 3,
      state: 'running',
      ready: true,
      available: false,
      leaving: false,
      since: 8000,
      nodeId: `n${'0'.repeat(32)}`,
      nodeName: 'attic',
      restarts: 1,
      failures: 2,
      message: 'exit-code: code 3',
    };
    const deployment: Deployment = {
      name: 'web',
      principal: 'alice',
      type: 'service',
      state: 'rolling-back',
      reason: 'replica 9 failed 3 times in a row',
      revision: 3,
      wanted: 3,
      ready: 3,
      available: 2,
      updated: 1,
      createdAt: 0,
      updatedAt: 4000,
      replicas: [replica],
      revisions: [
        { revision: 3, state: 'rolling-out', reason: null, job, by: 'alice', of: 1, createdAt: 0, endedAt: null },
      ],
    };
    const progress = rolloutProgressText(deployment, 10_000);
    assert.equal(progress, 'web  rolling-back  2 of 3 replicas available, 1 more ready, 1 of revision 3  6s');
    const lines = deploymentText(deployment, 10_000, plain).split('\n');
    assert.ok(lines.includes('why         replica 9 failed 3 times in a row'));
    assert.ok(lines.includes(`logs        fog job logs -f ${job}`));
    const [, row] = replicaListText([replica, { ...replica, leaving: true }], 10_000, plain).split('\n');
    assert.match(row ?? '', /^4 +3 +ready +2s ago +attic +1 +2 +exit-code: code 3$/);
    const page = `unhealthy: status 404: <html>\n<body>${'x'.repeat(900)}`;
    const cut = replicaListText([{ ...replica, message: page }], 10_000, plain).split('\n');
    assert.equal(cut.length, 2, 'one line each');
    assert.match(cut[1] ?? '', /unhealthy: status 404: <html> <body>x+\.\.\.$/);
    assert.ok((cut[1] ?? '').length < 180);
    assert.match(
      revisionListText(deployment.revisions, 10_000, plain),
      /\n3 \(1 again\) +rolling-out +j0+1 +10s ago +alice$/,
    );
    assert.match(
      deploymentListText([deployment], 10_000, plain),
      /\nweb +service +rolling-back +3 +2 +3 +6s ago +alice$/,
    );
    assert.match(deploymentListText([], 0, plain), /fog deploy FILE/);
  });

  test('text of others cannot move the cursor or forge lines of ours', () => {
    assert.equal(safeText('a\u001b[2Jb\u0007\rc\u009b1m'), 'a\ufffd[2Jb\ufffd\ufffdc\ufffd1m');
    assert.equal(safeText('\u001b[31mred\u001b[39m'), '\u001b[31mred\u001b[39m');
  });

  test('a plan tells where, or which constraint keeps how many out', () => {
    const plan: Plan = {
      tasks: 3,
      nodesKnown: 3,
      nodes: [{ id: `n${'0'.repeat(32)}`, name: 'attic', slots: 2, freeSlots: 1 }],
      excluded: [{ constraint: 'os == linux', nodes: 2, hint: 'join a linux node' }],
    };
    const text = planText(plan, plain);
    assert.match(text, /^1 of 3 nodes can run its 3 tasks, 2 at a time:\nNODE/);
    assert.match(text, /os == linux: excludes 2 nodes\n {4}hint: join a linux node/);
    const nowhere = planText({ ...plan, nodes: [], excluded: [{ constraint: 'gpu', nodes: 3 }] }, plain);
    assert.equal(nowhere, 'None of 3 nodes can run it:\n  gpu: excludes 3 nodes');
    assert.match(planText({ ...plan, nodesKnown: 0, nodes: [], excluded: [] }, plain), /No node has joined/);
  });

  test('counts, reasons and times', () => {
    assert.equal(
      countsText({ ...noTasks, succeeded: 3, failed: 1, queued: 2 }),
      '3 of 6 succeeded, 2 queued, 1 failed',
    );
    assert.equal(reasonText('oom'), 'oom: the attempt needed more memory than it asked for');
    assert.equal(reasonText('exit-code', 'code 3'), 'exit-code: code 3');
    assert.equal(agoText(0, 3_723_000), '1h2m ago');
    assert.equal(agoText(5000, 0), 'in 5s');
    assert.equal(momentText(0, 1000), '1970-01-01 00:00:00 UTC (1s ago)');
    assert.equal(momentText(null, 0), '-');
  });

  test('an attempt of a service shows how its program does', () => {
    const attempt = {
      ...{ fence: 1, state: 'running', nodeName: 'attic', leasedAt: 0, startedAt: 0, endedAt: null, reason: null },
      ...{ message: null, exitCode: null, engine: null, usage: null, progress: null, verdict: null },
    };
    const shown = (change: object) => {
      const task = {
        partition: 0,
        state: 'running',
        notBefore: null,
        reason: null,
        message: null,
        checkpoint: null,
        verification: null,
      };
      const tasks = [{ ...task, attempts: [{ ...attempt, ...change }] }] as unknown as TaskWithAttempts[];
      return taskListText(tasks, 1000, plain).split('\n')[1] ?? '';
    };
    assert.match(shown({ health: { status: 'healthy', message: 'status 200', restarts: 0 } }), / healthy$/);
    assert.match(shown({ health: { status: 'healthy', message: '', restarts: 2 } }), / healthy, restarted 2 times$/);
    assert.match(
      shown({ health: { status: 'unhealthy', message: 'status 500', restarts: 1 } }),
      / unhealthy: status 500, restarted once$/,
    );
    const ended = { endedAt: 10, reason: 'oom', message: 'too much' };
    assert.match(
      shown({ ...ended, health: { status: 'starting', message: '', restarts: 3 } }),
      / restarted 3 times; oom: too much$/,
    );
  });

  test('events are lines', () => {
    const record: JobEventRecord = {
      sequence: 1,
      atMilliseconds: 1500,
      data: {
        type: 'attempt.failed',
        partition: 2,
        fence: 1,
        node: 'n',
        reason: 'oom',
        message: 'too large',
        exitCode: null,
      },
    };
    assert.equal(eventLine(record, plain), '00:00:01.500  attempt.failed      task 2 attempt 1  oom: too large');
  });

  test('log lines of tasks that run together stay whole', () => {
    const lines = new LogLines();
    const record = (partition: number, text: string): LogRecord => ({
      sequence: 1,
      atMilliseconds: 0,
      partition,
      fence: 1,
      stream: 'stdout',
      text,
    });
    const cut = [record(0, 'a'), record(1, 'x\ny'), record(0, 'b\nc'), record(1, '\n')].flatMap((it) => lines.push(it));
    assert.deepEqual(
      [...cut, ...lines.rest()].map(({ record: { partition }, line }) => `${partition}:${line}`),
      ['1:x', '0:ab', '1:y', '0:c'],
    );
  });

  test('progress counts tasks by their events, each task once', () => {
    const job = { id: 'j1', submittedAt: 0, tasks: { ...noTasks, queued: 3 }, spec: { spec: { count: 3 } } };
    const progress = new JobProgress(job as unknown as Job);
    const take = (data: object) => progress.take({ sequence: 1, atMilliseconds: 0, data } as JobEventRecord);
    const attempt = (partition: number) => ({ partition, fence: 1, node: 'n' });
    take({ type: 'task.leased', ...attempt(0) });
    take({ type: 'task.leased', ...attempt(1) });
    take({ type: 'attempt.lost', ...attempt(1) });
    take({ type: 'task.succeeded', ...attempt(0) });
    take({ type: 'task.leased', ...attempt(0) });
    assert.equal(progress.text(4200), 'job j1  1/3 done, 2 waiting  4.2s');
  });

  test('the machine is shared out', () => {
    assert.deepEqual(nodeShare({ cores: 8, memoryBytes: 16 }, 3), { slots: 2, memoryBytes: 4 });
    assert.deepEqual(nodeShare({ cores: 2, memoryBytes: 16 }, 3), { slots: 1, memoryBytes: 4 });
    assert.deepEqual(nodeShare({ cores: 8, memoryBytes: 16 }, 6), { slots: 1, memoryBytes: 2 });
  });
});
