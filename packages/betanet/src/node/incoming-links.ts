/**
 * Links that others have made to this node: who may have how many, and how much may come over each.
 *
 *     client   admitted (places of its prefix, of all clients) --> packets of its prefix, up to a rate
 *     relay    admitted by the consensus ------------------------> packets of its key, up to a rate, and to a much lower
 *                                                                  one of such as turned out to be worth nothing
 *
 * Of one key there is one link: a newer one takes the place of the older. What is beyond a limit is dropped and counted.
 */
import { type Admission, type Link, type LinkEnd, type LinkFault, sourcePrefixOf } from '@fog/transport';
import type { DropCounters } from '../mixing/drop-counters.ts';
import { PrefixLimits } from '../mixing/prefix-limits.ts';
import { TokenBucket } from '../mixing/token-bucket.ts';
import { Callers } from './callers.ts';
import { type MixNodeLimits, NODE_LIMITS } from './limits.ts';
import { clientRecipient, type Mailboxes } from './mailboxes.ts';
import type { ReceivedPackets } from './mix-engine.ts';
import type { Relay, Sender } from './relay-table.ts';

export interface IncomingLinksOptions {
  limits: Pick<
    MixNodeLimits,
    | 'prefixPacketsPerSecond'
    | 'linkPacketsPerSecond'
    | 'worthlessPacketsPerSecond'
    | 'clientLinks'
    | 'clientLinksPerPrefix'
  >;
  drops: DropCounters;
  mailboxes: Mailboxes;
  /** Monotonic. */
  now(): number;
  /** Their `sender` is what `worthless` and `hold` are told. */
  receive(received: ReceivedPackets): void;
}

/** What a relay may still send. It is kept between links, so that a new one brings nothing. */
interface RelayAccount {
  number: number;
  packets: TokenBucket;
  worthless: TokenBucket;
}

/** Of clients: their prefix has a lower rate than what a relay may waste. */
const NO_RELAY = 0;

export class IncomingLinks {
  readonly #options: IncomingLinksOptions;
  readonly #links = new Map<string, { link: Link<Sender>; sender: number }>();
  readonly #accounts = new Map<string, RelayAccount>();
  /** By number; a number is given anew when its relay is gone. */
  readonly #numbered: (RelayAccount | undefined)[] = [undefined];
  readonly #clients = new Map<string, number>();
  #clientCount = 0;
  /** Whose links are not read at present. */
  readonly #held = new Set<number | 'all'>();
  #dummy: Uint8Array | null = null;
  readonly #prefixes: PrefixLimits;
  /** Links that ended with a fault, by its cause. */
  readonly faults = new Map<LinkFault, number>();
  readonly callers: Callers;

  constructor(options: IncomingLinksOptions) {
    const { prefixPacketsPerSecond } = options.limits;
    this.#options = options;
    this.callers = new Callers(options.now);
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
    const name = link.remoteStaticKey.toHex();
    const older = this.#links.get(name);
    const account = link.context.kind === 'client' ? null : this.#accountOf(name);
    const sender = account?.number ?? NO_RELAY;
    this.#links.set(name, { link, sender });
    if (this.#held.has('all') || this.#held.has(sender)) link.pause();
    if (account === null) this.#welcomeClient(link, name, sourcePrefixOf(remoteAddress));
    else this.#welcomeRelay(link, name, account);
    older?.link.close('superseded');
  }

  /** Packets of a sender that was given to `receive` came to nothing. */
  worthless(sender: number): void {
    this.#numbered[sender]?.worthless.charge(this.#options.now());
  }

  /** Ends the links that would not be admitted any more, or not as what they are. `relays`: those that send here. */
  review(admit: (linkKey: Uint8Array) => Admission<Sender>, relays: readonly Relay[]): void {
    this.callers.expect(relays);
    this.#forgetAllBut(new Set(relays.map(({ linkKey }) => linkKey.toHex())));
    for (const { link } of this.#links.values()) {
      const admission = admit(link.remoteStaticKey);
      if (!admission.admitted) link.close(admission.code);
      else if (admission.context.kind !== link.context.kind) link.close('superseded');
    }
  }

  /** Stops reading from links of that sender, or from all: while there is too much to unwrap, it waits where it comes from. */
  hold(sender: number | 'all'): void {
    this.#held.add(sender);
    for (const each of this.#links.values()) if (sender === 'all' || sender === each.sender) each.link.pause();
  }

  /** Reads from all links again. */
  release(): void {
    this.#held.clear();
    for (const { link } of this.#links.values()) link.resume();
  }

  close(): void {
    for (const { link } of this.#links.values()) link.close('shutting-down');
  }

  #welcomeRelay(link: Link<Sender>, name: string, { number, packets, worthless }: RelayAccount): void {
    const { now } = this.#options;
    link.start({
      onPackets: (message, { offset, stride, count }) => {
        const allowed = Math.min(count, packets.available(now()), worthless.available(now()));
        packets.take(now(), allowed);
        this.#receive(link, message.subarray(offset), { allowed, count, stride, sender: number });
      },
      onClose: (end) => this.#closed(link, name, end),
    });
  }

  #accountOf(name: string): RelayAccount {
    const known = this.#accounts.get(name);
    if (known !== undefined) return known;
    const { now, limits } = this.#options;
    const bucketOf = (rate: number) => new TokenBucket({ tokensPerSecond: rate, burstTokens: rate }, now());
    const free = this.#numbered.indexOf(undefined, NO_RELAY + 1);
    const account = {
      number: free === -1 ? this.#numbered.length : free,
      packets: bucketOf(limits.linkPacketsPerSecond),
      worthless: bucketOf(limits.worthlessPacketsPerSecond),
    };
    this.#accounts.set(name, account);
    this.#numbered[account.number] = account;
    return account;
  }

  #forgetAllBut(names: ReadonlySet<string>): void {
    for (const [name, { number }] of this.#accounts) {
      if (names.has(name)) continue;
      this.#accounts.delete(name);
      this.#numbered[number] = undefined;
    }
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
        this.#receive(link, message.subarray(offset), { allowed, count, stride, sender: NO_RELAY });
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

  #receive(
    { receivedMilliseconds }: Link<Sender>,
    packets: Buffer,
    { allowed, count, stride, sender }: { allowed: number; count: number; stride: number; sender: number },
  ): void {
    const { drops, receive } = this.#options;
    if (allowed < count) drops.add('over-limit', count - allowed);
    if (allowed > 0) receive({ packets, count: allowed, stride, sender, receivedMilliseconds });
  }

  #closed(link: Link<Sender>, name: string, end: LinkEnd): void {
    if (this.#links.get(name)?.link === link) this.#links.delete(name);
    if (end.by === 'fault') this.faults.set(end.fault, (this.faults.get(end.fault) ?? 0) + 1);
  }
}
