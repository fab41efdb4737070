/** What jobs and deployments are paid for, for people. */
import { type DeploymentPayment, formatDuration, type JobPayment, oneLine } from '@fog/contract';
import { formatFog } from '@fog/economy/amounts';
import type { Colours } from '../terminal.ts';
import { momentText } from './moments.ts';
import { renderFields, renderTable } from './table.ts';

export function jobPaymentText(payment: JobPayment, colours: Colours): string {
  const { phase, currency, maximumPrice, deposited, paid, fees, burned, credits, refunded } = payment;
  const oversight = BigInt(payment.oversight) + BigInt(payment.lateOversight);
  const rows = [
    ['escrow', phase],
    ['currency', currency],
    ['most for a result', fogText(maximumPrice)],
    ['covered with', fogText(deposited)],
    ['paid for results', fogText(paid)],
    ['paid for checks of results', formatFog(oversight)],
    ['fees', fogText(fees)],
    ['fees that burned', fogText(burned)],
    ['credits', fogText(credits)],
    ['returned', fogText(refunded)],
  ];
  return renderTable(['', 'FOG'], rows, colours);
}

export function deploymentPaymentText(payment: DeploymentPayment, nowMilliseconds: number, colours: Colours): string {
  const { name, currency, periodMilliseconds, costPerPeriod, coveredUntil, uncovered, jobs } = payment;
  const fields = renderFields(
    [
      ['deployment', name],
      [
        'costs',
        `${fogText(costPerPeriod)} FOG for ${formatDuration(periodMilliseconds)}${currency === 'faucet' ? ', of the faucet' : ''}`,
      ],
      [
        'covered until',
        coveredUntil === null ? 'nothing runs that costs anything' : momentText(coveredUntil, nowMilliseconds),
      ],
      ['no cover', uncovered === null ? null : oneLine(uncovered)],
    ],
    colours,
  );
  const rows = jobs.map(({ revision, job, phase, deposited, paid, fees, earned, refunded, periods }) => [
    String(revision),
    job,
    phase,
    fogText(deposited),
    fogText(paid),
    fogText(fees),
    fogText(earned),
    fogText(refunded),
    String(periods),
  ]);
  const head = ['revision', 'job', 'escrow', 'covered with', 'paid', 'fees', 'earned since', 'returned', 'periods'];
  return `${fields}\n\n${renderTable(head, rows, colours)}`;
}

export function fogText(microFog: string): string {
  return formatFog(BigInt(microFog));
}
