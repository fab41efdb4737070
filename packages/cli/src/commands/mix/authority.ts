/** `fog mix authority`: one directory authority of a mix network. */
import type { AuthorityServer } from '@fog/betanet';
import { FogError } from '@fog/contract';
import type { Command } from 'commander';
import type { FogStanding } from '../../mix/fog-standing.ts';
import { onStopSignals } from '../../signals.ts';
import { note, type Terminal, writeJson, writeLine } from '../../terminal.ts';
import { connect, withJson } from '../command-context.ts';
import { folderOf, logTo } from './node.ts';

interface AuthorityOptions {
  genesis?: string;
  publicKey?: boolean;
  listen: string;
  metrics?: string;
  exposeMetrics?: boolean;
  data?: string;
  operators?: string;
  url?: string;
  verbose?: boolean;
  json?: boolean;
}

const HELP = `
The key of the authority lies in its folder (--data) and is made when it is not there. Whoever writes the genesis of a
network needs the public half first: --public-key prints it and ends. The authority finds itself in the genesis by that
key, and takes part from the next round on. It dials each relay that it has not met before, and measures the relays by
loops like those of clients.

With --operators the lottery of relays goes by stake and reputation: the file names the principals of a fog that answer for
operators of relays, and this authority asks that fog each minute. What its people have staked is divided by their relays.
An operator that the file does not name has no stake. In a fog without money all relays stand alike, as without the file.
The token is that of other commands: FOG_TOKEN, or the data folder of fog.

Examples:
  $ fog mix authority --public-key
  $ fog mix authority --genesis network.json --listen 0.0.0.0:7100 --metrics 127.0.0.1:9465
  $ fog mix authority --genesis network.json --operators operators.json --url https://fog.example:7946`;

export function addMixAuthorityCommand(mix: Command, terminal: Terminal): void {
  const command = mix
    .command('authority')
    .description('run one directory authority')
    .option('--genesis <file>', 'genesis of the network')
    .option('--public-key', 'only print the public key of this authority, in hex')
    .option('--listen <host:port>', 'where it answers; its URL in the genesis leads there', '127.0.0.1:7100')
    .option('--metrics <host:port>', 'serve metrics for Prometheus at /metrics there; on loopback only')
    .option('--expose-metrics', 'let --metrics be another address, where strangers must not get')
    .option('--data <dir>', 'folder of this authority; default: mix-authority in the data folder of fog')
    .option('--operators <file>', 'JSON: which principal of a fog answers for which operator of relays (key-...)')
    .option('--url <url>', 'address of that fog (FOG_URL)')
    .option('--verbose', 'log everything')
    .addHelpText('after', HELP);
  withJson(command).action(async (options: AuthorityOptions) => {
    const { lockFolder } = await import('@fog/contract/node');
    const folder = folderOf(terminal, options.data, 'mix-authority');
    using _lock = lockFolder(folder, 'mix-authority');
    if (options.publicKey) await printPublicKey(terminal, folder, options.json === true);
    else await runAuthority(terminal, folder, options);
  });
}

async function printPublicKey(terminal: Terminal, folder: string, asJson: boolean): Promise<void> {
  const { authorityKey } = await import('../../mix/authority-key.ts');
  const { ed25519PublicKey } = await import('@fog/betanet');
  const secret = await authorityKey(folder);
  const publicKey = ed25519PublicKey(secret);
  secret.fill(0);
  if (asJson) await writeJson(terminal, { publicKey });
  else await writeLine(terminal, publicKey);
}

async function runAuthority(terminal: Terminal, folder: string, options: AuthorityOptions): Promise<void> {
  if (options.genesis === undefined) {
    throw new FogError('invalid-request', 'the genesis of the network is missing', {
      hint: 'name it with --genesis; --public-key prints the key that has to stand in it',
    });
  }
  const { findNetwork } = await import('../../mix/mix-folder.ts');
  const { authorityKey } = await import('../../mix/authority-key.ts');
  const { metricsAddress, serveMetrics } = await import('../../mix/metrics-server.ts');
  const metricsAt = metricsAddress(options);
  const { authorityMetrics, ed25519PublicKey, networkIdOf } = await import('@fog/betanet');
  const { genesis } = await findNetwork(terminal, options);
  const secretKey = await authorityKey(folder);
  const own = genesis.authorities.find(({ publicKey }) => publicKey === ed25519PublicKey(secretKey));
  if (own === undefined) {
    throw new FogError('invalid-configuration', 'the genesis names no authority with the key of this folder', {
      hint: 'see "fog mix authority --public-key", and --data',
    });
  }
  const ended = Promise.withResolvers<void>();
  using _signals = onStopSignals(() => ended.resolve());
  const log = logTo(terminal, options.verbose === true);
  using standing = await standingOf(terminal, options, log);
  const lottery = standing === null ? {} : { standing };
  await using server = await started(
    { genesis, authority: own.id, secretKey, folder, log, ...lottery },
    options.listen,
  );
  await using metrics = metricsAt === null ? null : await serveMetrics(metricsAt, authorityMetrics(server));
  const network = networkIdOf(genesis);
  if (options.json) await writeJson(terminal, { authority: own.id, network, metrics: metrics?.url ?? null });
  else {
    const told = metrics === null ? '' : `; metrics at ${metrics.url}`;
    await writeLine(terminal, `authority "${own.id}" listens at ${options.listen}${told}; Ctrl-C stops it`);
    if (genesis.test) await note(terminal, 'this is a test network: it gives no anonymity');
  }
  await ended.promise;
}

/** Null: all relays stand alike. */
async function standingOf(
  terminal: Terminal,
  { operators, url }: AuthorityOptions,
  log: ReturnType<typeof logTo>,
): Promise<FogStanding | null> {
  if (operators === undefined) return null;
  const { FogStanding, readOperators } = await import('../../mix/fog-standing.ts');
  const named = await readOperators(operators);
  const fog = await connect(terminal, url === undefined ? {} : { url });
  return await FogStanding.open(fog, named, (message, details) => log('warn', message, details));
}

type Start = Parameters<typeof AuthorityServer.start>[0];

async function started(options: Omit<Start, 'listen'>, listen: string): Promise<AuthorityServer> {
  const { AuthorityServer } = await import('@fog/betanet');
  const { parseTcpAddress, tcpTransport } = await import('@fog/transport');
  try {
    return await AuthorityServer.start({ ...options, listen: parseTcpAddress(listen), transport: tcpTransport });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
    throw new FogError('port-taken', `${listen} is in use`, { cause, hint: 'choose another address with --listen' });
  }
}
