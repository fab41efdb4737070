/** Authorities and relays of a small network for tests, with keys that follow from their names. */
import { createHash, createHmac } from 'node:crypto';
import {
  type Authority,
  type AuthorityContext,
  createGenesis,
  type Descriptor,
  ed25519PublicKey,
  ed25519Signer,
  type Genesis,
  idOfDescriptor,
  makeDescriptor,
  NO_ECONOMY,
  networkIdOf,
  type SignBytes,
  type SignedDescriptor,
  type VerifyProof,
  vrfPublicKey,
} from '../../src/index.ts';

export const GENESIS_TIME = 1_800_000_000_000;
export const EPOCH = 10_000;
/** Where descriptors come from. */
export const SOURCE = '127.0.0.1/32';

export function secretOf(name: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(`secret of ${name}`).digest());
}

const signers = new Map<string, SignBytes>();

export function signerOf(name: string): SignBytes {
  const signer = signers.get(name) ?? ed25519Signer(secretOf(name));
  signers.set(name, signer);
  return signer;
}

export function authorityOf(id: string): Authority {
  return { id, publicKey: ed25519PublicKey(secretOf(id)), url: `http://127.0.0.1:7000/${id}` };
}

export function smallGenesis(given: Partial<Genesis> = {}): Genesis {
  return createGenesis({
    name: 'small',
    test: true,
    genesisMilliseconds: GENESIS_TIME,
    epochMilliseconds: EPOCH,
    graceMilliseconds: 1000,
    authorities: ['alice', 'bob', 'carol'].map(authorityOf),
    layers: 2,
    geometry: { hops: 4, userPayloadBytes: 500 },
    ...given,
  });
}

export interface TestRelay {
  name: string;
  id: string;
  role: Descriptor['role'];
  vrfSecret: Uint8Array;
  /** For an epoch; what is given stands instead of what is usual. */
  describe(genesis: Genesis, epoch: number, given?: Partial<Descriptor>): SignedDescriptor;
}

/** Any 32 bytes with a high bit cleared are a key of X25519. */
function publicKeyOf(name: string): string {
  return createHash('sha256').update(`public ${name}`).digest('hex');
}

const vrfKeys = new Map<string, string>();

export function relayOf(name: string, role: Descriptor['role'] = 'mix'): TestRelay {
  const vrfSecret = secretOf(`vrf of ${name}`);
  const vrfKey = vrfKeys.get(name) ?? Buffer.from(vrfPublicKey(vrfSecret)).toString('hex');
  vrfKeys.set(name, vrfKey);
  const identityKey = ed25519PublicKey(secretOf(name));
  const describe = (genesis: Genesis, epoch: number, given: Partial<Descriptor> = {}) =>
    makeDescriptor(
      genesis,
      {
        epoch,
        sequence: 1,
        identityKey,
        linkKey: publicKeyOf(`link of ${name}`),
        vrfKey,
        registeredEpoch: -1,
        role,
        operator: `operator-of-${name}`,
        operatorProof: null,
        addresses: [{ host: '127.0.0.1', port: 4000 }],
        protocolVersions: [1],
        sphinxKeys: [0, 1, 2].map((ahead) => ({
          epoch: epoch + ahead,
          publicKey: publicKeyOf(`sphinx of ${name} in ${epoch + ahead}`),
        })),
        ...given,
      },
      signerOf(name),
    );
  const id = idOfDescriptor(describe(smallGenesis(), 0));
  return { name, id, role, vrfSecret, describe };
}

/** Of the names: two mixes, a gateway and a service node, or more mixes. */
export function smallRelays(mixes = 4): TestRelay[] {
  const names = Array.from({ length: mixes }, (_, at) => `mix-${at + 1}`);
  return [...names.map((name) => relayOf(name)), relayOf('gateway-1', 'gateway'), relayOf('service-1', 'service')];
}

export function contextOf(
  authority: string,
  genesis: Genesis,
  given: Partial<AuthorityContext> = {},
): AuthorityContext {
  let drawn = 0;
  return {
    genesis,
    network: networkIdOf(genesis),
    authority,
    sign: signerOf(authority),
    random: (bytes) => {
      drawn += 1;
      return new Uint8Array(createHash('sha512').update(`${authority} ${drawn}`).digest().subarray(0, bytes));
    },
    standing: NO_ECONOMY,
    verifyProof: verifyCheapProof,
    ...given,
  };
}

/**
 * A stand-in for the verifiable random function where thousands of proofs are checked: it has its shapes, is one to one
 * with key and input, and costs a hash. Whoever knows the public key can make the proof, which here nobody does.
 */
export function cheapProof(publicKey: Uint8Array, alpha: Uint8Array): Uint8Array {
  const half = createHmac('sha512', publicKey).update(alpha).digest();
  return new Uint8Array(Buffer.concat([half, half.subarray(0, 16)]));
}

export const verifyCheapProof: VerifyProof = (publicKey, alpha, proof) =>
  Buffer.from(cheapProof(publicKey, alpha)).equals(proof)
    ? new Uint8Array(createHash('sha512').update(proof).digest())
    : null;
