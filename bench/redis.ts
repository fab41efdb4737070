/** A Redis of our own in a temporary folder that syncs its log before every answer, as the other stores do. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ServerProcess } from './server-process.ts';
import { TemporaryFolder } from './temporary-folder.ts';

export interface RedisServer extends AsyncDisposable {
  version: string;
  /** Path of its socket. */
  socketPath: string;
}

/** Throws with the reason when Redis is not installed or does not start. */
export async function startRedis(cleanup: AsyncDisposableStack): Promise<RedisServer> {
  const version = installedVersion();
  const folder = cleanup.use(new TemporaryFolder());
  const socketPath = join(folder.path, 'redis.sock');
  const server = cleanup.use(
    new ServerProcess(
      'redis-server',
      [
        ...['--port', '0', '--unixsocket', socketPath, '--dir', folder.path, '--save', ''],
        ...['--appendonly', 'yes', '--appendfsync', 'always'],
      ],
      { stopSignal: 'SIGTERM' },
    ),
  );
  await server.ready(() => answers(socketPath));
  return {
    version,
    socketPath,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

function installedVersion(): string {
  try {
    const text = execFileSync('redis-server', ['--version'], { encoding: 'utf8' });
    return /v=(\S+)/.exec(text)?.[1] ?? 'unknown';
  } catch (cause) {
    throw new Error('Redis is not installed', { cause });
  }
}

async function answers(socketPath: string): Promise<boolean> {
  const socket = connect(socketPath);
  try {
    await once(socket, 'connect');
    socket.write('PING\r\n');
    const [reply] = (await once(socket, 'data')) as [Buffer];
    return reply.toString().startsWith('+PONG');
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
