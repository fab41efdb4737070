import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decide, isAvailable } from '../../src/deployments/controller.ts';
import { DEADLINE, FakeWorld, type WorldOptions } from './fake-world.ts';

function stable(options: WorldOptions = {}): FakeWorld {
  const world = new FakeWorld(options);
  world.deploy(true);
  world.run(20);
  assert.equal(world.state, 'stable');
  return world;
}

const jobs = (world: FakeWorld) => world.replicas.map((replica) => replica.job);
const node = (id: string, takesWork = true, connected = true) => ({ id, connected, takesWork });

describe('a service', () => {
  test('comes up, is degraded while a replica is missing, and recovers', () => {
    const world = stable({ wanted: 3 });
    assert.deepEqual(jobs(world), ['j1', 'j1', 'j1']);
    world.fail(world.replicas[0] ?? assert.fail());
    world.look();
    assert.equal(world.state, 'degraded');
    world.run(12);
    assert.deepEqual([world.state, world.replicas.length], ['stable', 3]);
  });

  test('makes no more replicas than have cover, and is complete only when all that are wanted are there', () => {
    const world = stable({ wanted: 3 });
    world.covered = 1;
    for (const replica of world.replicas.slice(1)) world.fail(replica);
    for (const replica of world.replicas.slice(1)) replica.leaving = true;
    world.look();
    assert.deepEqual([world.state, world.replicas.filter(({ leaving }) => !leaving).length], ['degraded', 1]);
    world.covered = null;
    world.run(20);
    assert.equal(world.replicas.filter(({ leaving }) => !leaving).length, 3);
  });

  test('an update that has no cover fails after its deadline, and says so', () => {
    const world = stable({ wanted: 2, rollback: false });
    world.covered = 0;
    world.deploy(true);
    world.pass(DEADLINE);
    world.look();
    assert.deepEqual([world.state, /; no cover/.test(world.reason ?? '')], ['failed', true], world.reason ?? '');
  });

  test('of one replica is updated without a gap, one place more provided', () => {
    const world = stable({ wanted: 1 });
    world.deploy(true);
    for (let round = 0; round < 30; round += 1) {
      world.look();
      assert.ok(world.available().length >= 1, `round ${round}`);
      world.pass(1000);
    }
    assert.deepEqual([world.state, jobs(world)], ['stable', ['j2']]);
    assert.deepEqual([...world.closed], ['j1']);
  });

  test('on full nodes gives an old place to a new replica, but only once that has waited for one', () => {
    const world = stable({ wanted: 2, places: 2 });
    world.deploy(true);
    world.run(4);
    assert.deepEqual(jobs(world).sort(), ['j1', 'j1', 'j2']);
    world.run(60);
    assert.deepEqual([world.state, jobs(world)], ['stable', ['j2', 'j2']]);
  });

  test('keeps its old replicas where no node suits the new revision', () => {
    const world = stable({ wanted: 1 });
    world.places = 0;
    world.deploy(true);
    world.run(60);
    assert.equal(world.available().length, 1);
    world.pass(DEADLINE);
    world.look();
    assert.deepEqual(
      [world.state, world.current.job, world.revisions[1]?.state],
      ['rolling-back', 'j1', 'rolled-back'],
    );
    world.run(10);
    assert.deepEqual([world.state, jobs(world), [...world.closed]], ['stable', ['j1'], ['j2']]);
  });

  test('goes back by itself when the replicas of an update fail three times in a row', () => {
    const world = stable({ wanted: 3 });
    world.deploy(false);
    world.run(20);
    assert.match(world.revisions[1]?.state ?? '', /rolled-back/);
    world.run(20);
    assert.deepEqual([world.state, jobs(world)], ['stable', ['j1', 'j1', 'j1']]);
  });

  test('stops where it is without rollback, and when the way back fails as well', () => {
    const world = stable({ wanted: 3, rollback: false });
    world.deploy(false);
    world.run(20);
    assert.equal(world.state, 'failed');
    assert.match(world.reason ?? '', /^replica \d+ failed 3 times in a row: exit-code: code 1$/);
    assert.equal(world.available().length, 3, 'the old ones stay');
    const first = new FakeWorld();
    first.deploy(false);
    first.run(20);
    assert.deepEqual([first.state, first.current.state], ['failed', 'failed']);
    const back = stable();
    back.rollBack(false);
    back.run(20);
    assert.deepEqual([back.state, back.current.state, back.available().length], ['failed', 'failed', 3]);
  });

  test('that failed for want of places comes up when there are some, and is tried again when it is scaled', () => {
    const world = new FakeWorld({ wanted: 3, places: 0 });
    world.deploy(true);
    world.look();
    world.pass(DEADLINE);
    world.look();
    assert.equal(world.state, 'failed');
    assert.match(
      world.reason ?? '',
      /^0 of 3 replicas available, and no more for 10m; 3 replicas wait: no node can run it$/,
    );
    world.places = 3;
    world.run(10);
    assert.deepEqual([world.state, world.current.state], ['stable', 'stable']);
    world.deploy(false);
    world.run(40);
    world.scale(2);
    assert.notEqual(world.state, 'failed');
  });

  test('that failed by its deadline always tells what was in the way', () => {
    const failed = (change: Partial<FakeWorld['replicas'][number]>, places = 1000) => {
      const world = new FakeWorld({ wanted: 1, places });
      world.deploy(true);
      world.look();
      Object.assign(world.replicas[0] ?? assert.fail(), change);
      world.now += DEADLINE;
      world.look();
      assert.equal(world.state, 'failed');
      return world.reason?.split('; ').slice(1).join('; ');
    };
    const page = `status 404: <html>\n${'x'.repeat(900)}`;
    const said = failed({ condition: 'starting', why: page }) ?? '';
    assert.match(said, /^replica 0: status 404: <html> x+\.\.\.$/);
    assert.ok(said.length < 250, said);
    assert.equal(failed({}), '1 replica waits: none of the nodes that suit has room');
    assert.equal(failed({}, 0), '1 replica waits: no node can run it');
    assert.equal(failed({ condition: 'starting' }), 'replica 0 has not become ready');
    assert.equal(
      failed({ condition: 'ready', since: 1_000_000 + DEADLINE }),
      'replica 0 has not been ready for long enough',
    );
  });

  test('progress puts the deadline off; scaling up and down converges', () => {
    const world = stable({ wanted: 2 });
    world.scale(5);
    world.run(20);
    assert.deepEqual([world.state, world.replicas.length], ['stable', 5]);
    world.scale(0);
    world.run(5);
    assert.deepEqual([world.state, world.replicas.length], ['stable', 0]);
  });

  test('that is removed closes its jobs and is gone', () => {
    const world = stable();
    world.deploy(true);
    world.look();
    world.remove();
    assert.deepEqual(world.look().closeJobs.sort(), ['j1', 'j2']);
    assert.equal(world.look().isGone, true);
  });
});

describe('a daemon', () => {
  function daemon(count: number): FakeWorld {
    const world = new FakeWorld({ type: 'daemon' });
    world.nodes = Array.from({ length: count }, (_, index) => node(`n${index}`));
    world.deploy(true);
    world.run(20);
    assert.deepEqual(
      [world.state, world.replicas.map((replica) => replica.node)],
      ['stable', world.nodes.map(({ id }) => id)],
    );
    return world;
  }

  test('follows the nodes that come, go, and no longer match; without any it is stable', () => {
    const world = daemon(2);
    world.nodes = [node('n1'), node('n2')];
    world.run(15);
    assert.deepEqual([world.state, world.replicas.map((replica) => replica.node).sort()], ['stable', ['n1', 'n2']]);
    world.nodes = [];
    world.run(5);
    assert.deepEqual([world.state, world.replicas.length, world.wanted], ['stable', 0, 0]);
  });

  test('stays on nodes that are cordoned or away, and is updated there when they take work again', () => {
    const world = daemon(3);
    world.nodes = [node('n0', false), node('n1', false, false), node('n2')];
    world.deploy(true);
    world.run(30);
    assert.equal(world.state, 'stable');
    assert.deepEqual(world.replicas.map((replica) => `${replica.node} ${replica.job}`).sort(), [
      'n0 j1',
      'n1 j1',
      'n2 j2',
    ]);
    world.nodes = [node('n0'), node('n1'), node('n2')];
    world.run(60);
    assert.deepEqual(new Set(jobs(world)), new Set(['j2']));
  });

  test('goes back where the one place was given to a replica that fails', () => {
    const world = daemon(1);
    world.deploy(false);
    world.run(60);
    assert.deepEqual([world.state, jobs(world), [...world.closed]], ['stable', ['j1'], ['j2']]);
  });

  test('a new node that takes no work is not waited for', () => {
    const world = daemon(1);
    world.nodes = [...world.nodes, node('n9', false)];
    world.run(5);
    assert.deepEqual([world.state, world.wanted], ['stable', 1]);
  });
});

type Step =
  | { do: 'deploy'; isGood: boolean }
  | { do: 'scale'; wanted: number }
  | { do: 'fail'; pick: number }
  | { do: 'places'; places: number }
  | { do: 'nodes'; nodes: { connected: boolean; cordoned: boolean }[] }
  | { do: 'run'; rounds: number; milliseconds: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('deploy' as const), isGood: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('scale' as const), wanted: fc.nat({ max: 6 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('fail' as const), pick: fc.nat({ max: 20 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('places' as const), places: fc.nat({ max: 8 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('nodes' as const),
      nodes: fc.array(fc.record({ connected: fc.boolean(), cordoned: fc.boolean() }), { maxLength: 5 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('run' as const),
      rounds: fc.integer({ min: 1, max: 12 }),
      milliseconds: fc.constantFrom(100, 1000, 6000, DEADLINE),
    }),
  },
);

/** Looks, and checks what the controller promises of its own doing. */
function checkedLook(world: FakeWorld): void {
  const { wanted: before, update, type } = world;
  const view = world.view();
  const availableBefore = world.available().length;
  const decision = world.look();
  const { create, cancel, change } = decision;
  assert.deepEqual(decide(view, world.now), decision, 'a view is decided on in one way');
  const available = world.available().length;
  if (type === 'service') {
    const floor = before - update.maxUnavailable;
    assert.ok(available >= Math.min(availableBefore, floor), `${available} available of ${before}`);
    if (create.length > 0) assert.ok(world.replicas.length <= before + update.maxUnavailable, 'too many live');
  } else {
    const reachable = new Map(world.nodes.map((each) => [each.id, each.connected]));
    const lost = view.replicas.filter((replica) => {
      const isLeaving = cancel.some(({ job, partition }) => job === replica.job && partition === replica.partition);
      return isLeaving && reachable.get(replica.node ?? '') === true && isAvailable(view, replica, world.now);
    });
    assert.ok(lost.length <= update.maxUnavailable, 'more nodes than may be without');
    const nodes = world.replicas.map((replica) => replica.node);
    assert.equal(new Set(nodes).size, nodes.length, 'two replicas on one node');
  }
  if (change !== null) return;
  const again = decide(world.view(), world.now);
  assert.deepEqual([again.create, again.cancel], [[], []], 'nothing is done twice');
}

function take(world: FakeWorld, each: Step): void {
  if (each.do === 'deploy') world.deploy(each.isGood);
  else if (each.do === 'scale' && world.type === 'service') world.scale(each.wanted);
  else if (each.do === 'places') world.places = each.places;
  else if (each.do === 'nodes') {
    world.nodes = each.nodes.map(({ connected, cordoned }, index) =>
      node(`n${index}`, connected && !cordoned, connected),
    );
  } else if (each.do === 'fail') {
    const replica = world.replicas[each.pick % Math.max(1, world.replicas.length)];
    if (replica !== undefined) world.fail(replica);
  } else if (each.do === 'run') {
    for (let round = 0; round < each.rounds; round += 1) {
      checkedLook(world);
      world.pass(each.milliseconds);
    }
  }
}

for (const type of ['service', 'daemon'] as const) {
  test(`property: whatever happens to a ${type}, its budgets hold, and an update comes to its end`, () => {
    const property = fc.property(
      fc.array(step, { maxLength: 25, size: 'max' }),
      fc.record({ wanted: fc.integer({ min: 1, max: 5 }), maxUnavailable: fc.integer({ min: 1, max: 3 }) }),
      fc.boolean(),
      (steps, size, rollback) => {
        const world = new FakeWorld({ type, ...size, rollback });
        world.nodes = [node('n0'), node('n1'), node('n2')];
        world.deploy(true);
        for (const each of steps) take(world, each);
        world.places = 1000;
        world.nodes = world.nodes.map(({ id }) => node(id));
        const settle = (rounds: number, milliseconds: number) => {
          for (let round = 0; round < rounds; round += 1) {
            checkedLook(world);
            world.pass(milliseconds);
          }
        };
        settle(200, 10_000);
        assert.ok(['stable', 'degraded', 'failed'].includes(world.state), world.state);
        world.deploy(true);
        settle(100, 5000);
        assert.equal(world.state, 'stable');
        assert.deepEqual(new Set(jobs(world)), new Set(world.wanted === 0 ? [] : [world.current.job]));
        assert.equal(world.available().length, world.wanted);
        assert.deepEqual(decide(world.view(), world.now).closeJobs, [], 'no job is left over');
      },
    );
    fc.assert(property, { numRuns: 100 });
  });
}
