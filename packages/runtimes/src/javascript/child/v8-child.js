/**
 * The process in which V8 runs scripts at full speed. Started by engine-processes.ts with an empty environment and
 * without permissions but to read.
 *
 * Every attempt gets a context of its own, which has nothing but ECMAScript: no process, no require, no module of
 * Node. What the realm calls outside is held in closures. This prevents accidents; it is no security boundary.
 */
import vm from 'node:vm';
import { readRealmSource } from './realm-source.js';
import { serve } from './serve.js';

// The engine reads the time zone of the machine otherwise.
process.env.TZ = 'UTC';

const realmScript = new vm.Script(readRealmSource(), { filename: 'realm.js' });
const bufferScript = new vm.Script('(length) => new ArrayBuffer(length)', { filename: 'realm.js' });
const importScript = new vm.Script("() => { throw new ReferenceError('There are no modules to import'); }", {
  filename: 'realm.js',
});

function createContext() {
  const context = vm.createContext(vm.constants.DONT_CONTEXTIFY, { codeGeneration: { strings: false, wasm: false } });
  const makeBuffer = bufferScript.runInContext(context);
  const refuseImport = importScript.runInContext(context);
  return { context, makeBuffer, refuseImport, installRealm: realmScript.runInContext(context) };
}

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
  return {
    log: (stream, buffer) => host.log(stream, new Uint8Array(buffer)),
    progress: (fraction, message) => host.progress(fraction, message),
    readFile: (index) => toRealm(host.readFile(index)),
    encode: (text) => toRealm(Buffer.from(text, 'utf8')),
    decode: (buffer, fatal) => host.decode(new Uint8Array(buffer), fatal === 1),
    succeed: (buffer) => host.succeed(buffer === undefined ? null : new Uint8Array(buffer)),
    fail: (reason, message) => host.fail(reason, message),
    isOutOfMemory: (text) => host.isOutOfMemory(text),
    stackHookIsStored: false,
  };
}

/** One turn of the event loop: all microtasks have run when it is over. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function runAttempt({ source, host, header, started }) {
  const { context, makeBuffer, refuseImport, installRealm } = createContext();
  const realm = installRealm(adaptHost(host, makeBuffer), header);
  started();
  const module = new vm.SourceTextModule(source, {
    context,
    identifier: 'script.js',
    importModuleDynamically: refuseImport,
  });
  if (module.moduleRequests.length > 0) {
    host.fail('script-error', `import "${module.moduleRequests[0].specifier}" is not possible: a script stands alone`);
    return;
  }
  module.linkRequests([]);
  module.instantiate();
  void module.evaluate().then(
    () => realm.call(module.namespace.default),
    (error) => realm.fail(error),
  );
  do await turn();
  while (realm.advance() === 'again');
}

void serve(runAttempt);
