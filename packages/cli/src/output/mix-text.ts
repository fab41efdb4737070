/** The mix network for people. */
import type { MixStatus } from '../mix/control.ts';
import type { Colours } from '../terminal.ts';
import { renderFields, renderTable } from './table.ts';

type NodeStatus = MixStatus['nodes'][number];
const ROLE_ORDER = ['gateway', 'mix', 'service'];

/** What `fog mix up` says when it is ready. `data`: the folder that was given, if one was. */
export function networkText(status: MixStatus, data: string | undefined, colours: Colours): string {
  const option = data === undefined ? '' : ` --data '${data.replaceAll("'", "'\\''")}'`;
  return [
    colours.bold('a mix network is running: a test network, it gives no anonymity'),
    renderFields(
      [
        ['  genesis', status.genesis],
        ['  network', status.network],
        [
          '  nodes',
          `gateway, ${status.layers === 1 ? 'one mix' : `${status.layers} mixes, one a layer`}, service "echo"`,
        ],
      ],
      colours,
    ),
    '',
    'Send through it from another terminal:',
    `  ${colours.cyan(`fog mix ping${option}`)}`,
    '',
    'Stop with Ctrl-C.',
  ].join('\n');
}

export function mixStatusText(status: MixStatus, colours: Colours): string {
  const nodes = status.nodes.toSorted(
    (a, b) => ROLE_ORDER.indexOf(a.role) - ROLE_ORDER.indexOf(b.role) || (a.layer ?? 0) - (b.layer ?? 0),
  );
  const table = renderTable(
    ['node', 'id', 'links in', 'out', 'loops', 'returned', 'lost', 'received', 'left', 'held', 'drops'],
    nodes.map((node) => [
      placeText(node),
      shortId(node.id),
      String(node.links.in),
      `${node.links.out}/${node.links.wanted}`,
      node.loops.state,
      `${node.loops.returned}/${node.loops.sent}`,
      String(node.loops.lost),
      String(node.packets.received),
      String(node.packets.left),
      String(node.packets.held),
      dropText(node),
    ]),
    colours,
  );
  return [
    renderFields(
      [
        ['network', `${status.network}, a test network: it gives no anonymity`],
        ['genesis', status.genesis],
        ['process', String(status.pid)],
        ['epoch', String(status.nodes[0]?.epoch ?? '-')],
        ['authorities', status.authorities.map(authorityText).join(', ')],
      ],
      colours,
    ),
    '',
    table,
  ].join('\n');
}

function authorityText({ authority, consensusEpoch }: MixStatus['authorities'][number]): string {
  return `${authority} (${consensusEpoch === null ? 'no consensus' : `consensus of epoch ${consensusEpoch}`})`;
}

function dropText({ drops }: NodeStatus): string {
  const counts = Object.entries(drops).map(([cause, count]) => `${cause} ${count}`);
  return counts.join(', ') || 'none';
}

/** `mix in layer 2`. */
export function placeText({ role, layer }: { role: string; layer: number | null }): string {
  return layer === null ? role : `${role} in layer ${layer}`;
}

export function shortId(id: string): string {
  return id.slice(0, 12);
}

/** `12.3 ms`. */
export function millisecondsText(milliseconds: number | null): string {
  return milliseconds === null ? '-' : `${milliseconds.toFixed(1)} ms`;
}

/** `-` where nothing was counted, or the value is not finite. */
export function figure(value: number, digits: number, unit = ''): string {
  return Number.isFinite(value) ? `${value.toFixed(digits)}${unit}` : '-';
}
