/**
 * A mix client without network, clock or timers: it is told what happened and when, and says what follows.
 *
 *     send ----> fragments wait in the queue
 *     slot ----> the packet for this slot of the payload stream, with a path and reply blocks drawn now; cover if
 *                nothing waits
 *     receive -> a reply block came back: acknowledgements, parts of messages, wishes for reply blocks
 *     tick ----> what became due: retransmissions, failures, answers that did not come
 *
 * All packets leave by `slot` or `loop`, whose rhythm is the caller's and does not depend on what waits. The answers are
 * effects: a message was delivered or has failed, an answer came or will not.
 */

import { FogError } from '@fog/contract';
import type { FillRandom } from '../mixing/random-numbers.ts';
import { ByteBudget } from './byte-budget.ts';
import { ClientPaths } from './client-paths.ts';
import {
  type ClientSession,
  composePayload,
  type Destination,
  hasControl,
  isOver,
  isUsable,
  nextDueAt,
  openSession,
  type QueuedContent,
} from './client-session.ts';
import { CLIENT_LIMITS } from './limits.ts';
import type { NetworkView } from './network-view.ts';
import type { OutgoingEffect } from './outgoing-messages.ts';
import type { PacketFactory } from './packet-factory.ts';
import type { PacketWatch } from './packet-journeys.ts';
import type { PathDepth } from './path-selection.ts';
import type { UniformNumbers } from './random-source.ts';
import { type AwaitedReply, ReplyKeyStore } from './reply-blocks.ts';
import { SendQueue } from './send-queue.ts';
import {
  coverRecipient,
  EMPTY_PAYLOAD,
  encodePayload,
  type Fragment,
  type NumberedBlock,
  type Payload,
  PSEUDONYM_BYTES,
  parsePayload,
  serviceRecipient,
} from './service-messages.ts';

export interface MixClientDependencies {
  packets: PacketFactory;
  numbers: UniformNumbers;
  fillRandom: FillRandom;
  /** How long a hop is to hold a packet of that level: whole milliseconds, exponentially distributed. */
  drawDelay(level: PathDepth): number;
}

export interface MixClientOptions extends MixClientDependencies {
  view: NetworkView;
  /** Where the client is connected: id of the gateway, and the 32 bytes by which it knows the client. */
  gateway: Uint8Array;
  recipient: Uint8Array;
  /** Is told which packets belong to which message. Default: nobody is. */
  watch?: PacketWatch | undefined;
  /** Level of cover packets. A gateway sees at which layer a packet enters, so cover should be of the level in use. */
  coverLevel: PathDepth;
}

/** Names a message within its client. */
export interface MessageReference {
  session: string;
  sequence: number;
}

export type ClientEffect =
  /** The service has all of the message. */
  | { kind: 'delivered'; message: MessageReference }
  /** It is not known to have all of it, and nothing more is done about it. */
  | { kind: 'failed'; message: MessageReference; error: FogError }
  /** A message of the service; `answers` is the request that it belongs to, or null. */
  | { kind: 'answer'; session: string; destination: Destination; answers: number | null; bytes: Uint8Array }
  | { kind: 'unanswered'; message: MessageReference; error: FogError }
  /** A loop came back unharmed. */
  | { kind: 'loop'; token: string };

export interface SendRequest {
  destination: Destination;
  bytes: Uint8Array;
  /** How long an answer is waited for; none is expected by default. */
  answerWithinMilliseconds?: number;
}

const REPLY_ID_BYTES = 16;
/** In place of a session, with the keys of loops. */
const LOOPS = 'loops';

export class MixClientCore {
  readonly #options: MixClientOptions;
  readonly #paths: ClientPaths;
  #recipient: Uint8Array;
  readonly #sessions = new Map<string, ClientSession>();
  /** The session in use for each destination. */
  readonly #current = new Map<string, string>();
  #nextSession = 1;
  readonly #queue = new SendQueue<QueuedContent>();
  readonly #keys = new ReplyKeyStore();
  readonly #fragments = new ByteBudget(CLIENT_LIMITS.outstandingFragments);
  readonly #reassembly = new ByteBudget(CLIENT_LIMITS.reassemblyBytes);
  /** What came and was not understood. */
  readonly counters = { unknownReplies: 0, damagedReplies: 0, malformedReplies: 0, refusedFragments: 0 };

  constructor(options: MixClientOptions) {
    this.#options = options;
    this.#paths = new ClientPaths(options, options.view, options.gateway);
    this.#recipient = options.recipient;
  }

  /** What is held, for metrics: each has its limit in `CLIENT_LIMITS`. */
  get held() {
    return {
      sessions: this.#sessions.size,
      queuedPackets: this.#queue.length,
      replyKeys: this.#keys.size,
      outstandingFragments: this.#fragments.used,
      reassemblyBytes: this.#reassembly.used,
    };
  }

  /** Whether paths give anonymity; a network marked `test` gives none. */
  get anonymity(): 'mixed' | 'none' {
    return this.#paths.view.test ? 'none' : 'mixed';
  }

  useView(view: NetworkView): void {
    this.#paths.useView(view);
  }

  /** After a connection to another gateway. Reply blocks that lead to the last one are void, and services told so. */
  useGateway(gateway: Uint8Array, recipient: Uint8Array, now: number): void {
    this.#recipient = recipient;
    this.#paths.useGateway(gateway);
    this.#keys.dropSession(LOOPS);
    for (const session of this.#sessions.values()) {
      session.supply.voidAll(session.awaited.size > 0 ? CLIENT_LIMITS.replyBlockReserve : 1);
      this.#queueControl(session, now);
    }
  }

  /**
   * Takes a message. Throws `unavailable` when its level cannot be met, `body-too-large`, `too-many-requests` when too
   * much is under way, and `invalid-request` for a name that is none.
   */
  send({ destination, bytes, answerWithinMilliseconds = 0 }: SendRequest, now: number): MessageReference {
    // Refused now rather than in a slot, where nobody waits for the reason.
    this.#paths.toService(destination.node, destination.level, now);
    const session = this.#sessionFor(destination, now);
    if (this.#queue.roomFor(session.key) < session.outgoing.fragmentsOf(bytes)) {
      throw new FogError('too-many-requests', 'the queue of packets to be sent is full', {
        details: { queuedPackets: this.#queue.length },
        hint: 'wait until something was delivered or has failed',
      });
    }
    const { sequence, effects } = session.outgoing.send(bytes, null, now);
    this.#follow(session, effects, now);
    if (answerWithinMilliseconds > 0) {
      session.awaited.set(sequence, now + Math.min(answerWithinMilliseconds, CLIENT_LIMITS.answerMilliseconds));
      session.probedAt = now;
      session.supply.require(CLIENT_LIMITS.replyBlockReserve);
    }
    return { session: session.key, sequence };
  }

  /** The packet for a slot of the payload stream, to be given to the gateway. Throws `unavailable`. */
  slot(now: number): { packet: Uint8Array; carries: 'payload' | 'cover' } {
    for (let queued = this.#queue.next(); queued !== null; queued = this.#queue.next()) {
      const session = this.#sessions.get(queued.destination);
      if (session === undefined || isOver(session, now)) continue;
      const packet = this.#packetFor(session, queued.content, now);
      if (packet !== null) return { packet, carries: 'payload' };
    }
    return { packet: this.drop(now), carries: 'cover' };
  }

  /**
   * A packet that comes back to this client: made from a reply block of its own, so that its gateway, which sees it last,
   * cannot tell it from an answer. `token` is in the effect of its return. Throws `unavailable`.
   */
  loop(now: number): { packet: Uint8Array; token: string; delayMilliseconds: number; relays: string[] } {
    const { packets, coverLevel } = this.#options;
    const { hops, expiresAt, delayMilliseconds } = this.#paths.loop(coverLevel, now);
    const replyId = this.#random(REPLY_ID_BYTES);
    const { block, keys } = packets.createReplyBlock({ path: hops, recipient: this.#recipient, replyId });
    const keysExpireAt = expiresAt + delayMilliseconds + this.#paths.view.graceMilliseconds;
    this.#keys.add(replyId, { session: LOOPS, keys, backMilliseconds: delayMilliseconds, expiresAt: keysExpireAt });
    const packet = packets.packetFromReplyBlock(
      block,
      encodePayload({ ...EMPTY_PAYLOAD, kind: 'cover' }, packets.reply),
    );
    block.fill(0);
    return { packet, token: replyId.toHex(), delayMilliseconds, relays: hops.map(({ id }) => id.toHex()) };
  }

  /** A packet that its last hop throws away. Throws `unavailable`. */
  drop(now: number): Uint8Array {
    const { packets, coverLevel } = this.#options;
    const path = this.#paths.drop(coverLevel, now).hops;
    const payload = encodePayload({ ...EMPTY_PAYLOAD, kind: 'cover' }, packets.request);
    return packets.createPacket({ path, recipient: coverRecipient(), payload, replyBlock: null });
  }

  /** `replyId` and `body` as the gateway handed them over. */
  receive(replyId: Uint8Array, body: Uint8Array, now: number): ClientEffect[] {
    const awaited = this.#keys.take(replyId, now);
    if (awaited === null) {
      this.counters.unknownReplies += 1;
      return [];
    }
    const opened = this.#options.packets.openReply(awaited.keys, body);
    awaited.keys.fill(0);
    const payload = opened === null ? null : parsePayload(opened, this.#options.packets.reply);
    if (opened === null) this.counters.damagedReplies += 1;
    else if (awaited.session === LOOPS && payload?.kind === 'cover') return [{ kind: 'loop', token: replyId.toHex() }];
    else if (payload?.kind !== 'reply') this.counters.malformedReplies += 1;
    const session = this.#sessions.get(awaited.session);
    return session === undefined || payload?.kind !== 'reply' ? [] : this.#hear(session, payload, awaited, now);
  }

  /** Call it at `nextDueAt`, or earlier. */
  tick(now: number): ClientEffect[] {
    this.#keys.dropExpired(now);
    return [...this.#sessions.values()].flatMap((session) => {
      session.incoming.tick(now);
      const effects = [...this.#follow(session, session.outgoing.tick(now), now), ...this.#unanswered(session, now)];
      if (isOver(session, now)) return [...effects, ...this.close(session.key, now)];
      if (session.awaited.size > 0 && now - session.probedAt >= CLIENT_LIMITS.answerProbeMilliseconds) {
        session.probedAt = now;
        session.supply.require(CLIENT_LIMITS.replyBlockReserve);
      }
      this.#queueControl(session, now);
      return effects;
    });
  }

  nextDueAt(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const session of this.#sessions.values()) next = Math.min(next, nextDueAt(session));
    return next;
  }

  /** Gives a session up: what is under way fails, and its pseudonym is never used again. */
  close(key: string, now: number): ClientEffect[] {
    const session = this.#sessions.get(key);
    if (session === undefined) return [];
    const effects = this.#follow(session, session.outgoing.close('was given up with its session'), now);
    effects.push(...this.#unanswered(session, Number.POSITIVE_INFINITY));
    session.incoming.close();
    this.#keys.dropSession(key);
    this.#queue.dropDestination(key);
    this.#sessions.delete(key);
    for (const [name, current] of this.#current) if (current === key) this.#current.delete(name);
    session.pseudonym.fill(0);
    return effects;
  }

  #hear(session: ClientSession, payload: Payload, { backMilliseconds }: AwaitedReply, now: number): ClientEffect[] {
    session.heardAt = now;
    session.probedAt = now;
    session.supply.told(payload);
    const effects = payload.acknowledgements.flatMap((acknowledgement) =>
      this.#follow(session, session.outgoing.acknowledge(acknowledgement, now, backMilliseconds), now),
    );
    if (payload.fragment !== null) {
      const { fate, message } = session.incoming.receive(payload.fragment, now);
      if (fate === 'no-room' || fate === 'contradiction') this.counters.refusedFragments += 1;
      if (message !== null) {
        const { answers, bytes } = message;
        if (answers !== null) session.awaited.delete(answers);
        effects.push({ kind: 'answer', session: session.key, destination: session.destination, answers, bytes });
      }
    }
    this.#queueControl(session, now);
    return effects;
  }

  #packetFor(session: ClientSession, content: QueuedContent, now: number): Uint8Array | null {
    const fragment = content.kind === 'fragment' ? session.outgoing.fragment(content) : null;
    if (content.kind === 'fragment' && fragment === null) return null;
    if (content.kind === 'control' && !hasControl(session, now)) return null;
    try {
      const packet = this.#payloadPacket(session, fragment, now);
      session.pathError = null;
      return packet;
    } catch (error) {
      // It counts as a try, so that it is tried again later and not for ever; a slot is never left out for it.
      session.pathError = FogError.from(error);
      if (content.kind === 'fragment') session.outgoing.sent(content, now, { there: 0, back: 0 });
      return null;
    }
  }

  #payloadPacket(session: ClientSession, fragment: Fragment | null, now: number): Uint8Array {
    const { packets } = this.#options;
    const { node, level } = session.destination;
    const path = this.#paths.toService(node, level, now);
    let back = 0;
    const makeBlock = (): NumberedBlock => {
      const made = this.#replyBlock(session, now, now + path.delayMilliseconds);
      back = Math.max(back, made.backMilliseconds);
      return made;
    };
    const { payload, ownBlock } = composePayload(session, fragment, packets.request, now, makeBlock);
    if (fragment !== null) session.outgoing.sent(fragment, now, { there: path.delayMilliseconds, back });
    this.#queue.dropControl(session.key);
    this.#queueControl(session, now);
    const message = fragment === null ? null : { session: session.key, sequence: fragment.sequence };
    const { watch } = this.#options;
    return packets.createPacket({
      path: path.hops,
      elements: message === null ? undefined : (elements) => watch?.sent(message, path.hops, elements),
      recipient: session.recipient,
      payload: encodePayload(payload, packets.request),
      replyBlock: ownBlock?.block ?? null,
    });
  }

  #replyBlock(session: ClientSession, now: number, usedAt: number): NumberedBlock & { backMilliseconds: number } {
    const { node, level } = session.destination;
    const path = this.#paths.fromService(node, level, usedAt);
    const replyId = this.#random(REPLY_ID_BYTES);
    const { packets, watch } = this.#options;
    const elements = (told: readonly Uint8Array[]) => watch?.issued(replyId, path.hops, told);
    const made = packets.createReplyBlock({ path: path.hops, recipient: this.#recipient, replyId, elements });
    const { expiresAt, delayMilliseconds: backMilliseconds } = path;
    // The keys outlast the block by its way back: what set out just before its expiry is still under way then.
    const keysExpireAt = expiresAt + backMilliseconds + this.#paths.view.graceMilliseconds;
    this.#keys.add(replyId, { session: session.key, keys: made.keys, backMilliseconds, expiresAt: keysExpireAt });
    const roundTrip = usedAt - now + backMilliseconds + CLIENT_LIMITS.roundTripMarginMilliseconds;
    return { number: session.supply.issue(now, roundTrip), expiresAt, block: made.block, backMilliseconds };
  }

  #follow(session: ClientSession, effects: readonly OutgoingEffect[], now: number): ClientEffect[] {
    return effects.flatMap((effect) => {
      if (effect.kind !== 'transmit') return [this.#ending(session, effect)];
      const { sequence, index, isRetransmission } = effect;
      const priority = isRetransmission ? 'retransmission' : 'fresh';
      const content: QueuedContent = { kind: 'fragment', sequence, index };
      const fate = this.#queue.push({ destination: session.key, priority, content });
      // More fragments may be under way than the queue has places: what finds none waits for its next turn.
      if (fate === 'full') session.outgoing.postpone(effect, now);
      return [];
    });
  }

  #ending(session: ClientSession, effect: Exclude<OutgoingEffect, { kind: 'transmit' }>): ClientEffect {
    const message = { session: session.key, sequence: effect.sequence };
    if (effect.kind === 'delivered') return { kind: 'delivered', message };
    session.awaited.delete(effect.sequence);
    return { kind: 'failed', message, error: session.pathError ?? effect.error };
  }

  #unanswered(session: ClientSession, now: number): ClientEffect[] {
    return [...session.awaited].flatMap(([sequence, until]): ClientEffect[] => {
      if (now < until) return [];
      session.awaited.delete(sequence);
      const error = new FogError('timed-out', `the service "${session.destination.service}" did not answer in time`);
      return [{ kind: 'unanswered', message: { session: session.key, sequence }, error }];
    });
  }

  #queueControl(session: ClientSession, now: number): void {
    if (!hasControl(session, now)) return;
    this.#queue.push({ destination: session.key, priority: 'control', content: { kind: 'control' } });
  }

  #sessionFor(destination: Destination, now: number): ClientSession {
    const recipient = serviceRecipient(destination.service);
    const name = JSON.stringify([
      destination.node.toHex(),
      destination.service,
      destination.level,
      destination.isolation,
    ]);
    const current = this.#sessions.get(this.#current.get(name) ?? '');
    if (current !== undefined && isUsable(current, now)) return current;
    if (this.#sessions.size >= CLIENT_LIMITS.clientSessions) {
      throw new FogError('too-many-requests', `${CLIENT_LIMITS.clientSessions} sessions are open`, {
        hint: 'close one, or wait until an idle one ends',
      });
    }
    const pseudonym = this.#random(PSEUDONYM_BYTES);
    const key = `session-${this.#nextSession}`;
    this.#nextSession += 1;
    const sizes = this.#options.packets.request;
    const shared = { sizes, fragments: this.#fragments, reassembly: this.#reassembly };
    const session = openSession({ key, destination, recipient, pseudonym, ...shared }, now);
    this.#sessions.set(key, session);
    this.#current.set(name, key);
    return session;
  }

  #random(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#options.fillRandom(bytes);
    return bytes;
  }
}
