/** @fog/runtimes: one TaskRuntime interface and the engines behind it. */
export { CheckpointFault, copyCheckpoint } from './checkpoint-copy.ts';
export { createDockerRuntime, type DockerOptions } from './docker/index.ts';
export { createJavascriptRuntime } from './javascript/index.ts';
export type { AccessSource } from './kubernetes/cluster-access.ts';
export { createKubernetesRuntime, type KubernetesOptions } from './kubernetes/index.ts';
export { type LongTimerDependencies, PROCESS_TIMER, startLongTimer } from './long-timer.ts';
export { type NetworkOpener, networkOpener } from './network/network-opener.ts';
export { createProcessRuntime, type ProcessRuntimeOptions } from './process/index.ts';
export { ArchiveFault, unpackArchive } from './process/unpack-archive.ts';
export { removeTree } from './remove-tree.ts';
export * from './runtime.ts';
export { createWasmRuntime } from './wasm/index.ts';
