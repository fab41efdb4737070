import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChildEnd } from '../../src/child-pool.ts';
import { type ChildKind, ChildShelf, type ShelvedChild } from '../../src/javascript/child-shelf.ts';
import { JAVASCRIPT_LIMITS } from '../../src/limits.ts';

class FakeChild implements ShelvedChild {
  readonly ready = Promise.resolve();
  readonly ended: Promise<ChildEnd>;
  readonly kind: string;
  scriptPath: string | null = null;
  attempts = 0;
  residentBytes = 0;
  isKilled = false;
  readonly #end: (end: ChildEnd) => void;

  constructor(kind: string) {
    this.kind = kind;
    const { promise, resolve } = Promise.withResolvers<ChildEnd>();
    this.ended = promise;
    this.#end = resolve;
  }

  kill(): void {
    this.isKilled = true;
    this.#end({ exitCode: null, signal: 'SIGKILL', diagnostic: '' });
  }
}

function createShelf(slots: number): { shelf: ChildShelf<FakeChild>; started: FakeChild[] } {
  const started: FakeChild[] = [];
  const shelf = new ChildShelf<FakeChild>({
    slots,
    start: ({ key }) => {
      const child = new FakeChild(key);
      started.push(child);
      return child;
    },
  });
  return { shelf, started };
}

function use(shelf: ChildShelf<FakeChild>, kind: ChildKind, script: string, wasOrderly = true): FakeChild {
  const child = shelf.take(kind, script);
  child.scriptPath = script;
  child.attempts += 1;
  shelf.giveBack(child, kind, wasOrderly);
  return child;
}

const SAME: ChildKind = { key: 'v8', reuse: 'same-script' };
const NEVER: ChildKind = { key: 'v8-bubblewrap', reuse: 'never' };
const ALWAYS: ChildKind = { key: 'quickjs', reuse: 'always' };

describe('javascript: shelf of processes', () => {
  it('uses a process of a trusted submitter again for the same script only', () => {
    const { shelf } = createShelf(1);
    const first = use(shelf, SAME, 'a');
    assert.equal(use(shelf, SAME, 'a'), first);
    const second = use(shelf, SAME, 'b');
    assert.notEqual(second, first);
    assert.equal(use(shelf, SAME, 'a'), first);
  });

  it('never uses a process of a stranger again, and has the next one ready', () => {
    const { shelf, started } = createShelf(1);
    const first = use(shelf, NEVER, 'a');
    assert.ok(first.isKilled);
    const count = started.length;
    const second = shelf.take(NEVER, 'a');
    assert.notEqual(second, first);
    assert.ok(started.indexOf(second) < count, 'it was started before it was asked for');
  });

  it('uses a quickjs process for any script', () => {
    const { shelf } = createShelf(1);
    assert.equal(use(shelf, ALWAYS, 'a'), use(shelf, ALWAYS, 'b'));
  });

  it('gives up processes that ended in disorder, are large or are old', () => {
    const { shelf } = createShelf(1);
    const disorderly = use(shelf, SAME, 'a', false);
    assert.ok(disorderly.isKilled);
    const large = shelf.take(SAME, 'a');
    large.residentBytes = JAVASCRIPT_LIMITS.idleResidentBytes;
    shelf.giveBack(large, SAME, true);
    assert.ok(large.isKilled);
    const old = shelf.take(SAME, 'a');
    old.attempts = JAVASCRIPT_LIMITS.attemptsPerChild;
    shelf.giveBack(old, SAME, true);
    assert.ok(old.isKilled);
  });

  it('keeps a bounded number of processes', () => {
    const { shelf, started } = createShelf(2);
    for (let script = 0; script < 50; script += 1) use(shelf, SAME, `script ${script}`);
    assert.ok(started.filter((child) => !child.isKilled).length <= 2 * 2 + 2);
  });

  it('ends all of them when closed', async () => {
    const { shelf, started } = createShelf(2);
    const taken = shelf.take(SAME, 'a');
    await shelf.close();
    shelf.giveBack(taken, SAME, true);
    assert.ok(started.every((child) => child.isKilled));
  });
});
