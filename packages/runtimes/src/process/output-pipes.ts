/**
 * Pipes for the standard output and error of a program. What Node gives to children are sockets, which a program cannot
 * open again by /dev/stdout or /dev/stderr, as many do; named pipes can be, and lose their names before it starts.
 */
import { execFile } from 'node:child_process';
import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export class OutputPipes {
  readonly stdout: Socket;
  readonly stderr: Socket;
  /** Descriptors for the child. */
  readonly writers: readonly [number, number];
  #handedOver = false;

  private constructor(readers: readonly [number, number], writers: readonly [number, number]) {
    this.stdout = new Socket({ fd: readers[0], readable: true, writable: false });
    this.stderr = new Socket({ fd: readers[1], readable: true, writable: false });
    this.writers = writers;
  }

  /** Made in a folder of the attempt; others than the owner may write, for the program may be somebody else. */
  static async open(folder: string): Promise<OutputPipes> {
    const paths = [join(folder, 'stdout'), join(folder, 'stderr')] as const;
    await run('mkfifo', ['-m', '622', '--', ...paths]);
    // The reader first, and without waiting; then a writer does not wait either, and blocks as programs expect it.
    const read = (path: string): number => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const write = (path: string): number => openSync(path, constants.O_WRONLY);
    const readers = [read(paths[0]), read(paths[1])] as const;
    const writers = [write(paths[0]), write(paths[1])] as const;
    for (const path of paths) rmSync(path);
    return new OutputPipes(readers, writers);
  }

  /** Called when the child has its ends, or never will: the readers then end with its last process. */
  handOver(): void {
    if (this.#handedOver) return;
    this.#handedOver = true;
    for (const writer of this.writers) closeSync(writer);
  }
}
