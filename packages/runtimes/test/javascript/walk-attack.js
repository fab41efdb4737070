/**
 * What a script can get hold of, by walking and by attacks, as a script that lists what is not its own: an object
 * whose chain of prototypes ends elsewhere than in the script's own Object.prototype, or a function whose chain does
 * not hold its own Function.prototype. An empty list is the result that is wanted.
 */
const ownObject = Object.prototype;
const ownFunction = Object.getPrototypeOf(() => {});
const { getPrototypeOf, getOwnPropertyDescriptor, defineProperty } = Object;
const { ownKeys, apply, construct } = Reflect;
const then = Promise.prototype.then;
const RealError = Error;
const { isError } = Error;
const foreign = [];
const seen = new Set();
const functions = [];
const queue = [];

const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';

function chainOf(value) {
  const chain = [];
  for (let at = value; at !== null; at = getPrototypeOf(at)) chain.push(at);
  return chain;
}

/** Notes the value and, later, all that can be reached from it. */
function meet(path, value) {
  if (!isObject(value) || seen.has(value) || isKnownError(value)) return;
  seen.add(value);
  queue.push([path, value]);
}

/** One of the many errors that lead nowhere new; they are not kept. */
function isKnownError(value) {
  if (!isError(value) || !seen.has(getPrototypeOf(value))) return false;
  const keys = ownKeys(value);
  for (let index = 0; index < keys.length; index += 1) {
    const { value: held, get, set } = getOwnPropertyDescriptor(value, keys[index]);
    if ((isObject(held) && !seen.has(held)) || (get && !seen.has(get)) || (set && !seen.has(set))) return false;
  }
  return true;
}

function walk() {
  for (;;) {
    const next = queue.pop();
    if (next === undefined) return;
    const [path, value] = next;
    const chain = chainOf(value);
    const end = chain.at(-1);
    // Without a prototype there is nothing to belong to: what hangs on it is looked at.
    const isBare = typeof value === 'object' && chain.length === 1;
    const isStray = typeof value === 'function' && !chain.includes(ownFunction);
    if ((end !== ownObject && !isBare) || isStray) {
      foreign.push(path);
      continue;
    }
    if (typeof value === 'function') functions.push([path, value]);
    for (const key of ownKeys(value)) {
      const descriptor = getOwnPropertyDescriptor(value, key);
      const name = `${path}.${String(key)}`;
      if (descriptor === undefined) continue;
      meet(name, descriptor.value);
      meet(`${name}<get>`, descriptor.get);
      meet(`${name}<set>`, descriptor.set);
    }
    meet(`${path}.[[Prototype]]`, getPrototypeOf(value));
  }
}

/** Calls `action` again and again on an ever less exhausted stack; what it gives or throws is kept. */
function exhaust(path, action, most = 6000) {
  const caught = new Array(most).fill(undefined);
  let count = 0;
  const down = () => {
    try {
      down();
    } catch (error) {
      if (count < most) {
        caught[count] = error;
        count += 1;
      }
    }
    if (count >= most) return;
    try {
      caught[count] = action();
      count += 1;
    } catch (error) {
      caught[count] = error;
      count += 1;
    }
  };
  try {
    down();
  } catch (error) {
    meet(`${path}!`, error);
  }
  for (let index = 0; index < count; index += 1) meet(`${path}!${index}`, caught[index]);
}

/** Values whose every use by somebody else is seen: what they are called with, and as what. */
function hostile(path) {
  const handler = new Proxy(
    {},
    {
      get: (_, trap) => {
        return (...values) => {
          for (const value of values) meet(`${path}<${String(trap)}>`, value);
          return apply(Reflect[trap], Reflect, values);
        };
      },
    },
  );
  const note = (name) =>
    function (...values) {
      meet(`${path}.${name}<this>`, this);
      for (const value of values) meet(`${path}.${name}<argument>`, value);
      return name === 'then' ? undefined : 1;
    };
  const object = { toString: note('toString'), valueOf: note('valueOf'), toJSON: note('toJSON') };
  // biome-ignore lint/suspicious/noThenProperty: somebody outside may wait for it
  object.then = note('then');
  object[Symbol.toPrimitive] = note('toPrimitive');
  object[Symbol.iterator] = note('iterator');
  const raising = {};
  for (const name of ['toString', 'valueOf', 'toJSON', 'then', 'name', 'message', 'length', 'constructor']) {
    defineProperty(raising, name, {
      get() {
        meet(`${path}.${name}<getter>`, this);
        throw raising;
      },
    });
  }
  const endless = () => {
    const value = { toString: () => `${value}`, valueOf: () => +value, toJSON: () => JSON.stringify(value) };
    return value;
  };
  return [object, raising, endless(), new Proxy({}, handler), new Proxy(() => 1, handler), note('call')];
}

function attempt(path, action) {
  try {
    meet(path, action());
  } catch (error) {
    meet(`${path}!`, error);
  }
}

/** Functions that would end or change what the walk itself stands on. */
const LEFT_ALONE =
  /(?:setPrototypeOf|preventExtensions|freeze|seal|defineProper\w*|__define\w+__|setInterval|setTimeout)$/;

function attackFunctions(list, most) {
  for (const [path, value] of list) {
    if (!LEFT_ALONE.test(path)) exhaust(path, () => value(0.5, 'text'), most);
  }
}

async function attackErrors() {
  // Where the text of the stack is made, on an exhausted stack too.
  const errors = [new RealError('a'), new TypeError('b'), new AggregateError([])];
  for (const error of errors) meet('error', error);
  exhaust('stack', () => new RealError('c').stack);
  exhaust('stack of native', () => {
    try {
      null.x();
    } catch (error) {
      return error.stack;
    }
  });
  exhaust('stack name', () => {
    const error = new RealError('d');
    defineProperty(error, 'name', { get: () => error.stack });
    return error.stack;
  });
  const given = [];
  const hook = (...values) => given.push(values);
  for (const change of [
    () => {
      RealError.prepareStackTrace = hook;
    },
    () => {
      globalThis.Error = { prepareStackTrace: hook };
    },
    () => {
      defineProperty(globalThis, 'Error', { configurable: true, get: () => ({ prepareStackTrace: hook }) });
    },
    () => {
      ownObject.prepareStackTrace = hook;
    },
  ]) {
    attempt('hook', change);
    attempt('hooked', () => new TypeError('e').stack);
    exhaust('hooked', () => new TypeError('f').stack);
  }
  delete ownObject.prepareStackTrace;
  attempt('restored', () =>
    defineProperty(globalThis, 'Error', { configurable: true, writable: true, value: RealError }),
  );
  meet('call sites', given);
}

async function attackModules() {
  const caught = [];
  const keep = (value) => caught.push(value);
  for (const name of ['node:fs', 'script.js', '', 'data:text/javascript,export default process']) {
    attempt('import()', () => {
      const promise = import(name);
      then.call(promise, keep, keep);
      return promise;
    });
  }
  for (const value of hostile('import')) {
    attempt('import(hostile)', () => {
      const promise = import(value);
      then.call(promise, keep, keep);
      return promise;
    });
    attempt('import(, hostile)', () => {
      const promise = import('./a', value);
      then.call(promise, keep, keep);
      return promise;
    });
  }
  exhaust('import()', () => {
    const promise = import('./b');
    then.call(promise, keep, keep);
    return promise;
  });
  exhaust('import.meta', () => import.meta);
  meet('import.meta', import.meta);
  for (let round = 0; round < 50; round += 1) await null;
  meet('imported', caught);
}

/** Built-in methods that somebody outside might call on what the script made. */
function patchBuiltins() {
  const undo = [];
  const patch = (holder, key, label) => {
    const before = getOwnPropertyDescriptor(holder, key);
    if (before === undefined || !before.configurable) return;
    const original = before.value ?? before.get;
    // No loop over an iterator in here: that is one of the methods.
    const replacement = function (...values) {
      meet(`patched ${label}<this>`, this);
      for (let index = 0; index < values.length; index += 1) meet(`patched ${label}<argument>`, values[index]);
      return new.target === undefined ? apply(original, this, values) : construct(original, values, new.target);
    };
    defineProperty(
      holder,
      key,
      'value' in before ? { ...before, value: replacement } : { ...before, get: replacement },
    );
    undo.push(() => defineProperty(holder, key, before));
  };
  patch(Promise.prototype, 'then', 'then');
  patch(Promise.prototype, 'constructor', 'Promise');
  patch(Array.prototype, Symbol.iterator, 'iterator');
  patch(getPrototypeOf(Uint8Array).prototype, 'buffer', 'buffer');
  patch(getPrototypeOf(Uint8Array).prototype, 'slice', 'slice');
  patch(getPrototypeOf(Uint8Array).prototype, 'constructor', 'TypedArray');
  patch(ArrayBuffer.prototype, 'slice', 'ArrayBuffer.slice');
  patch(String.prototype, 'toWellFormed', 'toWellFormed');
  patch(String.prototype, 'replaceAll', 'replaceAll');
  patch(ownObject, 'toString', 'Object.toString');
  patch(globalThis, 'ArrayBuffer', 'global ArrayBuffer');
  return () => {
    for (const back of undo) back();
  };
}

function attackContext(input, ctx) {
  for (const value of [...hostile('value'), Symbol('s'), 1n, null, undefined, '\ud800', 0 / 0]) {
    attempt('log', () => ctx.log(value));
    attempt('console', () => console.error(value));
    attempt('progress', () => ctx.progress(value, value));
    attempt('progress message', () => ctx.progress(0.5, value));
    attempt('encode', () => new TextEncoder().encode(value));
    attempt('decode', () => new TextDecoder(value, value));
    attempt('decode', () => new TextDecoder().decode(value, value));
    attempt('random', () => ctx.random(value));
    attempt('signal', () => ctx.signal.addEventListener(value, value));
    attempt('signal', () => ctx.signal.throwIfAborted.call(value));
    attempt('microtask', () => queueMicrotask(value));
    for (const file of Object.values(input.files)) {
      for (const method of ['data', 'text', 'json']) attempt(`file ${method}`, () => file[method].call(value, value));
    }
  }
  // The text of a message that is none: what a built-in method gives is what goes out.
  const toWellFormed = getOwnPropertyDescriptor(String.prototype, 'toWellFormed');
  for (const value of hostile('well-formed')) {
    defineProperty(String.prototype, 'toWellFormed', { ...toWellFormed, value: () => value });
    attempt('odd progress', () => ctx.progress(0.5, 'a'));
    attempt('odd log', () => ctx.log('a'));
    defineProperty(String.prototype, 'toWellFormed', { ...toWellFormed, value: () => ({ replaceAll: () => value }) });
    attempt('odd progress', () => ctx.progress(0.5, 'a'));
    attempt('odd log', () => ctx.log('a'));
  }
  defineProperty(String.prototype, 'toWellFormed', toWellFormed);
  const circular = {};
  circular.self = circular;
  attempt('circular', () => ctx.log(circular));
}

function attackCallers() {
  const names = ['caller', 'arguments', 'callee'];
  for (const [path, value] of [...functions]) {
    for (const name of names) attempt(`${path}.${name}`, () => value[name]);
  }
  (function strict() {
    // biome-ignore lint/complexity/noArguments: the object itself is attacked
    const own = arguments;
    attempt('callee', () => own.callee);
    meet('arguments', own);
  })(1, 2);
}

// Patched before the module is over, since whoever waits for it does so now.
const undoPatches = patchBuiltins();

export default async (input, ctx) => {
  await null;
  undoPatches();
  for (const name of ownKeys(globalThis)) meet(String(name), globalThis[name]);
  meet('input', input);
  meet('ctx', ctx);
  for (const file of Object.values(input.files)) attempt('data', () => file.data());
  meet('own this', this);
  walk();
  const reached = [...functions];
  attackCallers();
  attackContext(input, ctx);
  const undo = patchBuiltins();
  attackContext(input, ctx);
  undo();
  await attackErrors();
  await attackModules();
  attackFunctions(
    [
      ...Object.entries(ctx),
      ...Object.getOwnPropertyNames(console).map((name) => [name, console[name]]),
      ...Object.values(input.files).flatMap(Object.entries),
      ['encode', () => new TextEncoder().encode('a\0b')],
      ['decode', () => new TextDecoder().decode(new Uint8Array([0xff, 65]))],
      ['decode fatal', () => new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xff]))],
      ['date', () => new Date()],
      ['await', async () => await null],
      ['reject', () => Promise.reject(new RealError('nobody handles this'))],
      ['microtask', () => queueMicrotask(() => {})],
    ].filter(([, value]) => typeof value === 'function'),
  );
  // The built-in functions are QuickJS's own in any case, and it is slow.
  if (ctx.env.ENGINE === 'v8') attackFunctions(reached, 800);
  for (let round = 0; round < 20; round += 1) await null;
  walk();
  for (const name of ['process', 'require', 'module', 'global', 'Buffer', 'WebAssembly', 'SharedArrayBuffer']) {
    if (name in globalThis) foreign.push(name);
  }
  return { foreign: foreign.slice(0, 50), met: seen.size };
};
