/** The packets of a client as paths: to a service, back by a reply block, and as cover. */
import { FogError } from '@fog/contract';
import { type KeyedPath, type KeyUse, keyedPath } from './epoch-keys.ts';
import type { NetworkNode, NetworkView } from './network-view.ts';
import { type PathDepth, type PathRequest, type PrivacyLevel, selectPath } from './path-selection.ts';
import type { UniformNumbers } from './random-source.ts';

export interface PathDependencies {
  numbers: UniformNumbers;
  /** How long a hop is to hold a packet of that level: whole milliseconds, exponentially distributed. */
  drawDelay(level: PathDepth): number;
}

export class ClientPaths {
  readonly #dependencies: PathDependencies;
  #view: NetworkView;
  #gateway: Uint8Array;
  #nodes: ReadonlyMap<string, NetworkNode> = new Map();

  constructor(dependencies: PathDependencies, view: NetworkView, gateway: Uint8Array) {
    this.#dependencies = dependencies;
    this.#view = view;
    this.#gateway = gateway;
    this.useView(view);
  }

  get view(): NetworkView {
    return this.#view;
  }

  useGateway(gateway: Uint8Array): void {
    this.#gateway = gateway;
  }

  useView(view: NetworkView): void {
    this.#view = view;
    this.#nodes = new Map(view.nodes.map((node) => [node.id.toHex(), node]));
  }

  /** Gateway, mixes, service node. Throws `unavailable`. */
  toService(service: Uint8Array, level: PrivacyLevel, now: number): KeyedPath {
    const ends = { from: [this.#node(this.#gateway)], to: [this.#node(service)] };
    return this.#draw({ ...ends, level }, now, 'packet');
  }

  /** Mixes and gateway: the service node, which sends the packet of the reply block, is no hop of it. */
  fromService(service: Uint8Array, level: PrivacyLevel, setsOutAt: number): KeyedPath {
    const ends = { from: [this.#node(service)], to: [this.#node(this.#gateway)] };
    return this.#draw({ ...ends, level }, setsOutAt, 'replyBlock');
  }

  /** Gateway, mixes, and the same gateway. */
  loop(level: PathDepth, now: number): KeyedPath {
    return this.#draw({ from: [this.#node(this.#gateway)], to: 'origin', level }, now, 'packet');
  }

  /** Gateway, mixes, and any service node, which throws the packet away. */
  drop(level: PathDepth, now: number): KeyedPath {
    const to = this.#view.nodes.filter(({ role }) => role === 'service');
    return this.#draw({ from: [this.#node(this.#gateway)], to, level }, now, 'packet');
  }

  #draw(ends: Pick<PathRequest, 'from' | 'to' | 'level'>, setsOutAt: number, use: KeyUse): KeyedPath {
    const { numbers } = this.#dependencies;
    const nodes = selectPath({ view: this.#view, numbers, ...ends }).nodes.slice(use === 'replyBlock' ? 1 : 0);
    // The last hop delivers at once.
    const delays = nodes.map((_, index) => {
      return index === nodes.length - 1 ? 0 : this.#dependencies.drawDelay(ends.level);
    });
    return keyedPath(nodes, delays, setsOutAt, this.#view, use);
  }

  #node(id: Uint8Array): NetworkNode {
    const node = this.#nodes.get(id.toHex());
    if (node !== undefined) return node;
    throw new FogError('unavailable', `node ${id.toHex().slice(0, 16)} is not in the consensus of this epoch`, {
      details: { node: id.toHex() },
      hint: 'wait until it is back, or use another one',
    });
  }
}
