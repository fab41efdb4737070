/** `fog mix node`: one relay of a mix network. */
import { join, resolve } from 'node:path';
import type { NodeRole, MixNode as RelayNode } from '@fog/betanet';
import { FogError } from '@fog/contract';
import { type Command, Option } from 'commander';
import { onStopSignals } from '../../signals.ts';
import { note, type Terminal, writeJson, writeLine } from '../../terminal.ts';
import { dataDirectoryOf, listOption, wholeNumber, withJson } from '../command-context.ts';

interface NodeOptions {
  genesis: string;
  role: NodeRole;
  operator?: string;
  operatorKey?: string;
  listen: string;
  address?: string[];
  metrics?: string;
  exposeMetrics?: boolean;
  threads: number;
  slotsPerSecond?: number;
  data?: string;
  verbose?: boolean;
  json?: boolean;
}

const HELP = `
The keys of the relay lie in its folder (--data), each readable by its owner alone, and are made when they are not
there; with the folder the relay keeps its identity. It registers with the authorities of the genesis and takes part
from the next epoch on; as a mix its layer is drawn anew each epoch. A service node has the service "echo". What that
sends leaves at random moments, 20 a second or as many as --slots-per-second says, and is cover where nothing waits.

Anybody may give the name of another operator, whose relays then share seats and paths with his. With --operator-key (32
bytes; made when the file is not there) the name is the hash of a key, which nobody else can take: copy the file to all
machines of the operator.

Metrics are for the operator: whoever reads them at two moments knows how many packets came and left between. They are
served on loopback, or with --expose-metrics elsewhere.
Ctrl-C stops the relay; packets that it holds are lost, and their senders send them again. A relay that cannot go on
(its clock is wrong, its disk is full) says why, stops, and ends with another exit code than 0.

Example:
  $ fog mix node --genesis network.json --role mix --operator example.org --listen 0.0.0.0:4000 \\
      --address 192.0.2.7:4000 --metrics 127.0.0.1:9464`;

export function addMixNodeCommand(mix: Command, terminal: Terminal): void {
  const command = mix
    .command('node')
    .description('run one relay: a mix, a gateway or a service node')
    .requiredOption('--genesis <file>', 'genesis of the network')
    .addOption(new Option('--role <role>', 'what it is').choices(['mix', 'gateway', 'service']).makeOptionMandatory())
    .option('--operator <name>', 'who runs it; a path has one relay of an operator at most')
    .option('--operator-key <file>', 'instead of a name: the key that all relays of an operator share')
    .option('--listen <host:port>', 'where it listens; port 0 takes a free one', '127.0.0.1:0')
    .option(
      '--address <host:port>',
      'IP address where others reach it, repeatable; default: where it listens',
      listOption,
    )
    .option('--metrics <host:port>', 'serve metrics for Prometheus at /metrics there; on loopback only')
    .option('--expose-metrics', 'let --metrics be another address, where strangers must not get')
    .option('--threads <n>', 'threads that unwrap packets', wholeNumber(1), 1)
    .option('--slots-per-second <n>', 'packets that a service node sends in a second, answers or cover', wholeNumber(1))
    .option('--data <dir>', 'folder of this relay; default: mix-node in the data folder of fog')
    .option('--verbose', 'log everything')
    .addHelpText('after', HELP);
  withJson(command).action((options: NodeOptions) => runNode(terminal, options));
}

/** A name, or the operator's secret key. */
async function operatorOf(terminal: Terminal, options: NodeOptions): Promise<string | Uint8Array> {
  const { operator, operatorKey } = options;
  if (operator !== undefined && operatorKey === undefined) return operator;
  if (operator === undefined && operatorKey !== undefined) {
    const { readOrMakeKey } = await import('@fog/betanet');
    const path = resolve(terminal.workingDirectory, operatorKey);
    return readOrMakeKey(path, 'name the file of the key with --operator-key');
  }
  throw new FogError('invalid-request', 'who runs the relay is said by --operator or by --operator-key, one of them', {
    hint: 'see "fog mix node --help"',
  });
}

async function runNode(terminal: Terminal, options: NodeOptions): Promise<void> {
  const { findNetwork } = await import('../../mix/mix-folder.ts');
  const { serveEcho } = await import('../../mix/echo-service.ts');
  const { metricsAddress, serveMetrics } = await import('../../mix/metrics-server.ts');
  const metricsAt = metricsAddress(options);
  const { isAddressHost, MixNode, nodeMetrics, preferShortPauses } = await import('@fog/betanet');
  preferShortPauses();
  const { lockFolder } = await import('@fog/contract/node');
  const { parseTcpAddress, tcpTransport } = await import('@fog/transport');
  const { genesis } = await findNetwork(terminal, options);
  const operator = await operatorOf(terminal, options);
  const addresses = options.address?.map(parseTcpAddress);
  const named = addresses?.find(({ host }) => !isAddressHost(host));
  if (named !== undefined) {
    const message = `${named.host} is no IP address in its shortest spelling, and clients choose paths by those of relays`;
    throw new FogError('invalid-request', message, {
      hint: 'write --address 192.0.2.7:4000 or --address [2001:db8::7]:4000',
    });
  }
  if (addresses === undefined && ['0.0.0.0', '::'].includes(parseTcpAddress(options.listen).host)) {
    throw new FogError('invalid-request', `others cannot reach this relay at ${options.listen}`, {
      hint: 'tell them where it is with --address host:port',
    });
  }
  const folder = folderOf(terminal, options.data, 'mix-node');
  using _lock = lockFolder(folder, 'mix-node');
  const ended = Promise.withResolvers<void>();
  // The relay can fail before anybody waits for it.
  ended.promise.catch(() => {});
  using _signals = onStopSignals(() => ended.resolve());
  const log = logTo(terminal, options.verbose === true);
  let node: RelayNode | null = null;
  const { slotsPerSecond } = options;
  const echo = { genesis, node: () => node, log, failed: ended.reject, slotsPerSecond };
  using host = options.role === 'service' ? serveEcho(echo) : null;
  await using running = await MixNode.start({
    genesis,
    role: options.role,
    operator,
    folder,
    transport: tcpTransport,
    listen: options.listen,
    threads: options.threads,
    log,
    failed: ended.reject,
    ...(addresses === undefined ? {} : { addresses }),
    ...(host === null ? {} : { deliver: (recipient, delivery) => host.deliver(recipient, delivery) }),
  });
  if (typeof operator !== 'string') operator.fill(0);
  node = running;
  await using metrics = metricsAt === null ? null : await serveMetrics(metricsAt, nodeMetrics(running));
  const { id, address } = running;
  const ready = { id, role: options.role, address, metrics: metrics?.url ?? null, test: genesis.test };
  if (options.json) await writeJson(terminal, ready);
  else {
    const told = metrics === null ? '' : `; metrics at ${metrics.url}`;
    await writeLine(terminal, `${options.role} ${id.slice(0, 12)} listens at ${address}${told}; Ctrl-C stops it`);
    if (genesis.test) await note(terminal, 'this is a test network: it gives no anonymity');
  }
  await ended.promise;
}

/** `--data`, or a folder in the usual data folder. */
export function folderOf(terminal: Terminal, data: string | undefined, name: string): string {
  return data === undefined ? join(dataDirectoryOf(terminal, {}), name) : resolve(terminal.workingDirectory, data);
}

export function logTo(terminal: Terminal, isVerbose: boolean) {
  return (level: 'info' | 'warn', message: string, details: Record<string, unknown>): void => {
    if (level === 'info' && !isVerbose) return;
    void note(terminal, `${level}: ${message} ${JSON.stringify(details)}`);
  };
}
