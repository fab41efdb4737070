/** `fog mix ping`: send through a mix network, and see the way. */
import type { MixClient, PrivacyLevel } from '@fog/betanet';
import { FogError } from '@fog/contract';
import { type Command, Option } from 'commander';
import { CLI_LIMITS } from '../../limits.ts';
import type { FoundNetwork } from '../../mix/mix-folder.ts';
import type { AskTimes, Ping } from '../../mix/ping.ts';
import { pingSummaryText, pingText } from '../../output/mix-ping-text.ts';
import { onStopSignals } from '../../signals.ts';
import { note, type Terminal, writeJson, writeLine } from '../../terminal.ts';
import { stdoutColours, wholeNumber, withJson } from '../command-context.ts';

interface PingOptions {
  genesis?: string;
  level?: PrivacyLevel;
  count: number;
  data?: string;
  json?: boolean;
}

const ONLY_TEST_NETWORKS = 'only a test network keeps times of single packets';

const HELP = `
Sends requests to the service "echo" and waits for its answers, one after another. A level is a number of hops, counted
with gateway and service node: private 3, confidential 5, secret 7. A level that the network has not enough layers for
is refused. Without --level it is confidential, or private where the network has fewer than three layers.

On a test network each hop's time of the own packets is shown: how long they asked to be held, and how long they were
there. On other networks nobody knows that of a single packet.

Exit code: 0 when every request was answered, otherwise that of the last failure (124: no answer in time).

Examples:
  $ fog mix ping
  $ fog mix ping --level secret --count 10
  $ fog mix ping --genesis network.json --json`;

export function addMixPingCommand(mix: Command, terminal: Terminal): void {
  const command = mix
    .command('ping')
    .description('send requests through a mix network, and show each hop')
    .option('--genesis <file>', 'genesis of the network; default: that of "fog mix up"')
    .addOption(new Option('--level <level>', 'how many hops').choices(['private', 'confidential', 'secret']))
    .option('--count <n>', 'requests to send', wholeNumber(1), 3)
    .option('--data <dir>', 'data folder of "fog mix up" (FOG_DATA)')
    .addHelpText('after', HELP);
  withJson(command).action((options: PingOptions) => ping(terminal, options));
}

async function ping(terminal: Terminal, options: PingOptions): Promise<void> {
  const { findNetwork } = await import('../../mix/mix-folder.ts');
  const { MixClient } = await import('@fog/betanet');
  const { tcpTransport } = await import('@fog/transport');
  const network = await findNetwork(terminal, options);
  const { genesis } = network;
  const level = options.level ?? (genesis.layers >= 3 ? 'confidential' : 'private');
  await assertPossible(network, level);
  const times = await timesOf(network);
  if (!options.json) {
    await writeLine(terminal, headline(network, level));
    if (times.unavailable !== null) await note(terminal, `times of the hops are unavailable: ${times.unavailable}`);
  }
  const stopping = new AbortController();
  using _signals = onStopSignals(() => stopping.abort(new FogError('cancelled', 'the ping was cancelled')));
  await using client = new MixClient({ genesis, transport: tcpTransport, level, keepsJourneys: genesis.test });
  await connected(client, stopping.signal);
  await pingAll(terminal, { client, level, times, options, signal: stopping.signal });
}

interface Pinging {
  client: MixClient;
  level: PrivacyLevel;
  times: HopTimes;
  options: PingOptions;
  signal: AbortSignal;
}

async function pingAll(terminal: Terminal, { client, level, times, options, signal }: Pinging): Promise<void> {
  const { pingOnce } = await import('../../mix/ping.ts');
  const { errorExitCode } = await import('../../exit-code.ts');
  const { writeError } = await import('../../output/errors.ts');
  const cancelled = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  cancelled.catch(() => undefined);
  const answered: Ping[] = [];
  for (let number = 1; number <= options.count; number += 1) {
    try {
      const done = pingOnce(number, { client, level, askTimes: times.ask });
      const result = await Promise.race([done, cancelled]);
      answered.push(result);
      if (options.json) await writeJson(terminal, { ...result, level, hopTimes: times.unavailable ?? 'measured' });
      else await writeLine(terminal, `\n${pingText(result, stdoutColours(terminal))}`);
    } catch (error) {
      const fault = FogError.from(error);
      await writeError(terminal, fault, options.json === true);
      terminal.exitCode = errorExitCode(fault);
      if (!fault.retryable) break;
    }
  }
  if (!options.json) await writeLine(terminal, `\n${pingSummaryText(answered, options.count)}`);
}

interface HopTimes {
  ask: AskTimes | null;
  /** Why there are none. */
  unavailable: string | null;
}

async function timesOf({ genesis, socket }: FoundNetwork): Promise<HopTimes> {
  if (!genesis.test) return { ask: null, unavailable: ONLY_TEST_NETWORKS };
  const { askStatus, askTrace } = await import('../../mix/control.ts');
  const { networkIdOf } = await import('@fog/betanet');
  const running = await askStatus(socket).catch((error: unknown) => FogError.from(error));
  if (running instanceof FogError) return { ask: null, unavailable: running.message };
  if (running.network !== networkIdOf(genesis)) {
    return { ask: null, unavailable: `the network that answers at ${socket} is another one` };
  }
  return { ask: (question) => askTrace(socket, question), unavailable: null };
}

/** A level that this network cannot have is the caller's to mend. */
async function assertPossible({ genesis }: FoundNetwork, level: PrivacyLevel): Promise<void> {
  const { assertLevel } = await import('@fog/betanet');
  try {
    assertLevel(genesis, level);
  } catch (cause) {
    const { message, details, hint } = FogError.from(cause);
    throw new FogError('invalid-request', message, { cause, details, ...(hint === undefined ? {} : { hint }) });
  }
}

async function connected(client: MixClient, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.timeout(CLI_LIMITS.mixConnectMilliseconds);
  try {
    await client.connected(AbortSignal.any([signal, limit]));
  } catch (error) {
    if (!limit.aborted || signal.aborted) throw error;
    throw new FogError('unavailable', 'no gateway of the network could be reached', {
      cause: error,
      hint: 'its authorities may be down, or have no consensus of this epoch; a test network answers "fog mix status"',
    });
  }
}

function headline({ genesis }: FoundNetwork, level: PrivacyLevel): string {
  const kind = genesis.test ? ', a test network: it gives no anonymity' : '';
  const mixes = { private: 'one mix', confidential: '3 mixes', secret: '5 mixes' }[level];
  return `pinging "echo" in the network "${genesis.name}"${kind}; level ${level}: gateway, ${mixes}, service node`;
}
