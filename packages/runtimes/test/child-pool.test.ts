import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ChildEnd, ChildPool, isRefusal, type PooledChild } from '../src/child-pool.ts';

/** A child without a process. */
class FakeChild implements PooledChild {
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<ChildEnd>();
  readonly ready = this.#ready.promise;
  readonly ended = this.#ended.promise;
  readonly number: number;
  killed = false;

  constructor(number: number) {
    this.number = number;
  }

  becomeReady(): this {
    this.#ready.resolve();
    return this;
  }

  die(diagnostic = ''): void {
    this.#ended.resolve({ exitCode: 1, signal: null, diagnostic });
  }

  kill(): void {
    this.killed = true;
    this.die();
  }
}

function createPool(size: number, prepare = (child: FakeChild): FakeChild => child.becomeReady()) {
  const children: FakeChild[] = [];
  const start = (): FakeChild => {
    const child = prepare(new FakeChild(children.length));
    children.push(child);
    return child;
  };
  return { pool: new ChildPool({ size, start }), children };
}

async function childOf(pool: ChildPool<FakeChild>, prefer?: (child: FakeChild) => number): Promise<FakeChild> {
  const child = await pool.lease(prefer).child;
  assert.ok(!isRefusal(child), 'refused');
  return child;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('child-pool', () => {
  it('leases each child to one caller at a time and serves the queue in order', async () => {
    const { pool, children } = createPool(2);
    const [first, second] = [await childOf(pool), await childOf(pool)];
    assert.notEqual(first, second);
    const order: string[] = [];
    const third = childOf(pool).then((child) => order.push(`third ${child.number}`));
    const fourth = childOf(pool).then((child) => order.push(`fourth ${child.number}`));
    await turn();
    assert.deepEqual(order, []);
    pool.release(second, { reuse: true });
    pool.release(first, { reuse: true });
    await Promise.all([third, fourth]);
    assert.deepEqual(order, ['third 1', 'fourth 0']);
    assert.equal(children.length, 2);
  });

  it('takes the idle child that is rated highest', async () => {
    const { pool } = createPool(3);
    pool.warm();
    await turn();
    assert.equal((await childOf(pool, (child) => child.number)).number, 2);
    assert.equal((await childOf(pool)).number, 0);
  });

  it('replaces what is used up, killed or dead, at once', async () => {
    const { pool, children } = createPool(1);
    const first = await childOf(pool);
    pool.release(first, { reuse: false });
    assert.ok(first.killed);
    assert.equal(children.length, 2);
    const second = await childOf(pool);
    second.die();
    await turn();
    assert.equal(children.length, 3);
    pool.release(second, { reuse: true });
    assert.equal((await childOf(pool)).number, 2);
  });

  it('gives up a place in the queue', async () => {
    const { pool } = createPool(1);
    const first = await childOf(pool);
    const lease = pool.lease();
    const next = childOf(pool);
    lease.cancel();
    assert.ok(isRefusal(await lease.child));
    pool.release(first, { reuse: true });
    assert.equal(await next, first);
  });

  it('tells those who wait when children cannot start, and tries again when asked', async () => {
    let broken = true;
    const { pool, children } = createPool(1, (child) => {
      if (broken) child.die('node: bad option\n');
      else child.becomeReady();
      return child;
    });
    const refusal = await pool.lease().child;
    assert.ok(isRefusal(refusal));
    assert.match(refusal.message, /exit code 1.*bad option/);
    assert.equal(children.length, 3);
    broken = false;
    await childOf(pool);
  });

  it('close() waits for every process, those that were discarded too', async () => {
    const { pool, children } = createPool(2);
    pool.release(await childOf(pool), { reuse: false });
    const waiting = [pool.lease(), pool.lease(), pool.lease()];
    await pool.close();
    const last = await waiting[2]?.child;
    assert.ok(last !== undefined && isRefusal(last) && last.refused === 'closed');
    assert.ok(children.every((child) => child.killed));
    assert.ok(isRefusal(await pool.lease().child));
  });
});
