/** An agent in a process of its own, to be killed. Started with `node agent-process.ts JSON`. */
import { appendFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { startAgent } from '../../packages/agent/src/index.ts';
import { loadSettings } from '../../packages/contract/src/index.ts';
import {
  createDockerRuntime,
  createJavascriptRuntime,
  createProcessRuntime,
  createWasmRuntime,
  type RuntimeSettings,
  type TaskRuntime,
} from '../../packages/runtimes/src/index.ts';
import { LoadRuntime } from './load-runtime.ts';
import { AGENT_SLOTS } from './schedule.ts';

export interface AgentOrder {
  directory: string;
  url: string;
  token: string;
  name: string;
  /** null: a runtime that does as it is told. */
  realRuntimes: { nodeId: string; engineSocket: string } | null;
}

process.on('disconnect', () => process.exit(0)); // the harness is gone
const order = JSON.parse(process.argv[2] ?? '') as AgentOrder;
const { settings } = loadSettings('agent', {
  environment: {},
  flags: { name: order.name, slots: AGENT_SLOTS, cpu: AGENT_SLOTS, memory: '1Gi' },
});
const agent = await startAgent({
  dataDirectory: order.directory,
  url: order.url,
  token: order.token,
  settings,
  runtimes: runtimesOf(order),
  log: (level, message, data) =>
    process.stdout.write(`${Date.now()} ${level} ${message} ${JSON.stringify(data ?? {})}\n`),
});
flushCompileCache(); // a killed process leaves no cache behind
process.send?.({ kind: 'ready' });
const end = await agent.closed;
process.stdout.write(`${Date.now()} ended: ${end.reason} ${end.error?.message ?? ''}\n`);
process.exit(1);

function runtimesOf({ directory, realRuntimes }: AgentOrder): TaskRuntime[] {
  const recordPath = join(directory, 'executions');
  if (realRuntimes === null) return [new LoadRuntime(recordPath)];
  const { nodeId, engineSocket } = realRuntimes;
  const settings = (name: string): RuntimeSettings => ({
    slots: AGENT_SLOTS,
    readablePaths: [join(directory, 'cache', 'sha256')],
    scratchDirectory: join(directory, 'scratch', name),
    nodeId,
  });
  const runtimes = [
    createWasmRuntime(settings('wasm')),
    createJavascriptRuntime(settings('javascript')),
    createProcessRuntime(settings('process')),
    createDockerRuntime(settings('docker'), { socketPath: engineSocket }),
  ];
  for (const runtime of runtimes) recordStarts(runtime, recordPath);
  return runtimes;
}

/** One line an execution: job, partition, fence. */
function recordStarts(runtime: TaskRuntime, recordPath: string): void {
  const start = runtime.start.bind(runtime);
  runtime.start = (request, host) => {
    appendFileSync(recordPath, `${request.attemptId.replaceAll('.', ' ')}\n`);
    return start(request, host);
  };
}
