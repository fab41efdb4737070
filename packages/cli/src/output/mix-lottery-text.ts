/** The lottery of an epoch for people. */
import type { Consensus, LotteryVerdict } from '@fog/betanet';
import { counted } from '@fog/contract';
import type { Colours } from '../terminal.ts';
import { shortId } from './mix-text.ts';
import { renderFields, renderTable } from './table.ts';

export function lotteryText(
  { consensus, endorsedBy }: { consensus: Consensus; endorsedBy: readonly string[] },
  { valid, faults, checked }: LotteryVerdict,
  colours: Colours,
): string {
  const { epoch, test, nodes, standby, excluded, randomness, authorities } = consensus.body;
  const names = (list: readonly string[]) => (list.length === 0 ? null : list.join(', '));
  const seats = nodes.filter(({ role }) => role === 'mix').toSorted((a, b) => (a.layer ?? 0) - (b.layer ?? 0));
  const rows = [
    ...seats.map(({ id, operator, layer, draw }) => [`layer ${layer}`, shortId(id), operator, draw?.weight ?? '-']),
    ...standby.map(({ id, operator, draw }) => ['standby', shortId(id), operator, draw.weight]),
    ...excluded.map(({ id, reason }) => [`excluded: ${reason}`, shortId(id), '-', '-']),
  ];
  const head = valid
    ? colours.green(`the lottery of epoch ${epoch} was drawn as it should be`)
    : colours.red(`the lottery of epoch ${epoch} has ${counted(faults.length, 'fault')}`);
  return [
    head,
    renderFields(
      [
        ['network', test ? 'a test network: it gives no anonymity' : null],
        ['endorsed by', endorsedBy.join(', ')],
        ['proofs', `${checked} are right`],
        ['seed', randomness.seed],
        ['withheld', names(randomness.withheld)],
        ['equivocated', names(authorities.equivocated)],
        ['absent', names(authorities.absent)],
      ],
      colours,
    ),
    '',
    renderTable(['place', 'id', 'operator', 'weight'], rows, colours),
    ...faults.map(({ code, message }) => `${colours.red(code)}  ${message}`),
  ].join('\n');
}
