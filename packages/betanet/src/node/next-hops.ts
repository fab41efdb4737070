/**
 * Links to the nodes that this one forwards to.
 *
 *     idle --packet, or asked to connect--> dialling --> open --cut--> resting --time--> idle
 *                                              '--failed-------------------^
 *
 * While a link is being made, packets wait for it in a short queue; what does not fit is dropped and counted. Of all
 * queues together so much may wait; then the fullest one gives a packet up. A node that stops reading fills its link's own
 * bound and nobody else's.
 */
import {
  dialLinkAtAny,
  formatTcpAddress,
  LINK_LIMITS,
  type Link,
  type LinkOptions,
  type Transport,
} from '@fog/transport';
import type { DropCounters } from '../mixing/drop-counters.ts';
import { NODE_LIMITS } from './limits.ts';
import { Ranking } from './ranking.ts';
import type { Relay } from './relay-table.ts';

export interface NextHopsOptions {
  transport: Transport;
  link: Pick<LinkOptions, 'networkId' | 'static' | 'packetBytes'>;
  drops: DropCounters;
  /** A connection could not be made or was cut; told once until it stands again. */
  troubled(relay: Relay, error: unknown): void;
  opened(relay: Relay): void;
  now(): number;
  setTimer(milliseconds: number, callback: () => void): { cancel(): void };
}

/** What all next hops share. */
interface Shared {
  /** Packets that wait for links, and who has how many of them. */
  waiting: number;
  readonly byWaiting: Ranking<NextHop>;
  /** Of a link that is made now. */
  sendBufferBytes: number;
}

export class NextHops {
  readonly #options: NextHopsOptions;
  readonly #shared: Shared = { waiting: 0, byWaiting: new Ranking(), sendBufferBytes: sendBufferBytesOf(1) };
  readonly #hops: NextHop[] = [];
  readonly #indices = new Map<string, number>();
  #allowed = new Set<string>();

  constructor(options: NextHopsOptions) {
    this.#options = options;
  }

  /** The relays that packets may be forwarded to from now on, with their newest addresses. Connects to all of them. */
  setAllowed(relays: readonly Relay[]): void {
    const now = this.#options.now();
    const free = [...this.#hops.keys()].filter((index) => this.#hops[index]?.isForgotten(now));
    this.#allowed = new Set();
    for (const relay of relays) {
      const known = this.#indices.get(relay.idText);
      const index = known ?? free.pop() ?? this.#hops.length;
      // Without a number for it, it gets nothing.
      if (index >= NODE_LIMITS.nextHops) continue;
      this.#allowed.add(relay.idText);
      if (known === undefined) this.#place(index, relay);
      else this.#hops[known]?.meet(relay);
    }
    this.#shared.sendBufferBytes = sendBufferBytesOf(this.#allowed.size);
    for (const hop of this.#hops) {
      if (this.#allowed.has(hop.relay.idText)) hop.connect();
      else hop.leave();
    }
  }

  /** Relays come and go for as long as the node runs; numbers of those that went long ago are used again. */
  #place(index: number, relay: Relay): void {
    const before = this.#hops[index];
    if (before !== undefined) this.#indices.delete(before.relay.idText);
    this.#indices.set(relay.idText, index);
    this.#hops[index] = new NextHop(relay, this.#options, this.#shared);
  }

  /** A number for the node with that id, or -1 when packets must not go there. */
  indexOf(idText: string): number {
    return this.#allowed.has(idText) ? (this.#indices.get(idText) ?? -1) : -1;
  }

  send(index: number, packet: Uint8Array): void {
    this.#hops[index]?.send(packet);
  }

  /** Packets that wait for links which are being made. */
  get waiting(): number {
    return this.#shared.waiting;
  }

  /** Links by state, for metrics. */
  get open(): number {
    return this.#hops.filter(({ isOpen }) => isOpen).length;
  }

  get wanted(): number {
    return this.#allowed.size;
  }

  close(): void {
    for (const hop of this.#hops) hop.leave();
  }
}

class NextHop {
  relay: Relay;
  readonly #options: NextHopsOptions;
  readonly #shared: Shared;
  #link: Link | null = null;
  #dialling: AbortController | null = null;
  #resting: { cancel(): void } | null = null;
  #waiting: Uint8Array[] = [];
  #failures = 0;
  #isLeft = false;
  #leftAt = Number.POSITIVE_INFINITY;

  constructor(relay: Relay, options: NextHopsOptions, shared: Shared) {
    this.relay = relay;
    this.#options = options;
    this.#shared = shared;
  }

  get isOpen(): boolean {
    return this.#link !== null;
  }

  /** The same node, perhaps at another address. */
  meet(relay: Relay): void {
    const isElsewhere = JSON.stringify(relay.addresses) !== JSON.stringify(this.relay.addresses);
    this.relay = relay;
    if (!isElsewhere) return;
    // What failed at the last address says nothing of this one.
    this.#failures = 0;
    this.#resting?.cancel();
    this.#resting = null;
  }

  send(packet: Uint8Array): void {
    if (this.#isLeft) {
      // It was held while the consensus changed, and must not bring the link back.
      this.#options.drops.add('unknown-next-hop');
      return;
    }
    if (this.#link !== null) {
      if (this.#link.sendPacket(packet) !== 'sent') this.#options.drops.add('link-full');
      return;
    }
    if (this.#waiting.length >= NODE_LIMITS.packetsBeforeLink) {
      this.#options.drops.add('link-full');
      return;
    }
    if (this.#shared.waiting >= NODE_LIMITS.packetsBeforeLinks) this.#shared.byWaiting.first?.giveOneUp();
    this.#setWaiting([...this.#waiting, Uint8Array.from(packet)]);
    this.connect();
  }

  connect(): void {
    this.#isLeft = false;
    if (this.#link === null && this.#dialling === null && this.#resting === null) void this.#dial();
  }

  /** It was left for so long that no packet is held for it any more, unless it was met again meanwhile. */
  isForgotten(now: number): boolean {
    return this.#isLeft && now - this.#leftAt >= NODE_LIMITS.nextHopMilliseconds;
  }

  leave(): void {
    if (!this.#isLeft) this.#leftAt = this.#options.now();
    this.#isLeft = true;
    this.#resting?.cancel();
    this.#resting = null;
    this.#dialling?.abort();
    this.#link?.close();
    this.#drop();
  }

  async #dial(): Promise<void> {
    const { transport, link, opened, troubled } = this.#options;
    const dialling = new AbortController();
    this.#dialling = dialling;
    try {
      const made = await dialLinkAtAny(this.relay.addresses.map(formatTcpAddress), {
        ...link,
        transport,
        sendBufferBytes: this.#shared.sendBufferBytes,
        remoteStatic: this.relay.linkKey,
        signal: dialling.signal,
      });
      if (this.#isLeft) return made.destroy();
      this.#failures = 0;
      this.#link = made;
      made.start({
        // What is forwarded goes one way; whatever comes back on such a link was never asked for.
        onPackets: (_message, { count }) => this.#options.drops.add('not-admitted', count),
        onClose: (end) => this.#closed(end.by === 'fault' ? end.error : null),
      });
      const waiting = this.#waiting;
      this.#setWaiting([]);
      for (const packet of waiting) this.send(packet);
      opened(this.relay);
    } catch (error) {
      if (this.#failures === 0 && !this.#isLeft) troubled(this.relay, error);
      this.#rest();
    } finally {
      this.#dialling = null;
    }
  }

  #closed(error: unknown): void {
    this.#link = null;
    if (error !== null && !this.#isLeft) this.#options.troubled(this.relay, error);
    this.#rest();
  }

  #rest(): void {
    if (this.#isLeft) return;
    this.#failures += 1;
    const most = NODE_LIMITS.redialMostMilliseconds;
    const pause = Math.min(most, NODE_LIMITS.redialLeastMilliseconds * 2 ** (this.#failures - 1));
    this.#resting = this.#options.setTimer(pause, () => {
      this.#resting = null;
      this.#drop();
      this.connect();
    });
  }

  /** What waited for longer than a pause would arrive when nobody expects it any more. */
  #drop(): void {
    this.#options.drops.add('link-full', this.#waiting.length);
    this.#setWaiting([]);
  }

  /** The one that has waited longest makes room. */
  giveOneUp(): void {
    this.#options.drops.add('link-full');
    this.#setWaiting(this.#waiting.slice(1));
  }

  #setWaiting(waiting: Uint8Array[]): void {
    this.#shared.waiting += waiting.length - this.#waiting.length;
    this.#shared.byWaiting.move(this, this.#waiting.length, waiting.length);
    this.#waiting = waiting;
  }
}

/** For each of so many neighbours. */
function sendBufferBytesOf(neighbours: number): number {
  const { neighbourBuffersBytes, neighbourBufferLeastBytes } = NODE_LIMITS;
  const share = Math.floor(neighbourBuffersBytes / Math.max(1, neighbours));
  return Math.min(LINK_LIMITS.sendBufferBytes, Math.max(neighbourBufferLeastBytes, share));
}
