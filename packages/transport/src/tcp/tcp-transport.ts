/** TCP. Addresses are `host:port`. */
import { type AddressInfo, createServer, connect as netConnect, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { FogError } from '@fog/contract';
import { TRANSPORT_LIMITS } from '../limits.ts';
import {
  aborted,
  addressTaken,
  type DialOptions,
  dialTimedOut,
  type Listener,
  type ListenOptions,
  type OnStream,
  type Transport,
  unreachable,
} from '../transport.ts';
import { formatTcpAddress, parseTcpAddress } from './tcp-address.ts';

const SOCKET = {
  /** Who writes gathers what belongs together; waiting for more would only delay it. */
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: TRANSPORT_LIMITS.keepAliveMilliseconds,
  allowHalfOpen: true,
};

export const tcpTransport: Transport = { name: 'tcp', listen, dial };

async function listen(address: string, onStream: OnStream, { signal }: ListenOptions = {}): Promise<Listener> {
  const { host, port } = parseTcpAddress(address);
  if (signal?.aborted) throw aborted(`listening at ${address}`, signal);
  const server = createServer(SOCKET, (socket) => {
    socket.on('error', ignore);
    onStream(socket, formatTcpAddress({ host: socket.remoteAddress ?? 'unknown', port: socket.remotePort ?? 0 }));
  });
  server.maxConnections = TRANSPORT_LIMITS.streamsPerListener;
  await listening(server, host, port, address);
  server.on('error', ignore); // e.g. too many open files: this stream is lost, the next may not be
  const close = () => closed(server);
  const onAbort = () => void close();
  signal?.addEventListener('abort', onAbort, { once: true });
  server.once('close', () => signal?.removeEventListener('abort', onAbort));
  if (signal?.aborted) {
    await close();
    throw aborted(`listening at ${address}`, signal);
  }
  const bound = server.address() as AddressInfo;
  return { address: formatTcpAddress({ host, port: bound.port }), close };
}

function listening(server: Server, host: string, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EADDRINUSE') return reject(addressTaken(address, cause));
      const hint = 'choose an address of this machine, and a port that you may use';
      const options = { hint, cause, details: { address } };
      reject(new FogError('invalid-configuration', `cannot listen at ${address}: ${cause.message}`, options));
    });
    server.listen({ host, port }, resolve);
  });
}

/** The socket that listens is closed at once; streams that it took may stay. */
function closed(server: Server): Promise<void> {
  if (server.listening) server.close();
  return new Promise((resolve) => setImmediate(resolve));
}

async function dial(address: string, options: DialOptions = {}): Promise<Duplex> {
  const { signal, timeoutMilliseconds = TRANSPORT_LIMITS.dialMilliseconds } = options;
  const { host, port } = parseTcpAddress(address);
  if (signal?.aborted) throw aborted(`the connection to ${address}`, signal);
  const socket = netConnect({ ...SOCKET, host, port });
  // Also later: an error between two owners would else end the process. Whoever reads the stream sees its end.
  socket.on('error', ignore);
  const onAbort = () => socket.destroy(signal && aborted(`the connection to ${address}`, signal));
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => socket.destroy(dialTimedOut(address, timeoutMilliseconds)), timeoutMilliseconds);
  try {
    return await connected(socket, address);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

function connected(socket: Socket, address: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error) =>
      reject(cause instanceof FogError ? cause : unreachable(address, describe(cause), cause));
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.removeListener('error', onError);
      resolve(socket);
    });
  });
}

/** An attempt at several addresses of a name fails with all of their errors and without a message. */
function describe(error: Error): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error ? first.message : String(first);
}

function ignore(): void {}
