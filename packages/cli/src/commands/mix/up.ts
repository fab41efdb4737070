/** `fog mix up`: a whole mix network on this machine. */
import type { Command } from 'commander';
import { networkText } from '../../output/mix-text.ts';
import { note, type Terminal, writeJson, writeLine } from '../../terminal.ts';
import { stdoutColours, wholeNumber, withJson } from '../command-context.ts';

interface UpOptions {
  layers: number;
  hops: number;
  data?: string;
  verbose?: boolean;
  json?: boolean;
}

const HELP = `
Starts three authorities, a mix in each layer, a gateway and a service node with the service "echo", in one process and
over sockets of this machine. It is a test network: it gives no anonymity, and keeps the times of its last packets so
that "fog mix ping" can show them. Each start makes a new network with new keys in the folder mix-test of the data
folder. Ctrl-C stops everything; a second one at once.

The levels "private", "confidential" and "secret" need 1, 3 and 5 layers. A path has two hops more than layers (gateway
and service node), and packets have room for --hops of them.

Examples:
  $ fog mix up
  $ fog mix up --layers 5
  $ fog mix up --layers 8 --hops 10 --data /tmp/fog`;

export function addMixUpCommand(mix: Command, terminal: Terminal): void {
  const command = mix
    .command('up')
    .description('start a whole mix network on this machine, for tests')
    .option('--layers <n>', 'layers of mixes, 1 to 14', wholeNumber(1), 3)
    .option('--hops <n>', 'hops that packets have room for, up to 16', wholeNumber(3), 7)
    .option('--data <dir>', 'data folder (FOG_DATA), default ~/.local/share/fog')
    .option('--verbose', 'log everything')
    .addHelpText('after', HELP);
  withJson(command).action(async ({ layers, hops, data, verbose, json }: UpOptions) => {
    // Loaded here, as the network is in the other commands of this group: the rest of fog does not need it.
    const { runTestNetwork } = await import('../../mix/run-test-network.ts');
    const { testNetworkFolder } = await import('../../mix/mix-folder.ts');
    const folder = testNetworkFolder(terminal, data === undefined ? {} : { data });
    await runTestNetwork(terminal, {
      folder,
      layers,
      hops,
      isVerbose: verbose === true,
      ready: async (status) => {
        if (json) await writeJson(terminal, { ...status, test: true, anonymity: 'none' });
        else await writeLine(terminal, networkText(status, data, stdoutColours(terminal)));
      },
    });
    if (!json) await note(terminal, 'the test network is stopped');
  });
}
