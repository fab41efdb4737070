/** A PostgreSQL of our own, with its default settings (fsync on), in a temporary folder. */
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, ServerProcess, type ServerUser } from './server-process.ts';
import { TemporaryFolder } from './temporary-folder.ts';

export interface PostgresServer extends AsyncDisposable {
  version: string;
  /** Makes an empty database and answers its address. */
  createDatabase(name: string): string;
}

/** Throws with the reason when PostgreSQL is not installed or does not start. */
export async function startPostgres(cleanup: AsyncDisposableStack): Promise<PostgresServer> {
  const binaries = findBinaries();
  const user = serverUser();
  const folder = cleanup.use(new TemporaryFolder());
  if (user !== undefined) chownSync(folder.path, user.uid, user.gid);
  const run = (program: string, ...args: string[]) =>
    execFileSync(join(binaries, program), args, {
      cwd: folder.path,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      ...user,
    });
  const data = join(folder.path, 'data');
  run('initdb', '-D', data, '-U', 'fog', '-A', 'trust', '-E', 'UTF8', '--locale=C');
  const port = await freePort();
  const server = cleanup.use(
    new ServerProcess(
      join(binaries, 'postgres'),
      [
        '-D',
        data,
        '-p',
        String(port),
        '-c',
        'listen_addresses=127.0.0.1',
        '-c',
        `unix_socket_directories=${folder.path}`,
      ],
      // Fast shutdown: connections are closed, everything is written.
      { user, stopSignal: 'SIGINT' },
    ),
  );
  await server.ready(async () => {
    try {
      run('pg_isready', '-q', '-h', '127.0.0.1', '-p', String(port));
      return true;
    } catch {
      return false;
    }
  });
  return {
    version: run('postgres', '--version').trim().replace(/^\D+/, ''),
    createDatabase(name) {
      run('createdb', '-h', '127.0.0.1', '-p', String(port), '-U', 'fog', name);
      return `postgres://fog@127.0.0.1:${port}/${name}`;
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** The newest version that a distribution has installed, or the one on the path. */
function findBinaries(): string {
  const installed = globSync('/usr/lib/postgresql/*/bin/postgres').sort(
    (left, right) => versionOf(left) - versionOf(right),
  );
  const paths = (process.env.PATH ?? '').split(':').map((folder) => join(folder, 'postgres'));
  const found = installed.at(-1) ?? paths.find((path) => existsSync(path));
  if (found === undefined) throw new Error('PostgreSQL is not installed');
  return join(found, '..');
}

function versionOf(path: string): number {
  return Number(/postgresql\/(\d+)/.exec(path)?.[1] ?? 0);
}

/** PostgreSQL refuses to run as root. */
function serverUser(): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  try {
    return { uid: id('-u'), gid: id('-g') };
  } catch (cause) {
    throw new Error('PostgreSQL does not run as root, and there is no user "postgres"', { cause });
  }
}
