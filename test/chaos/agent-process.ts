/** An agent in a process of its own, to be killed. Started with `node agent-process.ts JSON`. */
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { startAgent } from '../../packages/agent/src/index.ts';
import { loadSettings } from '../../packages/contract/src/index.ts';
import { LoadRuntime } from './load-runtime.ts';
import { AGENT_SLOTS } from './schedule.ts';

export interface AgentOrder {
  directory: string;
  url: string;
  token: string;
  name: string;
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
  runtimes: [new LoadRuntime(join(order.directory, 'executions'))],
  log: (level, message, data) =>
    process.stdout.write(`${Date.now()} ${level} ${message} ${JSON.stringify(data ?? {})}\n`),
});
flushCompileCache(); // a killed process leaves no cache behind
process.send?.({ kind: 'ready' });
const end = await agent.closed;
process.stdout.write(`${Date.now()} ended: ${end.reason} ${end.error?.message ?? ''}\n`);
process.exit(1);
