/** Places of sessions: spread, reserved, given back, and never more than there are. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJobSpec } from '@fog/contract';
import fc from 'fast-check';
import { type PlacementClass, placementClass, requirementsOf } from '../../src/dispatch/requirements.ts';
import type { Reservations } from '../../src/dispatch/reservations.ts';
import { AgentSession, Sessions } from '../../src/dispatch/sessions.ts';
import { jobSpec } from './fog-harness.ts';

function classOf(cpu: string, constraints: string[] = [], pinned: string | null = null): PlacementClass {
  const spec = parseJobSpec(
    jobSpec({ spec: { placement: { constraints } }, task: { resources: { cpu, memory: '1Mi', disk: '1Mi' } } }),
  );
  return placementClass(requirementsOf(spec, 'alice', pinned));
}

const STRANGER = { publicKey: '', owner: 'olga', prefix: '', trusted: false };

function session(id: string, slots: number, milliCpu: number, labels: Record<string, string> = {}): AgentSession {
  const description = {
    name: id,
    agentVersion: '1',
    labels,
    capacity: { slots, milliCpu, memoryBytes: 1 << 30, diskBytes: 1 << 30 },
    runtimes: { wasm: { available: true as const, version: '1', features: {} } },
    policy: { accept: ['*'], trusted: [] },
  };
  return new AgentSession(
    { send: () => true, close: () => undefined },
    { nodeId: id, session: 1, identity: STRANGER, description, cordoned: false, received: 0 },
  );
}

function open(...all: AgentSession[]): Sessions {
  const sessions = new Sessions();
  for (const each of all) sessions.add(each);
  return sessions;
}

function placesOf(sessions: Sessions, placement: PlacementClass, most: number, taken: Reservations): AgentSession[] {
  const request = { placement, most, taken, now: 1000, submittedAt: 1000, kinds: [] };
  return sessions.placer.places(request).map((place) => place.session);
}

test('places go round, one a node', () => {
  const sessions = open(session('a', 3, 9000), session('b', 3, 9000), session('c', 1, 9000));
  const ids = placesOf(sessions, classOf('100m'), 99, sessions.placer.begin(0)).map(({ nodeId }) => nodeId);
  assert.deepEqual(ids, ['a', 'b', 'c', 'a', 'b', 'a', 'b']);
  assert.equal(placesOf(sessions, classOf('100m'), 2, sessions.placer.begin(0)).length, 2);
});

test('a node that is to be avoided comes last', () => {
  const sessions = open(session('a', 2, 9000), session('b', 1, 9000), session('c', 1, 9000));
  const { requirements } = classOf('100m');
  const ids = (avoid: string) =>
    placesOf(sessions, placementClass({ ...requirements, avoid }), 99, sessions.placer.begin(0)).map(
      ({ nodeId }) => nodeId,
    );
  assert.deepEqual(ids('a').slice(2), ['a', 'a']);
  assert.equal(ids('gone').length, 4);
  assert.deepEqual(
    placesOf(sessions, placementClass({ ...requirements, avoid: 'b' }), 3, sessions.placer.begin(0)).filter(
      (each) => each.nodeId === 'b',
    ),
    [],
  );
});

test('a full node whose attempt has just ended has a place', () => {
  const only = session('a', 1, 1000);
  const placement = classOf('100m');
  only.hold({ job: 'j1', partition: 0, fence: 1 }, placement.requirements);
  const sessions = open(only);
  const taken = sessions.placer.begin(0);
  assert.equal(placesOf(sessions, placement, 9, taken).length, 0);
  taken.giveBack(only, placement.requirements);
  assert.equal(placesOf(sessions, placement, 9, taken).length, 1);
});

test('nothing goes to sessions that are closed, replaced, cordoned, draining or out of reach', () => {
  const changes: ((each: AgentSession, sessions: Sessions) => void)[] = [
    (each, sessions) => sessions.remove(each),
    (each, sessions) => void sessions.add(session(each.nodeId, 0, 0)),
    (each) => void Object.assign(each, { cordoned: true }),
    (each) => void Object.assign(each, { drainUntil: 1 }),
    (each) => void Object.assign(each, { reachable: false }),
    (each) => void Object.assign(each, { open: false }),
  ];
  for (const change of changes) {
    for (const placement of [classOf('100m'), classOf('100m', [], 'a')]) {
      const first = session('a', 2, 2000);
      const sessions = open(first);
      assert.equal(placesOf(sessions, placement, 9, sessions.placer.begin(0)).length, 2);
      change(first, sessions);
      assert.equal(placesOf(sessions, placement, 9, sessions.placer.begin(0)).length, 0, String(change));
    }
  }
});

test('lists of candidates follow who comes and goes, and what nodes offer', () => {
  const sessions = open(...Array.from({ length: 8 }, (_, index) => session(`n${index}`, 1, 1000)));
  const gpu = classOf('100m', ['gpu']);
  assert.equal(placesOf(sessions, gpu, 9, sessions.placer.begin(0)).length, 0);
  sessions.add(session('g', 1, 1000, { gpu: 'yes' }));
  assert.deepEqual(
    placesOf(sessions, gpu, 9, sessions.placer.begin(0)).map(({ nodeId }) => nodeId),
    ['g'],
  );
  for (let index = 0; index < 8; index += 1) sessions.remove(sessions.get(`n${index}`) as AgentSession);
  assert.equal(sessions.size, 1);
  assert.equal(placesOf(sessions, classOf('100m'), 9, sessions.placer.begin(0)).length, 1);
  const large = classOf('5');
  assert.equal(placesOf(sessions, large, 9, sessions.placer.begin(0)).length, 0);
  const grown = sessions.get('g') as AgentSession;
  grown.description = { ...grown.description, capacity: { ...grown.description.capacity, milliCpu: 8000 } };
  sessions.changed(grown);
  assert.equal(placesOf(sessions, large, 9, sessions.placer.begin(0)).length, 1);
  assert.equal(placesOf(sessions, classOf('100m', [], 'g'), 9, sessions.placer.begin(0)).length, 1);
  assert.equal(placesOf(sessions, classOf('100m', [], 'gone'), 9, sessions.placer.begin(0)).length, 0);
});

test('an attempt is held once and released once', () => {
  const each = session('a', 2, 2000);
  const name = { job: 'j1', partition: 0, fence: 1 };
  const { requirements } = classOf('500m');
  for (let times = 0; times < 2; times += 1) each.hold(name, requirements);
  assert.equal(each.free.milliCpu, 1500);
  for (let times = 0; times < 2; times += 1) each.release(name);
  assert.deepEqual(each.free, each.description.capacity);
});

test('whatever is reserved, held and released, no node is ever over its capacity', () => {
  const sizes = fc.array(fc.record({ slots: fc.nat({ max: 5 }), milliCpu: fc.nat({ max: 3000 }) }), {
    minLength: 1,
    maxLength: 5,
  });
  const steps = fc.array(
    fc.record({
      cpu: fc.constantFrom('1m', '400m', '1', '2500m'),
      most: fc.nat({ max: 8 }),
      used: fc.nat({ max: 8 }),
      ended: fc.nat({ max: 4 }),
    }),
    { maxLength: 15 },
  );
  fc.assert(
    fc.property(sizes, steps, (nodes, turns) => {
      const all = nodes.map(({ slots, milliCpu }, index) => session(`n${index}`, slots, milliCpu));
      const sessions = open(...all);
      let fence = 0;
      for (const { cpu, most, used, ended } of turns) {
        const placement = classOf(cpu);
        const taken = sessions.placer.begin(0);
        const over = all.flatMap((each) => [...each.held.values()].map((held) => ({ each, ...held }))).slice(0, ended);
        for (const { each, needs } of over) taken.giveBack(each, needs);
        const places = placesOf(sessions, placement, most, taken);
        assert.ok(places.length <= most);
        for (const unused of places.slice(used)) taken.giveBack(unused, placement.requirements);
        for (const { each, name } of over) each.release(name);
        for (const each of places.slice(0, used))
          each.hold({ job: 'j1', partition: 0, fence: ++fence }, placement.requirements);
        for (const { free } of all) for (const left of Object.values(free)) assert.ok(left >= 0);
      }
    }),
  );
});
