import assert from 'node:assert/strict';
import { FogError } from '@fog/contract';
import { Registry } from 'prom-client';
import { cutHistory } from '../../src/deployments/history.ts';
import { registerDeploymentGauges } from '../../src/deployments/metrics.ts';
import { DEPLOYMENT_LIMITS } from '../../src/limits.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import { attemptStates, eventTypes, jobRow, taskRow } from '../dispatch/invariants.ts';
import { ALICE, deploy, deployed, get, onNodes, service, until, willing } from './deployment-scene.ts';

const web = { name: 'web' };

await onBothDatabases('deployments', {
  'a service comes up, and deploying it again changes nothing': async ({ open }) => {
    const fog = await open();
    await willing(fog, { name: 'a' });
    await willing(fog, { name: 'b' });
    const first = await deploy(fog, service());
    assert.deepEqual([first.state, first.wanted, first.replicas.length], ['rolling-out', 2, 2]);
    const stable = await deployed(fog, service());
    assert.deepEqual([stable.revision, stable.ready, stable.available, stable.updated], [1, 2, 2, 2]);
    assert.deepEqual(onNodes(stable), ['a', 'b']);
    const registry = new Registry();
    registerDeploymentGauges(registry, fog.database);
    assert.match(
      await registry.metrics(),
      /^fog_deployments\{state="stable"\} 1\n(?:.*\n)+.*is="wanted"\} 2\n.*is="available"\} 2$/m,
    );
    const brief = await fog.deployments.get(ALICE, { ...web, replicas: 'none' });
    assert.deepEqual(brief, { ...stable, replicas: [] });
    assert.deepEqual(
      stable.revisions.map(({ revision, state, by, of }) => [revision, state, by, of]),
      [[1, 'stable', 'alice', null]],
    );
    const job = stable.revisions[0]?.job ?? '';
    const row = await jobRow(fog.database, job);
    assert.deepEqual([row.state, row.deployment, row.task_count], ['running', 'web', 2]);
    assert.equal((await taskRow(fog.database, job)).queue_deadline, null);
    await fog.advance(400 * 86_400_000);
    assert.equal((await jobRow(fog.database, job)).ended_at, null, 'it never expires');
  },

  'another count scales; fog scale holds until a deploy names another count': async ({ open }) => {
    const fog = await open();
    await willing(fog);
    await deployed(fog, service({ count: 2 }));
    await fog.deployments.scale(ALICE, web, 3);
    const scaled = await until(fog, ['degraded']).then(() => until(fog, ['stable']));
    assert.deepEqual([scaled.replicas.length, scaled.revision], [3, 1]);
    await deploy(fog, service({ count: 2 }));
    assert.equal((await get(fog)).wanted, 3, 'the same count again is no other count');
    await deploy(fog, service({ count: 1 }));
    await fog.advance(1000);
    const smaller = await get(fog);
    assert.deepEqual([smaller.wanted, smaller.revision, smaller.state], [1, 1, 'stable']);
    await fog.advance(1000);
    assert.deepEqual(
      (await get(fog)).replicas.map((replica) => replica.partition),
      [0],
      'the youngest left',
    );
    const job = smaller.revisions[0]?.job ?? '';
    const row = await jobRow(fog.database, job);
    assert.deepEqual([row.cancelled, row.running, row.ended_at], [2, 1, null]);
    await fog.deployments.scale(ALICE, web, 2);
    await fog.settle();
    const grown = await until(fog, ['stable']);
    assert.deepEqual(grown.replicas.map((replica) => replica.partition).sort(), [0, 3], 'numbers go on counting');
  },

  'an update replaces the replicas and ends the old job': async ({ open }) => {
    const fog = await open();
    const agent = await willing(fog);
    const before = await deployed(fog, service());
    await deploy(fog, service({}, ['two']));
    await fog.settle();
    const after = await until(fog, ['stable']);
    assert.deepEqual(
      after.revisions.map(({ revision, state }) => [revision, state]),
      [
        [2, 'stable'],
        [1, 'superseded'],
      ],
    );
    assert.ok(after.replicas.every((replica) => replica.revision === 2));
    await fog.advance(1000);
    const old = await jobRow(fog.database, before.revisions[0]?.job ?? '');
    assert.deepEqual([old.state, old.cancelled, old.closed_by], ['cancelled', 2, 'alice']);
    assert.equal(agent.stopped.length, 2);
    assert.deepEqual((await eventTypes(fog.database, old.id)).at(-1), 'job.cancelled');
  },

  'a service without a name is refused, also where the deployment has that of jobs without one': async ({ open }) => {
    const fog = await open();
    const { metadata, ...nameless } = service();
    assert.equal(metadata?.name, 'web');
    await assert.rejects(fog.deployments.deploy(ALICE, { name: 'job' }, nameless), {
      code: 'invalid-spec',
      message: 'metadata.name: is required: it is the name of the deployment',
    });
  },

  'a bad update goes back by itself, and says why': async ({ open }) => {
    const fog = await open();
    await willing(fog);
    const before = await deployed(fog, service());
    await deploy(fog, service({}, ['fails']));
    await fog.settle();
    const why = 'replica 0 failed 3 times in a row: exit-code: as told';
    assert.equal((await until(fog, ['rolling-back'])).reason, why);
    const after = await until(fog, ['stable']);
    assert.deepEqual([after.reason, after.revisions[1]?.reason], [null, why], 'nothing is wrong any more');
    assert.deepEqual(
      after.revisions.map(({ state, of, job }) => [state, of, job === before.revisions[0]?.job]),
      [
        ['stable', 1, true],
        ['rolled-back', null, false],
        ['superseded', null, true],
      ],
    );
    assert.deepEqual(
      after.replicas.map(({ partition, since }) => [partition, since]).sort(),
      before.replicas.map(({ partition, since }) => [partition, since]).sort(),
      'the old replicas were not touched',
    );
  },

  'without rollback it stops, and goes on when the mended one is deployed': async ({ open }) => {
    const fog = await open();
    await willing(fog);
    const update = { rollback: false };
    await deployed(fog, service({ update }));
    await deploy(fog, service({ update }, ['fails']));
    await fog.settle();
    const failed = await until(fog, ['failed']);
    assert.deepEqual([failed.available, failed.updated, failed.revisions[0]?.state], [2, 0, 'failed']);
    await deploy(fog, service({ update }, ['fails']));
    assert.deepEqual([(await get(fog)).state, (await get(fog)).revision], ['rolling-out', 2], 'tried again');
    await until(fog, ['failed']);
    await deploy(fog, service({ update }, ['mended']));
    await fog.settle();
    const mended = await until(fog, ['stable']);
    assert.deepEqual([mended.revision, mended.reason, mended.updated], [3, null, 2]);
  },

  'an earlier revision can be taken up again': async ({ open }) => {
    const fog = await open();
    await willing(fog);
    await deployed(fog, service());
    await assert.rejects(fog.deployments.rollBack(ALICE, web, undefined), { code: 'conflict' });
    await deployed(fog, service({}, ['two']));
    await fog.settle();
    await until(fog, ['stable']);
    await fog.advance(1000);
    await assert.rejects(fog.deployments.rollBack(ALICE, web, 2), { code: 'conflict' });
    await assert.rejects(fog.deployments.rollBack(ALICE, web, 7), { code: 'not-found' });
    const back = await fog.deployments.rollBack(ALICE, web, undefined);
    assert.deepEqual([back.state, back.revision, back.revisions[0]?.of], ['rolling-back', 3, 1]);
    await fog.settle();
    const stable = await until(fog, ['stable']);
    assert.deepEqual(
      stable.revisions.map(({ state }) => state),
      ['stable', 'rolled-back', 'superseded'],
    );
    assert.notEqual(stable.revisions[0]?.job, stable.revisions[2]?.job, 'its job had ended');
  },

  'a replica whatever ends it is placed again, after a pause and rather elsewhere': async ({ open }) => {
    const fog = await open();
    const [one, two] = [await fog.connected({ name: 'one' }), await fog.connected({ name: 'two' })];
    await deploy(fog, service({ count: 1 }));
    await fog.settle();
    const job = (await get(fog)).revisions[0]?.job ?? '';
    const holder = () => [one, two].find((agent) => agent.held.size > 0) ?? assert.fail('nobody runs it');
    for (const how of ['succeed', 'fail', 'sandbox', 'decline', 'rejected'] as const) {
      const before = holder();
      const [name] = before.attempts;
      if (name === undefined) assert.fail('no attempt');
      if (how !== 'decline') before.report(name, { event: 'start' });
      if (how === 'succeed') before.succeed(name);
      else if (how === 'decline') before.decline(name);
      else before.fail(name, how === 'fail' ? 'exit-code' : how);
      await fog.settle();
      assert.equal((await taskRow(fog.database, job)).state, 'queued', how);
      await fog.advance(60_000);
      assert.notEqual(holder(), before, `${how}: the other node is preferred`);
    }
    assert.deepEqual(await attemptStates(fog.database, job), [
      'failed',
      'failed',
      'failed',
      'declined',
      'failed',
      'leased',
    ]);
    const { failures, message } = (await get(fog)).replicas[0] ?? assert.fail('no replica');
    assert.deepEqual([failures, message], [5, 'rejected: as told']);
    const last = holder();
    await (last === one ? two : one).disconnect();
    last.fail(last.attempts[0] ?? assert.fail('none'));
    await fog.settle();
    await fog.advance(60_000);
    assert.equal(holder(), last, 'the node that it failed on is better than none');
  },

  'the pause grows with failures in a row, and begins anew after a long run': async ({ open }) => {
    const fog = await open();
    const agent = await fog.connected();
    await deploy(fog, service({ count: 1, update: { deadline: '7d' } }));
    await fog.settle();
    const job = (await get(fog)).revisions[0]?.job ?? '';
    const pauses: number[] = [];
    const failAfter = async (milliseconds: number) => {
      const name = agent.attempts[0] ?? assert.fail('no attempt');
      agent.report(name, { event: 'start' });
      await fog.settle();
      fog.clock.now += milliseconds;
      agent.fail(name, 'sandbox');
      await fog.settle();
      pauses.push(((await taskRow(fog.database, job)).not_before ?? 0) - fog.clock.now);
      await fog.advance(60_000);
    };
    for (let failure = 0; failure < 8; failure += 1) await failAfter(1000);
    await failAfter(600_000);
    assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 1000]);
  },

  'a replica on a lost node is placed elsewhere; the original is stopped when its node returns': async ({ open }) => {
    const fog = await open();
    const one = await willing(fog, { name: 'one' });
    await deployed(fog, service({ count: 1 }));
    const two = await willing(fog, { name: 'two' });
    await one.disconnect();
    await fog.advance(61_000);
    await fog.advance(2000);
    assert.deepEqual([one.held.size, two.held.size], [1, 1]);
    const [replica] = (await get(fog)).replicas;
    assert.deepEqual([replica?.ready, replica?.failures, replica?.message], [true, 1, null], 'it does well');
    await one.connect();
    assert.deepEqual([one.held.size, two.held.size], [0, 1]);
    await until(fog, ['stable']);
  },

  'a daemon runs on every matching node, those that join and leave included': async ({ open }) => {
    const fog = await open();
    await willing(fog, { name: 'a', labels: { zone: 'x' } });
    await willing(fog, { name: 'b', labels: { zone: 'y' } });
    const placement = { constraints: ['zone == x'] };
    const daemon = service({ type: 'daemon', placement });
    const first = await deployed(fog, daemon);
    assert.deepEqual([onNodes(first), first.wanted], [['a'], 1]);
    const c = await willing(fog, { name: 'c', labels: { zone: 'x' } });
    await fog.advance(1000);
    assert.deepEqual(onNodes(await until(fog, ['stable'])), ['a', 'c']);
    await fog.nodes.cordon(c.id, true, 'root');
    await deploy(fog, service({ type: 'daemon', placement }, ['two']));
    await fog.settle();
    const updated = await until(fog, ['stable']);
    assert.deepEqual(updated.replicas.map(({ nodeName, revision }) => `${nodeName} ${revision}`).sort(), [
      'a 2',
      'c 1',
    ]);
    await fog.nodes.remove(c.id);
    await fog.advance(10_000);
    await fog.advance(1000);
    const left = await get(fog);
    assert.deepEqual([onNodes(left), left.wanted, left.state], [['a'], 1, 'stable']);
    await assert.rejects(fog.deployments.scale(ALICE, web, 2), { code: 'invalid-request' });
    await assert.rejects(deploy(fog, service()), { code: 'conflict', hint: 'fog rollout remove web' });
  },

  'one that is removed is gone with its replicas; its jobs are kept like others': async ({ open }) => {
    const fog = await open({ keepJobs: '1d' });
    await willing(fog);
    const { revisions } = await deployed(fog, service());
    await deploy(fog, service({}, ['two']));
    await fog.settle();
    const newest = (await until(fog, ['stable'])).revisions[0]?.job ?? '';
    await fog.advance(1000);
    await fog.advance(2 * 86_400_000);
    const old = revisions[0]?.job ?? '';
    assert.equal((await jobRow(fog.database, old)).state, 'cancelled', 'a revision to return to is kept');
    await fog.deployments.remove(ALICE, web);
    await assert.rejects(deploy(fog, service()), { code: 'conflict' }, 'not while it is being removed');
    await fog.deployments.remove(ALICE, web);
    await fog.settle();
    await fog.advance(1000);
    await fog.advance(1000);
    await assert.rejects(get(fog), { code: 'not-found' });
    assert.equal((await jobRow(fog.database, newest)).state, 'cancelled');
    await fog.advance(2 * 86_400_000);
    const left = await fog.database.read.selectFrom('jobs').select('id').execute();
    assert.deepEqual(left, []);
    await deployed(fog, service());
  },

  'a crash at any moment leaves nothing undone': async ({ open, crash }) => {
    let fog = await open();
    const agent = await willing(fog);
    const next = async () => {
      fog = await crash(fog);
      await agent.connect();
    };
    await deploy(fog, service());
    await next();
    await until(fog, ['stable']);
    await deploy(fog, service({}, ['two']));
    for (let round = 0; round < 6; round += 1) {
      await fog.advance(3000);
      await next();
    }
    const stable = await until(fog, ['stable']);
    assert.deepEqual([stable.revision, stable.replicas.length, stable.updated], [2, 2, 2]);
  },

  'the deadline of an update does not pass while no coordinator looks': async ({ open, crash }) => {
    const first = await open();
    await deploy(first, service());
    await first.advance(1000);
    first.clock.now += 3_600_000;
    const fog = await crash(first);
    await fog.advance(1000);
    assert.equal((await get(fog)).state, 'rolling-out');
    await fog.advance(600_000);
    const failed = await get(fog);
    assert.deepEqual(
      [failed.state, failed.reason],
      ['failed', '0 of 2 replicas available, and no more for 10m; 2 replicas wait: no node has joined this fog'],
    );
    await willing(fog);
    await fog.settle();
    assert.equal((await until(fog, ['stable'])).reason, null, 'it came up after all');
  },

  'only the newest revisions are kept': async ({ open }) => {
    const fog = await open();
    await willing(fog);
    await deployed(fog, service({ count: 1 }));
    for (let revision = 2; revision <= DEPLOYMENT_LIMITS.revisions + 4; revision += 1) {
      await deploy(fog, service({ count: 1 }, [String(revision)]));
      await fog.settle();
      await fog.advance(2000);
    }
    await until(fog, ['stable']);
    const numbers = (await get(fog)).revisions.map(({ revision }) => revision);
    const newest = Array.from({ length: DEPLOYMENT_LIMITS.revisions }, (_, index) => numbers.length + 3 - index);
    assert.deepEqual(numbers, [...newest, 1], 'and the first, whose replica ran until the last one was up');
  },

  'deploys that nothing can follow are slowed down': async ({ open }) => {
    const fog = await open();
    const refused: string[] = [];
    for (let revision = 1; revision <= 60; revision += 1) {
      await fog.deployments.deploy(ALICE, web, service({ count: 1 }, [String(revision)])).catch((error: unknown) => {
        refused.push(FogError.from(error).code);
      });
      await fog.settle();
    }
    const { revisions } = await get(fog);
    assert.ok(revisions.length <= DEPLOYMENT_LIMITS.revisions + DEPLOYMENT_LIMITS.endingRevisions + 1);
    assert.ok(refused.every((code) => code === 'too-many-requests'));
  },

  'what happened to a living deployment is cut at the far end': async ({ open }) => {
    const fog = await open();
    const agent = await willing(fog);
    const { revisions } = await deployed(fog, service({ count: 1 }));
    const job = revisions[0]?.job ?? '';
    for (let failure = 0; failure < 5; failure += 1) {
      agent.fail(agent.attempts[0] ?? assert.fail('no attempt'));
      await fog.settle();
      await fog.advance(60_000);
    }
    const counts = async () => [
      (await attemptStates(fog.database, job)).length,
      (await eventTypes(fog.database, job)).length,
    ];
    const before = await counts();
    await cutHistory(fog.database);
    assert.deepEqual(await counts(), before, 'a short one is left alone');
    await cutHistory(fog.database, { keptAttempts: 2, keptRecords: 7 });
    assert.deepEqual(await attemptStates(fog.database, job), ['failed', 'running']);
    assert.equal((await eventTypes(fog.database, job)).length, 7);
    assert.equal((await until(fog, ['stable'])).replicas[0]?.failures, 5);
  },

  'everybody sees their own, and admin all': async ({ open }) => {
    const fog = await open();
    await deploy(fog, service());
    const bob = { scope: 'submit', principal: 'bob' } as const;
    const root = { scope: 'admin', principal: 'admin' } as const;
    await deploy(fog, service({ count: 1 }), bob);
    await assert.rejects(fog.deployments.get(bob, { name: 'web', principal: 'alice' }), { code: 'not-found' });
    await assert.rejects(fog.deployments.get(root, web), { code: 'not-found' });
    assert.equal((await fog.deployments.get(root, { name: 'web', principal: 'alice' })).wanted, 2);
    const page = await fog.deployments.list(root, { limit: 1 });
    assert.deepEqual(
      page.items.map(({ principal }) => principal),
      ['alice'],
    );
    const rest = await fog.deployments.list(root, { limit: 9, cursor: page.next ?? '' });
    assert.deepEqual(
      rest.items.map(({ principal }) => principal),
      ['bob'],
    );
    assert.equal((await fog.deployments.list(bob, { limit: 9 })).items.length, 1);
    assert.deepEqual((await fog.deployments.list(bob, { limit: 9, principal: 'alice' })).items, []);
    await fog.deployments.deploy(root, { name: 'web', principal: 'alice' }, service({ count: 4 }));
    assert.deepEqual([(await get(fog)).wanted, (await get(fog)).principal], [4, 'alice']);
  },

  'limits: deployments of a principal, room in the queue, names, and jobs that have an end': async ({ open }) => {
    const fog = await open({ queuedTasks: 150 });
    const refused = (code: string) => (error: unknown) => FogError.from(error).code === code;
    await assert.rejects(deploy(fog, service({ count: 151 })), refused('too-many-requests'));
    const missing = service();
    Object.assign(missing.spec.task, { stdin: { source: `sha256:${'b'.repeat(64)}` } });
    await assert.rejects(deploy(fog, missing), refused('blob-not-found'));
    await assert.rejects(get(fog), refused('not-found'), 'nothing is left of it');
    await assert.rejects(fog.deployments.deploy(ALICE, { name: 'other' }, service()), refused('invalid-request'));
    await assert.rejects(fog.deployments.deploy(ALICE, web, service({ type: 'batch' })), refused('invalid-request'));
    await assert.rejects(fog.jobs.submit(ALICE, { spec: service() }), {
      code: 'invalid-request',
      hint: 'fog deploy FILE',
    });
    await deploy(fog, service());
    await assert.rejects(fog.deployments.scale(ALICE, web, 200), refused('too-many-requests'));
    await assert.rejects(fog.deployments.scale(ALICE, { name: 'none' }, 1), refused('not-found'));
    const row = await fog.database.read.selectFrom('deployments').selectAll().executeTakeFirstOrThrow();
    await fog.database.write((writer) =>
      writer
        .insertInto('deployments')
        .values({ ...row, name: 'large', wanted: DEPLOYMENT_LIMITS.replicasPerPrincipal - 20 })
        .execute(),
    );
    await assert.rejects(fog.deployments.scale(ALICE, web, 21), { code: 'too-many-requests', details: { room: 20 } });
    await assert.rejects(deploy(fog, service({ count: 21 })), refused('too-many-requests'));
    await fog.deployments.scale(ALICE, web, 20);
    await fog.database.write((writer) => writer.deleteFrom('deployments').where('name', '=', 'large').execute());
    const others = Array.from({ length: DEPLOYMENT_LIMITS.deploymentsPerPrincipal - 1 }, (_, index) => {
      return { ...row, name: `web-${index}` };
    });
    await fog.database.write((writer) => writer.insertInto('deployments').values(others).execute());
    await assert.rejects(deploy(fog, service({}, [], 'more')), refused('too-many-requests'));
    await fog.database.write((writer) => writer.deleteFrom('deployments').where('name', 'like', 'web-%').execute());
  },
});
