/** The wasm programs of these tests. Each is a WASI command written with the assembler. */
import { RIGHT } from '../../src/wasm/wasi/abi.ts';
import {
  Assembler,
  add,
  and,
  type Code,
  drop,
  equal,
  getLocal,
  grow,
  i32,
  i64,
  loadI32,
  loop,
  repeat,
  setLocal,
  shiftRight,
  storeByte,
  storeI32,
  type Text,
  unreachable,
  when,
} from './assembler.ts';

const ROOT = 3;
const CREATE = 1;
const BUFFER_BYTES = 65_536;

/** Pieces of programs: scratch cells, files, output. */
export class Commands {
  readonly assembler = new Assembler();
  readonly vector = this.assembler.reserve(8);
  readonly count = this.assembler.reserve(8);
  readonly opened = this.assembler.reserve(8);

  /** Opens below the root; the descriptor is then in local `into`. */
  open(path: string | Text, openFlags: number, rights: bigint, into: number): Code {
    const text = typeof path === 'string' ? this.assembler.text(path) : path;
    return [
      ...this.assembler.must(
        'path_open',
        ...[i32(ROOT), i32(0), i32(text.pointer), i32(text.length), i32(openFlags), i64(rights), i64(0n), i32(0)],
        i32(this.opened),
      ),
      ...loadI32(i32(this.opened)),
      ...setLocal(into),
    ];
  }

  create(path: string, into: number): Code {
    return this.open(path, CREATE, RIGHT.fdWrite | RIGHT.fdRead | RIGHT.fdSeek, into);
  }

  write(descriptor: Code, pointer: Code, length: Code): Code {
    return [
      ...storeI32(i32(this.vector), pointer),
      ...storeI32(i32(this.vector + 4), length),
      ...this.assembler.must('fd_write', descriptor, i32(this.vector), i32(1), i32(this.count)),
    ];
  }

  writeText(descriptor: Code, text: string): Code {
    const { pointer, length } = this.assembler.text(text);
    return this.write(descriptor, i32(pointer), i32(length));
  }

  /** Copies from one descriptor to another until the end. */
  copy(from: Code, to: Code): Code {
    const buffer = this.assembler.reserve(BUFFER_BYTES);
    return loop(
      storeI32(i32(this.vector), i32(buffer)),
      storeI32(i32(this.vector + 4), i32(BUFFER_BYTES)),
      this.assembler.must('fd_read', from, i32(this.vector), i32(1), i32(this.count)),
      when(loadI32(i32(this.count)), this.write(to, i32(buffer), loadI32(i32(this.count))), [0x0c, 1]),
    );
  }

  folder(path: string): Code {
    const { pointer, length } = this.assembler.text(path);
    return this.assembler.must('path_create_directory', i32(ROOT), i32(pointer), i32(length));
  }
}

const FIRST = 0;
const SECOND = 1;

export function succeedModule(): Uint8Array {
  return new Assembler().build({ start: [] });
}

export function echoModule(): Uint8Array {
  const commands = new Commands();
  const start = [...commands.create('out/result', FIRST), ...commands.copy(i32(0), getLocal(FIRST))];
  return commands.assembler.build({ start, locals: 1 });
}

export function copyModule(): Uint8Array {
  const commands = new Commands();
  const start = [
    ...commands.open('in/data.txt', 0, RIGHT.fdRead, SECOND),
    ...commands.create('out/result', FIRST),
    ...commands.copy(getLocal(SECOND), getLocal(FIRST)),
  ];
  return commands.assembler.build({ start, locals: 2 });
}

export function exitModule(exitCode: number): Uint8Array {
  const assembler = new Assembler();
  return assembler.build({ start: assembler.wasi('proc_exit', i32(exitCode)) });
}

export function loopModule(): Uint8Array {
  const commands = new Commands();
  return commands.assembler.build({ start: [...commands.writeText(i32(1), 'looping\n'), ...repeat()] });
}

/** Grows by 16 pages until it is refused, then aborts as allocators do. */
export function hogModule(memory?: Code, importsMemory = false): Uint8Array {
  const start = repeat(when(equal(grow(i32(16)), i32(-1)), [unreachable]));
  return new Assembler().build({ start, importsMemory, ...(memory === undefined ? {} : { memory }) });
}

export function floodModule(): Uint8Array {
  const commands = new Commands();
  const start = [
    ...commands.create('out/result', FIRST),
    ...repeat(commands.write(getLocal(FIRST), i32(0), i32(BUFFER_BYTES))),
  ];
  return commands.assembler.build({ start, locals: 1 });
}

/** Creates /AAA, /BAA, ... without end: 4,096 names, then writes on in the same ones. */
export function litterModule(): Uint8Array {
  const commands = new Commands();
  const path = commands.assembler.text('AAA');
  const letters = [0, 1, 2].map((place) =>
    storeByte(i32(path.pointer + place), add(i32(0x41), and(shiftRight(getLocal(SECOND), i32(place * 4)), i32(15)))),
  );
  const start = repeat(
    letters.flat(),
    commands.open(path, CREATE, RIGHT.fdWrite, FIRST),
    commands.assembler.must('fd_close', getLocal(FIRST)),
    [...add(getLocal(SECOND), i32(1)), ...setLocal(SECOND)],
  );
  return commands.assembler.build({ start, locals: 2 });
}

/** Writes files that hold their own relative path below /out/tree. */
export function folderModule(paths: readonly string[]): Uint8Array {
  const commands = new Commands();
  const folders = new Set(
    paths.filter((path) => path.includes('/')).map((path) => path.slice(0, path.lastIndexOf('/'))),
  );
  const start = [
    ...commands.folder('out/tree'),
    ...[...folders].flatMap((folder) => commands.folder(`out/tree/${folder}`)),
    ...paths.flatMap((path) => [
      ...commands.create(`out/tree/${path}`, FIRST),
      ...commands.writeText(getLocal(FIRST), path),
    ]),
  ];
  return commands.assembler.build({ start, locals: 1 });
}

export function logsModule(): Uint8Array {
  const commands = new Commands();
  const start = [
    ...commands.writeText(i32(1), 'out 1\n'),
    ...commands.writeText(i32(2), 'err 1\n'),
    ...commands.writeText(i32(1), 'out 2\n'),
  ];
  return commands.assembler.build({ start });
}

/** Logs without end. */
export function chatterModule(): Uint8Array {
  const commands = new Commands();
  return commands.assembler.build({ start: repeat(commands.write(i32(1), i32(0), i32(BUFFER_BYTES))) });
}

/** Writes the raw tables of arguments and environment, NUL behind each string, to /out/args and /out/env. */
export function inspectModule(): Uint8Array {
  const commands = new Commands();
  const { assembler } = commands;
  const sizes = assembler.reserve(8);
  const pointers = assembler.reserve(4096);
  const buffer = assembler.reserve(32_768);
  const table = (kind: 'args' | 'environ', path: string): Code => [
    ...assembler.must(`${kind}_sizes_get`, i32(sizes), i32(sizes + 4)),
    ...assembler.must(`${kind}_get`, i32(pointers), i32(buffer)),
    ...commands.create(path, FIRST),
    ...commands.write(getLocal(FIRST), i32(buffer), loadI32(i32(sizes + 4))),
  ];
  const start = [...table('args', 'out/args'), ...table('environ', 'out/env')];
  return assembler.build({ start, locals: 1 });
}

/** Writes 32 random bytes, then ten readings of the realtime clock (u64 each). */
export function chanceModule(): Uint8Array {
  const commands = new Commands();
  const { assembler } = commands;
  const buffer = assembler.reserve(112);
  const readings = Array.from({ length: 10 }, (_, index) =>
    assembler.must('clock_time_get', i32(0), i64(1n), i32(buffer + 32 + index * 8)),
  );
  const start = [
    ...assembler.must('random_get', i32(buffer), i32(32)),
    ...readings.flat(),
    ...commands.create('out/result', FIRST),
    ...commands.write(getLocal(FIRST), i32(buffer), i32(112)),
  ];
  return assembler.build({ start, locals: 1 });
}

export function recursionModule(): Uint8Array {
  return new Assembler().build({ start: (self) => [0x10, self] });
}

/** Exits with the errno of one call, so that a test can ask what a guest is told. */
export function errnoModule(write: (assembler: Assembler) => Code): Uint8Array {
  const assembler = new Assembler();
  const code = write(assembler);
  return assembler.build({ start: assembler.wasi('proc_exit', code) });
}

export { drop };
