/** Every limit of the packet format, with its reason. */

export const SPHINX_LIMITS = {
  /** The longest path. A header grows by 82 bytes a hop, and no published network uses more than ten. */
  hops: 16,
  /** The largest payload of one packet: beyond, a transfer is better cut into several. */
  userPayloadBytes: 1 << 16,
  /** The longest delay that a packet can ask for at one hop; a node has a lower cap of its own. */
  delayMilliseconds: 0xffff_ffff,
  /** Packets in one call of `unwrapBatch`: eight lanes eight times, some 200 KiB. */
  batchPackets: 64,
} as const;
