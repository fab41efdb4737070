/**
 * What a directory authority answers over HTTP. Everything that matters is signed, so the connection need not be secret
 * or authentic. Authorities fetch each other's documents (`current`) as relays and clients do: nobody can push anything
 * large at an authority.
 */
export const DIRECTORY_ROUTES = {
  genesis: '/v1/genesis',
  status: '/v1/status',
  /** The authority's time, signed with the nonce of whoever asks (32 bytes, hex). */
  clock: (nonce: string) => `/v1/clock?nonce=${nonce}`,
  /** What the authority has to say to the others in the present step of the round. */
  current: '/v1/current',
  /** `latest` or the number of an epoch. */
  consensus: (epoch: number | 'latest') => `/v1/consensus/${epoch}`,
  seed: (epoch: number) => `/v1/seed/${epoch}`,
  descriptors: '/v1/descriptors',
  proofs: '/v1/proofs',
} as const;

export interface AuthorityStatus {
  authority: string;
  /** Hex. */
  network: string;
  /** By its clock, since 1970. */
  milliseconds: number;
  /** For which a round is under way; null before the first. */
  round: { epoch: number; step: string; failure: string | null } | null;
  /** Of the newest consensus. */
  consensusEpoch: number | null;
  descriptors: number;
}
