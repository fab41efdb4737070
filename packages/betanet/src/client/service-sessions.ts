/**
 * The senders that a service remembers, by pseudonym.
 *
 *     new --an answer of the service was acknowledged--> proven
 *       '--silent for long------------------------------'--> forgotten
 *       '--the places are all taken, and nobody new is silent for longer--> forgotten
 *
 * A pseudonym costs nothing, so when all places are taken the new one that has been silent for longest makes way; who has
 * proven that answers reach it stays, unless it has been silent for so long that its client has taken another pseudonym.
 */
import { CLIENT_LIMITS } from './limits.ts';
import type { ServiceSession } from './service-session.ts';

export class ServiceSessions {
  readonly #limit: number;
  /** In both, the one that has been silent for longest is the first. */
  readonly #new = new Map<string, ServiceSession>();
  readonly #proven = new Map<string, ServiceSession>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#new.size + this.#proven.size;
  }

  get(sender: string): ServiceSession | undefined {
    return this.#proven.get(sender) ?? this.#new.get(sender);
  }

  /** Who makes way for one more: null when nobody has to, `nobody` when nobody may. */
  evicted(now: number): ServiceSession | null | 'nobody' {
    if (this.size < this.#limit) return null;
    const [unproven] = this.#new.values();
    if (unproven !== undefined) return unproven;
    const [silent] = this.#proven.values();
    const isLeft = silent !== undefined && now - silent.activeAt >= CLIENT_LIMITS.sessionIdleMilliseconds;
    return isLeft ? silent : 'nobody';
  }

  /** The sender was heard. */
  heard(session: ServiceSession, now: number): void {
    session.activeAt = now;
    const sessions = this.#proven.has(session.sender) ? this.#proven : this.#new;
    sessions.delete(session.sender);
    sessions.set(session.sender, session);
  }

  /** An answer reached the sender. */
  prove(session: ServiceSession): void {
    if (this.#new.delete(session.sender)) this.#proven.set(session.sender, session);
  }

  forget({ sender }: ServiceSession): void {
    this.#new.delete(sender);
    this.#proven.delete(sender);
  }

  *all(): Iterable<ServiceSession> {
    yield* this.#new.values();
    yield* this.#proven.values();
  }
}
