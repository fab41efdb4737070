/** A guest of WASI preview 1 in the hands of a test: calls host functions without a module. */
import assert from 'node:assert/strict';
import { engine } from '../../src/wasm/engine.ts';
import { ERRNO, type Preview1Name, RIGHT } from '../../src/wasm/wasi/abi.ts';
import { DescriptorTable } from '../../src/wasm/wasi/descriptors.ts';
import { MemoryContent } from '../../src/wasm/wasi/file-content.ts';
import { MemoryFileSystem } from '../../src/wasm/wasi/memory-file-system.ts';
import { createPreview1 } from '../../src/wasm/wasi/preview1.ts';
import { RandomStream } from '../../src/wasm/wasi/random-stream.ts';
import { VirtualClock } from '../../src/wasm/wasi/virtual-clock.ts';

export const ROOT = 3;
export const CREATE = 1;
export const RESULT = 0;
export const VECTOR = 16;
export const TEXT = 1024;
export const OTHER_TEXT = 4096;
export const BUFFER = 8192;
export const READ_WRITE = RIGHT.fdRead | RIGHT.fdWrite | RIGHT.fdSeek | RIGHT.fdTell | RIGHT.fdFilestatSetSize;

export class Guest {
  readonly memory = new engine.Memory({ initial: 2, maximum: 4 });
  readonly clock = new VirtualClock(1000);
  readonly fileSystem: MemoryFileSystem;
  readonly logged: string[] = [];
  readonly #preview1;

  constructor({ diskBytes = 1 << 20, files = 100, outputPaths = [] as string[] } = {}) {
    this.fileSystem = new MemoryFileSystem(this.clock, { diskBytes, files }, outputPaths);
    const input = this.fileSystem.detachedFile(new MemoryContent(Buffer.from('standard input')));
    this.#preview1 = createPreview1({
      memory: this.memory,
      args: ['main.wasm'],
      environment: [],
      clock: this.clock,
      random: new RandomStream(new Uint8Array(32)),
      fileSystem: this.fileSystem,
      descriptors: new DescriptorTable(this.fileSystem, input),
      log: (stream, data) => this.logged.push(`${stream}:${Buffer.from(data).toString()}`),
    });
  }

  get view(): DataView {
    return new DataView(this.memory.buffer);
  }

  call(name: Preview1Name, ...parameters: (number | bigint)[]): number {
    return this.#preview1.imports[name](...parameters);
  }

  text(text: string, at = TEXT): [number, number] {
    const bytes = Buffer.from(text);
    new Uint8Array(this.memory.buffer).set(bytes, at);
    return [at, bytes.length];
  }

  open(path: string, { flags = 0, rights = READ_WRITE, fdFlags = 0, inheriting = 0n, from = ROOT } = {}): number {
    const errno = this.call('path_open', from, 0, ...this.text(path), flags, rights, inheriting, fdFlags, RESULT);
    return errno === ERRNO.success ? this.view.getUint32(RESULT, true) : -errno;
  }

  write(fd: number, text: string): number {
    const [pointer, length] = this.text(text, BUFFER);
    this.view.setUint32(VECTOR, pointer, true);
    this.view.setUint32(VECTOR + 4, length, true);
    return this.call('fd_write', fd, VECTOR, 1, RESULT);
  }

  read(fd: number, length = 100): string {
    this.view.setUint32(VECTOR, BUFFER, true);
    this.view.setUint32(VECTOR + 4, length, true);
    assert.equal(this.call('fd_read', fd, VECTOR, 1, RESULT), ERRNO.success);
    return Buffer.from(this.memory.buffer, BUFFER, this.view.getUint32(RESULT, true)).toString();
  }

  createFile(path: string, content = ''): void {
    const fd = this.open(path, { flags: CREATE });
    assert.ok(fd > 0, `${path}: ${fd}`);
    if (content !== '') assert.equal(this.write(fd, content), ERRNO.success);
    assert.equal(this.call('fd_close', fd), ERRNO.success);
  }

  content(path: string): string {
    const fd = this.open(path, { rights: RIGHT.fdRead });
    const content = this.read(fd);
    this.call('fd_close', fd);
    return content;
  }

  path(name: Preview1Name, path: string): number {
    return this.call(name, ROOT, ...this.text(path));
  }

  rename(from: string, to: string): number {
    return this.call('path_rename', ROOT, ...this.text(from), ROOT, ...this.text(to, OTHER_TEXT));
  }

  /** Names with their cookies, listed with a buffer of `length` bytes a call as wasi-libc does. */
  list(fd: number, length: number, between: () => void = () => {}): string[] {
    const names: string[] = [];
    for (let cookie = 0n; ; ) {
      assert.equal(this.call('fd_readdir', fd, BUFFER, length, cookie, RESULT), ERRNO.success);
      const used = this.view.getUint32(RESULT, true);
      let offset = 0;
      while (used - offset >= 24) {
        const nameLength = this.view.getUint32(BUFFER + offset + 16, true);
        if (offset + 24 + nameLength > used) break;
        cookie = this.view.getBigUint64(BUFFER + offset, true);
        names.push(Buffer.from(this.memory.buffer, BUFFER + offset + 24, nameLength).toString());
        offset += 24 + nameLength;
      }
      if (used < length) return names;
      between();
    }
  }
}
