/** What people see of votes. */
import type {
  AuditEntryDocument,
  EmissionEpochDocument,
  Membership,
  ParameterDocument,
  ProposalDocument,
} from '@fog/contract';
import { formatFog } from '@fog/economy/amounts';
import type { Recount } from '@fog/economy/governance';
import { stdoutColours } from '../commands/command-context.ts';
import { momentText } from '../output/moments.ts';
import { renderFields, renderTable } from '../output/table.ts';
import type { Terminal } from '../terminal.ts';
import { namedValueText, parameterText } from './parameter-values.ts';

/** So much of an id names a proposal among many. */
const SHOWN_DIGITS = 12;

export function membershipTable(membership: Membership, terminal: Terminal): string {
  const { network, principal, votingKey, delegate, bonded, power, supply, lockedUntil } = membership;
  const rows: [string, string][] = [
    ['network', network],
    ['principal', principal],
    ['voting key', votingKey ?? 'none: fog dao key'],
    ['votes with your stake', delegate ?? 'nobody: fog dao delegate VOTER'],
    ['your stake', `${fog(bonded)} FOG`],
    ['your power', `${fog(power)} of ${fog(supply)} FOG`],
    ['your stake stays until', momentText(lockedUntil, Date.now())],
  ];
  return renderFields(rows, stdoutColours(terminal));
}

export function parametersTable(parameters: readonly ParameterDocument[], terminal: Terminal): string {
  const rows = parameters.map(({ name, unit, proposal, changedAt, meaning, ...values }) => {
    const text = (value: string) => parameterText(unit, BigInt(value));
    const since = proposal === null ? '-' : `${proposal.slice(0, SHOWN_DIGITS)} ${momentText(changedAt, Date.now())}`;
    return [
      name,
      text(values.value),
      text(values.default),
      `${text(values.least)} to ${text(values.most)}`,
      since,
      meaning,
    ];
  });
  return renderTable(['parameter', 'holds', 'default', 'range', 'since', 'meaning'], rows, stdoutColours(terminal));
}

export function auditTable(entries: readonly AuditEntryDocument[], terminal: Terminal): string {
  if (entries.length === 0) return 'No vote has changed anything yet.';
  const rows = entries.map(({ at, proposal, title, by, ...entry }) => [
    momentText(at, Date.now()),
    proposal.slice(0, SHOWN_DIGITS),
    changeText(entry),
    by ?? 'its time had come',
    title,
  ]);
  return renderTable(['when', 'proposal', 'what', 'asked for by', 'title'], rows, stdoutColours(terminal));
}

function changeText({
  kind,
  subject,
  before,
  after,
}: Pick<AuditEntryDocument, 'kind' | 'subject' | 'before' | 'after'>) {
  if (kind === 'text') return 'words';
  if (kind === 'grant') return `${fog(after ?? '0')} FOG to ${subject}`;
  return `${subject} from ${namedValueText(subject, before ?? '0')} to ${namedValueText(subject, after ?? '0')}`;
}

export function emissionTable(epochs: readonly EmissionEpochDocument[], terminal: Terminal): string {
  if (epochs.length === 0) return 'No new money was made, and no day is over in which fees burned.';
  const rows = epochs.map(({ startsAt, claims, burned, sharePpm, wanted, most, made, settledAt }) => [
    new Date(startsAt).toISOString().slice(0, 10),
    String(claims),
    fog(burned),
    sharePpm === 0 ? 'off' : parameterText('ppm', BigInt(sharePpm)),
    fog(wanted),
    fog(most),
    settledAt === null ? `${fog(made)} so far` : fog(made),
  ]);
  return renderTable(
    ['day (UTC)', 'claims', 'burned', 'share', 'wanted', 'cap', 'made'],
    rows,
    stdoutColours(terminal),
  );
}

export function proposalsTable(proposals: readonly ProposalDocument[], terminal: Terminal): string {
  if (proposals.length === 0) return 'Nothing is proposed. "fog dao propose" tells how.';
  const rows = proposals.map((proposal) => [
    proposal.id.slice(0, SHOWN_DIGITS),
    proposal.state,
    proposal.proposer,
    nextText(proposal),
    proposal.title,
  ]);
  return renderTable(['id', 'state', 'by', 'next', 'title'], rows, stdoutColours(terminal));
}

/** What becomes of it, and when. */
function nextText(proposal: ProposalDocument): string {
  const at = (milliseconds: number | null) => momentText(milliseconds, Date.now());
  switch (proposal.state) {
    case 'pending':
      return `its vote opens ${at(proposal.createdAtMilliseconds + proposal.terms.votingDelayMilliseconds)}`;
    case 'active':
      return `ballots until ${at(proposal.votesUntilMilliseconds)}`;
    case 'queued':
      return `can be executed ${at(proposal.executableAtMilliseconds)}`;
    default:
      return `ended ${at(proposal.endedAtMilliseconds)}`;
  }
}

export function proposalText(
  proposal: ProposalDocument,
  vote: { power: string | null; choice: string | null },
  terminal: Terminal,
): string {
  const { tally, terms, quorumMicroFog } = proposal;
  const opened: [string, string][] =
    proposal.snapshotRoot === null
      ? []
      : [
          ['for', fog(tally.for)],
          ['against', fog(tally.against)],
          ['abstain', fog(tally.abstain)],
          ['ballots', String(proposal.ballots)],
          ['quorum (for and abstain)', fog(quorumMicroFog ?? '0')],
          ['approval needed', `above ${parameterText('ppm', BigInt(terms.approvalPpm))} of for and against`],
          ['root of the snapshot', proposal.snapshotRoot],
          ['your power over it', vote.power === null ? 'none' : fog(vote.power)],
          ['your ballot', vote.choice ?? '-'],
        ];
  const rows: [string, string][] = [
    ['id', proposal.id],
    ['title', proposal.title],
    ['by', proposal.proposer],
    ['state', proposal.state],
    ['next', nextText(proposal)],
    ...actionRows(proposal),
    ...opened,
    ['deposit', `${fog(terms.depositMicroFog)} FOG, ${proposal.deposit}`],
    ...(proposal.vetoReason === null ? [] : ([['vetoed because', proposal.vetoReason]] as [string, string][])),
  ];
  const table = renderTable(['', ''], rows, stdoutColours(terminal));
  return proposal.text === '' ? table : `${table}\n\n${proposal.text}`;
}

function actionRows({ action }: ProposalDocument): [string, string][] {
  if (action.kind === 'parameter') {
    return action.changes.map(({ name, value }) => ['sets', `${name} to ${namedValueText(name, value)}`]);
  }
  if (action.kind === 'treasury') {
    return action.grants.map(({ to, amountMicroFog }) => ['pays', `${fog(amountMicroFog)} FOG to ${to}`]);
  }
  return [['does', 'nothing by itself: it is words']];
}

export function recountTable(count: Recount, terminal: Terminal): string {
  const rows = [
    ['ballots counted', String(count.countedBallots)],
    ['for', formatFog(count.tally.for)],
    ['against', formatFog(count.tally.against)],
    ['abstain', formatFog(count.tally.abstain)],
    ['all bonded stake', formatFog(count.supplyMicroFog)],
    ['quorum', formatFog(count.quorumMicroFog)],
    ['carried', count.isCarried ? 'yes' : 'no'],
    ['faults', String(count.faults.length)],
    ...count.faults.map(({ fault, ballot, message }) => [
      ballot === null ? fault : `${fault}, ballot ${ballot}`,
      message,
    ]),
  ];
  return renderTable(['', ''], rows, stdoutColours(terminal));
}

function fog(microFog: string): string {
  return formatFog(BigInt(microFog));
}
