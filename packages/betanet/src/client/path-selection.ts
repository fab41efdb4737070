/**
 * Which nodes a packet goes through.
 *
 * A level of privacy is a number of hops, counted with gateway and service node. A path of fewer mixes than there are
 * layers enters at the last layers. Of each layer one relay is taken, so that each valid path is as likely as any other;
 * valid is a path in which no two relays are of one operator or share an address prefix, gateway and service node
 * included. A level that cannot be met is refused with the reason, never lowered.
 *
 * How near to uniform: relays of each layer are drawn independently until the path is valid, which is exact. After
 * `CLIENT_LIMITS.pathDraws` draws all valid paths are listed and one of them is drawn, which is exact too, as long as the
 * list ends within `CLIENT_LIMITS.pathSearchSteps`; otherwise one of those found so far is drawn, in an order that was
 * shuffled. That happens only where fewer than one path in some hundreds is valid.
 *
 * On a network marked `test` the rule does not hold, and the result says that the path gives no anonymity.
 */
import { counted, FogError } from '@fog/contract';
import { CLIENT_LIMITS } from './limits.ts';
import type { NetworkNode, NetworkView } from './network-view.ts';
import { shuffled, type UniformNumbers } from './random-source.ts';

/** Hops of each level, counted with gateway and service node. */
export const PRIVACY_HOPS = { private: 3, confidential: 5, secret: 7 } as const;
export type PrivacyLevel = keyof typeof PRIVACY_HOPS;
export const PRIVACY_LEVELS = Object.keys(PRIVACY_HOPS) as PrivacyLevel[];

/** `whole`: through every layer, whatever the levels are. Not for messages: on some networks nobody else goes so far. */
export type PathDepth = PrivacyLevel | 'whole';

export interface PathRequest {
  view: NetworkView;
  level: PathDepth;
  /** The nodes that the path may begin at: the client's gateway, or the service node of a reply. */
  from: readonly NetworkNode[];
  /** The nodes that it may end at; `origin` for a loop, which ends where it began. */
  to: readonly NetworkNode[] | 'origin';
  numbers: UniformNumbers;
}

export interface SelectedPath {
  /** First to last, both ends included. */
  nodes: NetworkNode[];
  /** `none` on a test network: gives no anonymity, since all nodes may be one machine. */
  anonymity: 'mixed' | 'none';
}

/** Throws `unavailable` when the level cannot be met; a second try may succeed only if the error is `retryable`. */
export function selectPath({ view, level, from, to, numbers }: PathRequest): SelectedPath {
  const layers = [from, ...mixLayers(view, level), ...(to === 'origin' ? [] : [to])];
  assertRelays(layers, level);
  const nodes = view.test ? drawnFrom(layers, numbers) : validPath(layers, numbers);
  if (nodes === null) throw noDistinctRelays(layers, level);
  const closing = to === 'origin' ? nodes.slice(0, 1) : [];
  return { nodes: [...nodes, ...closing], anonymity: view.test ? 'none' : 'mixed' };
}

/** Throws `unavailable`, not `retryable`, when the level needs more layers than the directory states. */
export function assertLevel(view: Pick<NetworkView, 'layers'>, level: PathDepth): void {
  const mixes = mixesOf(view, level);
  if (mixes <= view.layers) return;
  const has = `this network has ${counted(view.layers, 'layer')} of mixes`;
  throw new FogError('unavailable', `${has}, and the level "${level}" needs ${mixes}`, {
    retryable: false,
    details: { level, layers: view.layers, needed: mixes },
    hint: 'choose a lower level yourself, or a network with more layers',
  });
}

/** Mixes of a path. */
export function mixesOf({ layers }: Pick<NetworkView, 'layers'>, level: PathDepth): number {
  return level === 'whole' ? layers : PRIVACY_HOPS[level] - 2;
}

function mixLayers(view: NetworkView, level: PathDepth): NetworkNode[][] {
  assertLevel(view, level);
  const mixes = mixesOf(view, level);
  return Array.from({ length: mixes }, (_, index) => {
    const layer = view.layers - mixes + 1 + index;
    return view.nodes.filter((node) => node.role === 'mix' && node.layer === layer);
  });
}

function assertRelays(layers: readonly (readonly NetworkNode[])[], level: PathDepth): void {
  const empty = layers.findIndex((relays) => relays.length === 0);
  if (empty === -1) return;
  throw new FogError('unavailable', `there is no relay for hop ${empty + 1} of a path at level "${level}"`, {
    details: { level, hop: empty + 1 },
    hint: 'wait for the next epoch, or look at the consensus: a layer without relays cannot be passed',
  });
}

function validPath(layers: readonly (readonly NetworkNode[])[], numbers: UniformNumbers): NetworkNode[] | null {
  for (let draws = 0; draws < CLIENT_LIMITS.pathDraws; draws += 1) {
    const path = drawnFrom(layers, numbers);
    if (isValid(path)) return path;
  }
  return searchedPath(layers, numbers);
}

function drawnFrom(layers: readonly (readonly NetworkNode[])[], numbers: UniformNumbers): NetworkNode[] {
  return layers.map((relays) => relays[numbers.below(relays.length)] as NetworkNode);
}

function isValid(path: readonly NetworkNode[]): boolean {
  return path.every((node, index) => path.slice(index + 1).every((other) => areIndependent(node, other)));
}

/** Nodes of one operator, or of one network, may be one observer. */
export function areIndependent(left: NetworkNode, right: NetworkNode): boolean {
  if (left.operator === right.operator) return false;
  return !left.addressPrefixes.some((prefix) => right.addressPrefixes.includes(prefix));
}

/** Lists valid paths, and draws one of them while doing so: the n-th takes the place with probability 1/n. */
function searchedPath(layers: readonly (readonly NetworkNode[])[], numbers: UniformNumbers): NetworkNode[] | null {
  const orders = layers.map((relays) => shuffled(relays, numbers));
  let stepsLeft: number = CLIENT_LIMITS.pathSearchSteps;
  let found = 0;
  let drawn: NetworkNode[] | null = null;
  const extend = (path: readonly NetworkNode[]): void => {
    const relays = orders[path.length];
    if (relays === undefined) {
      found += 1;
      if (numbers.below(found) === 0) drawn = [...path];
      return;
    }
    for (const relay of relays) {
      if (stepsLeft === 0) return;
      stepsLeft -= 1;
      if (path.every((node) => areIndependent(node, relay))) extend([...path, relay]);
    }
  };
  extend([]);
  return drawn;
}

function noDistinctRelays(layers: readonly (readonly NetworkNode[])[], level: PathDepth): FogError {
  const operators = layers.map((relays) => new Set(relays.map(({ operator }) => operator)).size);
  const why = 'no path has relays of different operators and networks only';
  const hops = operators.map((count) => counted(count, 'operator')).join(', ');
  return new FogError('unavailable', `${why} at level "${level}": its hops offer ${hops}`, {
    details: { level, operatorsPerHop: operators, relaysPerHop: layers.map(({ length }) => length) },
    hint: 'use another gateway or service node, or wait for an epoch with other relays',
  });
}

/** Whether a packet could not be made since there is no path at this moment, e.g. for want of a consensus or of keys. */
export function isWithoutPath(error: unknown): boolean {
  return error instanceof FogError && error.code === 'unavailable';
}
