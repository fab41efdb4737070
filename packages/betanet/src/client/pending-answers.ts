/** Who waits for an answer, by the message that asks for it. */
import type { ClientEffect, MessageReference } from './mix-client-core.ts';
import type { Journey, PacketJourneys } from './packet-journeys.ts';

export interface TracedAnswer {
  bytes: Uint8Array;
  /** Null unless the client keeps journeys. */
  journey: Journey | null;
}

interface Pending {
  resolve(answer: TracedAnswer): void;
  reject(error: unknown): void;
}

export class PendingAnswers {
  readonly #journeys: PacketJourneys | null;
  readonly #pending = new Map<string, Pending>();

  constructor(journeys: PacketJourneys | null) {
    this.#journeys = journeys;
  }

  /** Rejects with why no answer comes. */
  wait(message: MessageReference): Promise<TracedAnswer> {
    return new Promise((resolve, reject) => this.#pending.set(keyOf(message), { resolve, reject }));
  }

  /** `replyId`: of the reply block by which the effect came, if by one. */
  follow(effect: ClientEffect, replyId: Uint8Array | null): void {
    if (effect.kind === 'delivered' || effect.kind === 'loop') return;
    const reference = effect.kind === 'answer' ? answeredBy(effect) : effect.message;
    const pending = reference === null ? undefined : this.#pending.get(keyOf(reference));
    if (reference === null || pending === undefined) return;
    this.#pending.delete(keyOf(reference));
    const journey = replyId === null ? null : (this.#journeys?.take(reference, replyId) ?? null);
    if (effect.kind === 'answer') pending.resolve({ bytes: effect.bytes, journey });
    else pending.reject(effect.error);
  }

  rejectAll(reason: unknown): void {
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#pending.clear();
  }
}

function keyOf({ session, sequence }: MessageReference): string {
  return `${session} ${sequence}`;
}

function answeredBy({ session, answers }: Extract<ClientEffect, { kind: 'answer' }>): MessageReference | null {
  return answers === null ? null : { session, sequence: answers };
}
