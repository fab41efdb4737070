/** A PostgreSQL server of our own in a temporary folder, for as long as the run lasts. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Where Debian and its descendants put the binaries of each version. */
const INSTALLATIONS = '/usr/lib/postgresql';
const START_MILLISECONDS = 30_000;

export interface PostgresServer {
  /** Makes an empty database and answers its url. */
  createDatabase(name: string): Promise<string>;
  stop(): Promise<void>;
}

/** Starts a server, or tells why there can be none on this machine. */
export async function startPostgres(): Promise<{ server: PostgresServer } | { unavailable: string }> {
  const binaries = await findBinaries();
  if (binaries === null) return { unavailable: `PostgreSQL is not installed: no initdb under ${INSTALLATIONS}` };
  const owner = await unprivilegedOwner();
  if (owner === null) return { unavailable: 'PostgreSQL does not run as root, and there is no user postgres' };
  const directory = await mkdtemp(join(tmpdir(), 'fog-chaos-postgres-'));
  if (owner.uid !== undefined && owner.gid !== undefined) await chown(directory, owner.uid, owner.gid);
  const data = join(directory, 'data');
  const options = { ...owner, cwd: directory };
  await run(
    join(binaries, 'initdb'),
    ['-D', data, '-U', 'fog', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C'],
    options,
  );
  const port = await freePort();
  // The server itself is never killed, so it need not sync; a run makes hundreds of databases.
  const settings = [
    'fsync=off',
    'max_connections=300',
    'shared_buffers=64MB',
    'unix_socket_directories=',
    'max_wal_size=4GB',
  ];
  const server = spawn(
    join(binaries, 'postgres'),
    ['-D', data, '-h', '127.0.0.1', '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
    { ...options, stdio: 'ignore' },
  );
  const client = ['-h', '127.0.0.1', '-p', String(port), '-U', 'fog'];
  await untilItAnswers(server, () => run(join(binaries, 'pg_isready'), client, options));
  return {
    server: {
      async createDatabase(name) {
        await run(join(binaries, 'createdb'), [...client, name], options);
        return `postgres://fog@127.0.0.1:${port}/${name}`;
      },
      async stop() {
        if (server.exitCode === null) {
          const gone = once(server, 'exit');
          server.kill('SIGQUIT');
          await gone;
        }
        await rm(directory, { recursive: true, force: true });
      },
    },
  };
}

async function untilItAnswers(server: ChildProcess, ask: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + START_MILLISECONDS;
  for (;;) {
    try {
      await ask();
      return;
    } catch (cause) {
      if (server.exitCode !== null) throw new Error('PostgreSQL ended at its start', { cause });
      if (performance.now() > deadline) throw new Error('PostgreSQL does not answer', { cause });
    }
    await sleep(100);
  }
}

/** The newest installed version that has all we need. */
async function findBinaries(): Promise<string | null> {
  const versions = await readdir(INSTALLATIONS).catch(() => []);
  for (const version of versions.sort((left, right) => Number(right) - Number(left))) {
    const folder = join(INSTALLATIONS, version, 'bin');
    const files = new Set(await readdir(folder).catch(() => []));
    if (['initdb', 'postgres', 'createdb', 'pg_isready'].every((file) => files.has(file))) return folder;
  }
  return null;
}

/** Root lends itself to the user that the package made; everybody else stays who they are. */
async function unprivilegedOwner(): Promise<{ uid?: number; gid?: number } | null> {
  if (process.getuid?.() !== 0) return {};
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'postgres'])).stdout)),
    );
    return uid === undefined || gid === undefined ? null : { uid, gid };
  } catch {
    return null;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
