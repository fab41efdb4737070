/** Paths of published ports: whatever a stranger writes, and what the program gets to see of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AGENT_TUNNEL_PATH, type PortOwner, parsePortAddress, portPath, tunnelIdOf } from '../src/index.ts';

const JOB = 'j000000000000000001';
const OWNERS: readonly PortOwner[] = [
  { kind: 'job', id: JOB },
  { kind: 'deployment', id: 'shop' },
];

test('the path behind the port and the query reach the program as they are written', () => {
  const targets: [string, string, number | null][] = [
    ['', '/', null],
    ['/', '/', null],
    ['/a%2Fb/../c//d', '/a%2Fb/../c//d', null],
    ['?x=1', '/?x=1', null],
    ['/a?replica=3', '/a', 3],
    ['/a?x=1&replica=0&y=%26replica=9', '/a?x=1&y=%26replica=9', 0],
    ['/a?b?c&&d', '/a?b?c&&d', null],
  ];
  for (const owner of OWNERS) {
    for (const [rest, target, replica] of targets) {
      const address = { owner, name: 'web', kind: 'http', target, replica };
      assert.deepEqual(parsePortAddress(`${portPath(owner, 'web', 'http')}${rest}`), address, rest);
    }
    assert.equal(parsePortAddress(`${portPath(owner, 'web', 'tunnel')}?replica=1`)?.kind, 'tunnel');
  }
});

test('what is no published port is none', () => {
  const paths = [
    '/v1/jobs',
    `/v1/jobs/${JOB}/ports/web`,
    `/v1/jobs/${JOB}/ports/web/https/`,
    `/v1/jobs/${JOB}/ports/web/httpx`,
    `/v1/jobs/${JOB}/ports/../http/`,
    `/v1/jobs/${JOB}/ports/a%2fb/http/`,
    `/v1/jobs/x/ports/web/http/`,
    `/v1/deployments/../ports/web/http/`,
    `/v1/deployments/a b/ports/web/http/`,
    `/v1/nodes/${JOB}/ports/web/http/`,
    `/v1/jobs/${JOB}/ports/web/tunnel/more`,
    `http://elsewhere/v1/jobs/${JOB}/ports/web/http/`,
  ];
  for (const path of paths) assert.equal(parsePortAddress(path), null, path);
});

test('a replica that is no number, or given twice, is a fault of the request and no other path', () => {
  for (const query of ['replica=x', 'replica=-1', 'replica=', 'replica=1&replica=2', 'a=b&replica=12345678']) {
    assert.throws(() => parsePortAddress(`/v1/jobs/${JOB}/ports/web/http/?${query}`), {
      code: 'invalid-request',
      message: /is not the number of a replica$|^replica is given twice$/,
    });
  }
});

test('property: no path is taken for another, and none throws but for its replica', () => {
  const part = fc.oneof(
    fc.constantFrom(
      'v1',
      'jobs',
      'deployments',
      JOB,
      'ports',
      'web',
      'http',
      'tunnel',
      '..',
      '',
      '%2e%2e',
      'replica=1',
      '?',
      '&',
    ),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 9 }), fc.constantFrom('/', '?', '&', ''), (parts, joint) => {
      const url = `/${parts.join('/')}${joint}${parts.join('&')}`;
      let address: ReturnType<typeof parsePortAddress>;
      try {
        address = parsePortAddress(url);
      } catch (error) {
        assert.match((error as Error).message, /replica$|^replica is given twice$/);
        return;
      }
      if (address === null) return;
      assert.ok(url.startsWith(portPath(address.owner, address.name, address.kind)));
      assert.ok(address.target.startsWith('/'));
      assert.doesNotMatch(address.target, /[?&]replica=/);
    }),
    { numRuns: 500 },
  );
});

test('ids of tunnels have one form', () => {
  const id = 'A'.repeat(22);
  assert.equal(tunnelIdOf(AGENT_TUNNEL_PATH.replace(':id', id)), id);
  for (const path of [AGENT_TUNNEL_PATH, `/v1/agent/tunnels/${id}x`, `/v1/agent/tunnels/${id}?x`, `/v1/agent/${id}`]) {
    assert.equal(tunnelIdOf(path), null, path);
  }
});
