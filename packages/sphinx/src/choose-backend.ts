import { FogError } from '@fog/contract';
import { BACKEND_NAMES, type BackendName, type SphinxBackend } from './backend.ts';
import { loadNative } from './backends/native.ts';
import { type LoadedBackend, loadSodium } from './backends/sodium.ts';
import { TYPESCRIPT_BACKEND } from './backends/typescript.ts';

export interface ChosenBackend {
  backend: SphinxBackend;
  /** Why those that come first in the order are not available, a sentence each. */
  reasons: string[];
}

const LOADERS: Readonly<Record<BackendName, () => LoadedBackend>> = {
  native: loadNative,
  sodium: loadSodium,
  typescript: () => ({ available: true, backend: TYPESCRIPT_BACKEND }),
};

/**
 * The fastest backend of this machine: native, then sodium, then TypeScript. With `prefer` that one and no other; throws
 * a `FogError` (`unavailable`) when it cannot run here. `loaders`: for tests.
 */
export function chooseBackend({ prefer }: { prefer?: BackendName } = {}, loaders = LOADERS): ChosenBackend {
  const reasons: string[] = [];
  for (const name of prefer === undefined ? BACKEND_NAMES : [prefer]) {
    const loaded = loaders[name]();
    if (loaded.available) return { backend: loaded.backend, reasons };
    reasons.push(loaded.reason);
  }
  throw new FogError('unavailable', `the ${prefer ?? 'Sphinx'} backend cannot run here: ${reasons.join('; ')}`);
}
