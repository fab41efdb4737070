/**
 * Who may send to whom, by the consensus of the epochs around now. Pure.
 *
 *     client --> gateway --> mix of any layer (a short path enters at the last ones) --> ... --> mix of the last layer
 *                service --^                                                                     --> gateway, service
 *
 * A node may belong to another layer in the next epoch, and packets of the last one are still under way: what one of
 * these epochs allows is allowed.
 */
import type { Admission } from '@fog/transport';
import type { ConsensusBody, ConsensusNode } from '../directory/documents.ts';
import type { NodeRole } from '../directory/fields.ts';

export interface Relay {
  id: Uint8Array;
  /** As hex, for maps and logs. */
  idText: string;
  linkKey: Uint8Array;
  role: NodeRole;
  addresses: readonly { host: string; port: number }[];
}

/** Where a relay stands in one epoch. */
interface Position {
  role: NodeRole;
  /** Of a mix. */
  layer: number | null;
}

export type Sender = { kind: 'relay'; relay: Relay } | { kind: 'client' };

export class RelayTable {
  readonly #relays = new Map<string, Relay>();
  /** A relay names its link key without proving that it has it, so several may name the same. */
  readonly #idsByLinkKey = new Map<string, Set<string>>();
  readonly #epochs: { layers: number; positions: Map<string, Position> }[];

  /** The consensus of the epochs that are known, the newest last: its addresses are the ones to use. */
  constructor(consensuses: readonly ConsensusBody[]) {
    this.#epochs = consensuses.map(({ layers, nodes }) => ({
      layers,
      positions: new Map(nodes.map(({ id, role, layer }) => [id, { role, layer }])),
    }));
    for (const node of consensuses.flatMap(({ nodes }) => nodes)) {
      this.#relays.set(node.id, relayOf(node));
      const named = this.#idsByLinkKey.get(node.linkKey) ?? new Set();
      this.#idsByLinkKey.set(node.linkKey, named.add(node.id));
    }
  }

  get relays(): Iterable<Relay> {
    return this.#relays.values();
  }

  relay(idText: string): Relay | null {
    return this.#relays.get(idText) ?? null;
  }

  /** Whether a packet may go from one relay to the other. */
  allows(from: string, to: string): boolean {
    return this.#epochs.some(({ layers, positions }) => {
      const [sender, receiver] = [positions.get(from), positions.get(to)];
      return sender !== undefined && receiver !== undefined && follows(sender, receiver, layers);
    });
  }

  /** Relays that `from` may send to. */
  receivers(from: string): Relay[] {
    return [...this.#relays.values()].filter(({ idText }) => this.allows(from, idText));
  }

  /** Relays that may send to `to`. */
  senders(to: string): Relay[] {
    return [...this.#relays.values()].filter(({ idText }) => this.allows(idText, to));
  }

  /**
   * Who may connect to the node `own` with a link key: a relay from which packets may come, and at a gateway everybody
   * whose key belongs to no relay.
   */
  admit(own: string, linkKey: Uint8Array): Admission<Sender> {
    const ids = [...(this.#idsByLinkKey.get(Buffer.from(linkKey).toString('hex')) ?? [])];
    if (ids.length > 0) {
      const relay = this.#relays.get(ids.find((id) => this.allows(id, own)) ?? '');
      if (relay !== undefined) return { admitted: true, context: { kind: 'relay', relay } };
      return { admitted: false, code: 'wrong-layer' };
    }
    const role = this.relay(own)?.role;
    if (role === undefined) return { admitted: false, code: 'not-serving' };
    if (role === 'gateway') return { admitted: true, context: { kind: 'client' } };
    return { admitted: false, code: 'unknown-node' };
  }
}

function follows(from: Position, to: Position, layers: number): boolean {
  if (to.role === 'mix') return from.role !== 'mix' || from.layer === (to.layer ?? 0) - 1;
  return from.role === 'mix' && from.layer === layers;
}

function relayOf({ id, linkKey, role, addresses }: ConsensusNode): Relay {
  return {
    id: Uint8Array.from(Buffer.from(id, 'hex')),
    idText: id,
    linkKey: Uint8Array.from(Buffer.from(linkKey, 'hex')),
    role,
    addresses,
  };
}
