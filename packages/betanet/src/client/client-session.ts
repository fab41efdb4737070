/**
 * What a client remembers of its exchange with one service under one pseudonym. The service sees that messages of one
 * session belong together, and nothing else of the sender; sessions are not linked with each other.
 *
 *     open --unheard for long--> idle --nothing under way, or unheard for very long--> closed
 *       ^-------- heard -----------'
 *
 * An idle session takes no new messages: the next one opens another session. The service remembers it for longer than
 * it can be used, so the two never disagree on what was delivered.
 */
import type { FogError } from '@fog/contract';
import type { ByteBudget } from './byte-budget.ts';
import { IncomingMessages } from './incoming-messages.ts';
import { CLIENT_LIMITS } from './limits.ts';
import { type FragmentReference, OutgoingMessages } from './outgoing-messages.ts';
import type { PrivacyLevel } from './path-selection.ts';
import { ReplyBlockSupply } from './reply-block-supply.ts';
import {
  ACKNOWLEDGEMENT_BYTES,
  BLOCK_RECORD_BYTES,
  EMPTY_PAYLOAD,
  type Fragment,
  fragmentBytes,
  type NumberedBlock,
  type Payload,
  type PayloadSizes,
  usedBytes,
} from './service-messages.ts';

export interface Destination {
  /** Id of the service node. */
  node: Uint8Array;
  /** Name of a service that is registered there. */
  service: string;
  level: PrivacyLevel;
  /** Exchanges of different isolation do not share a pseudonym. Default: ''. */
  isolation?: string;
}

/** What of a session waits in the queue for a slot. */
export type QueuedContent = { kind: 'control' } | ({ kind: 'fragment' } & FragmentReference);

export interface ClientSession {
  /** Names the session within its client. */
  readonly key: string;
  readonly destination: Destination;
  readonly recipient: Uint8Array;
  readonly pseudonym: Uint8Array;
  readonly outgoing: OutgoingMessages;
  readonly incoming: IncomingMessages;
  readonly supply: ReplyBlockSupply;
  /** Requests whose answer is due: sequence -> when it is too late. */
  readonly awaited: Map<number, number>;
  /** When the service was last heard; at first, when the session was opened. */
  heardAt: number;
  /** When the service was last heard, or last reminded. */
  probedAt: number;
  /** Why the last packet could not be made. */
  pathError: FogError | null;
}

export interface SessionOptions {
  key: string;
  destination: Destination;
  recipient: Uint8Array;
  pseudonym: Uint8Array;
  sizes: PayloadSizes;
  /** Shared by all sessions of the client. */
  fragments: ByteBudget;
  reassembly: ByteBudget;
}

export function openSession(options: SessionOptions, now: number): ClientSession {
  const { key, destination, recipient, pseudonym, sizes, fragments, reassembly } = options;
  return {
    key,
    destination,
    recipient,
    pseudonym,
    outgoing: new OutgoingMessages({ fragmentBytes: fragmentBytes(sizes.payloadBytes), fragments }),
    incoming: new IncomingMessages(reassembly),
    supply: new ReplyBlockSupply(),
    awaited: new Map(),
    heardAt: now,
    probedAt: now,
    pathError: null,
  };
}

/** Whether new messages may use the session. */
export function isUsable({ heardAt }: ClientSession, now: number): boolean {
  return now < heardAt + CLIENT_LIMITS.sessionIdleMilliseconds;
}

export function isOver(session: ClientSession, now: number): boolean {
  return now >= endOf(session);
}

function endOf({ heardAt, outgoing, incoming, awaited }: ClientSession): number {
  const isQuiet = outgoing.isIdle && incoming.isIdle && awaited.size === 0;
  const longest = isQuiet ? 0 : CLIENT_LIMITS.messageLifetimeMilliseconds;
  return heardAt + CLIENT_LIMITS.sessionIdleMilliseconds + longest;
}

/** Whether there is anything to say beside fragments. */
export function hasControl({ incoming, supply }: ClientSession, now: number): boolean {
  return incoming.hasAcknowledgements || supply.missing(now) > 0;
}

/** When `tick` has something to do for the session. */
export function nextDueAt(session: ClientSession): number {
  const { outgoing, supply, awaited, probedAt } = session;
  return Math.min(
    outgoing.nextDueAt(),
    supply.nextDueAt(),
    ...awaited.values(),
    awaited.size === 0 ? Number.POSITIVE_INFINITY : probedAt + CLIENT_LIMITS.answerProbeMilliseconds,
    endOf(session),
  );
}

/**
 * The payload of the session's next packet: the fragment if there is one, as many acknowledgements as fit, and of the
 * reply blocks that are missing as many as fit. `makeBlock` is called for each. The packet's own room for a reply block is
 * used with every fragment, since its acknowledgement needs one.
 */
export function composePayload(
  session: ClientSession,
  fragment: Fragment | null,
  sizes: PayloadSizes,
  now: number,
  makeBlock: () => NumberedBlock,
): { payload: Payload; ownBlock: NumberedBlock | null } {
  const ownBlock = fragment !== null || session.supply.missing(now) > 0 ? makeBlock() : null;
  const bare: Payload = {
    ...EMPTY_PAYLOAD,
    kind: 'request',
    pseudonym: session.pseudonym,
    fragment,
    blocksFrom: session.supply.from,
    ownBlock: ownBlock === null ? null : { number: ownBlock.number, expiresAt: ownBlock.expiresAt },
  };
  const room = sizes.payloadBytes - usedBytes(bare, sizes.replyBlockBytes);
  const most = Math.min(CLIENT_LIMITS.acknowledgementsPerPayload, Math.floor(room / ACKNOWLEDGEMENT_BYTES));
  const acknowledgements = session.incoming.takeAcknowledgements(most);
  const roomForBlocks = room - acknowledgements.length * ACKNOWLEDGEMENT_BYTES;
  const fitting = Math.floor(roomForBlocks / (BLOCK_RECORD_BYTES + sizes.replyBlockBytes));
  const wanted = Math.min(fitting, CLIENT_LIMITS.replyBlocksPerPayload, session.supply.missing(now));
  const blocks = Array.from({ length: Math.max(0, wanted) }, makeBlock);
  return { payload: { ...bare, acknowledgements, blocks }, ownBlock };
}
