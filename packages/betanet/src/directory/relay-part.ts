/** A relay's part in the directory: its descriptor, the seed that it believes, its proof in the lottery. */
import { prove } from '../lottery/ecvrf.ts';
import { lotteryInput } from '../lottery/relay-lottery.ts';
import {
  type Descriptor,
  type DrawProof,
  type SeedNotice,
  type SignedDescriptor,
  seedNoticeSchema,
} from './documents.ts';
import { type Genesis, networkIdOf } from './genesis.ts';
import { momentAt } from './schedule.ts';
import { isSignedBy, type SignBytes, signDocument, signedSchema } from './signed-document.ts';

const signedSeedNoticeSchema = signedSchema(seedNoticeSchema);

/** The epoch that a descriptor made now is for: the round's, while it takes descriptors, otherwise the next one's. */
export function descriptorEpoch(genesis: Genesis, now: number): number {
  const moment = momentAt(genesis, now);
  if (moment === null) return 0;
  return moment.step === 'descriptors' ? moment.epoch : moment.epoch + 1;
}

/** `sequence` must grow with each descriptor of an epoch; the time in milliseconds will do. */
export function makeDescriptor(
  genesis: Genesis,
  descriptor: Omit<Descriptor, 'kind' | 'network'>,
  sign: SignBytes,
): SignedDescriptor {
  return signDocument<Descriptor>({ kind: 'descriptor', network: networkIdOf(genesis), ...descriptor }, sign);
}

/**
 * The seed of an epoch that a threshold of authorities tell alike, hex; null as long as there is none. `notices`:
 * whatever they answered.
 */
export function agreedSeed(genesis: Genesis, epoch: number, notices: readonly unknown[]): string | null {
  const network = networkIdOf(genesis);
  const keys = new Map(genesis.authorities.map(({ id, publicKey }) => [id, publicKey]));
  const tellers = new Map<string, Set<string>>();
  for (const notice of notices) {
    const parsed = signedSeedNoticeSchema.safeParse(notice);
    if (!parsed.success) continue;
    const body: SeedNotice = parsed.data.body;
    const publicKey = keys.get(body.authority);
    const isOurs = body.network === network && body.epoch === epoch;
    if (!isOurs || publicKey === undefined || !isSignedBy(parsed.data, publicKey)) continue;
    tellers.set(body.seed, (tellers.get(body.seed) ?? new Set()).add(body.authority));
  }
  return [...tellers].find(([, authorities]) => authorities.size >= genesis.threshold)?.[0] ?? null;
}

/** `vrfSecretKey`: 32 bytes, of the key in the relay's descriptor. `id`: of the relay, hex. */
export function makeDrawProof(
  draw: { network: string; epoch: number; seed: string; id: string },
  vrfSecretKey: Uint8Array,
): DrawProof {
  const { network, epoch, id } = draw;
  const proof = Buffer.from(prove(vrfSecretKey, lotteryInput(draw))).toString('hex');
  return { kind: 'draw-proof', network, epoch, id, proof };
}
