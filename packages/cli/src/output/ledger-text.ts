/** What was found of a stored ledger, for people. */
import { formatDuration, type LedgerHead } from '@fog/contract';
import type { LedgerFault, LedgerVerdict } from '@fog/coordinator/ledger';
import { formatFog } from '@fog/economy/amounts';
import { CURRENCIES } from '@fog/economy/chart';
import type { Colours } from '../terminal.ts';

export function ledgerText(verdict: LedgerVerdict, colours: Colours): string {
  const { records, batches, accounts, openTransfers, sealed, noted, unsealed, totals, faults, isCut } = verdict;
  const lines = [
    verdict.isValid ? colours.green('the ledger is as it should be') : colours.red('the ledger is not as it should be'),
    `rows       ${records} in ${batches} batches; ${accounts} accounts, ${openTransfers} transfers pending`,
    sealed.hash === null
      ? 'sealed     nothing'
      : `sealed     up to row ${sealed.sequence}, batch ${sealed.batch}\n           ${sealed.hash}`,
    ...(noted?.isPrefix === true ? ['noted      the chain goes on from the seal that was noted'] : []),
    unsealed.rows === 0
      ? 'unsealed   nothing'
      : `unsealed   ${unsealed.rows} rows in ${unsealed.batches} batches, since ${new Date(unsealed.oldestAt ?? 0).toISOString()}`,
    ...totals.map(({ ledger, debitsPosted, debitsPending }) => {
      return `${nameOf(ledger)}debits and credits ${fog(debitsPosted)} FOG posted, ${fog(debitsPending)} pending`;
    }),
    ...faults.map(faultText),
  ];
  if (verdict.isValid && sealed.hash !== null)
    lines.push(`to note elsewhere, for later checks: --head ${sealed.hash} --sequence ${sealed.sequence}`);
  if (isCut) lines.push('there are more faults; the check ended here');
  return lines.join('\n');
}

export function ledgerHeadText({ sealed, unsealed, supply }: LedgerHead): string {
  return [
    sealed === null
      ? 'sealed     nothing'
      : `sealed     up to row ${sealed.sequence}, batch ${sealed.batch}\n           ${sealed.hash}`,
    unsealed.rows === 0
      ? 'unsealed   nothing'
      : `unsealed   ${unsealed.rows} rows, for ${formatDuration(Math.round(unsealed.milliseconds))}`,
    ...supply.map(({ currency, amount }) => `${currency.padEnd(11)}${fog(amount)} FOG in all`),
    ...(sealed === null
      ? []
      : [`to note elsewhere, for later checks: --head ${sealed.hash} --sequence ${sealed.sequence}`]),
  ].join('\n');
}

/** The currency of a ledger, as wide as the names before. */
function nameOf(ledger: number): string {
  const found = Object.entries(CURRENCIES).find(([, number]) => number === ledger);
  return (found?.[0] ?? `ledger ${ledger}`).padEnd(11);
}

function fog(microFog: string): string {
  return formatFog(BigInt(microFog));
}

function faultText({ table, row, field, expected, found, message }: LedgerFault): string {
  const where = [table, row, ...(field === null ? [] : [field])].join(', ');
  const values =
    expected === null && found === null
      ? ''
      : `\n    expected ${expected ?? 'unknown'}\n    found    ${found ?? 'nothing'}`;
  return `fault: ${where}: ${message}${values}`;
}
