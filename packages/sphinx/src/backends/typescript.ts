import type { SphinxBackend } from '../backend.ts';
import { PURE_PRIMITIVES } from '../primitives.ts';
import { createUnwrapper } from './unwrapper.ts';

/** Runs wherever JavaScript does. Its tables make it leak time to whoever shares the processor. */
export const TYPESCRIPT_BACKEND: SphinxBackend = {
  name: 'typescript',
  description: 'X25519, AES and SHA-256 in JavaScript',
  x25519: PURE_PRIMITIVES.x25519,
  createUnwrapper: (options) => createUnwrapper(PURE_PRIMITIVES, options),
};
