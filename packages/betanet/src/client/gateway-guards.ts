/**
 * The gateways of one run of a client: a few that are drawn once.
 *
 *     in use --so many tries in a row failed, or the consensus lists it no more--> the next of the set is in use
 *
 * A client that drew a gateway anew after each cut link would come to all of them in the end: whoever can cut links would
 * only have to go on until it came to his. So another one is drawn only where the consensus lists none of the set.
 */
import { CLIENT_LIMITS } from './limits.ts';
import type { UniformNumbers } from './random-source.ts';

export class GatewayGuards {
  /** Ids, the one in use first. */
  #guards: string[] = [];
  #failures = 0;

  /** Which to be connected to, of those that the consensus lists (ids, hex); null when it lists none. */
  choose(listed: readonly string[], numbers: UniformNumbers): string | null {
    const known = this.#guards.filter((id) => listed.includes(id));
    if (known.length === 0) this.#guards = [];
    const others = listed.filter((id) => !this.#guards.includes(id));
    while (this.#guards.length < CLIENT_LIMITS.guards && others.length > 0) {
      this.#guards.push(...others.splice(numbers.below(others.length), 1));
    }
    return this.#guards.find((id) => listed.includes(id)) ?? null;
  }

  /** A try to connect to the one in use failed. */
  failed(): void {
    this.#failures += 1;
    if (this.#failures < CLIENT_LIMITS.guardTries) return;
    this.#failures = 0;
    this.#guards.push(...this.#guards.splice(0, 1));
  }

  /** It could be reached. */
  connected(): void {
    this.#failures = 0;
  }
}
