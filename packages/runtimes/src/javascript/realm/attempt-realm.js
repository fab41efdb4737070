/**
 * One attempt inside its realm: what the script sees as `input` and `ctx`, and what becomes of its result.
 *
 *     installRealm(host, header) -> the script's module is evaluated -> call(default export), callLater or callAfter
 *         -> [all microtasks run] -> advance() -> 'done' | 'again' (microtasks once more) | 'stuck'
 *
 * `host` has functions that take and give nothing but texts, numbers and ArrayBuffers of this realm, and they are
 * called through host-calls.js alone. Nothing of the host is reachable from the objects handed to the script.
 *
 * The methods of promises are taken before the script can replace them: what waits for the script is not its business.
 */

import { createEngineHooks, createHostCalls } from './host-calls.js';
import { logText } from './log-text.js';
import { pow } from './math-power.js';
import { removeGlobals } from './remove-globals.js';
import { defineFunctions, replaceGlobals } from './replace-globals.js';
import { bytesOf, createTextConversions, isBytes, textEncodingClasses } from './text-encoding.js';
import { createClock, createRandom, createTimers } from './virtual-time.js';

const { freeze, create: createObject, defineProperty: defineOne } = Object;
const { parse: parseJson, stringify: toJson } = JSON;
const promiseThen = Function.prototype.call.bind(Promise.prototype.then);

/** What `**` becomes: the engines' own operator differs in the last digit. */
export function installPower() {
  const power = (left, right) => {
    const base = toNumeric(left);
    const exponent = toNumeric(right);
    // Two whole numbers are exact in both engines; a mixed pair throws here as the operator does.
    return typeof base === 'bigint' || typeof exponent === 'bigint' ? base ** exponent : pow(base, exponent);
  };
  const toNumeric = (value) => {
    if (typeof value === 'number' || typeof value === 'bigint') return value;
    if (typeof value !== 'object' && typeof value !== 'function') return +value;
    const primitive = value === null ? 0 : value.valueOf();
    return typeof primitive === 'bigint' ? primitive : +value;
  };
  const reference = (object, key) => {
    const name = typeof key === 'symbol' ? key : `${key}`;
    const before = object[name];
    return {
      power(right) {
        object[name] = power(before, right);
        return object[name];
      },
    };
  };
  // Small enough to be inlined by V8, with the square first, since it is nearly every use.
  const operator = (left, right) => {
    if (typeof left === 'number' && typeof right === 'number') return right === 2 ? left * left : pow(left, right);
    return power(left, right);
  };
  defineOne(operator, 'reference', { value: reference });
  freeze(operator);
  defineOne(globalThis, '__fogPower', { value: operator });
}

function readBytes(host, index) {
  const buffer = host.readFile(index);
  if (buffer === undefined) throw new Error('An input file cannot be read');
  return new Uint8Array(buffer);
}

function buildFiles(host, inputs, decode) {
  const files = createObject(null);
  for (let index = 0; index < inputs.length; index += 1) {
    const { path, bytes } = inputs[index];
    const data = () => readBytes(host, index);
    const text = () => {
      const content = data();
      return decode(
        content[0] === 0xef && content[1] === 0xbb && content[2] === 0xbf ? content.subarray(3) : content,
        false,
      );
    };
    files[path] = freeze({ bytes, data, text, json: () => parseJson(text()) });
  }
  return freeze(files);
}

/** `{ ...stdin, args, files }`. Standard input that is no JSON object is `input.stdin`: its value, or its text. */
function buildInput(host, header, decode) {
  const own = { args: freeze(header.args), files: buildFiles(host, header.inputs, decode) };
  if (!header.hasStdin) return own;
  const text = decode(readBytes(host, -1), false);
  if (text === '') return own;
  let value = text;
  try {
    value = parseJson(text);
  } catch {
    // Offered as text.
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value, ...own };
  return { stdin: value, ...own };
}

function buildContext(host, header, random, log, cleanText) {
  // Nothing but a kill ends an attempt early, and a kill is immediate: the signal is there for code that wants one.
  const signal = freeze({
    aborted: false,
    reason: undefined,
    addEventListener() {},
    removeEventListener() {},
    throwIfAborted() {},
  });
  return freeze({
    partition: freeze({ index: header.partition.index, count: header.partition.count }),
    env: freeze(header.env),
    random: () => random(),
    signal,
    log: (...values) => log(1, values),
    progress(fraction, message = '') {
      const part = +fraction;
      if (!(part >= 0 && part <= 1)) throw new RangeError('Progress is a number from 0 to 1');
      host.progress(part, cleanText(`${message}`));
    },
  });
}

export function installRealm(givenHost, headerText) {
  const host = createHostCalls(givenHost);
  const header = parseJson(headerText);
  const clock = createClock(header.submittedAtMilliseconds);
  const random = createRandom(header.seedWords);
  const timers = createTimers(clock);
  const conversions = createTextConversions(host);
  const { encode, decode } = conversions;
  const log = (stream, values) => host.log(stream, encode(logText(values)).buffer);
  removeGlobals();
  const setStackHook = (hook) => fixStackHook(host, hook);
  const { places, prepareStackTrace } = replaceGlobals({ clock, random, timers: timers.functions, setStackHook });
  installPower();
  const console = {};
  for (const name of ['log', 'info', 'debug']) console[name] = { [name]: (...values) => log(1, values) }[name];
  for (const name of ['warn', 'error', 'trace']) console[name] = { [name]: (...values) => log(2, values) }[name];
  defineFunctions(globalThis, { ...textEncodingClasses(conversions), console });

  const { fail, failWith, store } = createVerdicts(host, header, encode, places);
  let settled = false;
  const failAll = (error) => {
    settled = true;
    failWith(error);
  };
  const call = (main) => {
    if (typeof main !== 'function') {
      settled = true;
      return fail(
        'script-error',
        'The script has no function as its default export: export default (input, ctx) => output',
      );
    }
    const run = async () => main(buildInput(host, header, decode), buildContext(host, header, random, log, cleanText));
    const stored = promiseThen(run(), store);
    promiseThen(promiseThen(stored, undefined, failWith), () => {
      settled = true;
    });
  };
  /** `exportsOf` is asked when the promise of the module is kept. */
  const callWhen = (promise, exportsOf) => {
    const called = promiseThen(promise, (value) => call(exportsOf(value).default));
    promiseThen(called, undefined, failAll);
  };
  return {
    call,
    /** A module with a top-level await: its promise comes instead of its exports. */
    callLater: (promise) => callWhen(promise, (exports) => exports),
    /** The promise that a module is evaluated, and its exports, which are there from then on. */
    callAfter: (promise, exports) => callWhen(promise, () => exports),
    engineHooks: createEngineHooks(prepareStackTrace),
    fail: failAll,
    advance() {
      if (settled) return 'done';
      try {
        if (timers.runNext()) return 'again';
      } catch (error) {
        settled = true;
        failWith(error);
        return 'done';
      }
      fail('script-error', 'The script returned a promise that nothing can settle any more');
      return 'stuck';
    },
  };
}

const wellFormed = Function.prototype.call.bind(String.prototype.toWellFormed);
const replaceEvery = Function.prototype.call.bind(String.prototype.replaceAll);
const NUL_CHARACTER = String.fromCharCode(0);

/** Text that every store and every log can hold. */
function cleanText(text) {
  return replaceEvery(wellFormed(text), NUL_CHARACTER, ' ');
}

function fixStackHook(host, hook) {
  defineOne(Error, 'stackTraceLimit', { value: 10, writable: false, enumerable: false, configurable: false });
  if (host.stackHookIsStored) {
    // QuickJS keeps what was assigned, whatever becomes of the property.
    Error.prepareStackTrace = hook;
  }
  defineOne(Error, 'prepareStackTrace', { value: hook, writable: false, enumerable: false, configurable: false });
}

/** How an attempt ends: `store` what the script returned, or `fail`. */
function createVerdicts(host, header, encode, places) {
  const describe = (error) => {
    try {
      if (typeof error !== 'object' || error === null) return `threw ${logText([error]).trimEnd()}`;
      void error.stack;
      const place = places(error);
      return `${error.name}: ${error.message}${place === undefined ? '' : ` (${place})`}`;
    } catch {
      return 'threw a value that cannot be shown';
    }
  };
  const fail = (reason, message) => host.fail(reason, cleanText(message));
  const failWith = (error) => fail(host.isOutOfMemory(describe(error)) ? 'oom' : 'script-error', describe(error));
  const store = (value) => {
    if (value === undefined && !header.resultIsDeclared) return host.succeed(undefined);
    let bytes;
    if (isBytes(value)) {
      bytes = bytesOf(value);
    } else {
      const text = value === undefined ? 'null' : toJson(value);
      if (text === undefined)
        return fail('script-error', 'The script returned a function or a symbol, which cannot be stored');
      bytes = encode(text);
    }
    if (bytes.length > header.diskBytes) {
      return fail(
        'output-too-large',
        `The result has ${bytes.length} bytes; resources.disk allows ${header.diskBytes}`,
      );
    }
    host.succeed(bytes.slice().buffer);
  };
  return { fail, failWith, store };
}
