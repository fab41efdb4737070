import {
  createNativeBackend,
  loadSodium,
  type NativeBackend,
  type SphinxBackend,
  TYPESCRIPT_BACKEND,
  X25519_TIERS,
} from '@fog/sphinx';

/** Every backend that this machine can run, with a name for messages. Each passes the same vectors. */
export function sphinxBackends(): { name: string; backend: SphinxBackend }[] {
  const sodium = loadSodium();
  return [
    { name: 'typescript', backend: TYPESCRIPT_BACKEND },
    ...(sodium.available ? [{ name: 'sodium', backend: sodium.backend }] : []),
    ...nativeBackends(),
  ];
}

/** The C addon in every way in which this processor can run it. */
export function nativeBackends(): { name: string; backend: NativeBackend }[] {
  const choices = [
    ...X25519_TIERS.map((x25519) => ({ x25519, symmetric: 'best' }) as const),
    { x25519: 'portable', symmetric: 'portable' } as const,
  ];
  return choices.flatMap((choice) => {
    const loaded = createNativeBackend(choice);
    return loaded.available
      ? [{ name: `native (${choice.x25519}, ${choice.symmetric})`, backend: loaded.backend }]
      : [];
  });
}
