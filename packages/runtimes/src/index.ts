/** @fog/runtimes: one TaskRuntime interface and the engines behind it. */
export { createDockerRuntime, type DockerOptions } from './docker/index.ts';
export { createJavascriptRuntime } from './javascript/index.ts';
export type { SandboxNetwork } from './network/sandbox-network.ts';
export * from './runtime.ts';
export { createWasmRuntime } from './wasm/index.ts';
