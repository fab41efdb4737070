/** A runtime without a sandbox: its attempts do what the plan of their task says, and are written down. */
import { appendFileSync } from 'node:fs';
import type { FailureReason } from '../../packages/contract/src/index.ts';
import type {
  AttemptHost,
  AttemptOutcome,
  AttemptRequest,
  RunningAttempt,
  RuntimeProbe,
  TaskRuntime,
} from '../../packages/runtimes/src/index.ts';
import { type LoadProgram, planTask } from './task-plan.ts';

const ENGINE = 'load';

export class LoadRuntime implements TaskRuntime {
  readonly name = 'wasm';
  /** One line an execution: job, partition, fence. */
  readonly #recordPath: string;
  readonly #running = new Set<RunningAttempt>();

  constructor(recordPath: string) {
    this.#recordPath = recordPath;
  }

  async probe(): Promise<RuntimeProbe> {
    return { available: true, version: '1', features: {} };
  }

  refusal(): string | null {
    return null;
  }

  start(request: AttemptRequest, host: AttemptHost): RunningAttempt {
    const [job = '', partition = '', fence = ''] = request.attemptId.split('.');
    appendFileSync(this.#recordPath, `${job} ${partition} ${fence}\n`);
    const program = JSON.parse(request.args[0] ?? '') as LoadProgram;
    const plan = planTask(program, Number(partition), Number(fence));
    const { promise, resolve } = Promise.withResolvers<AttemptOutcome>();
    const started = performance.now();
    const end = (ending: { reason: FailureReason; message: string; exitCode: number | null } | null) => {
      const usage = { wallMilliseconds: performance.now() - started, cpuMilliseconds: null, peakMemoryBytes: null };
      if (ending !== null) return resolve({ status: 'failed', ...ending, usage, engine: ENGINE });
      const content = { data: plan.output ?? new Uint8Array() };
      const outputs = request.outputs.map(({ name }) => ({
        name,
        type: 'file' as const,
        files: [{ relativePath: '', content }],
      }));
      resolve({ status: 'succeeded', exitCode: 0, outputs, usage, engine: ENGINE });
    };
    host.started();
    if (plan.log !== '') host.log('stdout', Buffer.from(plan.log));
    const { exitCode } = plan;
    const ending =
      exitCode === null ? null : { reason: 'exit-code' as const, message: `it ended with ${exitCode}`, exitCode };
    let timer = setTimeout(() => end(ending), plan.milliseconds);
    const running: RunningAttempt = {
      pause: async () => {
        clearTimeout(timer);
        return true;
      },
      resume: async () => {
        clearTimeout(timer);
        timer = setTimeout(() => end(ending), plan.milliseconds);
        return true;
      },
      outcome: promise.finally(() => this.#running.delete(running)),
      kill: (reason, message) => {
        clearTimeout(timer);
        end({ reason, message, exitCode: null });
      },
    };
    this.#running.add(running);
    return running;
  }

  async close(): Promise<void> {
    for (const attempt of this.#running) attempt.kill('sandbox', 'the runtime is closed');
  }
}
