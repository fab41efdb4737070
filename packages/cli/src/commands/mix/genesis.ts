/** `fog mix genesis`: what never changes in a network, written once by whoever begins it. */
import type { Command } from 'commander';
import type { GenesisOptions } from '../../mix/genesis-choice.ts';
import { type Terminal, write } from '../../terminal.ts';
import { listOption, wholeNumber, withJson } from '../command-context.ts';

const HELP = `
Prints the genesis as JSON, with defaults for all that is not chosen; edit it before anybody uses it, never afterwards:
its hash is the id of the network. A network has three authorities or more, run by people who would not all lie
together; more than half of them must agree. Begin it late enough for all of them, and for the first relays, to start.

Example:
  $ fog mix genesis --name example --authority one=KEY@http://one.example.org:7100 \\
      --authority two=KEY@http://two.example.org:7100 --authority three=KEY@http://three.example.org:7100`;

export function addMixGenesisCommand(mix: Command, terminal: Terminal): void {
  const command = mix
    .command('genesis')
    .description('print the genesis of a new network')
    .requiredOption('--name <name>', 'of the network')
    .requiredOption('--authority <name=key@url>', 'name, public key in hex, and address; repeatable', listOption)
    .option('--layers <n>', 'layers of mixes, 1 to 14', wholeNumber(1), 3)
    .option('--hops <n>', 'hops that packets have room for, up to 16', wholeNumber(3), 7)
    .option('--epoch <duration>', 'how long keys and places of relays last', '20m')
    .option('--first-round <duration>', 'how long the first round of the authorities takes; default: an epoch')
    .option('--starts-in <duration>', 'when the first epoch begins, from now', '1h')
    .option('--test', 'a test network, on which nothing is anonymous')
    .addHelpText('after', HELP);
  withJson(command).action(async ({ json: _, ...options }: GenesisOptions & { json?: boolean }) => {
    const { genesisOf } = await import('../../mix/genesis-choice.ts');
    await write(terminal.stdout, `${JSON.stringify(genesisOf(options, Date.now()), null, 2)}\n`);
  });
}
