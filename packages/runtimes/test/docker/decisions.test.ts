/** The pure parts: names of images, places of mounts, what an end means, the clock. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EngineError } from '../../src/docker/engine-client.ts';
import { AttemptFailed, type ContainerEnd, judgeEnd, pullFailure, startFailure } from '../../src/docker/failure.ts';
import { imageIdentity, parseImageReference, registryAuthorization } from '../../src/docker/image-reference.ts';
import { planMounts } from '../../src/docker/mount-plan.ts';
import type { InputFile } from '../../src/runtime.ts';

describe('names of images', () => {
  it('are a repository and a tag or digest', () => {
    const cases = {
      busybox: ['busybox', 'latest'],
      'busybox:1.36': ['busybox', '1.36'],
      'localhost:5000/team/app': ['localhost:5000/team/app', 'latest'],
      'localhost:5000/app:v1': ['localhost:5000/app', 'v1'],
      'app:v1@sha256:00ff': ['app', 'sha256:00ff'],
    };
    for (const [image, [repository, tag]] of Object.entries(cases)) {
      assert.deepEqual(parseImageReference(image), { repository, tag }, image);
    }
  });

  it('are told by the digest of their own repository, otherwise by their id', () => {
    const image = { Id: 'sha256:id', RepoDigests: ['other@sha256:1', 'docker.io/library/busybox@sha256:2'] };
    assert.equal(imageIdentity('busybox:1', image), 'docker.io/library/busybox@sha256:2');
    assert.equal(imageIdentity('local/own', image), 'sha256:id');
    assert.equal(imageIdentity('local/own', { Id: 'sha256:id', RepoDigests: null }), 'sha256:id');
    assert.equal(imageIdentity('local/own@sha256:3', image), 'local/own@sha256:3');
  });

  it('lead credentials to their registry alone, in the alphabet for URLs with padding', () => {
    const credentials = { username: 'u??>', password: 'p~~?ü' };
    const text = registryAuthorization('localhost:5000/app', credentials) ?? '';
    assert.match(text, /^[\w-]+=*$/);
    assert.equal(text.length % 4, 0);
    const decoded = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    assert.deepEqual(decoded, { ...credentials, serveraddress: 'localhost:5000' });
    const ofHub = Buffer.from(registryAuthorization('team/app', credentials) ?? '', 'base64url').toString();
    assert.match(ofHub, /index\.docker\.io/);
    assert.equal(registryAuthorization('app', null), null);
  });
});

function input(sandboxPath: string): InputFile {
  return { sandboxPath, hostPath: `/blobs${sandboxPath}`, bytes: 1 };
}

describe('places of mounts', () => {
  const none = { inputs: [], outputs: [], checkpoint: null };
  const outputs = (...paths: string[]) => paths.map((sandboxPath, index) => ({ name: `o${index}`, sandboxPath }));

  it('are the folders that hold outputs, none within another', () => {
    const plan = planMounts({ ...none, outputs: outputs('/out/a', '/out/deep/er/b', '/tree', '/x/y') }, ['/data/']);
    assert.deepEqual(plan.writable, [
      { sandboxPath: '/x', folders: [] },
      { sandboxPath: '/out', folders: ['deep/er'] },
      { sandboxPath: '/tree', folders: [] },
      { sandboxPath: '/data', folders: [] },
    ]);
  });

  it('leave out what lies in the checkpoint', () => {
    const checkpoint = { hostPath: '/somewhere' };
    assert.deepEqual(planMounts({ ...none, checkpoint, outputs: outputs('/checkpoint/state') }, []).writable, []);
    assert.equal(planMounts({ ...none, outputs: outputs('/checkpoint/state') }, []).writable.length, 1);
  });

  it('are single files for few inputs, folders for many, and files again where the job may write', () => {
    const few = [input('/in/a'), input('/b')];
    assert.deepEqual(planMounts({ ...none, inputs: few }, []).inputFiles, few);
    const many = Array.from({ length: 40 }, (_, index) => input(`/in/${index % 2}/${index}`));
    const inputs = [...many, input('/in/top'), input('/root'), input('/out/given')];
    const plan = planMounts({ ...none, inputs, outputs: outputs('/out/a', '/in/0/out/b') }, []);
    assert.deepEqual(plan.inputFiles.map(({ sandboxPath }) => sandboxPath).sort(), ['/out/given', '/root']);
    assert.deepEqual(
      plan.inputFolders.map(({ sandboxPath, files, places }) => [sandboxPath, files.length, places]),
      [['/in', 41, ['0/out']]],
    );
    assert.equal(plan.inputFolders[0]?.files[1]?.relativePath, '1/1');
  });

  it('are not those of the engine', () => {
    const reasonOf = (run: () => unknown): string => {
      try {
        run();
        return 'none';
      } catch (error) {
        return error instanceof AttemptFailed ? error.failure.reason : String(error);
      }
    };
    for (const path of ['/proc/x', '/sys/fs/cgroup/x', '/dev/x', '/dev/shm/x']) {
      assert.equal(
        reasonOf(() => planMounts({ ...none, outputs: outputs(path) }, [])),
        'output-invalid',
        path,
      );
      assert.equal(
        reasonOf(() => planMounts({ ...none, inputs: [input(path)] }, [])),
        'rejected',
        path,
      );
    }
    assert.equal(
      reasonOf(() => planMounts({ ...none, outputs: outputs('/process/x') }, [])),
      'none',
    );
    assert.deepEqual(planMounts(none, ['/dev/shm', '/']).writable, []);
  });
});

describe('what an end means', () => {
  const limits = { runMilliseconds: 1000, memoryBytes: 1 };
  const end: ContainerEnd = {
    status: 'exited',
    exitCode: 0,
    oomKilled: false,
    engineWasAway: false,
    ranMilliseconds: 10,
    standardErrorHead: '',
    standardOutputBytes: 0,
    startErrno: null,
  };
  const reason = (part: Partial<ContainerEnd>) => judgeEnd({ ...end, ...part }, limits)?.reason ?? 'success';
  const complaint = '[FATAL tini (7)] exec nope failed: No such file or directory\n';

  it('is told by exit code, memory, time, engine and init', () => {
    assert.equal(reason({}), 'success');
    assert.equal(reason({ oomKilled: true }), 'success', 'a child was killed, and the program coped');
    assert.equal(reason({ exitCode: 1 }), 'exit-code');
    assert.equal(reason({ exitCode: 1, oomKilled: true }), 'oom');
    assert.equal(reason({ exitCode: 137 }), 'exit-code', 'it killed itself');
    assert.equal(reason({ exitCode: 137, ranMilliseconds: 1000 }), 'timeout');
    assert.equal(reason({ exitCode: 137, engineWasAway: true }), 'sandbox');
    assert.equal(reason({ exitCode: 255, engineWasAway: true }), 'sandbox');
    assert.equal(reason({ exitCode: 4, engineWasAway: true }), 'exit-code');
    assert.equal(reason({ exitCode: 0, engineWasAway: true }), 'success');
    assert.equal(reason({ exitCode: 0, status: 'created' }), 'sandbox');
  });

  it('is command-not-found by the word of the init alone', () => {
    assert.equal(reason({ exitCode: 127, standardErrorHead: complaint }), 'command-not-found');
    assert.equal(reason({ exitCode: 127, standardErrorHead: 'sh: nope: not found\n' }), 'exit-code');
    assert.equal(reason({ exitCode: 127, standardErrorHead: null }), 'exit-code');
    assert.equal(reason({ exitCode: 1, standardErrorHead: complaint }), 'exit-code');
    assert.equal(reason({ exitCode: 127, standardErrorHead: complaint, standardOutputBytes: 1 }), 'exit-code');
  });

  it('of a pull is the word of the registry, or none', () => {
    const reasonOf = (message: string) => pullFailure('app', message).failure.reason;
    for (const message of [
      'manifest for localhost:5000/app:v2 not found: manifest unknown: manifest unknown',
      'pull access denied for app, repository does not exist or may require docker login',
      'Get "http://localhost:5000/v2/app/manifests/v1": no basic auth credentials',
      'no matching manifest for linux/amd64 in the manifest list entries',
      'unauthorized: authentication required',
    ]) {
      assert.equal(reasonOf(message), 'image-missing', message);
    }
    for (const message of [
      'Get "http://localhost:5000/v2/": dial tcp 127.0.0.1:5000: connect: connection refused',
      'dial tcp: lookup registry.example on 127.0.0.1:53: no such host',
      'received unexpected HTTP status: 503 Service Unavailable',
      'unexpected EOF',
      'net/http: TLS handshake timeout',
      'toomanyrequests: You have reached your pull rate limit',
      'something nobody has heard of',
    ]) {
      assert.equal(reasonOf(message), 'image-pull', message);
    }
  });

  it('of a start is the command, or the node', () => {
    const reasonOf = (error: unknown) => startFailure(error).failure.reason;
    const missing = 'OCI runtime create failed: exec: "/bin/nope": stat /bin/nope: no such file or directory: unknown';
    assert.equal(reasonOf(new EngineError(400, missing)), 'command-not-found');
    assert.equal(reasonOf(new EngineError(400, 'No command specified')), 'command-not-found');
    assert.equal(reasonOf(new EngineError(400, 'exec: "docker-init": executable file not found in $PATH')), 'sandbox');
    assert.equal(reasonOf(new EngineError(500, 'no space left on device')), 'sandbox');
    const { message } = startFailure(new EngineError(500, `two\nlines ${'x'.repeat(1000)}`)).failure;
    assert.ok(message.length < 400 && !message.includes('\n'));
  });
});
