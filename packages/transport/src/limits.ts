/** Every limit of transports and links, with its reason. */

export const NOISE_LIMITS = {
  /** The longest message of Noise, and what two bytes of length can say; source: revision 34, section 3. */
  messageBytes: 65_535,
} as const;

export const TRANSPORT_LIMITS = {
  /** How long a dial waits. A TCP handshake lost twice takes 3 s; beyond 10 s the other side is hardly of use. */
  dialMilliseconds: 10_000,
  /** Silence after which TCP asks whether the other side is there. Routers forget connections after some minutes. */
  keepAliveMilliseconds: 60_000,
  /** Streams that one listener has open, taken by a program or not: each costs a file descriptor and some KiB. */
  streamsPerListener: 8192,
  /** What a stream in memory holds on its way before its writer has to wait: as much as a read of TCP gives. */
  memoryWindowBytes: 1 << 16,
} as const;

export const LINK_LIMITS = {
  /** Versions that a hello may name. */
  versions: 16,
  /** From the connection to the first record. Four messages cross; even over a satellite they take 3 s. */
  handshakeMilliseconds: 10_000,
  /** Handshakes at the same time per listener: each costs four Diffie-Hellmans, some 0.4 ms, and less than 10 KiB. */
  handshakes: 256,
  /** Of these from one source prefix (IPv4 /24, IPv6 /48), so that one network cannot take all places. */
  handshakesPerPrefix: 32,
  /** Of these for nodes that are expected: two from each of the relays that a small network has in a layer. */
  handshakesKept: 64,
  /** Links of one listener at the same time. With `sendBufferBytes` it bounds what peers that do not read can hold. */
  links: 1024,
  /** Of these for nodes that are expected, whatever strangers take. A program that expects more has limits of its own. */
  linksKept: 192,
  /**
   * What one link holds for a peer that does not read; further packets are the caller's to drop. 4 MiB are 27 ms of
   * 50,000 packets of 3 KB a second. A gateway with many clients gives each less.
   */
  sendBufferBytes: 4 << 20,
  /** What controls and a goodbye may take beyond `sendBufferBytes`, so that packets do not crowd them out. */
  controlReserveBytes: 1 << 16,
  /** A control record's JSON. Controls tell of the link, they carry no data. */
  controlBytes: 4096,
  /** The text of a goodbye: one sentence. */
  goodbyeBytes: 256,
  /**
   * Messages under one key of one direction, then it is replaced by Noise's REKEY. A key that leaks opens at most
   * 655 MB of the past, and a rekey costs no more than a small message.
   */
  rekeyMessages: 10_000,
  /** Silence after which a ping is sent, so that a dead link is found. */
  pingMilliseconds: 20_000,
  /** Pings in a row without any answer; then the link is given up, after 80 to 100 s of silence. */
  unansweredPings: 3,
  /** For a goodbye to be read. A peer that does not take it is cut. */
  closeMilliseconds: 2000,
  /** Buffers of 64 KiB that are kept for reuse by all links of the process: 4 MiB. */
  spareBuffers: 64,
} as const;
