import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Callers } from '../../src/node/callers.ts';
import { NODE_LIMITS } from '../../src/node/limits.ts';
import type { Relay } from '../../src/node/relay-table.ts';

const relayAt = (...hosts: string[]): Relay => ({
  id: new Uint8Array(32),
  idText: '',
  linkKey: new Uint8Array(32),
  role: 'mix',
  addresses: hosts.map((host) => ({ host, port: 1 })),
});

test('who comes from the address of a relay is expected, however it is written, and its neighbours are not', () => {
  const callers = new Callers(() => 0);
  callers.expect([relayAt('192.0.2.7', '2001:db8::7')]);
  const addresses = [
    '192.0.2.7:99',
    '[::ffff:192.0.2.7]:5',
    '[2001:db8:0::7]:1',
    '192.0.2.8:1',
    '[2001:db8::8]:1',
    'x',
  ];
  assert.deepEqual(
    addresses.map((address) => callers.callerOf(address).isExpected),
    [true, true, true, false, false, false],
  );
  callers.expect([]);
  assert.equal(callers.callerOf('192.0.2.7:99').isExpected, false);
});

test('a prefix begins so many handshakes, a relay there has its own, and time brings more', () => {
  let now = 0;
  const callers = new Callers(() => now);
  callers.expect([relayAt('192.0.2.7')]);
  const begun = (address: string) => {
    let count = 0;
    while (callers.mayBegin(callers.callerOf(address))) count += 1;
    return count;
  };
  assert.equal(begun('192.0.2.1:1'), NODE_LIMITS.handshakeBurstPerPrefix);
  assert.equal(begun('192.0.2.2:1'), 0, 'of the same prefix');
  assert.equal(begun('192.0.2.7:1'), NODE_LIMITS.handshakeBurstPerPrefix);
  now = 1000;
  assert.equal(begun('192.0.2.3:1'), NODE_LIMITS.handshakesPerSecondPerPrefix);
});

test('strangers from everywhere share what a node has for strangers, and relays are not among them', () => {
  const callers = new Callers(() => 0);
  callers.expect([relayAt('198.51.100.1')]);
  let begun = 0;
  for (let prefix = 0; prefix < 4000; prefix += 1) {
    if (callers.mayBegin(callers.callerOf(`10.${prefix >> 8}.${prefix & 255}.1:1`))) begun += 1;
  }
  assert.equal(begun, NODE_LIMITS.handshakeBurst);
  assert.ok(callers.mayBegin(callers.callerOf('198.51.100.1:1')));
});
