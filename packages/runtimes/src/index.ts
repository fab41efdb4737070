/** @fog/runtimes: one TaskRuntime interface and the engines behind it. */
export { createJavascriptRuntime } from './javascript/index.ts';
export type { AccessSource } from './kubernetes/cluster-access.ts';
export { createKubernetesRuntime, type KubernetesOptions } from './kubernetes/index.ts';
export * from './runtime.ts';
export { createWasmRuntime } from './wasm/index.ts';
