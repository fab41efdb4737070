import {
  createNativeBackend,
  loadSodium,
  type NativeBackend,
  type NativeChoice,
  type SphinxBackend,
  TYPESCRIPT_BACKEND,
  X25519_TIERS,
} from '@fog/sphinx';

/** Every way in which some processor can run the C addon. */
const NATIVE_CHOICES: readonly Required<NativeChoice>[] = [
  ...X25519_TIERS.map((x25519) => ({ x25519, symmetric: 'best' }) as const),
  { x25519: 'portable', symmetric: 'portable' },
];
/** What `best` uses for AES and SHA-256 where the processor has it, in the words of a backend's description. */
const SYMMETRIC_INSTRUCTIONS = ['AES-NI', 'SHA-NI'];

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
  return NATIVE_CHOICES.flatMap((choice) => {
    const loaded = createNativeBackend(choice);
    return loaded.available ? [{ name: nameOf(choice), backend: loaded.backend }] : [];
  });
}

/** What of all this the machine lacks, a line each: `name: why`. `load` and `loadOther`: for tests. */
export function backendsNotRun(load = createNativeBackend, loadOther = loadSodium): string[] {
  const sodium = loadOther();
  const missing = NATIVE_CHOICES.flatMap((choice) => {
    const loaded = load(choice);
    return loaded.available ? [] : [`${nameOf(choice)}: ${loaded.reason}`];
  });
  const best = load({});
  const description = best.available ? best.backend.description : '';
  const lacking = best.available ? SYMMETRIC_INSTRUCTIONS.filter((name) => !description.includes(name)) : [];
  return [
    ...(sodium.available ? [] : [`sodium: ${sodium.reason}`]),
    ...missing,
    ...lacking.map((name) => `native with ${name}: this processor has no such instructions`),
  ];
}

function nameOf({ x25519, symmetric }: Required<NativeChoice>): string {
  return `native (${x25519}, ${symmetric})`;
}
