/** What can run over the log. */

/** State that changes by requests alone: the same requests at the same times give the same state. */
export interface LoggedMachine {
  /** Throws a `FogError` for a request that cannot be read, before anything has changed. */
  apply(request: Uint8Array, timestamp: bigint): Uint8Array;
  /** Views of the state as it is: to be written or copied before the next request. May be cut anew before `restore`. */
  snapshot(): Iterable<Uint8Array>;
  restore(parts: Iterable<Uint8Array>): void;
  /** SHA-256 of the whole state. */
  digest(): Uint8Array;
}
