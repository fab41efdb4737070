/** One attempt inside a child: prepare, run the guest, collect its outputs. Never throws for what a guest does. */

import { WASM_LIMITS } from '../limits.ts';
import { ModuleError } from './binary-reader.ts';
import { collectOutputs, sendOutputs } from './child-outputs.ts';
import { engine, PAGE_BYTES, type WasmInstance, type WasmMemory } from './engine.ts';
import { totalFuel } from './fuel.ts';
import type { CompiledModule, ModuleCache } from './module-cache.ts';
import { MEMORY_IMPORT } from './module-rewrite.ts';
import { type ChildRequest, type ChildResult, type EndMessage, FROM_CHILD, type RanMessage } from './protocol.ts';
import { PREVIEW1_MODULE } from './wasi/abi.ts';
import { DescriptorTable } from './wasi/descriptors.ts';
import { HostContent, MemoryContent, OpenHostFiles } from './wasi/file-content.ts';
import { MemoryFileSystem } from './wasi/memory-file-system.ts';
import { createPreview1, type Preview1, STACK_OVERFLOW_MESSAGE, TRAP_EXIT_CODE } from './wasi/preview1.ts';
import { RandomStream } from './wasi/random-stream.ts';
import { AttemptStop, failedStop } from './wasi/stop.ts';
import { VirtualClock } from './wasi/virtual-clock.ts';

export interface ChildAttempt {
  request: ChildRequest;
  standardInput: readonly Uint8Array[];
  cache: ModuleCache;
  send(kind: number, body: Uint8Array): void;
}

/** What is left of a guest for measuring it. */
interface Remains {
  memoryBytes: number;
  fileBytes: number;
  fuel: number | null;
}

export function runChildAttempt(attempt: ChildAttempt): void {
  const hostFiles = new OpenHostFiles();
  const remains: Remains = { memoryBytes: 0, fileBytes: 0, fuel: null };
  const cpuAtStart = cpuMilliseconds();
  let result: ChildResult;
  try {
    result = execute(attempt, hostFiles, remains);
  } catch (error) {
    result = failureOf(error);
  }
  hostFiles.close();
  // Nothing refers to the guest any more. Without this its memory would count as that of the idle child.
  if (remains.memoryBytes + remains.fileBytes >= WASM_LIMITS.collectGarbageBytes) globalThis.gc?.();
  const cpuAtEnd = cpuMilliseconds();
  const end: EndMessage = {
    result,
    cpuMilliseconds: cpuAtEnd,
    attemptCpuMilliseconds: cpuAtEnd - cpuAtStart,
    peakMemoryBytes: remains.memoryBytes + remains.fileBytes,
    residentBytes: process.memoryUsage.rss(),
    fuel: remains.fuel,
    modules: attempt.cache.keys,
  };
  attempt.send(FROM_CHILD.end, json(end));
}

function execute(
  { request, standardInput, cache, send }: ChildAttempt,
  files: OpenHostFiles,
  remains: Remains,
): ChildResult {
  const compiled = cache.get(request.moduleDigest, request.modulePath, request.isMetered);
  const memory = createMemory(compiled, request.limits.memoryBytes);
  const clock = new VirtualClock(request.submittedAtMilliseconds);
  const outputPaths = request.outputs.map((output) => output.sandboxPath);
  const fileSystem = new MemoryFileSystem(clock, request.limits, outputPaths);
  for (const input of request.inputs) fileSystem.addHostFile(input.sandboxPath, input.hostPath, input.bytes, files);
  const inputContent =
    request.standardInputPath === null
      ? new MemoryContent(Buffer.concat(standardInput))
      : new HostContent(files, request.standardInputPath, null);
  const preview1 = createPreview1({
    memory,
    args: ['main.wasm', ...request.args],
    environment: request.environment,
    clock,
    random: new RandomStream(Buffer.from(request.randomKey, 'hex')),
    fileSystem,
    descriptors: new DescriptorTable(fileSystem, fileSystem.detachedFile(inputContent)),
    log: (stream, data) => sendLog(send, stream, data),
  });

  send(FROM_CHILD.started, EMPTY);
  const startedAtMilliseconds = performance.now();
  const { failure, fuel } = runGuest(compiled, memory, preview1);
  const ran: RanMessage = { wallMilliseconds: performance.now() - startedAtMilliseconds };
  send(FROM_CHILD.ran, json(ran));
  remains.fuel = fuel;
  remains.memoryBytes = memory?.buffer.byteLength ?? 0;
  remains.fileBytes = fileSystem.peakBytes;
  if (failure !== null) return failure;
  sendOutputs(collectOutputs(fileSystem, request.outputs), send);
  return { status: 'succeeded' };
}

const EMPTY = new Uint8Array(0);
const MEBIBYTE = 1 << 20;

function createMemory({ memory: shape }: CompiledModule, limitBytes: number): WasmMemory | null {
  if (shape === null) return null;
  const limitPages = Math.floor(Math.min(limitBytes, WASM_LIMITS.memoryBytes) / PAGE_BYTES);
  if (shape.minimumPages > limitPages) {
    const needed = Math.ceil((shape.minimumPages * PAGE_BYTES) / MEBIBYTE);
    throw failedStop('oom', `The module starts with ${needed} MiB of memory, more than the limit of the attempt.`);
  }
  const maximum = Math.min(limitPages, shape.maximumPages ?? limitPages);
  try {
    return new engine.Memory({ initial: shape.minimumPages, maximum });
  } catch {
    throw failedStop('sandbox', 'The node could not reserve the memory of the attempt.');
  }
}

function sendLog(send: ChildAttempt['send'], stream: 'stdout' | 'stderr', data: Uint8Array): void {
  for (let offset = 0; offset < data.length; offset += PAGE_BYTES) {
    send(FROM_CHILD[stream], data.subarray(offset, offset + PAGE_BYTES));
  }
}

interface GuestRun {
  /** null: the guest ended with success. */
  failure: ChildResult | null;
  /** null: it is not metered, or was not instantiated. */
  fuel: number | null;
}

function runGuest(compiled: CompiledModule, memory: WasmMemory | null, preview1: Preview1): GuestRun {
  let growRefused: unknown = null;
  let counted: unknown = null;
  let thrown: unknown = null;
  try {
    const instance = new engine.Instance(compiled.module, {
      [PREVIEW1_MODULE]: preview1.imports,
      [MEMORY_IMPORT.module]: { [MEMORY_IMPORT.name]: memory },
    });
    if (compiled.growRefusedExport !== null) growRefused = instance.exports[compiled.growRefusedExport];
    if (compiled.fuelExport !== null) counted = instance.exports[compiled.fuelExport];
    if (compiled.startExport !== null) callExport(instance, compiled.startExport);
    callExport(instance, '_start');
  } catch (error) {
    thrown = error;
  }
  const fuel = counted instanceof engine.Global ? totalFuel(counted.value as bigint, preview1.fuel()) : null;
  const failure = guestFailure(preview1.stop() ?? thrown);
  const ranOutOfMemory = growRefused instanceof engine.Global && growRefused.value === 1;
  if (failure?.status === 'failed' && failure.reason === 'exit-code' && ranOutOfMemory) {
    const message = 'The program ended after it was refused more memory than its limit.';
    return { failure: { ...failure, reason: 'oom', message }, fuel };
  }
  return { failure, fuel };
}

function callExport({ exports }: WasmInstance, name: string): void {
  const run = exports[name];
  // Checked when the module was prepared.
  if (typeof run !== 'function') throw new TypeError(`${name} is no function`);
  run();
}

function guestFailure(thrown: unknown): ChildResult | null {
  if (thrown === null) return null;
  if (thrown instanceof AttemptStop && thrown.stopCause.kind === 'exit') {
    const { exitCode } = thrown.stopCause;
    if (exitCode === 0) return null;
    return {
      status: 'failed',
      reason: 'exit-code',
      message: `The program ended with exit code ${exitCode}.`,
      exitCode,
    };
  }
  return failureOf(thrown);
}

function failureOf(error: unknown): ChildResult {
  if (error instanceof AttemptStop && error.stopCause.kind === 'failed') {
    const { reason, message, exitCode } = error.stopCause;
    return { status: 'failed', reason, message, exitCode };
  }
  if (error instanceof ModuleError) {
    return { status: 'failed', reason: 'invalid-module', message: error.message, exitCode: null };
  }
  if (error instanceof engine.RuntimeError) {
    // V8's names of traps: `unreachable`, `memory access out of bounds`, `divide by zero`, ...
    const trap = error.message
      .replace(/^WebAssembly\.\w+\(\): /, '')
      .replace(/\s+/g, ' ')
      .slice(0, 200);
    return trapped(`The program trapped: ${trap}.`);
  }
  if (error instanceof RangeError && error.message.includes('call stack')) return trapped(STACK_OVERFLOW_MESSAGE);
  if (error instanceof engine.Exception) return trapped('The program threw an exception that nothing caught.');
  if (error instanceof engine.LinkError) {
    return { status: 'failed', reason: 'invalid-module', message: 'The module could not be linked.', exitCode: null };
  }
  if (error instanceof RangeError) {
    return {
      status: 'failed',
      reason: 'oom',
      message: 'The module needs more than the engine can give.',
      exitCode: null,
    };
  }
  return {
    status: 'failed',
    reason: 'sandbox',
    message: 'The sandbox failed while it ran the program.',
    exitCode: null,
  };
}

function trapped(message: string): ChildResult {
  return { status: 'failed', reason: 'exit-code', message, exitCode: TRAP_EXIT_CODE };
}

function cpuMilliseconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function json(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
