/** What `fog forward` says of a connection that the coordinator refuses. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { FogError, formatToken } from '@fog/contract';
import { PortForward } from '../src/forward/port-forward.ts';
import { fog } from './test-terminal.ts';

const TOKEN = formatToken({ scope: 'admin', id: `t${'a'.repeat(18)}`, secret: 'a'.repeat(43), fingerprint: null });
const JOB = 'j000000000000000001';

test('the answer of the coordinator is told, not that the WebSocket was closed', async () => {
  const server = createServer();
  server.on('upgrade', (_request, socket: Socket) => {
    const problem = new FogError('unavailable', 'no replica of deployment web is ready: 2 starting').toProblem();
    const body = JSON.stringify(problem);
    socket.end(`HTTP/1.1 503 unavailable\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`, () =>
      socket.destroy(),
    );
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const failures: FogError[] = [];
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await using forwarding = new PortForward({
      ...{ url, token: 't', tls: undefined, path: '/v1/deployments/web/ports/http/tunnel' },
      failed: (error) => void failures.push(error),
    });
    const { port } = await forwarding.listen('127.0.0.1', 0);
    for (let round = 0; round < 5; round += 1) {
      const client = connect(port, '127.0.0.1');
      client.on('error', () => {});
      await once(client, 'close');
    }
  } finally {
    server.closeAllConnections();
    server.close();
  }
  assert.deepEqual(
    failures.map(({ code, message }) => [code, message]),
    Array.from({ length: 5 }, () => ['unavailable', 'no replica of deployment web is ready: 2 starting']),
  );
});

test('a replica that the deployment has not is refused before anything listens', async () => {
  const server = createServer((request, response) => {
    const ports = [{ name: 'http', port: 80 }];
    const spec = {
      kind: 'Job',
      spec: { type: 'service', task: { runtime: 'process', process: { command: ['x'] }, ports } },
    };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(request.url?.startsWith('/v1/jobs/') ? jobOf(spec) : DEPLOYMENT));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const environment = { FOG_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, FOG_TOKEN: TOKEN };
  try {
    const { code, stdout, stderr } = await fog(['forward', 'web', 'http', '--replica', '9'], { environment });
    assert.deepEqual([code, stdout, stderr], [2, '', 'fog: deployment web has no replica 9\n  hint: it has 0, 1\n']);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

const REPLICA = {
  ...{ job: JOB, revision: 1, state: 'running', ready: true, available: true, leaving: false, since: 1 },
  ...{ nodeId: null, nodeName: null, restarts: 0, failures: 0, message: null },
};
const DEPLOYMENT = {
  ...{ name: 'web', principal: 'admin', type: 'service', state: 'stable', reason: null, revision: 1 },
  ...{ wanted: 2, ready: 2, available: 2, updated: 2, createdAt: 1, updatedAt: 1 },
  replicas: [0, 1].map((partition) => ({ ...REPLICA, partition })),
  revisions: [
    { ...{ revision: 1, state: 'stable', reason: null, job: JOB, by: 'admin', of: null, createdAt: 1, endedAt: null } },
  ],
};

function jobOf(spec: object): object {
  const counts = { queued: 0, scheduled: 0, running: 2, succeeded: 0, failed: 0, cancelled: 0, expired: 0 };
  return {
    ...{ id: JOB, name: 'web', state: 'running', reason: null, submitter: 'admin', suspended: false, tasks: counts },
    ...{ submittedAt: 1, startedAt: 1, endedAt: null, spec },
  };
}
