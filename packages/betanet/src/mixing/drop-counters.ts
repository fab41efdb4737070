/** Why packets are dropped (or not held as long as they asked): a closed list, counted by cause. */

/** cause -> what the metric says of it. The first five are found by the unwrapping of a packet. */
export const DROP_CAUSES = {
  malformed: 'Packets of another version or size, or whose commands make no sense.',
  'bad-mac': 'Packets whose header is damaged, or was made for another node or key.',
  'zero-secret': 'Packets with a group element of low order, which would make the shared secret zero.',
  'bad-payload': 'Packets whose payload was changed on its way.',
  replay: 'Packets that were here before.',
  'replay-full': 'Packets under a key that has seen as many packets as its replay set holds.',
  'expired-key': 'Packets for a key that is over; once it is deleted, soon after, they count as bad-mac.',
  'over-limit': 'Packets beyond what a link or a network prefix may send.',
  'unknown-next-hop': 'Packets for a node that is not in the consensus, or not one that this node sends to.',
  'unknown-recipient': 'Packets for a client or service that is not here.',
  'queue-full': 'Packets that random drop chose because the delay queue was full, held or arriving.',
  'link-full': 'Packets for a node that does not read fast enough, or cannot be reached.',
  'delay-capped': 'Packets that asked to be held longer than the cap; they were held for that long, and not dropped.',
  'not-admitted': 'Packets from a sender that is not allowed to send to this node.',
  shutdown: 'Packets that were held when the node stopped.',
} as const satisfies Record<string, string>;

export type DropCause = keyof typeof DROP_CAUSES;
export const DROP_CAUSE_NAMES = Object.keys(DROP_CAUSES) as DropCause[];

const INDEX = new Map<DropCause, number>(DROP_CAUSE_NAMES.map((cause, index) => [cause, index]));

/** Whole numbers up to 2^53, beyond any number of packets. */
export class DropCounters {
  readonly #counts = new Float64Array(DROP_CAUSE_NAMES.length);

  add(cause: DropCause, amount = 1): void {
    const index = INDEX.get(cause);
    if (index === undefined) throw new RangeError(`"${cause}" is not a cause of a drop`);
    this.#counts[index] = (this.#counts[index] as number) + amount;
  }

  count(cause: DropCause): number {
    return this.#counts[INDEX.get(cause) as number] ?? 0;
  }

  /** Every cause with its count, in the order of the list. */
  entries(): [cause: DropCause, count: number][] {
    return DROP_CAUSE_NAMES.map((cause, index) => [cause, this.#counts[index] as number]);
  }
}
