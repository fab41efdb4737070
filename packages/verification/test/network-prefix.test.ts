import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { networkPrefix } from '../src/index.ts';

test('prefixes of addresses in all spellings', () => {
  const table: Record<string, string | null> = {
    '192.0.2.7': '192.0.2.0/24',
    '127.0.0.1': '127.0.0.0/24',
    '127.0.1.1': '127.0.1.0/24',
    '::ffff:192.0.2.7': '192.0.2.0/24',
    '::FFFF:c000:0207': '192.0.2.0/24',
    '2001:db8:1:2:3:4:5:6': '2001:db8:1::/48',
    '2001:0DB8:0001::6': '2001:db8:1::/48',
    '2001:db8::1': '2001:db8:0::/48',
    '2001:db8:1:2:3:4:192.0.2.7': '2001:db8:1::/48',
    '::1': '0:0:0::/48',
    '::': '0:0:0::/48',
    'fe80::1%eth0': 'fe80:0:0::/48',
    'fd12:3456:789a::1': 'fd12:3456:789a::/48',
    'example.org': null,
    '192.0.2': null,
    '': null,
    '1::2::3': null,
  };
  for (const [address, prefix] of Object.entries(table)) assert.equal(networkPrefix(address), prefix, address);
});

test('neighbours share a prefix, strangers do not', () => {
  const part = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(part, part, part, part, part, (a, b, c, d, e) => {
      const prefix = networkPrefix(`${a}.${b}.${c}.${d}`);
      assert.equal(networkPrefix(`${a}.${b}.${c}.${e}`), prefix);
      assert.equal(networkPrefix(`::ffff:${a}.${b}.${c}.${e}`), prefix);
      assert.notEqual(networkPrefix(`${a}.${b}.${(c + 1) % 256}.${d}`), prefix);
    }),
  );
});

test('IPv6: the first 48 bits decide, and nothing after them', () => {
  const group = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16));
  const tail = fc.array(group, { minLength: 5, maxLength: 5 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 0xfffe }), group, group, tail, tail, (first, b, c, left, right) => {
      const site = `${first.toString(16)}:${b}:${c}`;
      assert.equal(networkPrefix(`${site}:${left.join(':')}`), `${site}::/48`);
      assert.equal(networkPrefix(`${site}:${right.join(':')}`), `${site}::/48`);
      assert.notEqual(networkPrefix(`${(first + 1).toString(16)}:${b}:${c}:${left.join(':')}`), `${site}::/48`);
    }),
  );
});
