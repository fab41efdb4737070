import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkPrefix } from '@fog/contract/node';
import fc from 'fast-check';

const HOUSEHOLD = { ipv4Bits: 24, ipv6Bits: 56 };
const FUZZ_RUNS = Number(process.env.FOG_FUZZ_RUNS ?? 10_000);

test('the prefix of an address: the truth table', () => {
  const table: [string, string | null][] = [
    ['192.0.2.77', '192.0.2.0/24'],
    ['::ffff:192.0.2.77', '192.0.2.0/24'],
    ['::ffff:c000:24d', '192.0.2.0/24'],
    ['2001:db8:1:23ff::1', '2001:db8:1:2300::/56'],
    ['2001:0DB8:0001:2301:0:0:0:9', '2001:db8:1:2300::/56'],
    ['fe80::1%eth0', 'fe80:0:0:0::/56'],
    ['::1', '0:0:0:0::/56'],
    ['', null],
    ['192.0.2', null],
    ['2001:db8', null],
    ['example.org', null],
  ];
  for (const [address, prefix] of table) assert.equal(networkPrefix(address, HOUSEHOLD), prefix, address);
  assert.equal(networkPrefix('192.0.2.77', { ipv4Bits: 32, ipv6Bits: 128 }), '192.0.2.77/32');
  assert.equal(networkPrefix('192.0.255.77', { ipv4Bits: 19, ipv6Bits: 128 }), '192.0.224.0/19');
  assert.equal(networkPrefix('2001:db8::9', { ipv4Bits: 32, ipv6Bits: 128 }), '2001:db8:0:0:0:0:0:9/128');
  assert.equal(networkPrefix('2001:db8:ffff::9', { ipv4Bits: 32, ipv6Bits: 33 }), '2001:db8:8000::/33');
});

const group = fc.nat(0xffff).map((number) => number.toString(16));
const ipv6 = fc
  .tuple(fc.array(group, { minLength: 8, maxLength: 8 }), fc.nat(8), fc.nat(8))
  .map(([groups, from, to]) =>
    from < to ? `${groups.slice(0, from).join(':')}::${groups.slice(to).join(':')}` : groups.join(':'),
  );
const ipv4 = fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }).map((parts) => parts.join('.'));

test('the prefix of an address: neighbours share one, however the address is written', () => {
  fc.assert(
    fc.property(ipv6, ipv4, (v6, v4) => {
      assert.match(networkPrefix(v6, HOUSEHOLD) ?? '', /\/(56|24)$/, v6);
      assert.equal(networkPrefix(v4, HOUSEHOLD), `${v4.replace(/\d+$/, '0')}/24`);
      assert.equal(networkPrefix(`::ffff:${v4}`, HOUSEHOLD), networkPrefix(v4, HOUSEHOLD));
    }),
    { numRuns: 1000 },
  );
});

test('the prefix of an address: no text breaks it', () => {
  const text = fc.array(fc.constantFrom(':', '::', '.', '%', 'f', '0', '255', 'ffff', '/', 'é'), { maxLength: 12 });
  fc.assert(
    fc.property(text, (parts) => {
      const prefix = networkPrefix(parts.join(''), HOUSEHOLD);
      assert.ok(prefix === null || /^[0-9a-f:.]+\/(24|56)$/.test(prefix), prefix ?? '');
    }),
    { numRuns: FUZZ_RUNS },
  );
});
