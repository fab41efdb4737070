/** Children that run wasm, and the pool of them. */
import { fileURLToPath } from 'node:url';
import { ChildPool } from '../child-pool.ts';
import { FrameChild } from '../child-process.ts';
import { WASM_LIMITS } from '../limits.ts';
import type { RuntimeSettings } from '../runtime.ts';

/** A child with what is known of it between attempts. */
export class WasmChild extends FrameChild {
  attempts = 0;
  /** User and system time that it had used at the end of its last attempt. */
  cpuMillisecondsBefore = 0;
  /** Keys of modules that it has compiled. */
  modules: ReadonlySet<string> = new Set();
}

const CHILD_ENTRY = fileURLToPath(new URL('./child.ts', import.meta.url));
/** The sources of the runtimes, which the child loads, and the package.json that says how. */
const OWN_SOURCES = fileURLToPath(new URL('../', import.meta.url));
const OWN_PACKAGE = fileURLToPath(new URL('../../package.json', import.meta.url));

/**
 * Node without any permission but to read the blob cache and its own sources, without environment, and without
 * compilation of strings. --stack-size is for deep recursion of interpreters in the guest.
 */
function childArguments(readablePaths: readonly string[]): string[] {
  return [
    '--permission',
    ...[OWN_SOURCES, OWN_PACKAGE, ...readablePaths].map((path) => `--allow-fs-read=${path}`),
    '--disallow-code-generation-from-strings',
    '--disable-proto=delete',
    '--no-addons',
    '--no-warnings',
    '--expose-gc',
    `--max-old-space-size=${WASM_LIMITS.heapMebibytes}`,
    ...(process.platform === 'win32' ? [] : [`--stack-size=${WASM_LIMITS.stackKibibytes}`]),
    CHILD_ENTRY,
  ];
}

export function createWasmPool(settings: RuntimeSettings): ChildPool<WasmChild> {
  const args = childArguments(settings.readablePaths);
  return new ChildPool({
    size: settings.slots,
    start: () => new WasmChild({ command: process.execPath, args, env: {} }),
  });
}
