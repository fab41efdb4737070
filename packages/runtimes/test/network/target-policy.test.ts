import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  isInnerAddress,
  isListed,
  isLoopbackTarget,
  parseAbsoluteForm,
  parseAuthority,
  permittedAddress,
} from '../../src/network/target-policy.ts';

const target = (text: string) => parseAuthority(text) ?? assert.fail(text);

describe('targets of a sandbox', () => {
  it('knows the addresses that belong to the node and its networks, in every spelling', () => {
    const inner = [
      ...['127.0.0.1', '127.9.9.9', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1'],
      ...['169.254.169.254', '224.0.0.1', '255.255.255.255', '::', '::1', 'fe80::1', 'fd00:ec2::254', 'ff02::1'],
      ...['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:169.254.169.254', '::ffff:a9fe:a9fe', '::127.0.0.1'],
      ...['64:ff9b::7f00:1', '2002:7f00:1::', 'fe80::1%eth0', 'localhost', ''],
    ];
    for (const address of inner) assert.ok(isInnerAddress(address), address);
    const outer = ['1.1.1.1', '172.32.0.1', '100.128.0.1', '169.253.0.1', '2606:4700::1111', '::ffff:1.1.1.1'];
    for (const address of outer) assert.ok(!isInnerAddress(address), address);
  });

  it('compares names as they are written', () => {
    const allow = ['example.com:443', '*.example.org:80', 'any.test:*', '10.0.0.5:5432'];
    for (const text of [
      'example.com:443',
      'EXAMPLE.com.:443',
      'a.example.org:80',
      'a.b.example.org:80',
      'any.test:1',
    ]) {
      assert.ok(isListed(target(text), allow), text);
    }
    const others = ['example.com:80', 'x.example.com:443', 'example.org:80', 'badexample.org:80', 'xany.test:1'];
    for (const text of [...others, 'a.example.org:443', '10.0.0.5:80']) assert.ok(!isListed(target(text), allow), text);
    assert.ok(!isListed(target('10.0.0.5:80'), ['*.0.5:80']), 'a wildcard is for names');
  });

  it('connects to inner addresses only where the list has that address', () => {
    const allow = ['db.test:5432', '10.0.0.5:5432'];
    assert.equal(permittedAddress(target('db.test:5432'), ['10.0.0.5'], allow), '10.0.0.5');
    assert.equal(permittedAddress(target('db.test:5432'), ['10.0.0.6'], allow), null);
    assert.equal(permittedAddress(target('db.test:5432'), ['127.0.0.1', '1.2.3.4'], allow), '1.2.3.4');
    assert.equal(permittedAddress(target('db.test:5432'), [], allow), null);
  });

  it('reads the two forms of targets and nothing else', () => {
    assert.deepEqual(parseAuthority('Example.COM:443'), { host: 'example.com', port: 443 });
    assert.deepEqual(parseAuthority('[2606:4700:0::1]:443'), { host: '2606:4700::1', port: 443 });
    for (const text of [
      '',
      ':80',
      'a',
      'a:0',
      'a:65536',
      'a:b',
      'a b:80',
      '[::1',
      '[zz]:1',
      'a..b:80',
      'u@h:80',
      'é:80',
    ]) {
      assert.equal(parseAuthority(text), null, text);
    }
    const absolute = parseAbsoluteForm('http://example.com/a?b=c');
    assert.deepEqual(absolute, {
      target: { host: 'example.com', port: 80 },
      authority: 'example.com',
      path: '/a?b=c',
    });
    assert.equal(parseAbsoluteForm('HTTP://h.test:8080')?.path, '/');
    assert.equal(parseAbsoluteForm('http://h.test?q')?.path, '/?q');
    for (const text of ['/path', 'https://h.test/', 'http://u@h.test/', 'http://h.test/#x', 'http:///x', 'ftp://h/']) {
      assert.equal(parseAbsoluteForm(text), null, text);
    }
  });

  it('takes any text without failing, and yields only sound targets', () => {
    const alphabet = fc.string({ unit: fc.constantFrom(...'ahtp:/?#@[]%.*-_09 \\\t\0é'), maxLength: 40 });
    const texts = fc.oneof(
      fc.string(),
      alphabet,
      alphabet.map((text) => `http://${text}`),
    );
    fc.assert(
      fc.property(texts, (text) => {
        for (const found of [parseAuthority(text), parseAbsoluteForm(text)?.target ?? null]) {
          if (found === null) continue;
          assert.match(found.host, /^[a-z0-9._:-]{1,253}$/);
          assert.ok(found.port >= 1 && found.port <= 65535);
          assert.ok(!found.host.includes(':') || isIP(found.host) === 6);
        }
        const path = parseAbsoluteForm(text)?.path;
        assert.ok(path === undefined || /^\/[\x21-\x7e]*$/.test(path), 'nothing that ends a request line');
        isInnerAddress(text);
      }),
      { numRuns: 3000 },
    );
  });
});

it('knows the entries that lead to the loopback of the node', () => {
  const entries = ['127.0.0.1:80', 'localhost:*', '[::1]:8080', '127.8.8.8:1'];
  assert.ok(entries.every(isLoopbackTarget));
  const others = ['example.org:443', '*.localhost.example:80', '[::2]:80', '12.7.0.1:80'];
  assert.ok(!others.some(isLoopbackTarget));
});
