/**
 * The process in which QuickJS, compiled to wasm, runs scripts. The wasm instance is the sandbox; it is made anew for
 * every attempt, so the process may serve many.
 */
import { readFileSync } from 'node:fs';
import { readRealmSource } from './realm-source.js';
import { serve } from './serve.js';

process.env.TZ = 'UTC';

/** Given by engine-processes.ts: a child without permissions cannot search for packages. */
const [coreUrl, ffiUrl, loaderUrl, wasmUrl, stackBytes] = process.argv.slice(2);
const [{ newQuickJSWASMModuleFromVariant, newVariant }, { QuickJSFFI }, { default: moduleLoader }] = await Promise.all([
  import(coreUrl),
  import(ffiUrl),
  import(loaderUrl),
]);
const wasmModule = await WebAssembly.compile(readFileSync(new URL(wasmUrl)));
const engine = { type: 'sync', importFFI: async () => QuickJSFFI, importModuleLoader: async () => moduleLoader };
const realmSource = readRealmSource();
const PAGE_BYTES = 65536;
/** What the module declares: its stack and its static data lie in here, so the job's limit comes on top. */
const INITIAL_PAGES = 256;
const MOST_PAGES = 32768;

/**
 * A new instance whose memory cannot grow beyond the limit. (QuickJS' own limit does not count in wasm: its allocator
 * cannot tell the size of a block there.)
 */
function instantiate(memoryBytes) {
  const maximum = Math.min(INITIAL_PAGES + Math.ceil(memoryBytes / PAGE_BYTES), MOST_PAGES);
  const wasmMemory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum });
  return newQuickJSWASMModuleFromVariant(newVariant(engine, { wasmModule, wasmMemory }));
}

/** Defines the functions of `host` on an object inside the engine. */
function adaptHost(context, host) {
  const object = context.newObject();
  const define = (name, call) =>
    context.newFunction(name, call).consume((handle) => context.setProp(object, name, handle));
  const toRealm = (bytes) => {
    if (bytes === null) return context.undefined;
    const whole = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength;
    return context.newArrayBuffer(
      whole ? bytes.buffer : bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
    );
  };
  const bytesOf = (handle) => context.getArrayBuffer(handle).consume((copy) => copy.value.slice());
  define('log', (stream, buffer) => host.log(context.getNumber(stream), bytesOf(buffer)));
  define('progress', (fraction, message) => host.progress(context.getNumber(fraction), context.getString(message)));
  define('readFile', (index) => toRealm(host.readFile(context.getNumber(index))));
  define('encode', (text) => toRealm(Buffer.from(context.getString(text), 'utf8')));
  define('decode', (buffer, fatal) => {
    const text = host.decode(bytesOf(buffer), context.getNumber(fatal) === 1);
    return text === undefined ? context.undefined : context.newString(text);
  });
  define('succeed', (buffer) => host.succeed(context.typeof(buffer) === 'undefined' ? null : bytesOf(buffer)));
  define('fail', (reason, message) => host.fail(context.getString(reason), context.getString(message)));
  define('isOutOfMemory', (text) => (host.isOutOfMemory(context.getString(text)) ? context.true : context.false));
  context.setProp(object, 'stackHookIsStored', context.true);
  context.setProp(object, 'throwsOwnErrors', context.true);
  return object;
}

/** Calls a method of the realm; throws what it throws, as text. */
function callRealm(context, realm, name, ...values) {
  const result = context.callMethod(realm, name, values);
  if (result.error) throw engineError(context, result.error);
  return result.value;
}

function engineError(context, handle) {
  const error = context.dump(handle);
  handle.dispose();
  const line = /script\.js:(\d+)/.exec(`${error?.stack}`)?.[1];
  const text = typeof error === 'object' && error !== null ? error : { name: 'Error', message: `threw ${error}` };
  return Object.assign(new Error(text.message), {
    name: text.name,
    stack: line === undefined ? '' : `script.js:${line}`,
  });
}

/** Runs what waits for promises until nothing does. */
function runJobs(context, runtime) {
  for (;;) {
    const result = runtime.executePendingJobs(1000);
    if (result.error) throw engineError(context, result.error);
    if (result.value === 0) return;
  }
}

function evaluateScript({ source, context, runtime, realm }) {
  const evaluated = context.evalCode(source, 'script.js', { type: 'module' });
  if (evaluated.error) {
    callRealm(context, realm, 'fail', evaluated.error);
    return;
  }
  const state = context.getPromiseState(evaluated.value);
  if (state.type === 'fulfilled' && state.notAPromise) {
    callRealm(context, realm, 'call', context.getProp(evaluated.value, 'default'));
  } else {
    callRealm(context, realm, 'callLater', evaluated.value);
  }
  for (;;) {
    runJobs(context, runtime);
    const status = context.getString(callRealm(context, realm, 'advance'));
    if (status !== 'again') return;
  }
}

async function runAttempt({ source, host, header, memoryBytes, deadlineMilliseconds, started }) {
  const quickjs = await instantiate(memoryBytes);
  const runtime = quickjs.newRuntime();
  runtime.setMaxStackSize(Number(stackBytes));
  const context = runtime.newContext();
  const install = context.unwrapResult(context.evalCode(realmSource, 'realm.js'));
  const realm = context.unwrapResult(
    context.callFunction(install, context.undefined, adaptHost(context, host), context.newString(header)),
  );
  // The runtime kills this process at the limit; this is the second line, should it be too busy to. It looks many times
  // a second, so a long silence means that this process was stopped, which does not count.
  let looked = performance.now();
  let deadline = looked + deadlineMilliseconds + 1000;
  runtime.setInterruptHandler(() => {
    const now = performance.now();
    if (now - looked > 1000) deadline += now - looked;
    looked = now;
    return now > deadline;
  });
  started();
  evaluateScript({ source, context, runtime, realm });
  // The instance is dropped as a whole; nothing is disposed one by one.
}

void serve(runAttempt);
