/** @fog/runtimes: one TaskRuntime interface and the engines behind it. */
export { createJavascriptRuntime } from './javascript/index.ts';
export { type ForwarderBinary, forwarderBinary } from './network/forwarder-binary.ts';
export { openSandboxNetwork, type SandboxNetwork, type SandboxNetworkOptions } from './network/sandbox-network.ts';
export { createProcessRuntime, type ProcessRuntimeOptions } from './process/index.ts';
export * from './runtime.ts';
export { createWasmRuntime } from './wasm/index.ts';
