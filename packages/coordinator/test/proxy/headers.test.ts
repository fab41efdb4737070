/** Headers between clients and programs: nothing of the caller's rights goes out, nothing that binds comes back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  endToEnd,
  type ForwardedRequest,
  fromProgram,
  PASSED_ON_HEADER,
  type ReceivedHeaders,
  towardsCoordinator,
  towardsProgram,
} from '../../src/proxy/headers.ts';

const REQUEST: ForwardedRequest = {
  port: 8080,
  clientAddress: '192.0.2.7',
  scheme: 'https',
  host: 'fog.example',
  prefix: '/v1/jobs/j1/ports/web/http',
};

test('what is meant for the coordinator, or for this hop, stays here', () => {
  const sent = towardsProgram(
    {
      authorization: ['Bearer fog_admin_x'],
      cookie: ['a=b'],
      host: ['fog.example'],
      connection: ['keep-alive, X-Secret', 'te'],
      'x-secret': ['1'],
      te: ['trailers'],
      'x-forwarded-for': ['6.6.6.6'],
      'x-forwarded-user': ['root'],
      forwarded: ['for=6.6.6.6'],
      'proxy-authorization': ['Basic x'],
      expect: ['100-continue'],
      [PASSED_ON_HEADER]: ['c1'],
      accept: ['text/html'],
      'x-list': ['a', 'b'],
    },
    REQUEST,
  );
  assert.deepEqual(sent, {
    accept: 'text/html',
    'x-list': ['a', 'b'],
    host: '127.0.0.1:8080',
    'x-forwarded-for': '192.0.2.7',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'fog.example',
    'x-forwarded-prefix': REQUEST.prefix,
  });
  assert.equal(towardsProgram({ 'transfer-encoding': ['chunked'] }, REQUEST)['transfer-encoding'], 'chunked');
});

test('an answer cannot set anything beyond its own paths', () => {
  const received = {
    'set-cookie': ['a=b', 'c=d'],
    'strict-transport-security': ['max-age=1'],
    'clear-site-data': ['"*"'],
    'service-worker-allowed': ['/'],
    refresh: ['0;url=/v1/nodes'],
    'www-authenticate': ['Basic'],
    'transfer-encoding': ['chunked'],
    'content-type': ['text/html'],
    'content-security-policy': ["default-src 'self'"],
    'x-content-type-options': ['sniff'],
  };
  assert.deepEqual(fromProgram(received, REQUEST, '/'), {
    'content-type': 'text/html',
    'content-security-policy': ["default-src 'self'", 'sandbox'],
    'x-content-type-options': 'nosniff',
  });
});

test('redirects on the same host lead back to the program', () => {
  const to = (location: string, target = '/a/b') => fromProgram({ location: [location] }, REQUEST, target).location;
  const own = REQUEST.prefix;
  assert.equal(to('c'), `${own}/a/c`);
  assert.equal(to('../../../../v1/nodes?x#y'), `${own}/v1/nodes?x#y`);
  assert.equal(to('/%2e%2e/v1'), `${own}/v1`);
  assert.equal(to('\\v1\\nodes'), `${own}/v1/nodes`);
  for (const host of ['fog.example', 'FOG.example:443', 'user@fog.example', '127.0.0.1:8080']) {
    assert.equal(to(`https://${host}/v1/nodes`), `${own}/v1/nodes`, host);
  }
  assert.equal(to('//fog.example/v1/nodes'), `${own}/v1/nodes`);
  assert.equal(to('http://localhost:8080/x'), `${own}/x`);
  assert.equal(to('//elsewhere.example/x'), 'http://elsewhere.example/x');
  assert.equal(to('https://user:secret@elsewhere.example/x'), 'https://elsewhere.example/x');
  for (const none of ['javascript:alert(1)', 'data:text/html,x', 'http://[', 'file:///etc/passwd']) {
    assert.equal(to(none), undefined, none);
  }
});

test('another coordinator gets the token, and who passed it on', () => {
  const sent = towardsCoordinator({ authorization: ['Bearer t'], host: ['a'], connection: ['close'] }, 'b:1', 'c1');
  assert.deepEqual(sent, { authorization: 'Bearer t', host: 'b:1', [PASSED_ON_HEADER]: 'c1' });
});

const NAMES = [
  ...['authorization', 'cookie', 'set-cookie', 'connection', 'upgrade', 'transfer-encoding', 'location', 'host'],
  ...['x-forwarded-for', 'x-own', 'content-length', 'content-type', 'te', 'forwarded', 'proxy-authorization'],
];
const headers: fc.Arbitrary<ReceivedHeaders> = fc.dictionary(
  fc.oneof(fc.constantFrom(...NAMES), fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/)),
  fc.array(fc.oneof(fc.constantFrom('x-own', 'close, x-own', 'authorization', 'chunked', '/a', '//b/c'), fc.string()), {
    minLength: 1,
    maxLength: 3,
  }),
);

test('property: whatever a client sends, its rights stay here and what the proxy says is the truth', () => {
  fc.assert(
    fc.property(headers, (received) => {
      const sent = towardsProgram(received, REQUEST);
      for (const name of ['authorization', 'cookie', 'proxy-authorization', 'connection', 'upgrade', 'forwarded']) {
        assert.ok(!Object.hasOwn(sent, name), name);
      }
      assert.equal(sent.host, '127.0.0.1:8080');
      assert.equal(sent['x-forwarded-for'], REQUEST.clientAddress);
      for (const [name, value] of Object.entries(endToEnd(received))) assert.deepEqual([value].flat(), received[name]);
    }),
  );
});

test('property: whatever a program answers, a redirect leaves this host or stays with the program', () => {
  const location = fc.oneof(
    fc.webUrl(),
    fc.string(),
    fc.array(fc.constantFrom('/', '..', '\\', '%2e', 'fog.example', 'http:', 'https://', '@', ':', '?', '#', 'v1'), {
      maxLength: 8,
    }),
  );
  fc.assert(
    fc.property(headers, location, fc.webPath(), (received, to, target) => {
      const text = Array.isArray(to) ? to.join('') : to;
      const sent = fromProgram({ ...received, location: [text] }, REQUEST, target === '' ? '/' : target);
      assert.ok(!Object.hasOwn(sent, 'set-cookie'));
      assert.ok([sent['content-security-policy']].flat().includes('sandbox'));
      if (sent.location === undefined) return;
      const url = new URL(String(sent.location), `https://${REQUEST.host}${REQUEST.prefix}/`);
      if (url.host !== REQUEST.host) return;
      assert.ok(url.pathname.startsWith(`${REQUEST.prefix}/`), String(sent.location));
    }),
    { numRuns: 500 },
  );
});
