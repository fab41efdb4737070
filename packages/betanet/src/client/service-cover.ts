/**
 * What a service node sends in a slot with nothing to say. It is made as an answer is, from a reply block, so that no
 * node on its way can tell the two apart; this block is the service node's own, and leads through mixes to a gateway,
 * which finds no client of that name and throws the packet away.
 */
import type { FillRandom } from '../mixing/random-numbers.ts';
import { keyedPath } from './epoch-keys.ts';
import type { NetworkView } from './network-view.ts';
import type { PacketFactory } from './packet-factory.ts';
import { PRIVACY_HOPS, PRIVACY_LEVELS, type PrivacyLevel, selectPath } from './path-selection.ts';
import type { UniformNumbers } from './random-source.ts';
import { coverRecipient } from './service-messages.ts';

export interface ServiceCoverDependencies {
  packets: PacketFactory;
  numbers: UniformNumbers;
  fillRandom: FillRandom;
  /** How long a hop is to hold a packet: whole milliseconds, exponentially distributed. */
  drawDelay(): number;
}

const REPLY_ID_BYTES = 16;

/**
 * A reply block that leads to nobody, by the longest path that a level of this network has. `service`: id of the node
 * that sends it, `setsOutAt`: when. Throws `unavailable` when the view has no such node, or no path.
 */
export function coverBlock(
  { packets, numbers, fillRandom, drawDelay }: ServiceCoverDependencies,
  view: NetworkView,
  service: Uint8Array,
  setsOutAt: number,
): Uint8Array {
  const from = view.nodes.filter(({ id }) => Buffer.compare(id, service) === 0);
  const to = view.nodes.filter(({ role }) => role === 'gateway');
  // The service node is no hop of what it sends.
  const nodes = selectPath({ view, level: deepestLevel(view), from, to, numbers }).nodes.slice(1);
  const delays = nodes.map((_, index) => (index === nodes.length - 1 ? 0 : drawDelay()));
  const path = keyedPath(nodes, delays, setsOutAt, view, 'packet').hops;
  const replyId = new Uint8Array(REPLY_ID_BYTES);
  fillRandom(replyId);
  const { block, keys } = packets.createReplyBlock({ path, recipient: coverRecipient(), replyId });
  keys.fill(0);
  return block;
}

function deepestLevel({ layers }: Pick<NetworkView, 'layers'>): PrivacyLevel {
  const possible = PRIVACY_LEVELS.filter((level) => PRIVACY_HOPS[level] - 2 <= layers);
  return possible.toSorted((a, b) => PRIVACY_HOPS[b] - PRIVACY_HOPS[a])[0] ?? 'private';
}
