/** Nodes for people. */
import { counted, formatBytes, type Node, type Owner, type ReputationEvidence } from '@fog/contract';
import { formatFog } from '@fog/economy/amounts';
import type { Colours } from '../terminal.ts';
import { stateText } from './job-text.ts';
import { agoText, momentText } from './moments.ts';
import { renderFields, renderTable } from './table.ts';

export function nodeListText(nodes: readonly Node[], nowMilliseconds: number, colours: Colours): string {
  if (nodes.length === 0) return 'No node has joined. Start one with "fog node join URL --token T".';
  return renderTable(
    ['name', 'state', 'slots', 'cpu', 'memory', 'runtimes', 'standing', 'owner', 'last seen', 'id'],
    nodes.map((node) => [
      node.name,
      nodeState(node, colours),
      `${node.running.length}/${node.description.capacity.slots}`,
      cores(node.description.capacity.milliCpu),
      formatBytes(node.description.capacity.memoryBytes),
      availableRuntimes(node),
      standingText(node),
      node.owner,
      node.state === 'connected' ? 'now' : agoText(node.lastSeenAt, nowMilliseconds),
      node.id,
    ]),
    colours,
  );
}

export function nodeText(node: Node, nowMilliseconds: number, colours: Colours): string {
  const { capacity, labels, policy, runtimes, agentVersion, offer } = node.description;
  const runtimeFields = Object.entries(runtimes).map(([name, probe]): [string, string] => [
    name,
    probe.available
      ? [probe.version, ...Object.entries(probe.features).map(([key, value]) => `${key} ${value}`)].join(', ')
      : `not available: ${probe.reason}${probe.hint === undefined ? '' : ` (${probe.hint})`}`,
  ]);
  return renderFields(
    [
      ['node', node.id],
      ['name', node.name],
      ['state', nodeState(node, colours)],
      ['owner', node.owner],
      ['joined', momentText(node.joinedAt, nowMilliseconds)],
      ['last seen', momentText(node.lastSeenAt, nowMilliseconds)],
      ['offers', amounts(capacity)],
      ['free', amounts(node.free)],
      ['busy', node.cpuBusy === null ? 'unknown' : `${Math.round(node.cpuBusy * 100)} % of the processors`],
      ['runs', node.running.map((attempt) => `${attempt.job}/${attempt.partition}`).join(', ') || 'nothing'],
      ['labels', labelText(labels)],
      ['accepts', policy.accept.join(', ') || 'nobody'],
      ['asks', !offer?.pricePerSlice ? null : `${formatFog(BigInt(offer.pricePerSlice))} FOG a slice`],
      ['trusts', policy.trusted.join(', ') || 'nobody'],
      ['standing', standingText(node)],
      ...trustFields(node),
      ...ownerFields(node),
      ...runtimeFields,
      ['version', agentVersion],
    ],
    colours,
  );
}

function nodeState(node: Node, colours: Colours): string {
  const marks = [node.draining ? 'draining' : null, node.cordoned && !node.draining ? 'cordoned' : null];
  return [stateText(node.state, colours), ...marks.filter((mark) => mark !== null)].join(', ');
}

/** `trusted`, or its standing by runtime; nothing is known of a node none of whose results were verified. */
function standingText({ trusted, trust }: Node): string {
  if (trusted) return 'trusted';
  const standings = Object.entries(trust).map(([runtime, { standing }]) => `${runtime} ${standing}`);
  return standings.join(', ') || '-';
}

function trustFields({ trust }: Node): [string, string][] {
  return Object.entries(trust).map(([runtime, known]) => [
    `results, ${runtime}`,
    [
      `credibility ${known.credibility.toFixed(4)}`,
      `${known.valid} valid (${known.consecutiveValid} in a row)`,
      `${known.invalid} invalid`,
      `${known.withheld} withheld`,
      `${known.inconclusive} inconclusive`,
      `${known.unchecked} unchecked`,
      `reputation ${known.reputation.toFixed(4)}: ${evidenceText(known.evidence)}`,
    ].join(', '),
  ]);
}

function ownerFields({ owner, ownerReputation, trust }: Node): [string, string][] {
  const isKnown = Object.keys(trust).length > 0 || ownerReputation.right + ownerReputation.wrong > 0;
  return isKnown ? [[`all nodes of ${owner}`, evidenceText(ownerReputation)]] : [];
}

/** Of what counts, some has faded: it is no whole number. */
function evidenceText({ right, wrong, provenWrong, rightAtLeastPpm }: ReputationEvidence): string {
  const proven = provenWrong === 0 ? '' : ` (${provenWrong} proven)`;
  const share = `right in ${(rightAtLeastPpm / 10_000).toFixed(1)} % or more`;
  return `${Number(right.toFixed(1))} right count, ${wrong} wrong${proven}, ${share}`;
}

export function ownerListText(owners: readonly Owner[], colours: Colours): string {
  if (owners.length === 0) return 'Of no owner of nodes was a result verified yet.';
  return renderTable(
    ['owner', 'right at least', 'right', 'wrong', 'proven', 'as a relay'],
    owners.map(({ owner, evidence, relayReputationPpm }) => [
      owner,
      `${(evidence.rightAtLeastPpm / 10_000).toFixed(1)} %`,
      String(Number(evidence.right.toFixed(1))),
      String(evidence.wrong),
      String(evidence.provenWrong),
      (relayReputationPpm / 1_000_000).toFixed(4),
    ]),
    colours,
  );
}

function amounts({ slots, milliCpu, memoryBytes, diskBytes }: Node['free']): string {
  return `${counted(slots, 'slot')}, ${cores(milliCpu)} cpu, ${formatBytes(memoryBytes)} memory, ${formatBytes(diskBytes)} disk`;
}

function cores(milliCpu: number): string {
  return String(milliCpu / 1000);
}

function availableRuntimes({ description }: Node): string {
  const names = Object.entries(description.runtimes).flatMap(([name, probe]) => (probe.available ? [name] : []));
  return names.join(', ') || '-';
}

function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');
}
