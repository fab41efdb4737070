import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { rarest } from '../../src/directory-service/probe-clients.ts';
import { DIRECTORY_SERVICE_LIMITS, ProbeLedger, probeDepths } from '../../src/index.ts';

const RETURN = 1000;
const LOOP = ['gate', 'a', 'b', 'gate'];

test('a loop that came back tells of every relay on its path, once each', () => {
  const ledger = new ProbeLedger(RETURN);
  ledger.sent('one', 'token', LOOP, 0);
  assert.deepEqual(ledger.take(RETURN - 1), [], 'nothing is decided yet');
  assert.ok(ledger.returned('token', RETURN - 1));
  assert.ok(!ledger.returned('token', RETURN - 1), 'it comes back once');
  assert.deepEqual(ledger.take(RETURN), [{ relays: ['gate', 'a', 'b'], isReturned: true }]);
  assert.deepEqual(ledger.take(9 * RETURN), [], 'what was taken is not told again');
});

test('a loop that stays out, or comes too late, is lost on its path', () => {
  const ledger = new ProbeLedger(RETURN);
  ledger.sent('one', 'lost', LOOP, 0);
  ledger.sent('one', 'late', ['gate', 'c', 'gate'], 0);
  assert.ok(!ledger.returned('late', RETURN));
  assert.ok(!ledger.returned('never sent', RETURN));
  assert.deepEqual(ledger.take(RETURN), [
    { relays: ['gate', 'a', 'b'], isReturned: false },
    { relays: ['gate', 'c'], isReturned: false },
  ]);
  assert.equal(ledger.underWay, 0);
});

test('a gateway that is not reached, or cuts a link with loops under way, loses by itself', () => {
  const ledger = new ProbeLedger(RETURN);
  const lostAtGate = { relays: ['gate'], isReturned: false };
  ledger.refused('gate', 2);
  assert.deepEqual(ledger.take(0), [lostAtGate, lostAtGate]);
  ledger.sent('cut', 'x', LOOP, 0);
  ledger.sent('cut', 'y', LOOP, 500);
  ledger.sent('whole', 'z', ['gate', 'c', 'gate'], 500);
  ledger.cut('cut', 'gate', RETURN);
  assert.equal(ledger.underWay, 1);
  assert.deepEqual(
    ledger.take(RETURN),
    [{ relays: ['gate', 'a', 'b'], isReturned: false }, lostAtGate, lostAtGate],
    'x was overdue before; then the cut, and y',
  );
});

test('loops of a prober that left say nothing', () => {
  const ledger = new ProbeLedger(RETURN);
  ledger.sent('left', 'x', LOOP, 0);
  ledger.sent('stays', 'y', ['gate', 'a', 'gate'], 0);
  ledger.forget('left');
  assert.deepEqual(ledger.take(RETURN), [{ relays: ['gate', 'a'], isReturned: false }]);
});

test('what is waited for is bounded, and what is forgotten for it is no loss; so is what nobody takes', () => {
  const { probesUnderWay } = DIRECTORY_SERVICE_LIMITS;
  const ledger = new ProbeLedger(RETURN);
  for (let token = 0; token <= probesUnderWay; token += 1) ledger.sent('one', `${token}`, ['gate'], 0);
  assert.equal(ledger.underWay, probesUnderWay);
  assert.equal(ledger.take(RETURN).length, probesUnderWay);
  ledger.refused('gate', probesUnderWay);
  ledger.refused('gate', 1);
  assert.equal(ledger.take(RETURN).length, probesUnderWay);
});

test('every loop ends once or is forgotten', () => {
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
      let [now, ended, number] = [0, 0, 0];
      const take = () => {
        for (const { relays } of ledger.take(now)) {
          assert.equal(new Set(relays).size, relays.length);
          ended += 1;
        }
      };
      for (const { kind, token, prober, relays, passed } of events) {
        now += passed;
        if (kind === 'sent') {
          ledger.sent(prober, `${number}`, relays, now);
          number += 1;
        } else if (kind === 'returned') ledger.returned(`${token}`, now);
        else if (kind === 'forget') ledger.forget(prober);
        else take();
      }
      now += RETURN;
      take();
      assert.equal(ledger.underWay, 0);
      assert.ok(ended <= number);
      if (events.every(({ kind }) => kind !== 'forget')) assert.equal(ended, number);
    }),
  );
});

test('probes are of every depth that clients have, and of one that reaches every layer', () => {
  assert.deepEqual(probeDepths({ layers: 1 }), ['whole']);
  assert.deepEqual(probeDepths({ layers: 2 }), ['whole', 'private']);
  assert.deepEqual(probeDepths({ layers: 3 }), ['whole', 'private']);
  assert.deepEqual(probeDepths({ layers: 4 }), ['whole', 'private', 'confidential']);
  assert.deepEqual(probeDepths({ layers: 5 }), ['whole', 'private', 'confidential']);
  assert.deepEqual(probeDepths({ layers: 8 }), ['whole', 'private', 'confidential', 'secret']);
});

test('a new prober has the depth that fewest have, and a gateway of which the same is true', () => {
  assert.equal(rarest(['whole', 'private'], []), 'whole');
  assert.equal(rarest(['private', 'whole'], []), 'private');
  assert.equal(rarest(['whole', 'private'], ['whole', 'private', 'whole']), 'private');
  assert.equal(rarest(['a', 'b', 'c'], ['a'], ['a', 'b']), 'c');
  assert.equal(rarest(['a', 'b', 'c'], ['c', 'b'], ['a', 'a']), 'a');
  assert.equal(rarest([]), undefined);
});
