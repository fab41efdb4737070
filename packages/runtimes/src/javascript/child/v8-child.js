/**
 * The process in which V8 runs scripts at full speed. Started by engine-processes.ts with an empty environment and
 * without permissions but to read.
 *
 * Every attempt gets a context of its own, which has nothing but ECMAScript: no process, no require, no module of
 * Node. What the realm calls outside is held in closures. This prevents accidents; it is no security boundary.
 *
 * Nothing of this realm may get into the script's hands, for from any object a way leads to the constructors. So
 * - the realm calls this file through guards of its own (realm/host-calls.js), and what it hands over is checked here;
 * - no promise of the script is waited for here: `then` is a method that a script may replace;
 * - what V8 asks of its embedder in the middle of a script (import(), import.meta, the text of a stack) is answered by
 *   functions of the script's realm. Node offers no public way to set these for a context: its own functions run in
 *   this realm, and throw errors of this realm when the stack is exhausted.
 */
import { createRequire } from 'node:module';
import { types } from 'node:util';
import vm from 'node:vm';
import { readRealmSource } from './realm-source.js';
import { serve } from './serve.js';

// The engine reads the time zone of the machine otherwise.
process.env.TZ = 'UTC';

const realmScript = new vm.Script(readRealmSource(), { filename: 'realm.js' });
/** Taken before the script can replace it. */
const bufferScript = new vm.Script('((Buffer) => (length) => new Buffer(length))(ArrayBuffer)', {
  filename: 'realm.js',
});

/** Behind --expose-internals. Where one of these is missing, the process ends before it has run anything. */
const { internalBinding } = createRequire(import.meta.url)('internal/test/binding');
const { setPrepareStackTraceCallback } = internalBinding('errors');
const { setImportModuleDynamicallyCallback, setInitializeImportMetaObjectCallback } = internalBinding('module_wrap');
const { setPromiseRejectCallback } = internalBinding('task_queue');

for (const set of [
  setPrepareStackTraceCallback,
  setImportModuleDynamicallyCallback,
  setInitializeImportMetaObjectCallback,
  setPromiseRejectCallback,
]) {
  if (typeof set !== 'function') throw new Error(`Node ${process.version} cannot keep its own functions from scripts`);
}

/** Called by V8 in the middle of a script for every promise that nobody handles; nobody here wants to know. */
setPromiseRejectCallback(() => {});

function setEngineHooks({ prepareStackTrace, importModule, initializeImportMeta }) {
  setPrepareStackTraceCallback(prepareStackTrace);
  setImportModuleDynamicallyCallback(importModule);
  setInitializeImportMetaObjectCallback(initializeImportMeta);
}

function createContext() {
  const context = vm.createContext(vm.constants.DONT_CONTEXTIFY, { codeGeneration: { strings: false, wasm: false } });
  return { context, makeBuffer: bufferScript.runInContext(context), installRealm: realmScript.runInContext(context) };
}

/** Anything else would run code of the script here. */
function checkedText(value) {
  if (typeof value !== 'string') throw new TypeError('a text is needed');
  return value;
}

function checkedBytes(buffer) {
  if (!types.isArrayBuffer(buffer)) throw new TypeError('an ArrayBuffer is needed');
  return new Uint8Array(buffer);
}

/** Takes up as much of the stack as the functions below need: one that stopped half-way would leave half a frame. */
function needStack(calls) {
  return calls === 0 ? 0 : 1 + needStack(calls - 1);
}
const STACK_CALLS = 300;

/** Buffers that the realm gets must be of its own kind. */
function adaptHost(host, makeBuffer) {
  const toRealm = (bytes) => {
    if (bytes === null) return undefined;
    try {
      const buffer = makeBuffer(bytes.length);
      new Uint8Array(buffer).set(bytes);
      return buffer;
    } catch {
      return undefined;
    }
  };
  const calls = {
    log: (stream, buffer) => host.log(stream === 2 ? 2 : 1, checkedBytes(buffer)),
    progress: (fraction, message) =>
      host.progress(typeof fraction === 'number' ? fraction : Number.NaN, checkedText(message)),
    readFile: (index) => toRealm(host.readFile(index)),
    encode: (text) => toRealm(Buffer.from(checkedText(text), 'utf8')),
    decode: (buffer, fatal) => host.decode(checkedBytes(buffer), fatal === 1),
    succeed: (buffer) => host.succeed(buffer === undefined ? null : checkedBytes(buffer)),
    fail: (reason, message) => host.fail(checkedText(reason), checkedText(message)),
    isOutOfMemory: (text) => host.isOutOfMemory(checkedText(text)),
  };
  const adapted = { stackHookIsStored: false, throwsOwnErrors: false };
  for (const [name, call] of Object.entries(calls)) {
    adapted[name] = (first, second) => {
      needStack(STACK_CALLS);
      return call(first, second);
    };
  }
  return adapted;
}

/** One turn of the event loop: all microtasks have run when it is over. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function runAttempt({ source, host, header, started }) {
  const { context, makeBuffer, installRealm } = createContext();
  const realm = installRealm(adaptHost(host, makeBuffer), header);
  setEngineHooks(realm.engineHooks);
  started();
  const module = new vm.SourceTextModule(source, { context, identifier: 'script.js' });
  if (module.moduleRequests.length > 0) {
    host.fail('script-error', `import "${module.moduleRequests[0].specifier}" is not possible: a script stands alone`);
    return;
  }
  module.linkRequests([]);
  module.instantiate();
  realm.callAfter(module.evaluate(), module.namespace);
  do await turn();
  while (realm.advance() === 'again');
  // What the end of the script left to run must not meet the next attempt.
  await turn();
}

void serve(runAttempt);
