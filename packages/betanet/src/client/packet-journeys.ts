/**
 * Which packets of a client carried a message and its answer, hop by hop: what `fog mix ping` asks a test network about.
 * Nothing of this is kept on any other network, nor unless it is asked for: it would link packets with each other.
 */
import { elementHash } from '../node/packet-trace.ts';
import type { PathHop } from './epoch-keys.ts';
import { CLIENT_LIMITS } from './limits.ts';
import type { MessageReference } from './mix-client-core.ts';

/** Is told of each packet that the client makes for a message. */
export interface PacketWatch {
  sent(message: MessageReference, hops: readonly PathHop[], elements: readonly Uint8Array[]): void;
  /** A reply block went out with some packet. */
  issued(replyId: Uint8Array, hops: readonly PathHop[], elements: readonly Uint8Array[]): void;
}

export interface JourneyHop {
  /** Id of the node, hex. */
  node: string;
  /** How long the packet asks to be held there. */
  delayMilliseconds: number;
  /** By which the node knows the packet, see packet-trace.ts. */
  hash: string;
}

export interface Journey {
  /** Of each packet that was sent for the message; more than one where something was sent again. */
  there: JourneyHop[][];
  /** Of the packet that brought the answer: from the node after the service node to the client's gateway. */
  back: JourneyHop[];
}

export class PacketJourneys implements PacketWatch {
  readonly #sent = new Map<string, JourneyHop[][]>();
  readonly #issued = new Map<string, JourneyHop[]>();

  sent(message: MessageReference, hops: readonly PathHop[], elements: readonly Uint8Array[]): void {
    const key = keyOf(message);
    this.#sent.set(key, [...(this.#sent.get(key) ?? []), journeyOf(hops, elements)]);
    forgetOldest(this.#sent, CLIENT_LIMITS.journeys);
  }

  issued(replyId: Uint8Array, hops: readonly PathHop[], elements: readonly Uint8Array[]): void {
    this.#issued.set(Buffer.from(replyId).toString('hex'), journeyOf(hops, elements));
    forgetOldest(this.#issued, CLIENT_LIMITS.journeys);
  }

  /** Of a message that was answered by the packet of that reply block. Forgets both. */
  take(message: MessageReference, replyId: Uint8Array): Journey {
    const [key, reply] = [keyOf(message), Buffer.from(replyId).toString('hex')];
    const journey = { there: this.#sent.get(key) ?? [], back: this.#issued.get(reply) ?? [] };
    this.#sent.delete(key);
    this.#issued.delete(reply);
    return journey;
  }
}

function journeyOf(hops: readonly PathHop[], elements: readonly Uint8Array[]): JourneyHop[] {
  return hops.map(({ id, delayMilliseconds }, index) => ({
    node: Buffer.from(id).toString('hex'),
    delayMilliseconds,
    hash: elementHash(elements[index] ?? new Uint8Array()),
  }));
}

function keyOf({ session, sequence }: MessageReference): string {
  return `${session} ${sequence}`;
}

function forgetOldest(known: Map<string, unknown>, most: number): void {
  for (const key of known.keys()) {
    if (known.size <= most) return;
    known.delete(key);
  }
}
