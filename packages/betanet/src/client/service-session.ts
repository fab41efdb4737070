/** What a service remembers of one sender, whom it knows by a pseudonym only, and what it sends back. */
import { IncomingMessages } from './incoming-messages.ts';
import { CLIENT_LIMITS } from './limits.ts';
import { type FragmentReference, type OutgoingEffect, OutgoingMessages } from './outgoing-messages.ts';
import { ReplyBlockStock } from './reply-blocks.ts';
import {
  ACKNOWLEDGEMENT_BYTES,
  EMPTY_PAYLOAD,
  type Fragment,
  fragmentBytes,
  type Payload,
  type PayloadSizes,
  usedBytes,
} from './service-messages.ts';
import type { SharedPool } from './shared-pool.ts';

/** Shared by all senders of a service. */
export interface ServiceBudgets {
  fragments: SharedPool;
  reassembly: SharedPool;
  replyBlocks: SharedPool;
}

export interface ServiceSession {
  /** Pseudonym, in hex. */
  readonly sender: string;
  readonly outgoing: OutgoingMessages;
  readonly incoming: IncomingMessages;
  readonly stock: ReplyBlockStock;
  readonly retransmissions: FragmentReference[];
  readonly fresh: FragmentReference[];
  /** What has failed for the room of others, until `tick` tells it. */
  readonly evicted: OutgoingEffect[];
  /** When the two last exchanged something. */
  activeAt: number;
  /** Since when something waits to be acknowledged; null when nothing does. */
  owesSince: number | null;
}

export function openServiceSession(
  sender: string,
  reply: PayloadSizes,
  budgets: ServiceBudgets,
  now: number,
): ServiceSession {
  const evicted: OutgoingEffect[] = [];
  const fragments = budgets.fragments.share(() => void evicted.push(...session.outgoing.evict()));
  const session: ServiceSession = {
    sender,
    outgoing: new OutgoingMessages({ fragmentBytes: fragmentBytes(reply.payloadBytes), fragments }),
    incoming: new IncomingMessages(budgets.reassembly.share(() => session.incoming.evict())),
    stock: new ReplyBlockStock(budgets.replyBlocks.share(() => session.stock.evict())),
    retransmissions: [],
    fresh: [],
    evicted,
    activeAt: now,
    owesSince: null,
  };
  return session;
}

/** Puts fragments in line; returns what else follows. */
export function lineUp(session: ServiceSession, effects: readonly OutgoingEffect[]) {
  return effects.filter((effect) => {
    if (effect.kind !== 'transmit') return true;
    const line = effect.isRetransmission ? session.retransmissions : session.fresh;
    line.push({ sequence: effect.sequence, index: effect.index });
    return false;
  }) as Exclude<OutgoingEffect, { kind: 'transmit' }>[];
}

/** Whether nothing of the session is due, now or later, unless something comes. */
export function isQuiet({ outgoing, incoming, evicted }: ServiceSession): boolean {
  return outgoing.isIdle && incoming.isIdle && evicted.length === 0;
}

interface NextReply {
  /** To be used once, and wiped after use. */
  block: Uint8Array;
  payload: Payload;
}

export interface ReplyTiming {
  /** How long an acknowledgement may wait for an answer that it can travel with. */
  acknowledgeWithinMilliseconds: number;
  /** What a round trip to a client is expected to take at first; the client answers in slots of its stream. */
  roundTripMilliseconds: number;
}

/** Notes since when acknowledgements wait; to be called when something came or went. */
export function owe(session: ServiceSession, now: number): void {
  session.owesSince = session.incoming.hasAcknowledgements ? (session.owesSince ?? now) : null;
}

/**
 * What goes out in this slot: a fragment with acknowledgements beside it, or acknowledgements alone once these are due.
 * Null when nothing waits, or no reply block is left: then it goes out when one comes. A fragment counts as sent.
 */
export function nextReply(
  session: ServiceSession,
  reply: PayloadSizes,
  { acknowledgeWithinMilliseconds, roundTripMilliseconds }: ReplyTiming,
  now: number,
): NextReply | null {
  if (session.stock.size === 0) return null;
  const owes = session.owesSince !== null && now >= session.owesSince + acknowledgeWithinMilliseconds;
  if (!hasFragment(session) && !owes) return null;
  const block = session.stock.take(now);
  if (block === null) return null;
  const fragment = nextFragment(session);
  const half = roundTripMilliseconds / 2;
  if (fragment !== null) session.outgoing.sent(fragment, now, { there: half, back: half });
  session.activeAt = now;
  const payload = composeReply(session, fragment, reply);
  owe(session, now);
  return { block, payload };
}

function composeReply(session: ServiceSession, fragment: Fragment | null, reply: PayloadSizes): Payload {
  const { incoming, stock, outgoing } = session;
  const waiting = session.retransmissions.length + session.fresh.length;
  const bare: Payload = {
    ...EMPTY_PAYLOAD,
    kind: 'reply',
    fragment,
    blocksWanted: outgoing.isIdle ? 0 : stock.wanted(waiting),
    blocksSeen: stock.seen,
  };
  const room = reply.payloadBytes - usedBytes(bare, reply.replyBlockBytes);
  const most = Math.min(CLIENT_LIMITS.acknowledgementsPerPayload, Math.floor(room / ACKNOWLEDGEMENT_BYTES));
  return { ...bare, acknowledgements: incoming.takeAcknowledgements(most) };
}

/** Drops from the front of both lines what has become needless. */
function hasFragment(session: ServiceSession): boolean {
  for (const line of [session.retransmissions, session.fresh]) {
    while (line[0] !== undefined && session.outgoing.fragment(line[0]) === null) line.shift();
  }
  return session.retransmissions.length + session.fresh.length > 0;
}

function nextFragment(session: ServiceSession): Fragment | null {
  if (!hasFragment(session)) return null;
  const reference = session.retransmissions.shift() ?? session.fresh.shift();
  return reference === undefined ? null : session.outgoing.fragment(reference);
}
