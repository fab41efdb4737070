import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { type JobEventData, parseJobSpec, TASK_STATES, type TaskCounts } from '../../packages/contract/src/index.ts';
import type { AttemptRow, JobRow, TaskRow } from '../../packages/coordinator/src/store/tables.ts';
import { type EscrowRecord, newRecord, writeRecord } from '../../packages/economy/src/escrow/index.ts';
import type { Evidence } from './evidence.ts';
import { checkInvariants } from './invariants.ts';
import { AGENTS, makeSchedule, type PlannedJob, specOf } from './schedule.ts';
import { FLAKY_ATTEMPTS, planTask } from './task-plan.ts';
import { TcpProxy } from './tcp-proxy.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;
const PROGRAMS = { wasm: DIGEST, javascript: DIGEST };

test('a seed repeats its schedule, another makes another', () => {
  for (const engine of ['sqlite', 'postgres'] as const) {
    const schedule = makeSchedule({ seed: 7, engine });
    assert.deepEqual(schedule, makeSchedule({ seed: 7, engine }));
    assert.notDeepEqual(schedule.faults, makeSchedule({ seed: 8, engine }).faults);
  }
});

test('schedules are within bounds, and every kind of fault occurs', () => {
  const kinds = new Set<string>();
  const runtimes = new Set<string>();
  for (let seed = 1; seed <= 300; seed += 1) {
    const schedule = makeSchedule({ seed, engine: seed % 2 === 0 ? 'sqlite' : 'postgres', isMixed: seed % 3 === 0 });
    assert.ok(schedule.calmMilliseconds < 5000);
    if (schedule.engine === 'sqlite') assert.equal(schedule.coordinators, 1);
    for (const { action } of schedule.faults) {
      kinds.add(action.kind);
      if (action.kind === 'clock') assert.ok(Math.abs(action.stepMilliseconds) <= 3_600_000);
      if ('agent' in action) assert.ok(action.agent < AGENTS);
    }
    for (const job of schedule.jobs) {
      runtimes.add(job.program.engine);
      parseJobSpec(specOf(job, schedule, PROGRAMS));
    }
  }
  assert.equal(kinds.size, 12);
  assert.equal(runtimes.size, 5);
});

test('with real pauses connections are cut for 30 s', () => {
  const { faults, heartbeat } = makeSchedule({ seed: 1, engine: 'sqlite', isRealTime: true });
  assert.equal(heartbeat, '15s');
  assert.ok(faults.some(({ action }) => action.kind === 'cut' && action.milliseconds === 30_000));
});

test('a flaky task succeeds before its attempts are used up, and its content depends on no fence', () => {
  const program = {
    engine: 'plan' as const,
    key: 'k',
    longestMilliseconds: 10,
    kind: 'flaky' as const,
    outputBytes: 500,
  };
  for (let partition = 0; partition < 50; partition += 1) {
    assert.equal(planTask(program, partition, FLAKY_ATTEMPTS).exitCode, null);
    assert.deepEqual(planTask(program, partition, 1).output, planTask(program, partition, 2).output);
  }
});

const JOB = 'j000000000000000000';
const PLANNED: PlannedJob = {
  atMilliseconds: 0,
  key: 'one',
  type: 'batch',
  count: 1,
  priority: 50,
  program: { engine: 'plan', key: 'one', longestMilliseconds: 1, kind: 'steady', outputBytes: 100 },
  isRepeated: false,
  cancelMilliseconds: null,
  suspension: null,
  totalTimeout: null,
};
const COUNTS = Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as TaskCounts;

/** One job of one task that was lost once and then succeeded: nothing is wrong with it. */
function soundEvidence(): Evidence {
  const output = planTask(PLANNED.program, 0, 2).output ?? new Uint8Array();
  const digest = `sha256:${createHash('sha256').update(output).digest('hex')}`;
  const outputs = JSON.stringify([{ name: 'result', type: 'file', digest, bytes: output.length }]);
  const job = {
    id: JOB,
    state: 'completed',
    idempotency_key: 'one',
    task_count: 1,
    expanded: 1,
    ended_at: 5,
    next_sequence: 5,
    escrow: escrow(),
  };
  const on = { partition: 0, fence: 2, node: 'n' };
  const events: JobEventData[] = [
    { type: 'job.submitted', name: 'one', tasks: 1, by: 'admin' },
    { type: 'job.started' },
    { type: 'task.succeeded', ...on, engine: 'load', wallMilliseconds: 1, outputs: [] },
    { type: 'job.completed' },
  ];
  const attempt = (fence: number, state: string) =>
    ({ job_id: JOB, partition: 0, fence, state, log_bytes: 0 }) as AttemptRow;
  return {
    schedule: { ...makeSchedule({ seed: 1, engine: 'sqlite' }), jobs: [PLANNED] },
    load: { acknowledged: new Map([['one', new Set([JOB])]]), cancelled: new Set(), givenUp: new Map() },
    crashes: [],
    leftovers: [],
    jobs: [{ ...job, ...COUNTS, succeeded: 1, closing: null, reason: null } as JobRow],
    tasks: [{ job_id: JOB, partition: 0, state: 'succeeded', fence: 2, accepted_fence: 2, outputs } as TaskRow],
    attempts: [attempt(1, 'superseded'), attempt(2, 'valid')],
    events: events.map((data, index) => ({ stream: JOB, sequence: index + 1, data })),
    logs: [],
    nodes: [],
    answers: new Map([[JOB, { state: 'completed', tasks: { ...COUNTS, succeeded: 1 }, accepted: [[0, 2]] }]]),
    nodeAnswers: [],
    agents: [
      { name: 'agent-0', isDead: true, journalId: 'x', lastSequence: 9, executions: [`${JOB} 0 1`, `${JOB} 0 2`] },
    ],
    ledgerFaults: [],
    contents: new Map([[digest, digest]]),
  };
}

/** Of what covered it some is paid, and the rest has returned. */
function escrow(change: Partial<EscrowRecord> = {}): string {
  const closed = { phase: 'closed', covers: 1, deposited: 10n, paid: 4n, refunded: 6n } as const;
  return writeRecord({ ...newRecord({ credits: [] }), ...closed, ...change });
}

test('what is sound passes', () => {
  assert.deepEqual(checkInvariants(soundEvidence()), []);
});

const BREAKS: [invariant: string, breakIt: (evidence: Evidence) => void][] = [
  ['exactly one accepted result', ({ attempts }) => change(attempts, 0, { state: 'valid' })],
  ['exactly one accepted result', ({ tasks }) => change(tasks, 0, { accepted_fence: 1 })],
  ['no attempt of a decided task lives', ({ attempts }) => change(attempts, 0, { state: 'lost' })],
  ['no task is left', ({ tasks }) => change(tasks, 0, { state: 'queued' })],
  ['every job comes to its end', ({ jobs }) => change(jobs, 0, { state: 'running' })],
  ['a job ends as its tasks do', ({ jobs }) => change(jobs, 0, { state: 'failed' })],
  ['the counters of a job are right', ({ jobs }) => change(jobs, 0, { succeeded: 0, failed: 1 })],
  ['no acknowledged submit is lost', ({ load }) => load.acknowledged.set('one', new Set(['j111111111111111111']))],
  ['one job for each idempotency key', ({ jobs }) => jobs.push({ ...jobs[0], id: 'j2' } as JobRow)],
  ['every submit is answered in the end', ({ load }) => load.givenUp.set('one', 'silence')],
  ['fences count the leases', ({ attempts }) => attempts.splice(0, 1)],
  ['results have the right content', ({ tasks }) => change(tasks, 0, { outputs: null })],
  ['results can be fetched', ({ contents }) => contents.clear()],
  ['what was accepted was executed', ({ agents }) => change(agents, 0, { executions: [] })],
  [
    'one execution for each fence',
    ({ agents }) => agents.push({ ...agents[0], name: 'agent-1' } as Evidence['agents'][0]),
  ],
  ['streams have no gaps', ({ events }) => change(events, 3, { sequence: 6 })],
  ['a job is submitted once', ({ events }) => change(events, 0, { data: { type: 'job.started' } })],
  ['a job ends once', ({ events }) => change(events, 1, { data: { type: 'job.completed' } })],
  ['a success is told once', ({ events }) => change(events, 2, { data: { type: 'job.started' } })],
  [
    'the API answers what is stored',
    ({ answers }) => answers.set(JOB, { state: 'failed', tasks: COUNTS, accepted: [] }),
  ],
  ['no program ends by itself', (evidence) => Object.assign(evidence, { crashes: ['agent-0 ended'] })],
  ['nothing is left', (evidence) => Object.assign(evidence, { leftovers: ['a container'] })],
  ['every job is covered', ({ jobs }) => change(jobs, 0, { escrow: null })],
  ['every escrow closes', ({ jobs }) => change(jobs, 0, { escrow: escrow({ phase: 'open' }) })],
  ['nothing of a cover is lost', ({ jobs }) => change(jobs, 0, { escrow: escrow({ refunded: 5n }) })],
  ['accepted results are paid', ({ jobs }) => change(jobs, 0, { escrow: escrow({ paid: 0n, refunded: 10n }) })],
  ['the ledger is as it should be', (evidence) => Object.assign(evidence, { ledgerFaults: ['a row is missing'] })],
  ['nodes are known', ({ agents }) => change(agents, 0, { isDead: false })],
];

for (const [invariant, breakIt] of BREAKS) {
  test(`violated: ${invariant}`, () => {
    const evidence = soundEvidence();
    breakIt(evidence);
    const found = checkInvariants(evidence).map((violation) => violation.invariant);
    assert.ok(found.includes(invariant), `found only ${found.join(', ') || 'nothing'}`);
  });
}

function change<Item extends object>(items: Item[], index: number, values: Partial<Item>): void {
  items[index] = { ...(items[index] as Item), ...values };
}

test('the proxy keeps the order of bytes, late or not, and cuts', async () => {
  const received: Buffer[] = [];
  const server = createServer((socket) => {
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    socket.on('error', () => {});
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await TcpProxy.open();
  try {
    proxy.retarget((server.address() as AddressInfo).port);
    const client = connect(Number(new URL(proxy.url).port), '127.0.0.1');
    client.on('error', () => {});
    await once(client, 'connect');
    const lift = proxy.delay(30);
    client.write('slow ');
    await new Promise((resolve) => setTimeout(resolve, 10));
    lift();
    client.write('then quick');
    await new Promise((resolve) => setTimeout(resolve, 80));
    assert.equal(Buffer.concat(received).toString(), 'slow then quick');
    const closed = new Promise((resolve) => client.once('close', resolve));
    proxy.cut();
    await closed;
  } finally {
    await proxy.close();
    server.close();
  }
});
