/**
 * Stands for an agent that is killed: starts the attempts it is given and appends their output to files.
 *
 *     node doomed-agent.ts '{"socketPath": ..., "settings": ..., "requests": [...], "folder": ...}'
 */
import { openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createDockerRuntime } from '../../src/docker/index.ts';
import type { AttemptRequest, RuntimeSettings } from '../../src/runtime.ts';

export interface DoomedAgentTask {
  socketPath: string;
  settings: RuntimeSettings;
  requests: AttemptRequest[];
  /** `<attempt>.stdout` is written there, and `<attempt>.outcome` if there is one. */
  folder: string;
}

const { socketPath, settings, requests, folder } = JSON.parse(process.argv[2] ?? '') as DoomedAgentTask;
const runtime = createDockerRuntime(settings, { socketPath });
for (const request of requests) {
  const file = openSync(join(folder, `${request.attemptId}.stdout`), 'a');
  const log = (_stream: string, data: Uint8Array): void => {
    writeSync(file, data);
  };
  const attempt = runtime.start({ ...request, seed: new Uint8Array(32) }, { started() {}, log, progress() {} });
  void attempt.outcome.then((outcome) =>
    writeFileSync(join(folder, `${request.attemptId}.outcome`), JSON.stringify(outcome)),
  );
}
