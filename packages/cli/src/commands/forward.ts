/** `fog forward`: reach a published port of a service from this machine. */
import { FogClient, FogError, portPath } from '@fog/contract';
import { pinnedConnection } from '@fog/contract/node';
import { findCoordinator } from '@fog/sdk';
import { type Command, Option } from 'commander';
import { PortForward } from '../forward/port-forward.ts';
import { safeText } from '../output/table.ts';
import { onStopSignals } from '../signals.ts';
import { note, type Terminal, writeJson, writeLine } from '../terminal.ts';
import { type CommonOptions, dataDirectoryOf, wholeNumber, withConnection } from './command-context.ts';

interface ForwardOptions extends CommonOptions {
  listen: { host: string; port: number };
  replica?: number;
}

const ANY_PORT = '127.0.0.1:0';

const HELP = `
Listens on this machine; every connection goes to one ready replica of the service, or to the one that --replica names.
PORT is the name under task.ports. With --json it prints {"listening": "HOST:PORT"}. Ctrl-C ends it.

Examples:
  $ fog forward JOB web
  $ fog forward JOB database --listen 127.0.0.1:5432 --replica 0`;

export function addForwardCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('forward <job> <port>')
    .description('listen on this machine for a published port of a service')
    .addOption(
      new Option('--listen <host:port>', 'where to listen; port 0 takes a free one')
        .argParser(listenAddress)
        .default(listenAddress(ANY_PORT), ANY_PORT),
    )
    .option('--replica <n>', 'only this replica', wholeNumber(0))
    .addHelpText('after', HELP);
  withConnection(command).action((job: string, port: string, options: ForwardOptions) =>
    forward(terminal, { job, port, options }),
  );
}

async function forward(
  terminal: Terminal,
  { job, port, options }: { job: string; port: string; options: ForwardOptions },
): Promise<void> {
  const { url, token, fingerprint } = await findCoordinator({
    url: options.url,
    dataDirectory: dataDirectoryOf(terminal, options),
    environment: terminal.environment,
  });
  const { fetch, tls } = await pinnedConnection(url, fingerprint);
  await checkPort(new FogClient({ url, token, fetch }), job, port);
  const replica = options.replica === undefined ? '' : `?replica=${options.replica}`;
  await using forwarding = new PortForward({
    url: url.replace(/\/+$/, ''),
    token,
    tls,
    path: `${portPath(job, port, 'tunnel')}${replica}`,
    failed: ({ code, message }) => void note(terminal, `${code}: ${safeText(message)}`),
  });
  const { host, port: number } = await forwarding.listen(options.listen.host, options.listen.port);
  const listening = `${host.includes(':') ? `[${host}]` : host}:${number}`;
  const stopped = Promise.withResolvers<void>();
  using _signals = onStopSignals(() => stopped.resolve());
  if (options.json) await writeJson(terminal, { listening });
  else await writeLine(terminal, `${listening} leads to port ${port} of job ${job}; Ctrl-C ends it`);
  await stopped.promise;
}

/** A mistyped name is told at once, and not to the first who connects. */
async function checkPort(client: FogClient, job: string, name: string): Promise<void> {
  const { spec } = await client.call('getJob', { params: { job } });
  const names = (spec.spec.task.ports ?? []).map((published) => published.name);
  if (names.includes(name)) return;
  throw new FogError('not-found', `job ${job} publishes no port "${name}"`, {
    hint: names.length === 0 ? 'it publishes none' : `it publishes ${names.join(', ')}`,
  });
}

/** `127.0.0.1:5432` or `[::1]:0`. */
function listenAddress(text: string): { host: string; port: number } {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:[\]]+):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || port > 65_535) {
    throw new FogError('invalid-request', `"${text}" is not an address to listen on; write 127.0.0.1:5432`);
  }
  return { host: match[1].replace(/^\[|\]$/g, ''), port };
}
