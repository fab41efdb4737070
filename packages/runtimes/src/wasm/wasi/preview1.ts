/**
 * The host functions of WASI preview 1 for one attempt: arguments, clock, random, polling, process. Those on
 * descriptors and paths stand in their own files.
 *
 * Deterministic: what a guest can observe depends on its module, its request and nothing else. Sockets answer ENOTSUP,
 * signals and symbolic links too.
 */
import { WASM_LIMITS } from '../../limits.ts';
import type { WasmMemory } from '../engine.ts';
import { FUEL } from '../fuel.ts';
import { ERRNO, EVENT, type Preview1Name, WasiError } from './abi.ts';
import { descriptorFunctions } from './descriptor-functions.ts';
import type { DescriptorTable } from './descriptors.ts';
import { GuestMemory } from './guest-memory.ts';
import type { MemoryFileSystem } from './memory-file-system.ts';
import { pathFunctions } from './path-functions.ts';
import type { RandomStream } from './random-stream.ts';
import { AttemptStop, failedStop } from './stop.ts';
import type { VirtualClock } from './virtual-clock.ts';

export interface Preview1Dependencies {
  memory: WasmMemory | null;
  /** With the program name first. */
  args: readonly string[];
  /** `KEY=value`. */
  environment: readonly string[];
  clock: VirtualClock;
  random: RandomStream;
  fileSystem: MemoryFileSystem;
  descriptors: DescriptorTable;
  /** May block until the reader has room. */
  log(stream: 'stdout' | 'stderr', data: Uint8Array): void;
}

export interface Preview1Context extends Omit<Preview1Dependencies, 'memory'> {
  memory: GuestMemory;
}

/** i32 come unsigned, i64 as they are. Whatever is returned but a number is success. */
export type HostFunction = (...parameters: never[]) => unknown;
export type HostFunctions<Name extends Preview1Name> = Record<Name, HostFunction>;

export interface Preview1 {
  imports: Record<Preview1Name, (...parameters: (number | bigint)[]) => number>;
  /** How the guest was ended from inside, or null. It stands even if the guest caught the exception and went on. */
  stop(): AttemptStop | null;
  /** What its calls of host functions count, in units of fuel. */
  fuel(): number;
}

export function createPreview1(dependencies: Preview1Dependencies): Preview1 {
  const context: Preview1Context = { ...dependencies, memory: new GuestMemory(dependencies.memory) };
  let stop: AttemptStop | null = null;
  let calls = 0;
  const functions: Record<Preview1Name, HostFunction> = {
    ...processFunctions(context),
    ...pollFunctions(context),
    ...descriptorFunctions(context),
    ...pathFunctions(context),
  };
  const guarded =
    (run: (...parameters: unknown[]) => unknown) =>
    (...parameters: (number | bigint)[]): number => {
      if (stop !== null) throw stop;
      calls += 1;
      try {
        for (let index = 0; index < parameters.length; index += 1) {
          const parameter = parameters[index];
          if (typeof parameter === 'number') parameters[index] = parameter >>> 0;
        }
        const errno = run(...parameters);
        return typeof errno === 'number' ? errno : ERRNO.success;
      } catch (error) {
        if (error instanceof WasiError) return error.errno;
        stop = error instanceof AttemptStop ? error : unexpectedStop(error);
        throw stop;
      }
    };
  const imports = Object.fromEntries(
    // The signatures were compared with the module's own before it was compiled.
    Object.entries(functions).map(([name, run]) => [name, guarded(run as (...parameters: unknown[]) => unknown)]),
  ) as Preview1['imports'];
  const fuel = () =>
    calls * FUEL.hostCall +
    Math.floor(context.memory.movedBytes / FUEL.bytes) +
    context.random.drawnBytes * FUEL.randomByte;
  return { imports, stop: () => stop, fuel };
}

function unexpectedStop(error: unknown): AttemptStop {
  // A guest that recursed to the end of the stack may meet it in here.
  if (error instanceof RangeError && error.message.includes('call stack')) {
    return new AttemptStop({
      kind: 'failed',
      reason: 'exit-code',
      message: STACK_OVERFLOW_MESSAGE,
      exitCode: TRAP_EXIT_CODE,
    });
  }
  if (error instanceof RangeError && /allocation/i.test(error.message)) {
    return failedStop('oom', 'The files of the program need more memory than the node has.');
  }
  return failedStop('sandbox', 'The sandbox failed in a host function.');
}

/** What a shell shows for SIGABRT (128 + 6), as wasmtime answers for a trap. */
export const TRAP_EXIT_CODE = 134;
export const STACK_OVERFLOW_MESSAGE = 'The program trapped: stack overflow.';

const encoder = new TextEncoder();

type ProcessNames =
  | 'args_get'
  | 'args_sizes_get'
  | 'environ_get'
  | 'environ_sizes_get'
  | 'clock_res_get'
  | 'clock_time_get'
  | 'proc_exit'
  | 'proc_raise'
  | 'sched_yield'
  | 'random_get'
  | 'sock_accept'
  | 'sock_recv'
  | 'sock_send'
  | 'sock_shutdown';

function processFunctions(context: Preview1Context): HostFunctions<ProcessNames> {
  const { memory, clock, random } = context;
  const args = stringTable(context.args);
  const environment = stringTable(context.environment);
  const checkClock = (id: number): void => {
    // Realtime, monotonic, process and thread time: one virtual clock.
    if (id > 3) throw new WasiError(ERRNO.inval);
  };
  const unsupported = (): number => ERRNO.notsup;
  return {
    args_get: (pointers: number, buffer: number) => writeStrings(memory, args, pointers, buffer),
    args_sizes_get: (count: number, bytes: number) => writeSizes(memory, args, count, bytes),
    environ_get: (pointers: number, buffer: number) => writeStrings(memory, environment, pointers, buffer),
    environ_sizes_get: (count: number, bytes: number) => writeSizes(memory, environment, count, bytes),
    clock_res_get: (id: number, result: number) => {
      checkClock(id);
      memory.writeU64(result, clock.resolutionNanoseconds);
    },
    clock_time_get: (id: number, _precision: bigint, result: number) => {
      checkClock(id);
      memory.bytes(result, 8);
      memory.writeU64(result, clock.read());
    },
    proc_exit: (exitCode: number) => {
      throw new AttemptStop({ kind: 'exit', exitCode });
    },
    proc_raise: unsupported,
    sched_yield: () => {},
    random_get: (buffer: number, length: number) => random.fill(memory.bytes(buffer, length)),
    sock_accept: unsupported,
    sock_recv: unsupported,
    sock_send: unsupported,
    sock_shutdown: unsupported,
  };
}

interface StringTable {
  strings: readonly Uint8Array[];
  /** With the NUL behind each. */
  bytes: number;
}

function stringTable(texts: readonly string[]): StringTable {
  const strings = texts.map((text) => encoder.encode(`${text}\0`));
  return { strings, bytes: strings.reduce((sum, bytes) => sum + bytes.length, 0) };
}

function writeSizes(memory: GuestMemory, table: StringTable, count: number, bytes: number): void {
  memory.writeU32(count, table.strings.length);
  memory.writeU32(bytes, table.bytes);
}

function writeStrings(memory: GuestMemory, table: StringTable, pointers: number, buffer: number): void {
  let offset = buffer;
  for (const [index, bytes] of table.strings.entries()) {
    memory.writeU32(pointers + index * 4, offset);
    memory.bytes(offset, bytes.length).set(bytes);
    offset += bytes.length;
  }
}

const SUBSCRIPTION_BYTES = 48;
const EVENT_BYTES = 32;
const ABSOLUTE_TIME = 1;

interface PollEvent {
  userdata: bigint;
  errno: number;
  type: number;
  readableBytes: bigint;
}

function pollFunctions(context: Preview1Context): HostFunctions<'poll_oneoff'> {
  const { memory, clock } = context;

  /** Files and streams never make anybody wait, so a poll sleeps only when it is on clocks alone. */
  const poll = (input: number, output: number, count: number, result: number): number | undefined => {
    if (count === 0 || count > WASM_LIMITS.subscriptions) return ERRNO.inval;
    memory.bytes(input, count * SUBSCRIPTION_BYTES);
    memory.bytes(output, count * EVENT_BYTES);
    const start = clock.peek();
    const timers: { userdata: bigint; deadline: bigint }[] = [];
    const events: PollEvent[] = [];
    for (let index = 0; index < count; index += 1) {
      const at = input + index * SUBSCRIPTION_BYTES;
      const userdata = memory.readU64(at);
      const type = memory.readU8(at + 8);
      if (type === EVENT.clock) {
        if (memory.readU32(at + 16) > 3) events.push({ userdata, errno: ERRNO.inval, type, readableBytes: 0n });
        else {
          const timeout = memory.readU64(at + 24);
          const absolute = (memory.readU16(at + 40) & ABSOLUTE_TIME) !== 0;
          timers.push({ userdata, deadline: absolute ? timeout : start + timeout });
        }
      } else if (type === EVENT.fdRead || type === EVENT.fdWrite) {
        events.push({ userdata, type, ...readiness(context, memory.readU32(at + 16)) });
      } else return ERRNO.inval;
    }
    if (events.length === 0) {
      clock.advanceTo(timers.reduce((first, { deadline }) => (deadline < first ? deadline : first), (1n << 64n) - 1n));
    }
    const now = clock.peek();
    for (const { userdata, deadline } of timers) {
      if (deadline <= now) events.push({ userdata, errno: ERRNO.success, type: EVENT.clock, readableBytes: 0n });
    }
    for (const [index, event] of events.entries()) {
      const at = output + index * EVENT_BYTES;
      memory.bytes(at, EVENT_BYTES).fill(0);
      memory.writeU64(at, event.userdata);
      memory.writeU16(at + 8, event.errno);
      memory.writeU8(at + 10, event.type);
      memory.writeU64(at + 16, event.readableBytes);
    }
    memory.writeU32(result, events.length);
  };
  return { poll_oneoff: poll };
}

function readiness({ descriptors }: Preview1Context, fd: number): Pick<PollEvent, 'errno' | 'readableBytes'> {
  try {
    const descriptor = descriptors.get(fd);
    if (descriptor.kind !== 'file') return { errno: ERRNO.success, readableBytes: 0n };
    return {
      errno: ERRNO.success,
      readableBytes: BigInt(Math.max(0, descriptor.node.content.size - descriptor.position)),
    };
  } catch (error) {
    if (error instanceof WasiError) return { errno: error.errno, readableBytes: 0n };
    throw error;
  }
}
