/** Replicas that end without a result that counts: forged, copied, withheld, failed, declined; who pays, and what follows. */
import assert from 'node:assert/strict';
import { DISPATCH_LIMITS } from '../../src/limits.ts';
import { onBothDatabases } from './both-databases.ts';
import { attemptStates, jobRow, taskRow } from './invariants.ts';
import { acceptedOutput, failing, passing, RIGHT, stranger, submitVerified, trustOf } from './strangers.ts';

/** Longer than any patience. */
const LONG = 3 * 3_600_000;

await onBothDatabases('replicas without a result', {
  async 'who commits and does not show its result is replaced, and pays'({ open }) {
    const fog = await open();
    const silent = await stranger(fog);
    silent.onReveal = () => undefined;
    await stranger(fog);
    const job = await submitVerified(fog);
    await fog.settle();
    assert.ok((await attemptStates(fog.database, job)).includes('committed'));
    await fog.advance(LONG);
    assert.equal((await trustOf(fog, silent))?.withheld, 1);
    assert.deepEqual(
      silent.stopped.map(({ reason }) => reason),
      ['withheld'],
    );
    await stranger(fog);
    await fog.settle();
    assert.equal(await acceptedOutput(fog, job), RIGHT);
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
  },

  async 'who commits and vanishes pays the same; who only vanishes pays nothing'({ open }) {
    const fog = await open();
    const committed = await stranger(fog);
    committed.onReveal = () => undefined;
    const idle = await stranger(fog);
    idle.onLease = () => undefined;
    const job = await submitVerified(fog);
    await fog.settle();
    await committed.disconnect();
    await idle.disconnect();
    await fog.advance(DISPATCH_LIMITS.committedSilenceMilliseconds);
    assert.equal((await trustOf(fog, committed))?.withheld, 1);
    assert.equal(await trustOf(fog, idle), null);
    await committed.connect();
    await idle.connect();
    const old = [committed, idle].flatMap((agent) => agent.attempts).filter(({ fence }) => fence <= 2);
    assert.deepEqual(old, [], 'what was replaced is stopped');
    await fog.nodes.cordon(idle.id, true, 'root');
    await idle.disconnect();
    await fog.advance(120_000);
    await stranger(fog);
    await stranger(fog);
    await fog.settle();
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
  },

  async 'a failing program counts when a second node fails alike'({ open }) {
    const fog = await open();
    await stranger(fog, failing);
    const job = await submitVerified(fog);
    await fog.settle();
    assert.equal((await taskRow(fog.database, job)).state, 'queued', 'one node could lie');
    await stranger(fog, failing);
    await fog.settle();
    const task = await taskRow(fog.database, job);
    assert.deepEqual([task.state, JSON.parse(task.failure ?? '{}').reason], ['failed', 'exit-code']);
  },

  async 'a node that only says that programs fail is outvoted'({ open }) {
    const fog = await open();
    await stranger(fog, failing);
    await stranger(fog);
    await stranger(fog);
    const job = await submitVerified(fog, { mode: 'replicate' }, { count: 5 });
    await fog.settle();
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
  },

  async 'a node that declines everything spoils no task'({ open }) {
    const fog = await open();
    const unwilling = await stranger(fog);
    unwilling.onLease = (name) => queueMicrotask(() => unwilling.decline(name));
    const job = await submitVerified(fog);
    await fog.settle();
    for (let round = 0; round < 20; round += 1) await fog.advance(1000);
    assert.equal((await taskRow(fog.database, job)).fence, 1, 'others are waited for');
    await stranger(fog);
    await stranger(fog);
    await fog.settle();
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
  },

  async 'where nobody else can be asked, the failure of the one node stands'({ open }) {
    const fog = await open();
    await stranger(fog, failing);
    const job = await submitVerified(fog, { mode: 'replicate' }, { retry: { attempts: 2 } });
    await fog.settle();
    await passing(fog, 180_000);
    const task = await taskRow(fog.database, job);
    assert.deepEqual(
      [task.state, JSON.parse(task.failure ?? '{}').reason, task.job_failures],
      ['failed', 'exit-code', 2],
    );
  },

  async 'a result that its node did not sign, or that was not stored, is none'({ open }) {
    const fog = await open();
    for (const forge of ['signature', 'blob'] as const) {
      const liar = await stranger(fog);
      if (forge === 'signature') {
        liar.onReveal = (name) => queueMicrotask(() => liar.reveal(name, RIGHT, { signature: 'A'.repeat(86) }));
      } else {
        const nowhere = `sha256:${'f'.repeat(64)}`;
        liar.onLease = (name) => queueMicrotask(() => liar.commit(name, nowhere));
        liar.onReveal = (name) => queueMicrotask(() => liar.reveal(name, nowhere));
      }
      const other = await stranger(fog);
      const job = await submitVerified(fog);
      await fog.settle();
      assert.equal((await trustOf(fog, liar))?.withheld, 1, forge);
      await fog.jobs.close(job, 'cancelled', 'alice');
      for (const agent of [liar, other]) await fog.nodes.remove(agent.id);
    }
  },

  async 'who copies the commitment of another cannot open it'({ open }) {
    const fog = await open();
    const honestNode = await stranger(fog);
    const copier = await stranger(fog);
    copier.onLease = (name) =>
      queueMicrotask(() => {
        // The commitment of the other node, as if it had been overheard.
        const { digest, nonce } = honestNode.bound({ ...name, fence: 1 }, RIGHT);
        copier.report(name, { event: 'commit', commitment: honestNode.commitmentOf({ digest, nonce }) });
      });
    copier.onReveal = (name) =>
      queueMicrotask(() => copier.reveal(name, RIGHT, { nonce: honestNode.bound({ ...name, fence: 1 }, RIGHT).nonce }));
    const job = await submitVerified(fog);
    await fog.settle();
    const attempts = await attemptStates(fog.database, job);
    assert.ok(attempts.includes('failed'), attempts.join());
    assert.equal((await trustOf(fog, copier))?.withheld, 1);
    const failed = await fog.database.read
      .selectFrom('attempts')
      .select('outcome')
      .where('state', '=', 'failed')
      .executeTakeFirstOrThrow();
    assert.equal(JSON.parse(failed.outcome ?? '{}').reason, 'commitment-mismatch');
    await stranger(fog);
    await fog.settle();
    assert.equal(await acceptedOutput(fog, job), RIGHT);
  },

  async 'a place that is given up by a commitment and by its end in one turn is given away once'({ open }) {
    const fog = await open();
    const agent = await stranger(fog, () => RIGHT, { capacity: { slots: 1 } });
    agent.onLease = null;
    const job = await submitVerified(fog);
    await fog.settle();
    const [name] = agent.attempts;
    assert.ok(name !== undefined);
    // A turn is under way, so that what follows comes into the next one together.
    const submitted = fog.submit({ spec: { count: 3 } });
    await new Promise((resolve) => setImmediate(resolve));
    agent.commit(name, RIGHT);
    fog.dispatcher.take({ kind: 'close', name, why: 'cancelled' });
    await submitted;
    await fog.settle();
    assert.equal((await taskRow(fog.database, job)).state, 'cancelled');
    assert.equal(agent.attempts.filter(({ job: of }) => of !== job).length, 1);
  },
});
