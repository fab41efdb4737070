/** The wait for a revision: every way in which it can come out, and the ways in which the wait ends before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Deployment, FogClient, type RevisionState } from '@fog/contract';
import { DeploymentHandle, rolloutOutcome } from '../src/deployment-handle.ts';

function deployment(states: readonly RevisionState[], change: Partial<Deployment> = {}): Deployment {
  const revisions = states.map((state, index) => ({
    revision: states.length - index,
    state,
    reason: state === 'failed' || state === 'rolled-back' ? 'it failed' : null,
    job: `j${'0'.repeat(18)}`,
    by: 'alice',
    of: null,
    createdAt: 1,
    endedAt: null,
  }));
  return {
    name: 'web',
    principal: 'alice',
    type: 'service',
    state: 'rolling-out',
    reason: null,
    revision: states.length,
    wanted: 2,
    ready: 2,
    available: 2,
    updated: 2,
    createdAt: 1,
    updatedAt: 1,
    replicas: [],
    revisions,
    ...change,
  };
}

/** A client whose coordinator answers these in turn, the last again and again. */
function client(answers: Deployment[]): FogClient {
  const fetch = async () => {
    const document = answers.length > 1 ? answers.shift() : answers[0];
    return new Response(JSON.stringify(document), { headers: { 'content-type': 'application/json' } });
  };
  return new FogClient({ url: 'http://127.0.0.1:1', token: 'x', fetch });
}

test('a revision comes out in one of four ways', () => {
  const outcome = (states: readonly RevisionState[], revision: number, change: Partial<Deployment> = {}) =>
    rolloutOutcome(deployment(states, change), revision);
  assert.equal(outcome(['rolling-out'], 1), null);
  assert.deepEqual(outcome(['stable'], 1), { outcome: 'stable' });
  assert.equal(outcome(['stable'], 1, { available: 1 }), null, 'it was only scaled, and more are on the way');
  assert.equal(outcome(['stable'], 1, { available: 3 }), null, 'it was only scaled, and one still has to leave');
  assert.deepEqual(outcome(['stable'], 1, { available: 1, type: 'daemon' }), { outcome: 'stable' });
  assert.deepEqual(outcome(['failed'], 1), { outcome: 'failed', reason: 'it failed' });
  assert.deepEqual(outcome(['rolling-out', 'rolled-back'], 1), { outcome: 'rolled-back', reason: 'it failed' });
  const after = { outcome: 'superseded', reason: 'revision 3 was deployed after it' };
  assert.deepEqual(outcome(['rolling-out', 'superseded', 'stable'], 2), after);
  assert.equal(outcome(['stable'], 9)?.outcome, 'superseded', 'it is not kept any more');
});

test('the wait tells of progress and ends with the outcome, the time, or the signal', async () => {
  const seen: number[] = [];
  const handle = new DeploymentHandle(
    client([deployment(['rolling-out'], { available: 1 }), deployment(['stable'])]),
    'web',
  );
  const result = await handle.wait(1, { onProgress: ({ available }) => seen.push(available) });
  assert.deepEqual([result.outcome, result.deployment.available, seen], ['stable', 2, [1, 2]]);
  const endless = new DeploymentHandle(client([deployment(['rolling-out'])]), 'web');
  await assert.rejects(endless.wait(1, { timeoutMilliseconds: 20 }), {
    code: 'timed-out',
    message: 'revision 1 of web has not come up within 20ms',
    hint: 'the update goes on: fog rollout status web',
  });
  await assert.rejects(endless.wait(1, { signal: AbortSignal.timeout(20) }), { code: 'cancelled' });
});
