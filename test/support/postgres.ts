/**
 * A PostgreSQL server for tests: one of its own in a temporary folder, or the one that FOG_TEST_POSTGRES names.
 *
 *     const postgres = await startPostgres();
 *     test('...', { skip: 'unavailable' in postgres && postgres.unavailable }, ...)
 *
 * Where no server can be started, tests are skipped with the reason; with FOG_REQUIRE_POSTGRES=1 that is a failure.
 */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

export interface TestPostgres {
  url(database: string): string;
  /** A new empty database. Answers its name. */
  createDatabase(): Promise<string>;
  stop(): Promise<void>;
}

const STARTUP_MILLISECONDS = 30_000;

/** Speed for safety: nothing here has to survive a power cut. */
const SETTINGS = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_connections=300'];

/**
 * The shell waits on its standard input. When this process ends, however it ends, the pipe closes, the server is
 * stopped and the folder is removed.
 */
const GUARD = `
"$1/postgres" -D "$2/data" -k "$2" -h 127.0.0.1 -p "$3" ${SETTINGS.map((setting) => `-c ${setting}`).join(' ')} >"$2/log" 2>&1 </dev/null &
read ignored
kill -QUIT $!
wait $!
rm -rf "$2"
`;

export async function startPostgres(): Promise<TestPostgres | { unavailable: string }> {
  const given = process.env.FOG_TEST_POSTGRES;
  const started = given === undefined || given === '' ? await startServer() : external(given);
  if ('unavailable' in started && process.env.FOG_REQUIRE_POSTGRES === '1') {
    throw new Error(`PostgreSQL is required: ${started.unavailable}`);
  }
  return started;
}

function external(base: string): TestPostgres {
  return serverAt(
    (database) => Object.assign(new URL(base), { pathname: `/${database}` }).href,
    base,
    async () => {},
  );
}

async function startServer(): Promise<TestPostgres | { unavailable: string }> {
  const programs = findPrograms();
  if (programs === null) return { unavailable: 'no PostgreSQL server is installed' };
  const user = serverUser();
  if (user === null) return { unavailable: 'PostgreSQL does not run as root, and there is no user for it' };
  const folder = mkdtempSync(join(tmpdir(), 'fog-postgres-'));
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const made = spawnSync(
    join(programs, 'initdb'),
    ['-D', join(folder, 'data'), '-U', 'fog', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync'],
    { ...user, cwd: folder, encoding: 'utf8' },
  );
  if (made.status !== 0) {
    rmSync(folder, { recursive: true, force: true });
    return { unavailable: `initdb failed: ${made.stderr ?? String(made.error)}` };
  }
  const port = await freePort();
  const guard = spawn('sh', ['-c', GUARD, 'sh', programs, folder, String(port)], {
    ...user,
    cwd: tmpdir(),
    // In a group of its own: a signal to the group of the tests must not end the guard before it has cleaned up.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = new Promise<void>((resolve) => guard.once('exit', () => resolve()));
  guard.unref();
  const base = `postgres://fog@127.0.0.1:${port}/postgres`;
  const stop = async () => {
    guard.ref();
    guard.stdin.end();
    await ended;
  };
  if (!(await answers(base))) {
    await stop();
    return { unavailable: 'the PostgreSQL server did not start' };
  }
  return serverAt((database) => `postgres://fog@127.0.0.1:${port}/${database}`, base, stop);
}

function serverAt(url: (database: string) => string, base: string, stop: () => Promise<void>): TestPostgres {
  return {
    url,
    async createDatabase() {
      const name = `fog_test_${randomBytes(6).toString('hex')}`;
      await runStatement(base, `CREATE DATABASE ${name}`);
      return name;
    },
    stop,
  };
}

interface PgClient {
  connect(): Promise<void>;
  query(text: string): Promise<unknown>;
  end(): Promise<void>;
}

/** The driver is a dependency of the coordinator, not of the root. */
const fromCoordinator = createRequire(new URL('../../packages/coordinator/package.json', import.meta.url));

async function runStatement(url: string, text: string): Promise<void> {
  const { Client } = fromCoordinator('pg') as { Client: new (options: { connectionString: string }) => PgClient };
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}

async function answers(url: string): Promise<boolean> {
  const deadline = performance.now() + STARTUP_MILLISECONDS;
  while (performance.now() < deadline) {
    try {
      await runStatement(url, 'SELECT 1');
      return true;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return false;
}

/** Folder of `initdb` and `postgres`: the newest of Debian's, or one on PATH. */
function findPrograms(): string | null {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((left, right) => Number(right) - Number(left)) : [];
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
  ];
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres'))) ?? null;
}

/** Undefined where this process is no root; null where it is and nobody else can be found. */
function serverUser(): { uid: number; gid: number } | undefined | null {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
  return user === undefined ? null : { uid: Number(user[2]), gid: Number(user[3]) };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(address)));
    });
  });
}
