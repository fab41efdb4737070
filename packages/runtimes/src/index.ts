/** @fog/runtimes: one TaskRuntime interface and the engines behind it. */
export { createJavascriptRuntime } from './javascript/index.ts';
export * from './runtime.ts';
export { createWasmRuntime } from './wasm/index.ts';
