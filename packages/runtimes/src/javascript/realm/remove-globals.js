/** Deletes from a fresh realm what ALLOWED_GLOBALS does not name. */
import { ALLOWED_GLOBALS } from './allowed-globals.js';

/** Intrinsics that have no name, reached through the syntax that makes them. */
function namelessIntrinsics() {
  const prototypeOf = Object.getPrototypeOf;
  const generator = prototypeOf(function* () {});
  const asyncGenerator = prototypeOf(async function* () {});
  return {
    '%ArrayIterator%': prototypeOf([][Symbol.iterator]()),
    '%MapIterator%': prototypeOf(new Map().entries()),
    '%SetIterator%': prototypeOf(new Set().values()),
    '%StringIterator%': prototypeOf(''[Symbol.iterator]()),
    '%RegExpStringIterator%': prototypeOf('a'.matchAll(/a/g)),
    '%IteratorHelper%': prototypeOf([].values().map((value) => value)),
    '%WrapForValidIterator%': prototypeOf(Iterator.from({ next() {} })),
    '%TypedArray%': prototypeOf(Uint8Array),
    '%TypedArray%.prototype': prototypeOf(Uint8Array).prototype,
    '%Generator%': generator,
    '%Generator%.prototype': generator.prototype,
    '%AsyncFunction%': prototypeOf(async () => {}),
    '%AsyncGenerator%': asyncGenerator,
    '%AsyncGenerator%.prototype': asyncGenerator.prototype,
    '%AsyncIterator%': prototypeOf(asyncGenerator.prototype),
  };
}

function allowedObject(path, nameless) {
  if (path === 'globalThis') return globalThis;
  if (path in nameless) return nameless[path];
  const [name, ...rest] = path.split('.');
  return rest.length === 0 ? globalThis[name] : globalThis[name].prototype;
}

export function removeGlobals() {
  const nameless = namelessIntrinsics();
  const kept = [];
  for (const path of Object.keys(ALLOWED_GLOBALS)) {
    const names = ALLOWED_GLOBALS[path];
    const text = typeof names === 'string' ? names : names.join(' ');
    kept.push([allowedObject(path, nameless), new Set(text.split(' '))]);
  }
  for (const [object, names] of kept) {
    for (const key of Reflect.ownKeys(object)) {
      const name = typeof key === 'symbol' ? `@@${key.description.slice('Symbol.'.length)}` : key;
      if (!names.has(name)) delete object[key];
    }
  }
  // Dispose methods of iterators hang on one prototype that only V8 gives them; `at` is listed by V8 alone.
  delete Array.prototype[Symbol.unscopables].at;
}
