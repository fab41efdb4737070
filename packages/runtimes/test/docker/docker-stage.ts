/** A stage for tests of containers, and programs for it. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { TEST_IMAGE, type TestEngine } from '../../../../test/support/docker-engine.ts';
import { createDockerRuntime, type DockerOptions } from '../../src/docker/index.ts';
import type { AttemptRequest, DockerProgram, RuntimeSettings, TaskRuntime } from '../../src/runtime.ts';
import { createStage, type Stage, type TestStage, within } from '../runtime-stage.ts';

/** A request for `/bin/sh -c script`. */
export function shellRequest(
  stage: Stage,
  script: string,
  part: Partial<AttemptRequest> & { docker?: Partial<DockerProgram> } = {},
): AttemptRequest {
  const { docker, ...rest } = part;
  const program: DockerProgram = {
    runtime: 'docker',
    image: TEST_IMAGE,
    pull: 'never',
    command: ['/bin/sh', '-c', script, 'sh'],
    workingDirectory: null,
    credentials: null,
    network: { allow: [], inbound: false },
    ...docker,
  };
  return stage.request({ program, ...rest });
}

/** A stage and a runtime on an engine; `end` asserts that neither containers nor folders are left. */
export async function dockerStage(
  test: TestEngine,
  options: Omit<DockerOptions, 'socketPath'> = {},
): Promise<{
  stage: TestStage;
  settings: RuntimeSettings;
  runtime: TaskRuntime;
  end(): Promise<void>;
}> {
  const stage = await createStage();
  const settings = stage.settings(2);
  const before = await test.containers();
  const runtime = createDockerRuntime(settings, { socketPath: test.socketPath, ...options });
  const end = async (): Promise<void> => {
    await within(runtime.close(), 'close()');
    // Fewer, when an earlier test's were still being removed.
    assert.ok((await test.containers()) <= before, 'containers are left');
    const left = (await readdir(settings.scratchDirectory)).filter((name) => name.startsWith('docker-'));
    assert.deepEqual(left, [], 'folders are left');
    await stage[Symbol.asyncDispose]();
  };
  return { stage, settings, runtime, end };
}
