/**
 * One child process that speaks frames: requests on its stdin, answers on its stdout, diagnostics on its stderr.
 * Its first frame, of kind 0, says that it is ready.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { encodeFrame, FrameReader } from './child-frames.ts';
import type { ChildEnd, PooledChild } from './child-pool.ts';
import { CHILD_LIMITS } from './limits.ts';
import { dyingWithParent } from './process/parent-death.ts';

export interface ChildCommand {
  command: string;
  args: readonly string[];
  /** Complete; nothing of this process is inherited. */
  env: Readonly<Record<string, string>>;
  cwd?: string;
}

export interface ChildFrame {
  kind: number;
  /** Valid until the call returns (or the promise it returns is settled). */
  body: Uint8Array;
}

/** Called for each frame, in order. A promise holds back the child until it is settled. */
export type FrameHandler = (frame: ChildFrame) => Promise<void> | undefined;

const READY_KIND = 0;

export class FrameChild implements PooledChild {
  readonly ready: Promise<void>;
  readonly ended: Promise<ChildEnd>;
  readonly #process: ChildProcess;
  #diagnostic = '';
  #handler: FrameHandler | null = null;
  #hasEnded = false;

  constructor({ command, args, env, cwd }: ChildCommand) {
    const ready = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<ChildEnd>();
    this.ready = ready.promise;
    this.ended = ended.promise;
    const bound = dyingWithParent(command, args);
    this.#process = spawn(bound.command, bound.args, {
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
      // A group of its own: what is inside a sandbox that is only being made is in it, and ends with it.
      detached: process.platform !== 'win32',
      ...(cwd === undefined ? {} : { cwd }),
    });
    const { stdin, stdout, stderr } = this.#process;
    stdin?.on('error', () => {});
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#diagnostic = (this.#diagnostic + text).slice(-CHILD_LIMITS.diagnosticBytes);
    });
    stderr?.on('error', () => {});
    if (stdout !== null) void this.#receive(stdout, ready.resolve);
    const end = (exitCode: number | null, signal: string | null): void => {
      this.#hasEnded = true;
      ended.resolve({ exitCode, signal, diagnostic: this.#diagnostic });
    };
    this.#process.on('error', (error) => {
      // The command could not be run: there will be no exit.
      this.#diagnostic = error.message;
      if (this.#process.pid === undefined) end(null, null);
    });
    this.#process.on('exit', end);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** null takes the handler away: frames are then dropped. */
  onFrame(handler: FrameHandler | null): void {
    this.#handler = handler;
  }

  /** Sends a body, cut into frames of one kind. */
  send(kind: number, body: Uint8Array): void {
    const { stdin } = this.#process;
    if (stdin === null || this.#hasEnded) return;
    let offset = 0;
    do {
      stdin.write(encodeFrame(kind, body.subarray(offset, offset + CHILD_LIMITS.frameBytes)));
      offset += CHILD_LIMITS.frameBytes;
    } while (offset < body.length);
  }

  /** Gathers what is sent until `uncork` into one write. */
  cork(): void {
    this.#process.stdin?.cork();
  }

  uncork(): void {
    this.#process.stdin?.uncork();
  }

  kill(): void {
    const { pid } = this.#process;
    if (this.#hasEnded || pid === undefined) return;
    try {
      if (process.platform === 'win32') this.#process.kill('SIGKILL');
      else process.kill(-pid, 'SIGKILL');
    } catch {
      // It has ended, and its exit is about to be told.
    }
  }

  /**
   * User and system time since the process began, in steps of 10 ms; null where there is no /proc or the process is
   * gone. For processes that are to be killed and so cannot tell themselves.
   */
  cpuMilliseconds(): number | null {
    if (this.pid === undefined || process.platform !== 'linux') return null;
    try {
      const stat = readFileSync(`/proc/${this.pid}/stat`, 'latin1');
      // Fields after the name, which may hold spaces and brackets: utime and stime are 14 and 15 (proc(5)).
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const ticks = Number(fields[11]) + Number(fields[12]);
      // USER_HZ is 100 on every platform that Node runs on.
      return Number.isFinite(ticks) ? ticks * 10 : null;
    } catch {
      return null;
    }
  }

  async #receive(stdout: Readable, becomeReady: () => void): Promise<void> {
    const frames = new FrameReader();
    let isReady = false;
    try {
      for await (const chunk of stdout) {
        for (const frame of frames.push(chunk)) {
          if (isReady) {
            const pending = this.#handler?.(frame);
            if (pending !== undefined) await pending;
          } else if (frame.kind === READY_KIND) {
            isReady = true;
            becomeReady();
          } else throw new Error('a frame before the first');
        }
      }
    } catch {
      // Malformed frames, or a handler that refused one: nothing that comes from this child can be believed.
      this.kill();
    }
  }
}
