/** `fog mix`: BetaNet, the mix network. */
import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';
import { addMixAuthorityCommand } from './mix/authority.ts';
import { addMixBenchCommand } from './mix/bench.ts';
import { addMixGenesisCommand } from './mix/genesis.ts';
import { addMixNodeCommand } from './mix/node.ts';
import { addMixPingCommand } from './mix/ping.ts';
import { addMixSimulateCommand } from './mix/simulate.ts';
import { addMixStatusCommand } from './mix/status.ts';
import { addMixUpCommand } from './mix/up.ts';
import { addVerifyLotteryCommand } from './mix/verify-lottery.ts';

const HELP = `
A mix network carries messages so that nobody who watches it can tell who sends to whom. "fog mix up" starts a whole
one on this machine, to try it out: that one gives no anonymity, since one machine sees everything.

Examples:
  $ fog mix up                           a network on this machine
  $ fog mix ping                         send through it, and see each hop
  $ fog mix verify-lottery               check how its relays were drawn
  $ fog mix bench                        how fast this machine unwraps packets
  $ fog mix simulate                     how anonymous a network is, for given rates and delays`;

export function addMixCommands(program: Command, terminal: Terminal): void {
  const mix = program.command('mix').description('run and use BetaNet, the mix network').addHelpText('after', HELP);
  addMixUpCommand(mix, terminal);
  addMixPingCommand(mix, terminal);
  addMixStatusCommand(mix, terminal);
  addVerifyLotteryCommand(mix, terminal);
  addMixBenchCommand(mix, terminal);
  addMixSimulateCommand(mix, terminal);
  addMixGenesisCommand(mix, terminal);
  addMixAuthorityCommand(mix, terminal);
  addMixNodeCommand(mix, terminal);
}
