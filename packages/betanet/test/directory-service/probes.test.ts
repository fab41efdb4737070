import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DIRECTORY_SERVICE_LIMITS, ProbeLedger } from '../../src/index.ts';

const RETURN = 1000;
const LOOP = ['gate', 'a', 'b', 'gate'];

test('a loop that came back counts for every relay on its path, once each', () => {
  const ledger = new ProbeLedger(RETURN);
  ledger.sent('one', 'token', LOOP, 0);
  assert.deepEqual(ledger.take(RETURN - 1), [], 'nothing is decided yet');
  assert.ok(ledger.returned('token', RETURN - 1));
  assert.ok(!ledger.returned('token', RETURN - 1), 'it comes back once');
  assert.deepEqual(
    ledger.take(RETURN),
    ['a', 'b', 'gate'].map((id) => ({ id, sent: 1, returned: 1 })),
  );
  assert.deepEqual(ledger.take(9 * RETURN), [], 'what was taken is not told again');
});

test('a loop that stays out, or comes too late, counts against every relay on its path', () => {
  const ledger = new ProbeLedger(RETURN);
  ledger.sent('one', 'lost', LOOP, 0);
  ledger.sent('one', 'late', ['gate', 'c', 'gate'], 0);
  assert.ok(!ledger.returned('late', RETURN));
  assert.ok(!ledger.returned('never sent', RETURN));
  assert.deepEqual(ledger.take(RETURN), [
    { id: 'a', sent: 1, returned: 0 },
    { id: 'b', sent: 1, returned: 0 },
    { id: 'c', sent: 1, returned: 0 },
    { id: 'gate', sent: 2, returned: 0 },
  ]);
  assert.equal(ledger.underWay, 0);
});

test('loops of a prober whose link was cut say nothing', () => {
  const ledger = new ProbeLedger(RETURN);
  ledger.sent('cut', 'x', LOOP, 0);
  ledger.sent('whole', 'y', ['gate', 'a', 'gate'], 0);
  ledger.forget('cut');
  assert.deepEqual(
    ledger.take(RETURN).map(({ id, sent }) => [id, sent]),
    [
      ['a', 1],
      ['gate', 1],
    ],
  );
});

test('a failing relay stands out, and others share its losses by chance', () => {
  const ledger = new ProbeLedger(RETURN);
  const mixes = Array.from({ length: 10 }, (_, index) => `first-${index}`);
  const seconds = Array.from({ length: 10 }, (_, index) => `second-${index}`);
  let token = 0;
  for (const first of mixes) {
    for (const second of seconds) {
      token += 1;
      ledger.sent('one', `${token}`, ['gate', first, second, 'gate'], 0);
      if (first !== 'first-3') ledger.returned(`${token}`, 1);
    }
  }
  const share = new Map(ledger.take(RETURN).map(({ id, sent, returned }) => [id, returned / sent]));
  assert.equal(share.get('first-3'), 0);
  assert.equal(share.get('first-4'), 1);
  for (const id of seconds) assert.equal(share.get(id), 0.9);
});

test('what is waited for is bounded, and what is forgotten for it is no loss', () => {
  const ledger = new ProbeLedger(RETURN);
  for (let token = 0; token <= DIRECTORY_SERVICE_LIMITS.probesUnderWay; token += 1) {
    ledger.sent('one', `${token}`, ['gate'], 0);
  }
  assert.equal(ledger.underWay, DIRECTORY_SERVICE_LIMITS.probesUnderWay);
  assert.deepEqual(ledger.take(RETURN), [{ id: 'gate', sent: DIRECTORY_SERVICE_LIMITS.probesUnderWay, returned: 0 }]);
});

test('every loop is counted once or forgotten: no relay returns more than was sent through it', () => {
  const event = fc.record({
    kind: fc.constantFrom('sent', 'returned', 'forget', 'take'),
    token: fc.nat(20),
    prober: fc.constantFrom('one', 'two'),
    relays: fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 }),
    passed: fc.nat(400),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const ledger = new ProbeLedger(RETURN);
      let [now, sent, counted, number] = [0, 0, 0, 0];
      const take = () => {
        for (const count of ledger.take(now)) {
          assert.ok(count.returned <= count.sent);
          counted += count.sent;
        }
      };
      for (const { kind, token, prober, relays, passed } of events) {
        now += passed;
        if (kind === 'sent') {
          ledger.sent(prober, `${number}`, relays, now);
          number += 1;
          sent += new Set(relays).size;
        } else if (kind === 'returned') ledger.returned(`${token}`, now);
        else if (kind === 'forget') ledger.forget(prober);
        else take();
      }
      now += RETURN;
      take();
      assert.equal(ledger.underWay, 0);
      assert.ok(counted <= sent);
      if (events.every(({ kind }) => kind !== 'forget')) assert.equal(counted, sent);
    }),
  );
});
