/** `fog mix simulate`: how anonymous a mix network is, for given rates and delays. */
import type { Command } from 'commander';
import type { SimulationFlags } from '../../mix/simulation-choice.ts';
import { note, type Terminal, writeJson, writeLine } from '../../terminal.ts';
import { decimal, stdoutColours, wholeNumber, withJson } from '../command-context.ts';

const HELP = `
Runs the code of clients and mixes (streams, delays, queues, loops and their alarm) in simulated time, without sockets
and cryptography, and tells: how long messages take; how uncertain somebody who watches all links is of who sent one;
how soon a mix's loops tell of an attacker who keeps all other packets from it ((n-1) attack), and how often falsely;
whether delays and gaps are distributed as they should be; what cover costs. The same seed gives the same figures.

Options marked with [list] take several values, separated by commas: every combination is run, a row each.
The network is that of a genesis with default rates and delays, unless --loopix or options say otherwise. A run takes
seconds; one that would take more than about a minute of processor time is refused.

Examples:
  $ fog mix simulate
  $ fog mix simulate --mean-delay 10,50,200 --users 100,1000
  $ fog mix simulate --attack --let-through 0.5
  $ fog mix simulate --loopix --json`;

export function addMixSimulateCommand(mix: Command, terminal: Terminal): void {
  const command = mix
    .command('simulate')
    .description('measure the anonymity of a mix network in simulated time')
    .option('--loopix', 'begin with the network in which Loopix was measured')
    .option('--users <n>', 'clients [list]; default 100', numberList)
    .option('--gateways <n>', 'gateways; default 2', wholeNumber(1))
    .option('--layers <n>', 'layers of mixes; default 3', wholeNumber(1))
    .option('--relays <n>', 'mixes in each layer; default 2', wholeNumber(1))
    .option('--mean-delay <ms>', 'mean delay of a hop [list]; default 50', numberList)
    .option('--delay-cap <ms>', 'longest delay of a hop; default 20 times the mean', wholeNumber(1))
    .option('--payload <rate>', 'payload slots of a user a second [list]; default 1', numberList)
    .option('--loop <rate>', 'loops of a user a second [list]; default 0.5', numberList)
    .option('--drop <rate>', 'drops of a user a second [list]; default 0.5', numberList)
    .option('--messages <rate>', 'messages of a user a second; default half of --payload', decimal)
    .option('--node-loops <rate>', 'loops of a mix a second; default 1', decimal)
    .option('--duration <duration>', 'simulated time that is measured', '60s')
    .option('--seed <n>', 'of all that is random', wholeNumber(0), 1)
    .option('--attack', 'keep everything from one mix of layer 1, from the middle of the time on')
    .option('--attacks <n>', 'attacks on a single mix that its alarm is tried with', wholeNumber(0), 200)
    .option('--let-through <share>', 'of all packets, by the attacker of those trials', decimal, 0)
    .option('--loss <share>', 'of loops that get lost in those trials while nobody attacks', decimal, 0.02)
    .addHelpText('after', HELP);
  withJson(command).action(({ json, ...flags }: SimulationFlags & { json?: boolean }) =>
    simulateNetworks(terminal, flags, json === true),
  );
}

async function simulateNetworks(terminal: Terminal, flags: SimulationFlags, asJson: boolean): Promise<void> {
  const { LOOPIX_FIGURES } = await import('@fog/betanet');
  const { anonymityReport } = await import('../../mix/anonymity-report.ts');
  const { simulatedPacketBytes, simulatedRuns } = await import('../../mix/simulation-choice.ts');
  const { simulationText, sweepText } = await import('../../output/mix-simulation-text.ts');
  const runs = simulatedRuns(flags);
  const reports: ReturnType<typeof anonymityReport>[] = [];
  for (const run of runs) {
    if (runs.length > 1) await note(terminal, `simulating ${reports.length + 1} of ${runs.length}`);
    reports.push(anonymityReport(run, simulatedPacketBytes()));
  }
  if (asJson) {
    await writeJson(terminal, { runs: reports, loopix: LOOPIX_FIGURES });
    return;
  }
  const colours = stdoutColours(terminal);
  const [only] = reports;
  const text = reports.length === 1 && only !== undefined ? simulationText(only, colours) : sweepText(reports, colours);
  await writeLine(terminal, text);
}

function numberList(text: string): number[] {
  return text.split(',').map((part) => decimal(part.trim()));
}
