/**
 * The agent's end of one sandbox's network: a Unix socket that the forwarder inside dials, and what hangs on it.
 *
 *     hostDirectory (bind-mounted read-only at /.fog)
 *       agent.sock   listened on here; every connection begins with its kind, see forwarder.c
 *       forwarder    the static program
 *
 * The program inside can dial the socket too. It then is its own proxy client, or answers for its own ports: nothing
 * that it did not have before. What it can fill is bounded.
 */

import { randomInt } from 'node:crypto';
import { chmod, copyFile, type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { FogError } from '@fog/contract';
import { NETWORK_LIMITS } from '../limits.ts';
import type { NetworkPolicy } from '../runtime.ts';
import { openFrame, parseCommandResult, parseOpening, runFrame } from './control-frames.ts';
import { EgressProxy, type EgressProxyOptions } from './egress-proxy.ts';
import { isLoopbackTarget } from './target-policy.ts';

export interface SandboxNetwork {
  /** To be mounted read-only at `sandboxDirectory`. */
  hostDirectory: string;
  sandboxDirectory: string;
  /** What programs need to find the proxy; empty where nothing may go out. */
  env: Record<string, string>;
  /** Inside the sandbox; followed by `--` and a command it is the parent of that command. */
  forwarderCommand: readonly string[];
  /** A connection to a port on the loopback of the sandbox. Rejects with `unavailable`. */
  connect(port: number): Promise<Duplex>;
  /** Runs a command beside the program. Rejects with `unavailable` while no forwarder is connected. */
  exec(command: readonly string[], timeoutMilliseconds: number): Promise<{ exitCode: number | null; output: string }>;
  /** From the sandbox's view, all connections together. */
  usage(): { receivedBytes: number; sentBytes: number };
  /** The errno with which the forwarder could not start its program; null when it could. */
  startFailure(): number | null;
  /** Ends all connections and removes the socket; the folder stays. Never rejects. */
  close(): Promise<void>;
}

export interface SandboxNetworkOptions {
  /** A folder of the attempt, made when missing; one that an earlier agent used is taken over. */
  directory: string;
  policy: NetworkPolicy;
  /** What `forwarderBinary` built. */
  forwarderPath: string;
  resolve?: EgressProxyOptions['resolve'];
}

const SANDBOX_DIRECTORY = '/.fog';
const PROXY_ADDRESS = 'http://127.0.0.1:3128';

/** Rejects when the socket cannot be listened on. */
export async function openSandboxNetwork(options: SandboxNetworkOptions): Promise<SandboxNetwork> {
  const hostDirectory = join(options.directory, 'shared');
  // Others on this machine are kept out by the outer folder; in the sandbox any user may dial.
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  await mkdir(hostDirectory, { recursive: true, mode: 0o755 });
  await chmod(hostDirectory, 0o755);
  const partial = join(hostDirectory, `forwarder.${process.pid}`);
  await copyFile(options.forwarderPath, partial);
  await chmod(partial, 0o555);
  await rename(partial, join(hostDirectory, 'forwarder'));
  const network = new ForwardedNetwork(hostDirectory, options);
  await network.listen();
  return network;
}

type Waiting = {
  frame: Uint8Array;
  resolve: (socket: Socket, status: number, rest: Uint8Array) => void;
  reject: (error: FogError) => void;
};

class ForwardedNetwork implements SandboxNetwork {
  readonly hostDirectory: string;
  readonly sandboxDirectory = SANDBOX_DIRECTORY;
  readonly forwarderCommand = [`${SANDBOX_DIRECTORY}/forwarder`];
  readonly env: Record<string, string>;
  readonly #server: Server;
  readonly #proxy: EgressProxy | null;
  readonly #sockets = new Set<Socket>();
  readonly #waiting = new Map<number, Waiting>();
  #folder: FileHandle | null = null;
  #control: Socket | null = null;
  #startFailure: number | null = null;
  #closedReceivedBytes = 0;
  #closedSentBytes = 0;
  #closed = false;

  constructor(hostDirectory: string, { policy, resolve }: SandboxNetworkOptions) {
    this.hostDirectory = hostDirectory;
    const proxies = policy.allow.length > 0;
    this.#proxy = proxies
      ? new EgressProxy({ allow: policy.allow, ...(resolve === undefined ? {} : { resolve }) })
      : null;
    const names = ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'];
    // Unless targets on the loopback of the node are listed, which are reached through the proxy like all others.
    const own = policy.allow.some(isLoopbackTarget) ? {} : { no_proxy: 'localhost,127.0.0.1' };
    this.env = proxies ? { ...Object.fromEntries(names.map((name) => [name, PROXY_ADDRESS])), ...own } : {};
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: false }, (socket) => this.#accept(socket));
    this.#server.maxConnections = NETWORK_LIMITS.connections;
  }

  async listen(): Promise<void> {
    await rm(join(this.hostDirectory, 'agent.sock'), { force: true });
    // The path of a Unix socket has 107 bytes; through the descriptor of its folder any depth will do.
    this.#folder = await open(this.hostDirectory, 'r');
    const path = `/proc/self/fd/${this.#folder.fd}/agent.sock`;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen(path, resolve);
    await promise;
    this.#server.off('error', reject);
    this.#server.on('error', () => {});
    await chmod(path, 0o666);
  }

  async connect(port: number): Promise<Duplex> {
    if (!Number.isInteger(port) || port < 1 || port > 65535) throw unavailable(`${port} is no port`);
    const { socket, status, rest } = await this.#ask((id) => openFrame(id, port), NETWORK_LIMITS.connectMilliseconds);
    if (status !== 0) {
      socket.destroy();
      throw unavailable(`Nobody listens on port ${port} of the sandbox`);
    }
    if (rest.length > 0) socket.unshift(rest);
    return socket;
  }

  async exec(command: readonly string[], timeoutMilliseconds: number) {
    if (runFrame(0, command, timeoutMilliseconds) === null) {
      throw new FogError('invalid-request', 'The command is empty, too long, or has a NUL byte.');
    }
    const patience = timeoutMilliseconds + NETWORK_LIMITS.connectMilliseconds;
    const { socket, status, rest } = await this.#ask(
      (id) => runFrame(id, command, timeoutMilliseconds) ?? new Uint8Array(0),
      patience,
    );
    const result = status === 0 ? parseCommandResult(await readToEnd(socket, rest)) : null;
    socket.destroy();
    if (result === null) throw unavailable('The command could not be started in the sandbox');
    return result;
  }

  usage(): { receivedBytes: number; sentBytes: number } {
    let receivedBytes = this.#closedReceivedBytes;
    let sentBytes = this.#closedSentBytes;
    for (const socket of this.#sockets) {
      receivedBytes += socket.bytesWritten;
      sentBytes += socket.bytesRead;
    }
    return { receivedBytes, sentBytes };
  }

  startFailure(): number | null {
    return this.#startFailure;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#proxy?.close();
    for (const { reject } of this.#waiting.values()) reject(unavailable('The sandbox has ended'));
    this.#waiting.clear();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await rm(join(this.hostDirectory, 'agent.sock'), { force: true }).catch(() => {});
    await this.#folder?.close().catch(() => {});
  }

  /** Sends a control frame and waits for the connection that answers it. */
  async #ask(
    frame: (id: number) => Uint8Array,
    milliseconds: number,
  ): Promise<{ socket: Socket; status: number; rest: Uint8Array }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ socket: Socket; status: number; rest: Uint8Array }>();
    if (this.#waiting.size >= NETWORK_LIMITS.waitingAnswers) throw unavailable('The sandbox does not answer');
    if (this.#closed) throw unavailable('The sandbox has ended');
    let id = randomInt(2 ** 32);
    while (this.#waiting.has(id)) id = randomInt(2 ** 32);
    const waiting = {
      frame: frame(id),
      resolve: (socket: Socket, status: number, rest: Uint8Array) => resolve({ socket, status, rest }),
      reject,
    };
    this.#waiting.set(id, waiting);
    const timer = setTimeout(() => reject(unavailable('The sandbox does not answer')), milliseconds);
    try {
      this.#control?.write(waiting.frame);
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  #accept(socket: Socket): void {
    if (this.#closed) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#closedReceivedBytes += socket.bytesWritten;
      this.#closedSentBytes += socket.bytesRead;
    });
    const timer = setTimeout(() => socket.destroy(), NETWORK_LIMITS.openingMilliseconds);
    let head = Buffer.alloc(0);
    const read = (): void => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      head = Buffer.concat([head, chunk]);
      const opening = parseOpening(head);
      if (opening.kind === 'incomplete') return;
      clearTimeout(timer);
      socket.off('readable', read);
      this.#open(socket, opening, head);
    };
    socket.on('readable', read);
    // An end before it is known what it is; afterwards its new owner looks after it.
    socket.once('end', () => {
      if (socket.listeners('readable').includes(read)) socket.destroy();
    });
    socket.once('close', () => clearTimeout(timer));
  }

  #open(socket: Socket, opening: ReturnType<typeof parseOpening>, head: Buffer): void {
    if (opening.kind === 'egress' && this.#proxy !== null) {
      if (head.length > opening.headerBytes) socket.unshift(head.subarray(opening.headerBytes));
      this.#proxy.accept(socket);
    } else if (opening.kind === 'control') {
      this.#takeControl(socket);
    } else if (opening.kind === 'answer') {
      const waiting = this.#waiting.get(opening.id);
      this.#waiting.delete(opening.id);
      if (waiting === undefined) socket.destroy();
      else waiting.resolve(socket, opening.status, head.subarray(opening.headerBytes));
    } else {
      if (opening.kind === 'start-failure') this.#startFailure = opening.errno;
      socket.destroy();
    }
  }

  /** The newest connection counts: the forwarder of a restarted container, or one that dialled again. */
  #takeControl(socket: Socket): void {
    this.#control?.destroy();
    this.#control = socket;
    socket.once('close', () => {
      if (this.#control === socket) this.#control = null;
    });
    // The forwarder says nothing more here; its end is all there is to read.
    socket.once('end', () => socket.destroy());
    socket.resume();
    // What was asked before the forwarder dialled, or of one that is gone.
    for (const { frame } of this.#waiting.values()) socket.write(frame);
  }
}

async function readToEnd(socket: Socket, head: Uint8Array): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [head];
  let bytes = head.length;
  socket.setTimeout(NETWORK_LIMITS.openingMilliseconds, () => socket.destroy());
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > 2 + NETWORK_LIMITS.commandOutputBytes) break;
      chunks.push(chunk);
    }
  } catch {
    // What has come is looked at all the same.
  }
  return Buffer.concat(chunks);
}

function unavailable(message: string): FogError {
  return new FogError('unavailable', `${message}.`);
}
