/**
 * The functions of the host, so wrapped that nothing which belongs to the host comes back from them.
 *
 * Where the host is V8 itself, its functions throw objects of another realm, and so does the engine on their behalf:
 * calling one on an exhausted stack throws the RangeError of the realm the function is from, before its first line
 * runs. So the catch has to stand here, around the call. What it throws instead is made here too, and should the
 * stack be exhausted even for that, the engine's error is one of this realm.
 */
export function createHostCalls(host) {
  const Exhausted = RangeError;
  const guard = (call) => (first, second) => {
    try {
      return call(first, second);
    } catch {
      throw new Exhausted('The call stack is exhausted');
    }
  };
  // QuickJS has one realm alone, and the memory that ran out must stay recognisable.
  const wrap = host.throwsOwnErrors ? (call) => (first, second) => call(first, second) : guard;
  const { log, progress, readFile, encode, decode, succeed, fail, isOutOfMemory } = host;
  return {
    log: wrap(log),
    progress: wrap(progress),
    readFile: wrap(readFile),
    encode: wrap(encode),
    decode: wrap(decode),
    succeed: wrap(succeed),
    fail: wrap(fail),
    isOutOfMemory: wrap(isOutOfMemory),
    stackHookIsStored: host.stackHookIsStored,
  };
}

/**
 * What V8 calls in the middle of a script, for whoever embeds it, as functions of this realm: Node's own would run
 * in the realm of the host and give its promises and errors to the script.
 */
export function createEngineHooks(prepareStackTrace) {
  const Missing = ReferenceError;
  const reject = Promise.reject.bind(Promise);
  return {
    prepareStackTrace: (_global, error, frames) => prepareStackTrace(error, frames),
    importModule: () => reject(new Missing('There are no modules to import')),
    initializeImportMeta() {},
  };
}
