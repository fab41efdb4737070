/** Is told what becomes of the loops of a client. Ids are hex. */
export interface LoopWatch {
  /** `relays`: ids of the path; the gateway is the first and the last. */
  sent(token: string, relays: readonly string[]): void;
  returned(token: string): void;
  /** So many loops the gateway did not take: it cannot be reached, or does not read what it is sent. */
  refused(gateway: string, loops: number): void;
  /** The link to that gateway has ended; null: by the client itself. What was under way does not come back for that. */
  cut(gateway: string | null): void;
}
