/**
 * Links that others have made to this node: who may have how many, and how much may come over each.
 *
 *     client   admitted (places of its prefix, of all clients) --> packets of its prefix, up to a rate
 *     relay    admitted by the consensus ------------------------> packets of its link, up to a rate
 *
 * Of one key there is one link: a newer one takes the place of the older. What is beyond a limit is dropped and counted.
 */
import { type Admission, type Link, type LinkEnd, type LinkFault, sourcePrefixOf } from '@fog/transport';
import type { DropCounters } from '../mixing/drop-counters.ts';
import { PrefixLimits } from '../mixing/prefix-limits.ts';
import { TokenBucket } from '../mixing/token-bucket.ts';
import { type MixNodeLimits, NODE_LIMITS } from './limits.ts';
import { clientRecipient, type Mailboxes } from './mailboxes.ts';
import type { Sender } from './relay-table.ts';

export interface IncomingLinksOptions {
  limits: Pick<
    MixNodeLimits,
    'prefixPacketsPerSecond' | 'linkPacketsPerSecond' | 'clientLinks' | 'clientLinksPerPrefix'
  >;
  drops: DropCounters;
  mailboxes: Mailboxes;
  /** Monotonic. */
  now(): number;
  /** `count` packets, `stride` bytes apart. */
  receive(packets: Uint8Array, count: number, stride: number): void;
}

export class IncomingLinks {
  readonly #options: IncomingLinksOptions;
  readonly #links = new Map<string, Link<Sender>>();
  readonly #clients = new Map<string, number>();
  #clientCount = 0;
  #isHeld = false;
  #dummy: Uint8Array | null = null;
  readonly #prefixes: PrefixLimits;
  /** Links that ended with a fault, by its cause. */
  readonly faults = new Map<LinkFault, number>();

  constructor(options: IncomingLinksOptions) {
    const { prefixPacketsPerSecond } = options.limits;
    this.#options = options;
    this.#prefixes = new PrefixLimits({
      rule: { tokensPerSecond: prefixPacketsPerSecond, burstTokens: prefixPacketsPerSecond },
      capacity: NODE_LIMITS.prefixes,
    });
  }

  get size(): number {
    return this.#links.size;
  }

  /** What the consensus says of a newcomer, unless there is no place for one more client. */
  place(admission: Admission<Sender>, remoteAddress: string): Admission<Sender> {
    if (!admission.admitted || admission.context.kind !== 'client') return admission;
    const { clientLinks, clientLinksPerPrefix } = this.#options.limits;
    const ofPrefix = this.#clients.get(sourcePrefixOf(remoteAddress)) ?? 0;
    const isFull = this.#clientCount >= clientLinks || ofPrefix >= clientLinksPerPrefix;
    return isFull ? { admitted: false, code: 'over-limit' } : admission;
  }

  welcome(link: Link<Sender>, remoteAddress: string): void {
    const name = Buffer.from(link.remoteStaticKey).toString('hex');
    const older = this.#links.get(name);
    this.#links.set(name, link);
    if (this.#isHeld) link.pause();
    if (link.context.kind === 'client') this.#welcomeClient(link, name, sourcePrefixOf(remoteAddress));
    else this.#welcomeRelay(link, name);
    older?.close('superseded');
  }

  /** Ends the links that would not be admitted any more, or not as what they are. */
  review(admit: (linkKey: Uint8Array) => Admission<Sender>): void {
    for (const link of this.#links.values()) {
      const admission = admit(link.remoteStaticKey);
      if (!admission.admitted) link.close(admission.code);
      else if (admission.context.kind !== link.context.kind) link.close('superseded');
    }
  }

  /** Stops reading from all links, or goes on: while there is too much to unwrap, it waits where it comes from. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    for (const link of this.#links.values()) isHeld ? link.pause() : link.resume();
  }

  close(): void {
    for (const link of this.#links.values()) link.close('shutting-down');
  }

  #welcomeRelay(link: Link<Sender>, name: string): void {
    const { linkPacketsPerSecond } = this.#options.limits;
    const { now } = this.#options;
    const bucket = new TokenBucket({ tokensPerSecond: linkPacketsPerSecond, burstTokens: linkPacketsPerSecond }, now());
    link.start({
      onPackets: (message, { offset, stride, count }) => {
        const allowed = Math.min(count, bucket.available(now()));
        bucket.take(now(), allowed);
        this.#receive(message.subarray(offset), allowed, count, stride);
      },
      onClose: (end) => this.#closed(link, name, end),
    });
  }

  #welcomeClient(link: Link<Sender>, name: string, prefix: string): void {
    const { now, mailboxes } = this.#options;
    const recipient = clientRecipient(link.remoteStaticKey);
    this.#dummy ??= new Uint8Array(link.packetBytes);
    const dummy = this.#dummy;
    const send = (delivery: Uint8Array | null) => link.sendPacket(delivery ?? dummy);
    let isKnown = false;
    this.#clientCount += 1;
    this.#clients.set(prefix, (this.#clients.get(prefix) ?? 0) + 1);
    link.start({
      onPackets: (message, { offset, stride, count }) => {
        let allowed = 0;
        while (allowed < count && this.#prefixes.take(prefix, now())) allowed += 1;
        this.#receive(message.subarray(offset), allowed, count, stride);
        if (allowed === 0) return;
        if (!isKnown) mailboxes.connected(recipient, prefix, send);
        isKnown = true;
        mailboxes.fillSlots(recipient, send, allowed * NODE_LIMITS.slotsPerClientPacket);
      },
      onClose: (end) => {
        this.#clientCount -= 1;
        const left = (this.#clients.get(prefix) ?? 1) - 1;
        if (left > 0) this.#clients.set(prefix, left);
        else this.#clients.delete(prefix);
        this.#closed(link, name, end);
        mailboxes.disconnected(recipient, send, now());
      },
    });
  }

  #receive(packets: Uint8Array, allowed: number, count: number, stride: number): void {
    const { drops, receive } = this.#options;
    if (allowed < count) drops.add('over-limit', count - allowed);
    if (allowed > 0) receive(packets, allowed, stride);
  }

  #closed(link: Link<Sender>, name: string, end: LinkEnd): void {
    if (this.#links.get(name) === link) this.#links.delete(name);
    if (end.by === 'fault') this.faults.set(end.fault, (this.faults.get(end.fault) ?? 0) + 1);
  }
}
