/**
 * Whether a relay is where its descriptor says: the authority connects to one of its addresses, and whoever answers must
 * have the relay's link key.
 *
 *     unknown --dialled--> reached: remembered for that relay, key and addresses
 *                    '---> unreachable: the relay sends its descriptor again, and is dialled again
 *
 * A relay that does not know the authority says so after the handshake, encrypted: that is an answer as good as another.
 * Strangers choose whom an authority dials, so few dials are under way at a time, and each is short.
 */
import { FogError } from '@fog/contract';
import { geometryOf } from '@fog/sphinx';
import { dialLinkAtAny, formatTcpAddress, generateKeyPair, handshakeFaultOf, type Transport } from '@fog/transport';
import type { Refusal } from '../directory/authority-state.ts';
import type { Descriptor } from '../directory/documents.ts';
import { type Genesis, networkIdOf } from '../directory/genesis.ts';
import { DIRECTORY_LIMITS } from '../directory/limits.ts';
import { DIRECTORY_SERVICE_LIMITS } from './limits.ts';

type DialledDescriptor = Pick<Descriptor, 'identityKey' | 'linkKey' | 'addresses'>;

export class DialBack {
  readonly #genesis: Genesis;
  readonly #transport: Transport;
  readonly #signal: AbortSignal;
  /** The one that was seen last is the last. */
  readonly #reached = new Set<string>();
  readonly #underWay = new Map<string, { source: string; fate: Promise<boolean> }>();

  constructor(genesis: Genesis, transport: Transport, signal: AbortSignal) {
    this.#genesis = genesis;
    this.#transport = transport;
    this.#signal = signal;
  }

  /** Null when the relay has been reached. `source`: who sent the descriptor. */
  async refusal(relay: DialledDescriptor, source: string): Promise<Extract<Refusal, 'unreachable' | 'busy'> | null> {
    const name = JSON.stringify([relay.identityKey, relay.linkKey, relay.addresses]);
    if (this.#reached.delete(name)) {
      this.#reached.add(name);
      return null;
    }
    let dial = this.#underWay.get(name);
    if (dial === undefined) {
      const { dialBacks, dialBacksPerSource } = DIRECTORY_SERVICE_LIMITS;
      const ofSource = [...this.#underWay.values()].filter((other) => other.source === source).length;
      if (this.#underWay.size >= dialBacks || ofSource >= dialBacksPerSource) return 'busy';
      dial = { source, fate: this.#dial(relay).finally(() => this.#underWay.delete(name)) };
      this.#underWay.set(name, dial);
    }
    if (!(await dial.fate)) return 'unreachable';
    this.#remember(name);
    return null;
  }

  #remember(name: string): void {
    this.#reached.add(name);
    // Of each relay, its descriptors of two epochs may name different addresses.
    const [oldest] = this.#reached;
    if (this.#reached.size > 2 * DIRECTORY_LIMITS.relays && oldest !== undefined) this.#reached.delete(oldest);
  }

  async #dial({ linkKey, addresses }: DialledDescriptor): Promise<boolean> {
    const { dialBackMilliseconds } = DIRECTORY_SERVICE_LIMITS;
    const share = Math.floor(dialBackMilliseconds / addresses.length);
    const limit = AbortSignal.timeout(dialBackMilliseconds);
    try {
      const link = await dialLinkAtAny(addresses.map(formatTcpAddress), {
        transport: this.#transport,
        networkId: Buffer.from(networkIdOf(this.#genesis), 'hex'),
        packetBytes: geometryOf(this.#genesis.geometry).packetBytes,
        // Made for this link alone.
        static: generateKeyPair(),
        remoteStatic: Buffer.from(linkKey, 'hex'),
        dialMilliseconds: share,
        handshakeMilliseconds: share,
        signal: AbortSignal.any([limit, this.#signal]),
      });
      link.start({ onPackets: () => {}, onClose: () => {} });
      link.close();
      return true;
    } catch (error) {
      return error instanceof FogError && handshakeFaultOf(error) === 'refused';
    }
  }
}
