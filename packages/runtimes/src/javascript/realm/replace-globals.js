/** Replaces in a fresh realm what the engines do differently, so that both end with the same functions. */
import { replaceDate } from './dates.js';
import { cbrt, exp, expm1, log, log1p, log2, log10 } from './math-exponential.js';
import { acosh, asinh, atanh, cosh, sinh, tanh } from './math-hyperbolic.js';
import { hypot, pow } from './math-power.js';
import { acos, asin, atan, atan2, cos, sin, tan } from './math-trigonometry.js';
import { createParseInt, toRadix } from './number-text.js';
import { sortingMethods } from './sorting.js';

/** Copies the functions of `source` as the language defines its own: writable, configurable, not enumerable. */
export function defineFunctions(target, source) {
  for (const name of Object.keys(source)) {
    Object.defineProperty(target, name, { value: source[name], writable: true, enumerable: false, configurable: true });
  }
}

function freezeProperty(target, name, value) {
  Object.defineProperty(target, name, { value, writable: false, enumerable: false, configurable: false });
}

function replaceMath(random) {
  defineFunctions(Math, {
    acos(x) {
      return acos(+x);
    },
    acosh(x) {
      return acosh(+x);
    },
    asin(x) {
      return asin(+x);
    },
    asinh(x) {
      return asinh(+x);
    },
    atan(x) {
      return atan(+x);
    },
    atanh(x) {
      return atanh(+x);
    },
    cbrt(x) {
      return cbrt(+x);
    },
    cos(x) {
      return cos(+x);
    },
    cosh(x) {
      return cosh(+x);
    },
    exp(x) {
      return exp(+x);
    },
    expm1(x) {
      return expm1(+x);
    },
    log(x) {
      return log(+x);
    },
    log10(x) {
      return log10(+x);
    },
    log1p(x) {
      return log1p(+x);
    },
    log2(x) {
      return log2(+x);
    },
    sin(x) {
      return sin(+x);
    },
    sinh(x) {
      return sinh(+x);
    },
    tan(x) {
      return tan(+x);
    },
    tanh(x) {
      return tanh(+x);
    },
    atan2(y, x) {
      return atan2(+y, +x);
    },
    pow(x, y) {
      return pow(+x, +y);
    },
    hypot(...values) {
      for (let index = 0; index < values.length; index += 1) values[index] = +values[index];
      return hypot(values);
    },
    random() {
      return random();
    },
  });
  Object.defineProperty(Math.hypot, 'length', { value: 2, writable: false, enumerable: false, configurable: true });
}

function replaceNumberText() {
  const nativeToString = Function.prototype.call.bind(Number.prototype.toString);
  const nativeValue = Function.prototype.call.bind(Number.prototype.valueOf);
  const { isSafeInteger, isFinite: isFiniteNumber } = Number;
  defineFunctions(Number.prototype, {
    toString(radix) {
      if (radix === undefined || radix === 10) return nativeToString(this);
      const value = nativeValue(this);
      const base = Math.trunc(+radix) || 0;
      if (base < 2 || base > 36) throw new RangeError('The radix must lie between 2 and 36');
      if (base === 10 || isSafeInteger(value) || !isFiniteNumber(value)) return nativeToString(value, base);
      return toRadix(value, base);
    },
    toLocaleString() {
      return nativeToString(this);
    },
  });
  const parse = createParseInt();
  defineFunctions(globalThis, { parseInt: parse });
  defineFunctions(Number, { parseInt: parse });
  const bigIntToString = Function.prototype.call.bind(BigInt.prototype.toString);
  defineFunctions(BigInt.prototype, {
    toLocaleString() {
      return bigIntToString(this);
    },
  });
}

function replaceStrings() {
  const call = Function.prototype.call;
  const toLower = call.bind(String.prototype.toLowerCase);
  const toUpper = call.bind(String.prototype.toUpperCase);
  const asText = (value) => {
    if (value === undefined || value === null) throw new TypeError('A string method was called on null or undefined');
    return `${value}`;
  };
  defineFunctions(String.prototype, {
    localeCompare(that) {
      const left = asText(this);
      const right = `${that}`;
      return left < right ? -1 : left > right ? 1 : 0;
    },
    toLocaleLowerCase() {
      return toLower(this);
    },
    toLocaleUpperCase() {
      return toUpper(this);
    },
  });
  freezeProperty(String.prototype, 'length', 0);
  const methods = {
    toLocaleString() {
      let text = '';
      for (let index = 0; index < this.length; index += 1) {
        const value = this[index];
        text += (index > 0 ? ',' : '') + (value === undefined || value === null ? '' : `${value.toLocaleString()}`);
      }
      return text;
    },
  };
  defineFunctions(Array.prototype, methods);
  defineFunctions(Object.getPrototypeOf(Uint8Array).prototype, methods);
}

/** A declaration, since the real ones can be called with `new` and extended, which arrow functions cannot. */
function createRefusingConstructor(name) {
  function refuse(_code) {
    throw new EvalError('Code generation from strings is disallowed');
  }
  Object.defineProperty(refuse, 'name', { value: name, configurable: true });
  return refuse;
}

/** Text becomes code nowhere: not by Function, not by the constructors of generators and async functions. */
function replaceFunctionConstructors() {
  const nativeText = Function.prototype.call.bind(Function.prototype.toString);
  const isNative = RegExp.prototype.test.bind(/\{\s*\[native code\]\s*\}$/);
  const prototypes = {
    Function: Function.prototype,
    GeneratorFunction: Object.getPrototypeOf(function* () {}),
    AsyncFunction: Object.getPrototypeOf(async () => {}),
    AsyncGeneratorFunction: Object.getPrototypeOf(async function* () {}),
  };
  let base;
  for (const name of Object.keys(prototypes)) {
    const refusing = createRefusingConstructor(name);
    freezeProperty(refusing, 'prototype', prototypes[name]);
    Object.defineProperty(prototypes[name], 'constructor', {
      value: refusing,
      writable: name === 'Function',
      enumerable: false,
      configurable: true,
    });
    if (name === 'Function') {
      base = refusing;
      defineFunctions(globalThis, { Function: refusing });
    } else {
      Object.setPrototypeOf(refusing, base);
    }
  }
  defineFunctions(Function.prototype, {
    toString() {
      const text = nativeText(this);
      return isNative(text) ? 'function () { [native code] }' : text;
    },
  });
}

/**
 * `stack` reads undefined: its text is the engine's own. Where an error was thrown is kept aside, for the message
 * of a failed attempt. V8 asks the two properties of Error at every throw, so they stay, read-only, on both.
 */
function replaceErrors() {
  const places = new WeakMap();
  const remember = WeakMap.prototype.set.bind(places);
  const recall = WeakMap.prototype.get.bind(places);
  const prepareStackTrace = (error, frames) => {
    try {
      for (let index = 0; index < frames.length; index += 1) {
        const frame = frames[index];
        if (frame.getFileName() !== 'script.js') continue;
        remember(error, `line ${frame.getLineNumber()}`);
        break;
      }
    } catch {
      // Nothing is known of the place then.
    }
    return undefined;
  };
  return { places: recall, prepareStackTrace };
}

/** Returns what the realm keeps for itself. `clock` and `random` belong to the attempt. */
export function replaceGlobals({ clock, random, timers, setStackHook }) {
  replaceMath(random);
  replaceNumberText();
  replaceStrings();
  const { array, typed } = sortingMethods();
  defineFunctions(Array.prototype, array);
  defineFunctions(Object.getPrototypeOf(Uint8Array).prototype, typed);
  const date = replaceDate(clock);
  freezeProperty(date.replacement, 'prototype', date.prototype);
  Object.defineProperty(date.replacement, 'length', {
    value: 7,
    writable: false,
    enumerable: false,
    configurable: true,
  });
  defineFunctions(date.replacement, date.statics);
  defineFunctions(date.prototype, { ...date.methods, constructor: date.replacement });
  for (const name of ['dispose', 'asyncDispose']) {
    if (Symbol[name] === undefined) freezeProperty(Symbol, name, Symbol(`Symbol.${name}`));
  }
  Object.defineProperty(Iterator.prototype, 'constructor', {
    value: Iterator,
    writable: true,
    enumerable: false,
    configurable: true,
  });
  Object.defineProperty(Iterator.prototype, Symbol.toStringTag, {
    value: 'Iterator',
    writable: true,
    enumerable: false,
    configurable: true,
  });
  // V8 puts an object between the two; where it cannot be taken out this throws, and the walk of the tests shows it.
  Object.setPrototypeOf(globalThis, Object.prototype);
  const promiseResolve = Promise.resolve.bind(Promise);
  const promiseThen = Function.prototype.call.bind(Promise.prototype.then);
  defineFunctions(globalThis, {
    Date: date.replacement,
    ...timers,
    queueMicrotask(callback) {
      if (typeof callback !== 'function') throw new TypeError('The callback must be a function');
      promiseThen(promiseResolve(), () => callback());
    },
  });
  replaceFunctionConstructors();
  const { places, prepareStackTrace } = replaceErrors();
  setStackHook(prepareStackTrace);
  return { places, prepareStackTrace };
}
