/** `fog forward`: reach a published port of a service from this machine. */
import { FogClient, FogError, jobIdSchema, oneLine, type PortOwner, portPath } from '@fog/contract';
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
SERVICE is the name of a deployment, over all its updates, or the id of a job. PORT is the name under task.ports. With
--json it prints {"listening": "HOST:PORT"}. Ctrl-C ends it.

Examples:
  $ fog forward web http
  $ fog forward database sql --listen 127.0.0.1:5432 --replica 0`;

export function addForwardCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('forward <service> <port>')
    .description('listen on this machine for a published port of a service')
    .addOption(
      new Option('--listen <host:port>', 'where to listen; port 0 takes a free one')
        .argParser(listenAddress)
        .default(listenAddress(ANY_PORT), ANY_PORT),
    )
    .option('--replica <n>', 'only this replica', wholeNumber(0))
    .addHelpText('after', HELP);
  withConnection(command).action((service: string, port: string, options: ForwardOptions) =>
    forward(terminal, { service, port, options }),
  );
}

async function forward(
  terminal: Terminal,
  { service, port, options }: { service: string; port: string; options: ForwardOptions },
): Promise<void> {
  const { url, token, fingerprint } = await findCoordinator({
    url: options.url,
    dataDirectory: dataDirectoryOf(terminal, options),
    environment: terminal.environment,
  });
  const { fetch, tls } = await pinnedConnection(url, fingerprint);
  const owner: PortOwner = { kind: jobIdSchema.safeParse(service).success ? 'job' : 'deployment', id: service };
  const client = new FogClient({ url, token, fetch });
  await checkPort(client, owner, port);
  if (options.replica !== undefined) await checkReplica(client, owner, options.replica);
  const replica = options.replica === undefined ? '' : `?replica=${options.replica}`;
  await using forwarding = new PortForward({
    url: url.replace(/\/+$/, ''),
    token,
    tls,
    path: `${portPath(owner, port, 'tunnel')}${replica}`,
    failed: ({ code, message }) => void note(terminal, `${code}: ${safeText(message)}`),
  });
  const { host, port: number } = await forwarding.listen(options.listen.host, options.listen.port);
  const listening = `${host.includes(':') ? `[${host}]` : host}:${number}`;
  const stopped = Promise.withResolvers<void>();
  using _signals = onStopSignals(() => stopped.resolve());
  if (options.json) await writeJson(terminal, { listening });
  else await writeLine(terminal, `${listening} leads to port ${port} of ${owner.kind} ${owner.id}; Ctrl-C ends it`);
  await stopped.promise;
}

/** A mistyped name is told at once, and not to the first who connects. */
async function checkPort(client: FogClient, { kind, id }: PortOwner, name: string): Promise<void> {
  const job = kind === 'job' ? id : await currentJob(client, id);
  const { spec } = await client.call('getJob', { params: { job } });
  const names = (spec.spec.task.ports ?? []).map((published) => published.name);
  if (names.includes(name)) return;
  throw new FogError('not-found', `${kind} ${id} publishes no port "${name}"`, {
    hint: names.length === 0 ? 'it publishes none' : `it publishes ${names.join(', ')}`,
  });
}

/** One that does not exist would refuse every connection. */
async function checkReplica(client: FogClient, { kind, id }: PortOwner, replica: number): Promise<void> {
  if (kind === 'job') {
    await client.call('getTask', { params: { job: id, partition: replica } });
    return;
  }
  const { revision, replicas } = await client.call('getDeployment', { params: { name: id } });
  const numbers = replicas.filter((each) => each.revision === revision).map(({ partition }) => partition);
  if (numbers.includes(replica)) return;
  throw new FogError('not-found', `deployment ${id} has no replica ${replica}`, {
    hint: numbers.length === 0 ? 'it has none at the moment' : `it has ${oneLine(numbers.join(', '))}`,
  });
}

/** Whose specification is that of the deployment now. */
async function currentJob(client: FogClient, name: string): Promise<string> {
  const { revision, revisions } = await client.call('getDeployment', { params: { name }, query: { replicas: 'none' } });
  const current = revisions.find((candidate) => candidate.revision === revision);
  if (current === undefined) throw new FogError('internal', `deployment ${name} has no revision ${revision}`);
  return current.job;
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
