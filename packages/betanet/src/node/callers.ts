/**
 * Who connects to a node, as far as an address tells, and how often it may begin a handshake. A handshake costs four
 * Diffie-Hellmans whoever asks for it, so it is limited before anything is computed.
 *
 *     host of a relay that sends here   a rate of its own, and places that are kept for it
 *     anybody else                      the rate of its network prefix, and of all strangers together
 *
 * A host counts as a relay's by the addresses of the consensus. A relay that dials from another address is a stranger
 * until its key says who it is.
 */
import { networkPrefix } from '@fog/contract/node';
import { type Caller, parseTcpAddress, sourcePrefixOf } from '@fog/transport';
import { PrefixLimits } from '../mixing/prefix-limits.ts';
import { TokenBucket } from '../mixing/token-bucket.ts';
import { NODE_LIMITS } from './limits.ts';
import type { Relay } from './relay-table.ts';

/** Brings an address into one spelling, also IPv4 that is written as IPv6. */
const WHOLE_ADDRESS = { ipv4Bits: 32, ipv6Bits: 128 };

export class Callers {
  readonly #now: () => number;
  readonly #perName: PrefixLimits;
  readonly #strangers: TokenBucket;
  #expected = new Set<string>();

  /** `now` is of a monotonic clock. */
  constructor(now: () => number) {
    const { handshakesPerSecond, handshakeBurst, handshakesPerSecondPerPrefix, handshakeBurstPerPrefix } = NODE_LIMITS;
    this.#now = now;
    this.#perName = new PrefixLimits({
      rule: { tokensPerSecond: handshakesPerSecondPerPrefix, burstTokens: handshakeBurstPerPrefix },
      capacity: NODE_LIMITS.prefixes,
    });
    this.#strangers = new TokenBucket({ tokensPerSecond: handshakesPerSecond, burstTokens: handshakeBurst }, now());
  }

  /** The relays from which links are expected from now on. */
  expect(relays: readonly Relay[]): void {
    const hosts = relays.flatMap(({ addresses }) => addresses.map(({ host }) => networkPrefix(host, WHOLE_ADDRESS)));
    this.#expected = new Set(hosts.filter((host) => host !== null));
  }

  callerOf(remoteAddress: string): Caller {
    const host = hostOf(remoteAddress);
    if (host !== null && this.#expected.has(host)) return { name: host, isExpected: true };
    return { name: sourcePrefixOf(remoteAddress), isExpected: false };
  }

  /** Counts a handshake that is about to begin; false when it must not. */
  mayBegin({ name, isExpected }: Caller): boolean {
    const now = this.#now();
    return this.#perName.take(name, now) && (isExpected || this.#strangers.take(now));
  }
}

function hostOf(remoteAddress: string): string | null {
  try {
    return networkPrefix(parseTcpAddress(remoteAddress).host, WHOLE_ADDRESS);
  } catch {
    return null;
  }
}
