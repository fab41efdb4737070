/**
 * A service behind a mix network, without network, clock or timers: it hears messages of senders that it cannot know,
 * and answers by the reply blocks that they sent along. One core serves one name.
 *
 *     receive -> messages for the application; acknowledgements wait
 *     reply ---> an answer waits, for slots and, where they do not reach, for reply blocks
 *     tick ----> what became due: retransmissions wait for slots again, answers have failed, senders are forgotten
 *     slot ----> what goes out now, or nothing
 *
 * All packets leave by `slot`, whose rhythm is the caller's and does not depend on what waits: else whoever sees the node
 * would see which of the packets that came to it were answered. Senders take turns, one packet each.
 *
 * A sender is a pseudonym; whoever has it is the sender. A sender that is silent for long is forgotten, and earlier when
 * there are too many, see service-sessions.ts. What senders share has its limits; who holds most of it makes way for who
 * holds less, see shared-pool.ts.
 */
import { FogError } from '@fog/contract';
import { epochAt } from '../directory/schedule.ts';
import { keyAcceptance } from './epoch-keys.ts';
import type { FragmentFate } from './incoming-messages.ts';
import { CLIENT_LIMITS } from './limits.ts';
import type { EpochTimes } from './network-view.ts';
import type { BlockFate } from './reply-blocks.ts';
import { encodePayload, type Payload, type PayloadSizes, parsePayload } from './service-messages.ts';
import {
  isQuiet,
  lineUp,
  nextReply,
  openServiceSession,
  owe,
  type ReplyTiming,
  type ServiceBudgets,
  type ServiceSession,
} from './service-session.ts';
import { ServiceSessions } from './service-sessions.ts';
import { SharedPool } from './shared-pool.ts';

/** To be used once; the block is wiped after use. */
export interface ReplyPacket {
  block: Uint8Array;
  /** Encoded. */
  payload: Uint8Array;
}

/** `roundTripMilliseconds`: see `clientRoundTripMilliseconds`; by default 2000. Acknowledgements wait 20 ms by default. */
export interface ServiceOptions extends Partial<ReplyTiming> {
  /** Sizes of payloads as the client's packets have them. */
  request: PayloadSizes;
  reply: PayloadSizes;
  /** Senders that are remembered at a time. Default: `CLIENT_LIMITS.serviceSessions`. */
  sessions?: number;
  /** Of the network: no reply block is kept for longer than the last key that a consensus lists. */
  times: EpochTimes;
}

export type ServiceEffect =
  /** A message for the application. `request` names it within its sender, for the answer. */
  | { kind: 'request'; sender: string; request: number; bytes: Uint8Array }
  | { kind: 'replied'; sender: string; reply: number }
  | { kind: 'reply-failed'; sender: string; reply: number; error: FogError };

export interface Delivery {
  payload: Uint8Array;
  /** From the packet's own room; null when it was not used. */
  replyBlock: Uint8Array | null;
}

const DEFAULT_TIMING: ReplyTiming = { acknowledgeWithinMilliseconds: 20, roundTripMilliseconds: 2000 };
const SWEEP_MILLISECONDS = 60_000;
/** A consensus lists the keys of its epoch and the next two. */
const LISTED_KEYS = 3;

export class ServiceCore {
  readonly #request: PayloadSizes;
  readonly #reply: PayloadSizes;
  readonly #timing: ReplyTiming;
  readonly #times: EpochTimes;
  readonly #sessions: ServiceSessions;
  /** Those for which time matters. */
  readonly #busy = new Set<ServiceSession>();
  readonly #budgets: ServiceBudgets = {
    fragments: new SharedPool(CLIENT_LIMITS.outstandingFragments),
    reassembly: new SharedPool(CLIENT_LIMITS.reassemblyBytes, CLIENT_LIMITS.reassemblyShareBytes),
    replyBlocks: new SharedPool(CLIENT_LIMITS.replyBlocks),
  };
  #sweepAt = 0;
  readonly counters = {
    malformed: 0,
    cover: 0,
    sendersTurnedAway: 0,
    sendersForgotten: 0,
    fragments: { stored: 0, complete: 0, duplicate: 0, old: 0, contradiction: 0, 'no-room': 0 } satisfies Record<
      FragmentFate,
      number
    >,
    replyBlocks: { kept: 0, seen: 0, expired: 0, full: 0 } satisfies Record<BlockFate, number>,
  };

  constructor(options: ServiceOptions) {
    this.#request = options.request;
    this.#reply = options.reply;
    this.#timing = {
      acknowledgeWithinMilliseconds:
        options.acknowledgeWithinMilliseconds ?? DEFAULT_TIMING.acknowledgeWithinMilliseconds,
      roundTripMilliseconds: options.roundTripMilliseconds ?? DEFAULT_TIMING.roundTripMilliseconds,
    };
    this.#times = options.times;
    this.#sessions = new ServiceSessions(options.sessions ?? CLIENT_LIMITS.serviceSessions);
  }

  /** What is held, for metrics: each has its limit in `CLIENT_LIMITS`. */
  get held() {
    return {
      sessions: this.#sessions.size,
      replyBlocks: this.#budgets.replyBlocks.used,
      outstandingFragments: this.#budgets.fragments.used,
      reassemblyBytes: this.#budgets.reassembly.used,
    };
  }

  /** What a service node unwrapped for this service. Never throws on its content. */
  receive({ payload, replyBlock }: Delivery, now: number): ServiceEffect[] {
    const parsed = parsePayload(payload, this.#request);
    if (!isRequest(parsed, replyBlock, this.#request)) {
      this.counters[parsed?.kind === 'cover' ? 'cover' : 'malformed'] += 1;
      return [];
    }
    const session = this.#sessionOf(parsed.pseudonym, now);
    if (session === null) {
      this.counters.sendersTurnedAway += 1;
      return [];
    }
    this.#stock(session, parsed, replyBlock, now);
    const effects = parsed.acknowledgements.flatMap((acknowledgement) => {
      const back = this.#timing.roundTripMilliseconds / 2;
      if (session.outgoing.isOpen(acknowledgement.sequence)) this.#sessions.prove(session);
      return this.#follow(session, session.outgoing.acknowledge(acknowledgement, now, back));
    });
    if (parsed.fragment !== null) {
      const { fate, message } = session.incoming.receive(parsed.fragment, now);
      this.counters.fragments[fate] += 1;
      const { sender } = session;
      if (message !== null) effects.push({ kind: 'request', sender, request: message.sequence, bytes: message.bytes });
    }
    owe(session, now);
    this.#attend(session);
    return effects;
  }

  /**
   * Takes an answer to a request, or with `request: null` a message that answers none; returns its number, by which
   * effects name it. Throws `not-found` when the sender has been forgotten, `body-too-large`, and `too-many-requests`
   * when too much is under way.
   */
  reply(answer: { sender: string; request: number | null; bytes: Uint8Array }, now: number): number {
    const session = this.#sessions.get(answer.sender);
    if (session === undefined) {
      throw new FogError('not-found', 'the sender has been silent for so long that it was forgotten', {
        hint: 'answer earlier; what a sender wants later it has to ask for again',
      });
    }
    const { sequence, effects } = session.outgoing.send(answer.bytes, answer.request, now);
    lineUp(session, effects);
    this.#attend(session);
    return sequence;
  }

  /**
   * What goes out in a slot: a packet is made of the block and the payload, and the block wiped. Null when nothing waits
   * that there is a reply block for.
   */
  slot(now: number): ReplyPacket | null {
    for (const session of this.#busy) {
      const reply = nextReply(session, this.#reply, this.#timing, now);
      if (reply === null) continue;
      // Behind all others.
      this.#busy.delete(session);
      this.#attend(session);
      return { block: reply.block, payload: encodePayload(reply.payload, this.#reply) };
    }
    return null;
  }

  /** Call it at `nextDueAt`, or earlier. */
  tick(now: number): ServiceEffect[] {
    const effects = [...this.#busy].flatMap((session) => {
      session.incoming.tick(now);
      const evicted = session.evicted.splice(0);
      const due = this.#follow(session, [...evicted, ...session.outgoing.tick(now)]);
      this.#attend(session);
      return due;
    });
    if (now >= this.#sweepAt) this.#sweep(now);
    return effects;
  }

  nextDueAt(): number {
    let next = this.#sessions.size > 0 ? this.#sweepAt : Number.POSITIVE_INFINITY;
    for (const { outgoing, evicted } of this.#busy)
      next = evicted.length > 0 ? 0 : Math.min(next, outgoing.nextDueAt());
    return next;
  }

  #attend(session: ServiceSession): void {
    if (isQuiet(session)) this.#busy.delete(session);
    else this.#busy.add(session);
  }

  #follow(session: ServiceSession, effects: Parameters<typeof lineUp>[1]): ServiceEffect[] {
    const { sender } = session;
    return lineUp(session, effects).map((effect): ServiceEffect => {
      const reply = effect.sequence;
      return effect.kind === 'delivered'
        ? { kind: 'replied', sender, reply }
        : { kind: 'reply-failed', sender, reply, error: effect.error };
    });
  }

  #stock(session: ServiceSession, payload: Payload, replyBlock: Uint8Array | null, now: number): void {
    session.stock.dropBelow(payload.blocksFrom);
    const own = payload.ownBlock !== null && replyBlock !== null ? [{ ...payload.ownBlock, block: replyBlock }] : [];
    // What a sender says of later times is not true: nobody knows those keys yet.
    const latest = keyAcceptance(this.#times, epochAt(this.#times, now) + LISTED_KEYS - 1).until;
    for (const offered of [...own, ...payload.blocks]) {
      const expiresAt = Math.min(offered.expiresAt, latest);
      this.counters.replyBlocks[session.stock.offer({ ...offered, expiresAt }, now)] += 1;
      // The stock has a copy.
      offered.block.fill(0);
    }
  }

  #sessionOf(pseudonym: Uint8Array, now: number): ServiceSession | null {
    const sender = Buffer.from(pseudonym).toString('hex');
    const known = this.#sessions.get(sender);
    const evicted = known === undefined ? this.#sessions.evicted(now) : null;
    if (evicted === 'nobody') return null;
    if (evicted !== null) {
      this.#forget(evicted, 'was given up, since too many others came');
      this.counters.sendersForgotten += 1;
    }
    if (this.#sessions.size === 0) this.#sweepAt = now + SWEEP_MILLISECONDS;
    const session = known ?? openServiceSession(sender, this.#reply, this.#budgets, now);
    this.#sessions.heard(session, now);
    return session;
  }

  #sweep(now: number): void {
    this.#sweepAt = now + SWEEP_MILLISECONDS;
    for (const session of this.#sessions.all()) {
      session.stock.dropExpired(now);
      if (now - session.activeAt < CLIENT_LIMITS.sessionMemoryMilliseconds) continue;
      this.#forget(session, 'was given up, since its sender fell silent');
    }
  }

  #forget(session: ServiceSession, why: string): void {
    session.outgoing.close(why);
    session.incoming.close();
    session.stock.close();
    this.#sessions.forget(session);
    this.#busy.delete(session);
  }
}

/** A request, and its packet has a reply block in its own room exactly if the payload says so. */
function isRequest(
  payload: Payload | null,
  replyBlock: Uint8Array | null,
  sizes: PayloadSizes,
): payload is Payload & { kind: 'request' } {
  if (payload?.kind !== 'request') return false;
  if (replyBlock === null) return payload.ownBlock === null;
  return payload.ownBlock !== null && replyBlock.length === sizes.replyBlockBytes;
}
