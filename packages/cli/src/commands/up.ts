/** `fog up`: a whole fog on this machine. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';

import { coloursOf, note, type Terminal, writeJson, writeLine } from '../terminal.ts';
import { dataDirectoryOf, wholeNumber, withJson } from './command-context.ts';

interface UpOptions {
  nodes: number;
  listen?: string;
  data?: string;
  databaseUrl?: string;
  publicUrl?: string;
  tlsCert?: string;
  tlsKey?: string;
  plainHttp?: boolean;
  verbose?: boolean;
  json?: boolean;
}

const HELP = `
Settings come from config.toml in the data folder, from FOG_* variables and from flags; "fog config" shows them.
Work is paid for: here, and as long as all nodes are yours, by a faucet. FOG_ECONOMY=off asks nobody for money.
Ctrl-C stops everything; a second one at once. What was submitted is kept and goes on at the next start.

Examples:
  $ fog up
  $ fog up --nodes 1 --listen 127.0.0.1:0 --data /tmp/fog --json`;

export function addUpCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('up')
    .description('start a coordinator and nodes on this machine')
    .option('--nodes <n>', 'nodes to start', wholeNumber(0), 3)
    .option('--listen <host:port>', 'address of the coordinator; port 0 takes a free one (FOG_LISTEN)')
    .option('--data <dir>', 'data folder (FOG_DATA), default ~/.local/share/fog')
    .option('--database-url <url>', 'postgres://...; without it SQLite in the data folder (FOG_DATABASE_URL)')
    .option('--public-url <url>', 'how others reach this coordinator (FOG_PUBLIC_URL)')
    .option('--tls-cert <file>', 'certificate, PEM (FOG_TLS_CERT)')
    .option('--tls-key <file>', 'its key, PEM (FOG_TLS_KEY)')
    .option('--plain-http', 'serve without TLS on an address that is not loopback (FOG_PLAIN_HTTP)')
    .option('--verbose', 'log everything')
    .addHelpText('after', HELP);
  withJson(command).action(async (options: UpOptions) => {
    const { nodes, verbose, json, data: _data, ...flags } = options;
    const dataDirectory = dataDirectoryOf(terminal, options);
    // Loaded here: no other command needs the coordinator, and it takes its time.
    const { runFog } = await import('../up/run-fog.ts');
    await runFog(terminal, {
      nodes,
      dataDirectory,
      flags,
      isVerbose: verbose === true,
      ready: async (fog) => {
        if (json) await writeJson(terminal, fog);
        else await welcome(terminal, fog);
      },
    });
    if (!json) await note(terminal, 'fog is stopped');
  });
}

async function welcome(
  terminal: Terminal,
  fog: { url: string; dataDirectory: string; nodes: readonly { name: string }[] },
): Promise<void> {
  const colours = coloursOf(terminal, 'stdout');
  const names = fog.nodes.map((node) => node.name).join(', ') || 'none; join one with "fog node join"';
  const lines = [
    `${colours.bold('fog is running')} at ${fog.url}`,
    `  data   ${fog.dataDirectory}`,
    `  nodes  ${names}`,
    '',
    'Run a first job from another terminal:',
    `  ${colours.cyan(firstJobCommand(terminal, fog.dataDirectory))}`,
    '',
    'Stop with Ctrl-C.',
  ];
  await writeLine(terminal, lines.join('\n'));
}

/** A line that can be pasted into another terminal in the same folder. */
function firstJobCommand(terminal: Terminal, dataDirectory: string): string {
  const root = fileURLToPath(new URL('../../../../', import.meta.url));
  const here = terminal.workingDirectory;
  const example = relative(here, join(root, 'examples', 'hello', 'job.yaml'));
  const isInClone = relative(here, root) === '';
  const program = isInClone
    ? 'npx fog'
    : existsSync(join(here, 'node_modules', '.bin', 'fog'))
      ? 'npx fog'
      : ownPath(here);
  const usual = join(homedir(), '.local', 'share', 'fog');
  const prefix = dataDirectory === usual ? '' : `FOG_DATA=${quoted(dataDirectory)} `;
  return `${prefix}${program} run ${quoted(example)}`;
}

function ownPath(here: string): string {
  const path = fileURLToPath(new URL('../../bin/fog.js', import.meta.url));
  const near = relative(here, path);
  return quoted(dirname(near) === '.' ? `./${near}` : near);
}

function quoted(text: string): string {
  return /^[A-Za-z0-9_./:@=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
