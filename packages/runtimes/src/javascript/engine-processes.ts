/** How a child of each engine is started. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ChildCommand, FrameChild } from '../child-process.ts';
import { JAVASCRIPT_LIMITS } from '../limits.ts';
import { bubblewrapCommand, nodeReadOnlyPaths } from '../process/bubblewrap.ts';
import { markOfNode } from '../process/orphans.ts';
import type { RuntimeSettings } from '../runtime.ts';
import type { ShelvedChild } from './child-shelf.ts';
import type { JavascriptEngine } from './engine-choice.ts';

/** A child with what is known of it between attempts. */
export class JavascriptChild extends FrameChild implements ShelvedChild {
  readonly kind: string;
  scriptPath: string | null = null;
  attempts = 0;
  residentBytes = 0;

  constructor(kind: string, command: ChildCommand) {
    super(command);
    this.kind = kind;
  }
}

const OWN_SOURCES = fileURLToPath(new URL('./', import.meta.url));
const OWN_PACKAGE = fileURLToPath(new URL('../../package.json', import.meta.url));
const V8_ENTRY = fileURLToPath(new URL('./child/v8-child.js', import.meta.url));
const QUICKJS_ENTRY = fileURLToPath(new URL('./child/quickjs-child.js', import.meta.url));
const MEBIBYTE = 1 << 20;

/** Children may not search for packages, so they are told where each file lies. */
export const ACORN_URL = import.meta.resolve('acorn');
const QUICKJS_PACKAGE = '@jitl/quickjs-ng-wasmfile-release-sync';
const quickjsUrls = (): string[] => [
  import.meta.resolve('quickjs-emscripten-core'),
  import.meta.resolve(`${QUICKJS_PACKAGE}/ffi`),
  import.meta.resolve(`${QUICKJS_PACKAGE}/emscripten-module`),
  import.meta.resolve(`${QUICKJS_PACKAGE}/wasm`),
];

/** The folder of a package, from the address of a file in its `dist`. */
const packageFolder = (url: string): string => dirname(dirname(fileURLToPath(url)));

/** Megabytes of heap for a limit of memory: Node itself needs some before the script does. */
export function heapMebibytes(memoryBytes: number): number {
  return Math.ceil(memoryBytes / MEBIBYTE) + JAVASCRIPT_LIMITS.ownHeapMebibytes;
}

const COMMON_FLAGS = [
  '--permission',
  '--disallow-code-generation-from-strings',
  '--disable-proto=delete',
  '--no-addons',
  '--no-warnings',
  // What a script leaves unhandled is its own business, and QuickJS would not notice.
  '--unhandled-rejections=none',
];

const V8_FLAGS = [
  '--experimental-vm-modules',
  // For the functions that V8 calls while a script runs: v8-child.js replaces those of Node.
  '--expose-internals',
  // Syntax that QuickJS does not know.
  '--no-js-regexp-modifiers',
  '--no-js-regexp-duplicate-named-groups',
];

const allowReading = (paths: readonly string[]): string[] => paths.map((path) => `--allow-fs-read=${path}`);

function v8Arguments(readablePaths: readonly string[], memoryBytes: number): { args: string[]; readable: string[] } {
  const readable = [OWN_SOURCES, OWN_PACKAGE, packageFolder(ACORN_URL), ...readablePaths];
  const heap = `--max-old-space-size=${heapMebibytes(memoryBytes)}`;
  return { args: [...COMMON_FLAGS, ...V8_FLAGS, heap, ...allowReading(readable), V8_ENTRY], readable };
}

function quickjsArguments(readablePaths: readonly string[]): string[] {
  const urls = quickjsUrls();
  const packages = new Set([...urls, ACORN_URL, import.meta.resolve('@jitl/quickjs-ffi-types')].map(packageFolder));
  const readable = [OWN_SOURCES, OWN_PACKAGE, ...packages, ...readablePaths];
  return [
    ...COMMON_FLAGS,
    `--max-old-space-size=${JAVASCRIPT_LIMITS.quickjsHeapMebibytes}`,
    // The engine's stack of calls lies on the stack of the process; Windows gives its main thread 1 MiB.
    ...(process.platform === 'win32' ? [] : [`--stack-size=${JAVASCRIPT_LIMITS.stackKibibytes}`]),
    ...allowReading(readable),
    QUICKJS_ENTRY,
    ...urls,
    String(
      process.platform === 'win32' ? JAVASCRIPT_LIMITS.quickjsStackBytes / 8 : JAVASCRIPT_LIMITS.quickjsStackBytes,
    ),
  ];
}

/** The environment of the child is empty; that of a sandbox around it names the node. */
export function childCommand(
  engine: JavascriptEngine,
  { readablePaths, nodeId }: Pick<RuntimeSettings, 'readablePaths' | 'nodeId'>,
  memoryBytes: number,
): ChildCommand {
  if (engine === 'quickjs') return { command: process.execPath, args: quickjsArguments(readablePaths), env: {} };
  const { args, readable } = v8Arguments(readablePaths, memoryBytes);
  if (engine === 'v8') return { command: process.execPath, args, env: {} };
  const sandboxed = bubblewrapCommand({
    command: process.execPath,
    args,
    readOnlyPaths: [...nodeReadOnlyPaths(), ...readable],
    env: {},
    workingDirectory: '/',
  });
  return { ...sandboxed, env: markOfNode(nodeId) };
}
