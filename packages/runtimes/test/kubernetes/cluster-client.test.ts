/** The client against a server that is slow, broken, hostile or busy. */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { readAccess } from '../../src/kubernetes/cluster-access.ts';
import { ClusterClient } from '../../src/kubernetes/cluster-client.ts';
import { ClusterConnection } from '../../src/kubernetes/cluster-connection.ts';
import { ClusterWatch } from '../../src/kubernetes/cluster-watch.ts';
import { nameOf } from '../../src/kubernetes/fields.ts';
import { type KubernetesTiming, timingWith } from '../../src/kubernetes/timing.ts';
import { KUBERNETES_LIMITS } from '../../src/limits.ts';
import { refuse, reply } from './api-server.ts';
import { type ClusterStage, createClusterStage, QUICK, until } from './cluster-stage.ts';

let cluster: ClusterStage;
let connection: ClusterConnection;
let client: ClusterClient;

async function connect(changes: Partial<KubernetesTiming> = {}): Promise<void> {
  connection?.close();
  const access = await readAccess({ kind: 'kubeconfig', path: cluster.kubeconfigPath });
  connection = new ClusterConnection(access, timingWith({ ...QUICK, ...changes }), () => 0.5);
  client = new ClusterClient(connection);
}

beforeEach(async () => {
  cluster = await createClusterStage();
  await connect();
});
afterEach(async () => {
  connection.close();
  await cluster[Symbol.asyncDispose]();
});

/** Answers the first `times` requests like this. */
function first(times: number, answer: (response: ServerResponse) => void): void {
  let done = 0;
  cluster.server.intercept = (_request, response) => {
    done += 1;
    if (done > times) return false;
    answer(response);
    return true;
  };
}

describe('calls', () => {
  for (const status of [429, 500, 502, 503, 504]) {
    it(`tries again after ${status}`, async () => {
      first(3, (response) => refuse(response, status, 'Busy', 'try later'));
      assert.equal((await client.version()).minor, 33);
      assert.equal(cluster.server.count('GET', '/version'), 4);
    });
  }

  it('tries again after a cut, and gives up after some tries', async () => {
    first(2, (response) => response.destroy());
    await client.version();
    first(Number.POSITIVE_INFINITY, (response) => refuse(response, 503, 'Down', 'all is lost'));
    await assert.rejects(client.version(), { code: 'unavailable', message: /503: all is lost/ });
    assert.equal(cluster.server.count('GET', '/version'), 3 + KUBERNETES_LIMITS.requestTries);
  });

  it('waits as long as it is asked to, but not longer than it wants', async () => {
    await connect({ retryMostMilliseconds: 300 });
    first(1, (response) => {
      response.writeHead(429, { 'retry-after': '3600' });
      response.end('busy');
    });
    const begun = performance.now();
    await client.version();
    const waited = performance.now() - begun;
    assert.ok(waited >= 295 && waited < 3000, `${waited} ms`);
  });

  it('does not try again what cannot change', async () => {
    first(Number.POSITIVE_INFINITY, (response) => refuse(response, 403, 'Forbidden', 'no'));
    await assert.rejects(client.version(), { code: 'forbidden' });
    assert.equal(cluster.server.requests.length, 1);
  });

  it('does not wait for a slow server for ever, neither for its head nor for its body', async () => {
    await connect({ requestMilliseconds: 100, retryFirstMilliseconds: 1 });
    first(Number.POSITIVE_INFINITY, () => undefined);
    await assert.rejects(client.version(), { code: 'timed-out', message: /100 ms/ });
    first(Number.POSITIVE_INFINITY, (response) => {
      response.writeHead(200);
      response.write('{');
    });
    await assert.rejects(client.version(), { code: 'timed-out' });
  });

  it('refuses garbage and answers that are too large', async () => {
    first(1, (response) => response.end('<html>login</html>'));
    await assert.rejects(client.version(), { code: 'protocol-violation' });
    first(1, (response) => reply(response, 200, { major: '2' }));
    await assert.rejects(client.version(), { code: 'protocol-violation', message: /no Kubernetes/ });
    first(1, (response) => reply(response, 200, { items: 5 }));
    await client.list('jobs', {}).then(
      () => assert.fail('a list that is none'),
      (error: { code: string }) => assert.equal(error.code, 'protocol-violation'),
    );
    first(1, (response) => {
      response.writeHead(200);
      const chunk = Buffer.alloc(1 << 20, 32);
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', more);
      more();
    });
    await assert.rejects(client.version(), { code: 'body-too-large' });
  });

  it('reads lists page by page', async () => {
    for (let at = 0; at < KUBERNETES_LIMITS.listPage * 2 + 1; at += 1) {
      cluster.server.store.create('events', { metadata: { name: `e-${at}` }, involvedObject: {} });
    }
    const { items } = await client.list('events', {});
    assert.equal(new Set(items.map(nameOf)).size, KUBERNETES_LIMITS.listPage * 2 + 1);
    assert.equal(cluster.server.requests.length, 3);
  });

  it('can be given up', async () => {
    first(Number.POSITIVE_INFINITY, () => undefined);
    const abort = new AbortController();
    const answer = client.get('jobs', 'x', abort.signal);
    await until(() => cluster.server.requests.length === 1, 'the request');
    abort.abort();
    await assert.rejects(answer, { code: 'cancelled' });
  });

  it('names a certificate that is not that of the authority, without trying again', async () => {
    const access = await readAccess({ kind: 'kubeconfig', path: cluster.kubeconfigPath });
    const stranger = new ClusterConnection({ ...access, authority: null }, timingWith(QUICK));
    await assert.rejects(new ClusterClient(stranger).version(), {
      code: 'invalid-configuration',
      message: /certificate/,
    });
    stranger.close();
    const misnamed = new ClusterConnection({ ...access, serverName: 'other.test' }, timingWith(QUICK));
    await assert.rejects(new ClusterClient(misnamed).version(), { code: 'invalid-configuration' });
    misnamed.close();
    assert.equal(cluster.server.requests.length, 0);
  });
});

describe('watches', () => {
  const seen: string[] = [];
  let watch: ClusterWatch;
  async function begin(changes: Partial<KubernetesTiming> = {}): Promise<void> {
    seen.length = 0;
    const timing = timingWith({ ...QUICK, ...changes });
    watch = new ClusterWatch(client, 'secrets', 'a=b', timing, {
      changed: (object) => seen.push(`+${nameOf(object)}`),
      gone: (object) => seen.push(`-${nameOf(object)}`),
    });
    watch.start();
    await until(() => watches() > 0, 'a watch');
  }
  const watches = (): number => cluster.server.requests.filter(({ query }) => query.get('watch') === 'true').length;
  const lists = (): number => cluster.server.count('GET', '/secrets') - watches();
  const add = (name: string): unknown =>
    cluster.server.store.create('secrets', { metadata: { name, labels: { a: 'b' } } });
  afterEach(() => watch.stop());

  it('see what was there, what comes and what goes, and nothing without the label', async () => {
    add('old');
    await begin();
    add('new');
    cluster.server.store.create('secrets', { metadata: { name: 'foreign' } });
    cluster.server.store.delete('secrets', 'old');
    await until(() => seen.length === 3, 'all events');
    assert.deepEqual(seen, ['+old', '+new', '-old']);
  });

  it('go on where they were cut, without a new list', async () => {
    await begin();
    add('one');
    await until(() => seen.length === 1, 'the first');
    cluster.server.cutConnections();
    add('two');
    await until(() => seen.length === 2, 'the second');
    assert.deepEqual(seen, ['+one', '+two']);
    assert.equal(lists(), 1);
  });

  it('lose nothing when the cut is in the middle of an event', async () => {
    let cuts = 0;
    cluster.server.intercept = ({ query }, response) => {
      if (query.get('watch') !== 'true' || cuts > 0) return false;
      cuts += 1;
      response.writeHead(200);
      const object = { metadata: { name: 'half', resourceVersion: '999999' } };
      response.write(JSON.stringify({ type: 'ADDED', object }).slice(0, -10));
      setTimeout(() => response.destroy(), 20);
      return true;
    };
    await begin();
    add('whole');
    await until(() => seen.length > 0 && watches() > 1, 'the event');
    assert.deepEqual(seen, ['+whole']);
    assert.equal(lists(), 1);
  });

  it('read the list again when their version is gone (410), and tell what vanished meanwhile', async () => {
    add('stays');
    add('goes');
    await begin();
    cluster.server.intercept = ({ query }, response) => {
      if (query.get('watch') !== 'true') return false;
      response.destroy();
      return true;
    };
    cluster.server.cutConnections();
    cluster.server.store.delete('secrets', 'goes');
    add('came');
    cluster.server.store.compact();
    cluster.server.intercept = null;
    await until(() => seen.includes('+came'), 'the new list');
    assert.ok(seen.includes('-goes'));
    assert.ok(lists() >= 2);
  });

  for (const [name, bytes] of [
    ['garbage', '<html>\n'],
    ['an event of no type', '{"type":"X","object":{}}\n'],
    ['an event without end', 'x'.repeat(KUBERNETES_LIMITS.watchLineBytes + 1)],
  ] as const) {
    it(`survive ${name}`, async () => {
      let sent = 0;
      cluster.server.intercept = ({ query }, response) => {
        if (query.get('watch') !== 'true' || sent > 0) return false;
        sent += 1;
        response.writeHead(200);
        response.write(bytes);
        return true;
      };
      await begin();
      await until(() => watches() > 1, 'another watch');
      add('after');
      await until(() => seen.includes('+after'), 'the event');
      assert.equal(lists(), 2, 'what was missed is not known, so the list is read again');
    });
  }

  it('end when the server is silent for too long', async () => {
    cluster.server.intercept = ({ query }, response) => {
      if (query.get('watch') !== 'true' || watches() > 1) return false;
      response.writeHead(200);
      response.flushHeaders();
      return true;
    };
    await begin({ watchSilenceMilliseconds: 50 });
    add('late');
    await until(() => seen.includes('+late'), 'the event');
  });

  it('do not ask a server that ends each watch at once in a loop', async () => {
    cluster.server.intercept = ({ query }, response) => {
      if (query.get('watch') !== 'true') return false;
      response.end();
      return true;
    };
    await begin({ reopenMilliseconds: 50 });
    const before = watches();
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.ok(watches() - before <= 11, `${watches() - before} watches in 500 ms`);
  });
});
