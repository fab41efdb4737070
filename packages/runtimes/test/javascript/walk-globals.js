/**
 * Every property that a script can reach without a name of its own: one line each with kind, arity, name, value and
 * attributes, sorted. Runs inside the engines as a script whose value is the list; roots are the global object and
 * the intrinsics that only syntax reaches.
 */
(() => {
  const roots = [
    ['%Object.prototype%', Object.prototype],
    ['globalThis', globalThis],
    ['%Function.prototype%', Object.getPrototypeOf(() => {})],
    ['%GeneratorFunction.prototype%', Object.getPrototypeOf(function* () {})],
    ['%AsyncFunction.prototype%', Object.getPrototypeOf(async () => {})],
    ['%AsyncGeneratorFunction.prototype%', Object.getPrototypeOf(async function* () {})],
    ['%Array%', []],
    ['%ArrayIterator%', [][Symbol.iterator]()],
    ['%MapIterator%', new Map().entries()],
    ['%SetIterator%', new Set().values()],
    ['%StringIterator%', ''[Symbol.iterator]()],
    ['%RegExpStringIterator%', 'a'.matchAll(/a/g)],
    ['%IteratorHelper%', [].values().map((x) => x)],
    ['%WrapForValidIterator%', Iterator.from({ next() {} })],
    [
      '%arguments%',
      (function () {
        // biome-ignore lint/complexity/noArguments: the object itself is walked
        return arguments;
      })(),
    ],
    ['%RegExp%', /a/],
    ['%Error%', new Error('x')],
    ['%TypedArray%', Object.getPrototypeOf(Uint8Array)],
  ];
  const seen = new Set();
  const lines = [];
  const queue = [];
  const nameOf = (key) => (typeof key === 'symbol' ? `@@${key.description}` : key);
  const visit = (path, value) => {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) return;
    seen.add(value);
    queue.push([path, value]);
  };
  for (const [path, value] of roots) visit(path, value);
  for (const [path, value] of queue) {
    const keys = Reflect.ownKeys(value).map((key) => [nameOf(key), key]);
    keys.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    lines.push(`${path} ${typeof value} ${Object.isExtensible(value) ? 'extensible' : 'fixed'}`);
    for (const [name, key] of keys) {
      const descriptor = Object.getOwnPropertyDescriptor(value, key);
      const at = `${path}.${name}`;
      const flags = `${descriptor.writable ? 'w' : ''}${descriptor.enumerable ? 'e' : ''}${descriptor.configurable ? 'c' : ''}`;
      if ('value' in descriptor) {
        const content = descriptor.value;
        const shown = typeof content === 'function' || typeof content === 'object' ? '' : ` ${String(content)}`;
        lines.push(`${at}: ${typeof content}${shown} ${flags}`);
        visit(at, content);
      } else {
        lines.push(`${at}: accessor ${typeof descriptor.get} ${typeof descriptor.set} ${flags}`);
        visit(`${at}<get>`, descriptor.get);
        visit(`${at}<set>`, descriptor.set);
      }
    }
    visit(`${path}.[[Prototype]]`, Object.getPrototypeOf(value));
  }
  return lines.sort().join('\n');
})();
