/** Runs one script on both engines of one runtime and gives both results, for tests of their agreement. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createJavascriptRuntime } from '../../src/javascript/index.ts';
import type { AttemptOutcome, AttemptRequest, TaskRuntime } from '../../src/runtime.ts';
import { createStage, HostRecord, runAttempt, type TestStage } from '../runtime-stage.ts';

export const RESULT = [{ name: 'result', sandboxPath: '/out/result' }];
const MEBIBYTE = 1 << 20;

export interface EngineRun {
  outcome: AttemptOutcome;
  /** The result as text; '' when it failed. */
  text: string;
  host: HostRecord;
}

export class BothEngines implements AsyncDisposable {
  readonly stage: TestStage;
  readonly runtime: TaskRuntime;

  private constructor(stage: TestStage) {
    this.stage = stage;
    this.runtime = createJavascriptRuntime(stage.settings(2));
  }

  static async create(): Promise<BothEngines> {
    return new BothEngines(await createStage());
  }

  async run(engine: 'v8' | 'quickjs' | 'auto', source: string, part: Partial<AttemptRequest> = {}): Promise<EngineRun> {
    const scriptPath = await this.stage.write('script.js', source);
    const request = this.stage.request({ program: { runtime: 'javascript', scriptPath, engine }, outputs: RESULT });
    const limits = { ...request.limits, memoryBytes: 256 * MEBIBYTE, runMilliseconds: 20_000 };
    const host = new HostRecord();
    const outcome = await runAttempt(this.runtime, { ...request, limits, ...part }, host);
    return { outcome, text: resultText(outcome), host };
  }

  /** The result of both, which must be the same bytes. */
  async agree(source: string, part: Partial<AttemptRequest> = {}): Promise<string> {
    const [v8, quickjs] = await Promise.all([this.run('v8', source, part), this.run('quickjs', source, part)]);
    for (const { outcome } of [v8, quickjs]) {
      assert.equal(
        outcome.status,
        'succeeded',
        outcome.status === 'failed' ? `${outcome.reason}: ${outcome.message}` : '',
      );
    }
    if (v8.text !== quickjs.text) assert.fail(firstDifference(v8.text, quickjs.text));
    return v8.text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runtime.close();
    await this.stage[Symbol.asyncDispose]();
  }
}

function resultText(outcome: AttemptOutcome): string {
  if (outcome.status !== 'succeeded') return '';
  const content = outcome.outputs[0]?.files[0]?.content;
  if (content === undefined) return '';
  return Buffer.from('data' in content ? content.data : readFileSync(content.hostPath)).toString('utf8');
}

function firstDifference(left: string, right: string): string {
  let at = 0;
  while (at < left.length && left[at] === right[at]) at += 1;
  const around = (text: string): string => text.slice(Math.max(0, at - 120), at + 80);
  return `the engines differ at ${at}:\n  v8      ${around(left)}\n  quickjs ${around(right)}`;
}
