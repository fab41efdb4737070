/** `fog mix status`: what a running test network does. */
import type { Command } from 'commander';
import { mixStatusText } from '../../output/mix-text.ts';
import { type Terminal, writeJson, writeLine } from '../../terminal.ts';
import { stdoutColours, withJson } from '../command-context.ts';

const HELP = `
Asks the network that "fog mix up" runs. Relays of other networks tell the same by their metrics, see
"fog mix node --help".`;

export function addMixStatusCommand(mix: Command, terminal: Terminal): void {
  const command = mix
    .command('status')
    .description('show the nodes of a running test network: layers, links, loops, packets, drops')
    .option('--data <dir>', 'data folder of "fog mix up" (FOG_DATA)')
    .addHelpText('after', HELP);
  withJson(command).action(async (options: { data?: string; json?: boolean }) => {
    const { testNetworkFolder } = await import('../../mix/mix-folder.ts');
    const { askStatus } = await import('../../mix/control.ts');
    const status = await askStatus(testNetworkFolder(terminal, options).socket);
    if (options.json) await writeJson(terminal, status);
    else await writeLine(terminal, mixStatusText(status, stdoutColours(terminal)));
  });
}
