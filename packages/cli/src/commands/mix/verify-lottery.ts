/** `fog mix verify-lottery`: whether the relays of an epoch were drawn as they should be. */
import type { Consensus, Genesis, LotteryVerdict } from '@fog/betanet';
import { FogError } from '@fog/contract';
import type { Command } from 'commander';
import { EXIT } from '../../exit-code.ts';
import { lotteryText } from '../../output/mix-lottery-text.ts';
import { type Terminal, writeJson, writeLine } from '../../terminal.ts';
import { stdoutColours, wholeNumber, withJson } from '../command-context.ts';

interface VerifyOptions {
  genesis?: string;
  epoch?: number;
  data?: string;
  json?: boolean;
}

const HELP = `
Fetches the consensus of an epoch from the authorities, checks their signatures and that there is one alone, and then
everything that the lottery rests on: the seed against the reveals, each relay's proof (RFC 9381), the weights, and the
draw itself, which is held again. Nothing is believed but the genesis.

What cannot be seen from a consensus: whether the authorities left out a relay that showed them a proof. Their
signatures answer for that.

Exit code: 0 when all is as it should be, 1 when a fault was found, 2 when there is no consensus of that epoch, 125 when
no authority can be reached.

Examples:
  $ fog mix verify-lottery
  $ fog mix verify-lottery --genesis network.json --epoch 12 --json`;

export function addVerifyLotteryCommand(mix: Command, terminal: Terminal): void {
  const command = mix
    .command('verify-lottery')
    .description('check how the relays of an epoch were drawn')
    .option('--genesis <file>', 'genesis of the network; default: that of "fog mix up"')
    .option('--epoch <n>', 'epoch; default: the present one', wholeNumber(0))
    .option('--data <dir>', 'data folder of "fog mix up" (FOG_DATA)')
    .addHelpText('after', HELP);
  withJson(command).action((options: VerifyOptions) => verify(terminal, options));
}

async function verify(terminal: Terminal, options: VerifyOptions): Promise<void> {
  const { findNetwork } = await import('../../mix/mix-folder.ts');
  const { epochAt, verifyLottery } = await import('@fog/betanet');
  const { genesis } = await findNetwork(terminal, options);
  const epoch = options.epoch ?? Math.max(0, epochAt(genesis, Date.now()));
  const found = await fetchConsensus(genesis, epoch);
  if ('refusal' in found) {
    terminal.exitCode = EXIT.taskFailed;
    if (options.json) await writeJson(terminal, { epoch, valid: false, refusal: found.refusal });
    else await writeLine(terminal, `the consensus of epoch ${epoch} is not valid: ${found.refusal}`);
    return;
  }
  const verdict = verifyLottery(found.consensus.body);
  if (!verdict.valid) terminal.exitCode = EXIT.taskFailed;
  if (options.json) await writeJson(terminal, documentOf(found, verdict));
  else await writeLine(terminal, lotteryText(found, verdict, stdoutColours(terminal)));
}

type Found = { consensus: Consensus; endorsedBy: string[] };

/** The one that is endorsed as it should be; otherwise why there is none. Throws `unavailable` and `not-found`. */
async function fetchConsensus(genesis: Genesis, epoch: number): Promise<Found | { refusal: string }> {
  const { allDoubleEndorsers, DirectoryClient, endorsersOf, epochStart, validConsensuses } = await import(
    '@fog/betanet'
  );
  const directory = new DirectoryClient(genesis);
  const answers = await directory.consensus(epoch);
  if (answers.length === 0) {
    const statuses = await directory.statuses();
    if (statuses.length === 0) {
      throw new FogError('unavailable', 'no authority of the network can be reached', {
        hint: 'is it running? "fog mix up" runs a test network',
      });
    }
    throw new FogError('not-found', `no authority has a consensus of epoch ${epoch}`, {
      hint: 'authorities keep those of the last epochs only',
    });
  }
  // A look back: what was signed for an epoch counts as of that epoch.
  const now = Math.min(Date.now(), epochStart(genesis, epoch + 1) - 1);
  const said = answers.map(({ authority, value }) => ({ authority: authority.id, document: value }));
  const { valid, reasons } = validConsensuses(said, epoch, undefined, { genesis, now, checksLottery: false });
  const [consensus] = valid;
  if (consensus === undefined) return { refusal: reasons.join('; ') };
  if (valid.length > 1) {
    const names = allDoubleEndorsers(valid, genesis).join(', ');
    return { refusal: `there are ${valid.length} of them, and ${names} signed both` };
  }
  return { consensus, endorsedBy: endorsersOf(consensus, genesis).map(({ authority }) => authority) };
}

function documentOf({ consensus, endorsedBy }: Found, verdict: LotteryVerdict) {
  const { epoch, nodes, standby, excluded, authorities, randomness } = consensus.body;
  const seats = nodes.filter(({ role }) => role === 'mix');
  return {
    epoch,
    valid: verdict.valid,
    endorsedBy,
    authorities,
    withheld: randomness.withheld,
    seed: randomness.seed,
    checkedProofs: verdict.checked,
    seats: seats.map(({ id, operator, layer, draw }) => ({ id, operator, layer, weight: draw?.weight ?? null })),
    standby: standby.map(({ id, operator, draw }) => ({ id, operator, weight: draw.weight })),
    excluded,
    faults: verdict.faults,
  };
}
