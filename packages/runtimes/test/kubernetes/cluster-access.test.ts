/** Kubeconfig files and service accounts: what is read, and a clear sentence for everything that is wrong. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FogError } from '@fog/contract';
import { stringify } from 'yaml';
import { type AccessSource, readAccess } from '../../src/kubernetes/cluster-access.ts';
import { ClusterClient } from '../../src/kubernetes/cluster-client.ts';
import { ClusterConnection } from '../../src/kubernetes/cluster-connection.ts';
import { timingWith } from '../../src/kubernetes/timing.ts';
import { type ClusterStage, createClusterStage, kubeconfig, QUICK } from './cluster-stage.ts';

let cluster: ClusterStage;
let folder: string;
before(async () => {
  cluster = await createClusterStage();
  folder = await mkdtemp(join(tmpdir(), 'fog-access-'));
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function version(source: AccessSource): Promise<string> {
  const connection = new ClusterConnection(await readAccess(source), timingWith(QUICK));
  try {
    return (await new ClusterClient(connection).version()).gitVersion;
  } finally {
    connection.close();
  }
}

// biome-ignore lint/suspicious/noExplicitAny: any part of the document is spoilt.
async function configWith(spoil: (config: any) => unknown): Promise<AccessSource> {
  const config = kubeconfig(cluster.server);
  const replaced = spoil(config);
  const path = join(folder, 'config');
  await writeFile(path, typeof replaced === 'string' ? replaced : stringify(config));
  return { kind: 'kubeconfig', path };
}

describe('a kubeconfig', () => {
  it('with a token and data', async () => {
    assert.equal(await version(await configWith(() => undefined)), 'v1.33.4');
  });

  it('with files relative to it, a client certificate and another context', async () => {
    const { authority, client } = cluster.server.certificates;
    await writeFile(join(folder, 'ca.pem'), authority);
    await writeFile(join(folder, 'client.pem'), client.cert);
    const source = await configWith((config) => {
      config.clusters[0].cluster = { server: config.clusters[0].cluster.server, 'certificate-authority': 'ca.pem' };
      config.users[0].user = {
        'client-certificate': 'client.pem',
        'client-key-data': Buffer.from(client.key).toString('base64'),
      };
      config.contexts.push({ name: 'other', context: config.contexts[0].context });
      config['current-context'] = 'gone';
    });
    assert.equal(
      await version({ ...source, kind: 'kubeconfig', path: join(folder, 'config'), context: 'other' }),
      'v1.33.4',
    );
    assert.equal(
      (await readAccess({ kind: 'kubeconfig', path: join(folder, 'config'), context: 'other' })).namespace,
      'fog',
    );
  });

  // biome-ignore lint/suspicious/noExplicitAny: the same.
  const faults: [string, (config: any) => unknown, RegExp][] = [
    ['no YAML', () => 'token: [secret-value', /not well-formed YAML/],
    ['another document', () => 'kind: Pod', /kind is not Config/],
    ['no current context', (config) => delete config['current-context'], /current-context is not set/],
    [
      'a context that is not there',
      (config) => {
        config['current-context'] = 'x';
      },
      /no context named "x"/,
    ],
    [
      'a cluster that is not there',
      (config) => {
        config.contexts[0].context.cluster = 'y';
      },
      /no cluster named "y"/,
    ],
    [
      'a user that is not there',
      (config) => {
        config.contexts[0].context.user = 'z';
      },
      /no user named "z"/,
    ],
    [
      'an exec plugin',
      (config) => {
        config.users[0].user = { exec: { command: 'aws' } };
      },
      /exec.*run another program/,
    ],
    [
      'an auth provider',
      (config) => {
        config.users[0].user = { 'auth-provider': {} };
      },
      /auth-provider/,
    ],
    [
      'a password',
      (config) => {
        config.users[0].user = { username: 'a', password: 'b' };
      },
      /password/,
    ],
    [
      'TLS unverified',
      (config) => {
        config.clusters[0].cluster['insecure-skip-tls-verify'] = true;
      },
      /insecure-skip-tls-verify/,
    ],
    [
      'plain HTTP',
      (config) => {
        config.clusters[0].cluster.server = 'http://127.0.0.1:1';
      },
      /https/,
    ],
    [
      'no server',
      (config) => {
        delete config.clusters[0].cluster.server;
      },
      /is not a URL/,
    ],
    [
      'data that is no PEM',
      (config) => {
        config.clusters[0].cluster['certificate-authority-data'] = 'AAAA';
      },
      /certificate-authority-data/,
    ],
    [
      'a certificate that is none',
      (config) => {
        config.clusters[0].cluster['certificate-authority-data'] = Buffer.from(
          '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
        ).toString('base64');
      },
      /cannot be read/,
    ],
    [
      'a certificate without a key',
      (config) => {
        config.users[0].user = { 'client-certificate-data': config.clusters[0].cluster['certificate-authority-data'] };
      },
      /no client-key/,
    ],
    [
      'a token file that is not there',
      (config) => {
        config.users[0].user = { tokenFile: 'nowhere' };
      },
      /nowhere \(ENOENT\)/,
    ],
    [
      'a token of two lines',
      (config) => {
        config.users[0].user = { token: 'a\nb' };
      },
      /strange characters/,
    ],
  ];
  for (const [name, spoil, message] of faults) {
    it(`is refused: ${name}`, async () => {
      await assert.rejects(readAccess(await configWith(spoil)), (error) => {
        assert.ok(error instanceof FogError);
        assert.equal(error.code, 'invalid-configuration');
        assert.match(error.message, message);
        assert.ok((error.hint ?? '').length > 10, 'says what to do');
        assert.ok(!/secret-value|test-token/.test(`${error.message}${error.hint}`), 'does not quote the file');
        return true;
      });
    });
  }

  it('is refused: no such file', async () => {
    await assert.rejects(readAccess({ kind: 'kubeconfig', path: join(folder, 'absent') }), /absent \(ENOENT\)/);
  });
});

describe('a service account in a pod', () => {
  async function account(token: string): Promise<AccessSource> {
    await writeFile(join(folder, 'ca.crt'), cluster.server.certificates.authority);
    await writeFile(join(folder, 'namespace'), 'fog\n');
    await writeFile(join(folder, 'token'), `${token}\n`);
    const { hostname, port } = new URL(cluster.server.url);
    return { kind: 'in-cluster', serviceAccountPath: folder, host: hostname, port };
  }

  it('is used', async () => {
    assert.equal(await version(await account('test-token')), 'v1.33.4');
  });

  it('whose token is rotated: the file is read again in time, and when the old one is refused', async () => {
    const { tokens } = cluster.server;
    const access = await readAccess(await account('first'));
    tokens.add('first');
    const connection = new ClusterConnection(access, timingWith({ ...QUICK, tokenMilliseconds: 60_000 }));
    const client = new ClusterClient(connection);
    try {
      await client.version();
      await account('second');
      await client.version();
      assert.equal(cluster.server.requests.at(-1)?.token, 'first', 'not read for each request');
      tokens.delete('first');
      tokens.add('second');
      await client.version();
      assert.equal(cluster.server.requests.at(-1)?.token, 'second');
      tokens.delete('second');
      await assert.rejects(client.version(), { code: 'unauthenticated' });
    } finally {
      connection.close();
    }
    const eager = new ClusterConnection(access, timingWith({ ...QUICK, tokenMilliseconds: 0 }));
    try {
      await account('third');
      tokens.add('third');
      await new ClusterClient(eager).version();
      await account('test-token');
      await new ClusterClient(eager).version();
      assert.equal(cluster.server.requests.at(-1)?.token, 'test-token');
    } finally {
      eager.close();
    }
  });

  it('is refused outside of a pod', async () => {
    const source: AccessSource = { kind: 'in-cluster', serviceAccountPath: folder, host: '' };
    await assert.rejects(readAccess(source), /KUBERNETES_SERVICE_HOST/);
    await assert.rejects(readAccess({ ...source, host: 'x', serviceAccountPath: join(folder, 'none') }), /ca\.crt/);
  });
});
