/** Every way to unwrap that this machine has, and how often each is taken: the slow ones seldom. */
import { createNativeBackend, loadSodium, nodePrimitives, type SphinxBackend, TYPESCRIPT_BACKEND } from '@fog/sphinx';
import { createUnwrapper } from '../../../packages/sphinx/src/backends/unwrapper.ts';
import { opensslX25519, SYMMETRIC_FORMS, X25519_FORMS } from '../../../packages/sphinx/test/native-tiers.ts';

export interface UnwrapWay {
  name: string;
  createUnwrapper: SphinxBackend['createUnwrapper'];
  x25519: SphinxBackend['x25519'];
  /** It gets one batch in so many. */
  every: number;
}

const NATIVE_EVERY = 8;
const SODIUM_EVERY = 256;
const REFERENCE_EVERY = 512;
const TYPESCRIPT_EVERY = 1024;

/** The fastest first: it gets all batches, and the others are compared with it. */
export function unwrapWays(): UnwrapWay[] {
  const best = createNativeBackend({});
  const sodium = loadSodium();
  const others = X25519_FORMS.filter((form) => !best.available || form.x25519Tier !== best.backend.x25519Tier);
  const ways = [
    ...(best.available ? [wayOf(`native, ${best.backend.description}`, best.backend, 1)] : []),
    ...others.map((form) => wayOf(`native, ${form.description}`, form, NATIVE_EVERY)),
    ...SYMMETRIC_FORMS.slice(1).map((form) => wayOf(`native, ${form.description}`, form, NATIVE_EVERY)),
    ...(sodium.available ? [wayOf('sodium', sodium.backend, SODIUM_EVERY)] : []),
    wayOf('the definition, on primitives of OpenSSL', referenceBackend(), REFERENCE_EVERY),
    wayOf('typescript', TYPESCRIPT_BACKEND, TYPESCRIPT_EVERY),
  ];
  return ways.map((way, index) => (index === 0 ? { ...way, every: 1 } : way));
}

function wayOf(
  name: string,
  { createUnwrapper: create, x25519 }: Pick<SphinxBackend, 'createUnwrapper' | 'x25519'>,
  every: number,
): UnwrapWay {
  return { name, createUnwrapper: create, x25519, every };
}

function referenceBackend(): Pick<SphinxBackend, 'createUnwrapper' | 'x25519'> {
  const primitives = nodePrimitives(opensslX25519);
  return { x25519: opensslX25519, createUnwrapper: (options) => createUnwrapper(primitives, options) };
}
