/** Pulls from a real registry on loopback. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { skipWithoutDocker, TEST_IMAGE, TestEngine } from '../../../../test/support/docker-engine.ts';
import { registryAuthorization } from '../../src/docker/image-reference.ts';
import type { AttemptOutcome, DockerProgram } from '../../src/runtime.ts';
import { assertFailed, assertSucceeded, HostRecord, runAttempt, within } from '../runtime-stage.ts';
import { dockerStage, shellRequest } from './docker-stage.ts';
import { CREDENTIALS, freePort, TestRegistry } from './registry.ts';

describe('docker runtime: pulls', { skip: skipWithoutDocker('docker-registry', 'htpasswd') }, () => {
  let engine: TestEngine;
  let registry: TestRegistry;
  let given: Awaited<ReturnType<typeof dockerStage>>;
  before(async () => {
    [engine, registry] = await Promise.all([TestEngine.start(), TestRegistry.start()]);
    given = await dockerStage(engine);
  });
  after(async () => {
    // Also when something is left: a daemon that goes on would keep the test from ending.
    await given.end().finally(() => Promise.all([registry.stop(), engine.stop()]));
  });
  const run = (docker: Partial<DockerProgram>, script = 'true'): Promise<AttemptOutcome> =>
    runAttempt(given.runtime, shellRequest(given.stage, script, { docker: { pull: 'missing', ...docker } }));
  const forget = (image: string): Promise<string> =>
    engine.engine.client.text({ method: 'DELETE', path: `/images/${image}`, query: { force: 'true' } });

  it('with credentials bring the image, and the outcome names its digest', async () => {
    const digest = await registry.push(engine, TEST_IMAGE, 'team/shell:v1');
    const image = registry.image('team/shell:v1');
    const outcome = await run({ image, credentials: CREDENTIALS });
    assertSucceeded(outcome);
    assert.ok(outcome.engine.endsWith(` ${registry.image('team/shell')}@${digest}`), outcome.engine);
    await forget(image);
    const pinned = await run({ image: `${registry.image('team/shell')}@${digest}`, credentials: CREDENTIALS });
    assertSucceeded(pinned);
    assert.equal(pinned.engine, outcome.engine);
  });

  it('without credentials, with wrong ones, or of what is not there: image-missing', async () => {
    await registry.push(engine, TEST_IMAGE, 'private:v1');
    const image = registry.image('private:v1');
    assertFailed(await run({ image }), 'image-missing');
    const wrong = { username: 'fog', password: 'another' };
    const refused = await run({ image, credentials: wrong });
    assertFailed(refused, 'image-missing');
    assert.ok(!JSON.stringify(refused).includes('another'));
    assertFailed(await run({ image: registry.image('private:v2'), credentials: CREDENTIALS }), 'image-missing');
    assertFailed(await run({ image: registry.image('nothing:v1'), credentials: CREDENTIALS }), 'image-missing');
    assertFailed(await run({ image, pull: 'never', credentials: CREDENTIALS }), 'image-missing');
  });

  it('happen when the policy says so', async () => {
    const image = registry.image('policy:v1');
    await registry.push(engine, TEST_IMAGE, 'policy:v1');
    const credentials = CREDENTIALS;
    assertSucceeded(await run({ image, credentials }));
    await engine.build('fog-test:newer', ['ENV NEWER=yes']);
    // What the engine has under the name must be the old one.
    const [old] = [await engine.engine.inspectImage(image, AbortSignal.timeout(5000))];
    await registry.push(engine, 'fog-test:newer', 'policy:v1');
    const [repo = ''] = [registry.image('policy')];
    await engine.engine.client.text({ method: 'POST', path: `/images/${old.Id}/tag`, query: { repo, tag: 'v1' } });
    const isNewer = '[ "$NEWER" = yes ]';
    assertFailed(await run({ image, credentials, pull: 'never' }, isNewer), 'exit-code');
    assertFailed(await run({ image, credentials, pull: 'missing' }, isNewer), 'exit-code');
    assertSucceeded(await run({ image, credentials, pull: 'always' }, isNewer));
    assertSucceeded(await run({ image, credentials, pull: 'never' }, isNewer));
  });

  it('leave the credentials nowhere', async () => {
    await registry.push(engine, TEST_IMAGE, 'quiet:v1');
    const host = new HostRecord();
    const docker = { image: registry.image('quiet:v1'), credentials: CREDENTIALS, pull: 'always' } as const;
    const request = shellRequest(given.stage, 'env; sleep 30', { docker });
    const header = registryAuthorization(docker.image, CREDENTIALS) ?? '';
    const attempt = given.runtime.start(request, host);
    await host.waitForLog();
    const [container] = await engine.engine.listContainers({ 'fog.attempt': request.attemptId });
    const description = JSON.stringify(await engine.engine.inspectContainer(container?.Id ?? ''));
    const folder = join(given.settings.scratchDirectory, `docker-${request.attemptId}`);
    const names = (await readdir(folder)).filter((name) => name.endsWith('.json'));
    const kept = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
    attempt.kill('cancelled', 'Enough.');
    const outcome = await attempt.outcome;
    for (const text of [description, ...kept, host.text('stdout'), JSON.stringify(outcome), engine.words]) {
      assert.ok(text.length > 0);
      assert.ok(!text.includes(CREDENTIALS.password) && !text.includes(header), text);
    }
  });

  it('of an image for another architecture: image-missing', async () => {
    await engine.loadForeign('fog-test:foreign');
    await registry.push(engine, 'fog-test:foreign', 'foreign:v1');
    const outcome = await run({ image: registry.image('foreign:v1'), credentials: CREDENTIALS });
    assertFailed(outcome, 'image-missing');
    assert.match(outcome.message, /s390x/);
  });

  it('from nobody, or from one that breaks off or is out of order: image-pull', async () => {
    assertFailed(await run({ image: `127.0.0.1:${await freePort()}/app:v1` }), 'image-pull');
    let requests = 0;
    const broken: Server = createServer((request, response) => {
      requests += 1;
      if (request.url === '/v2/') response.end('{}');
      else if (request.url?.includes('unwell')) response.writeHead(503).end('Service Unavailable');
      else request.socket.destroy();
    });
    await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve));
    const address = broken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    assertFailed(await run({ image: `127.0.0.1:${port}/app:v1` }), 'image-pull');
    assertFailed(await run({ image: `127.0.0.1:${port}/unwell:v1` }), 'image-pull');
    assert.ok(requests >= 2);
    broken.closeAllConnections();
    broken.close();
    const digest = await registry.push(engine, TEST_IMAGE, 'later:v1');
    await registry.kill();
    const image = registry.image('later:v1');
    assertFailed(await run({ image, credentials: CREDENTIALS }), 'image-pull');
    await registry.launch();
    const outcome = await run({ image, credentials: CREDENTIALS });
    assertSucceeded(outcome);
    assert.ok(outcome.engine.endsWith(digest));
  });

  it('that hang are ended by a kill at once', async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = silent.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const docker = { image: `127.0.0.1:${port}/app:v1`, pull: 'always' } as const;
    const attempt = given.runtime.start(shellRequest(given.stage, 'true', { docker }), new HostRecord());
    await new Promise((resolve) => setTimeout(resolve, 300));
    const killedAtMilliseconds = performance.now();
    attempt.kill('cancelled', 'Enough.');
    assertFailed(await within(attempt.outcome, 'the outcome'), 'cancelled');
    assert.ok(performance.now() - killedAtMilliseconds < 100);
    silent.closeAllConnections();
    silent.close();
  });
});
