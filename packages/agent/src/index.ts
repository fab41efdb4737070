/** @fog/agent: the node program. */
export type { AgentEnd, RunningAgent } from './agent.ts';
export { type AgentLog, type AgentOptions, startAgent } from './start-agent.ts';
