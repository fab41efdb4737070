/**
 * Sorting with a comparator. The result of a consistent comparator is fixed by the language; which pairs it is called
 * with is not, and a comparator that draws random numbers or counts its calls would show it.
 */

/** Stable merge sort of a dense array, in place. */
export function sortValues(values, compare) {
  const length = values.length;
  const run = 8;
  for (let start = 0; start < length; start += run) {
    const end = start + run < length ? start + run : length;
    for (let index = start + 1; index < end; index += 1) {
      const value = values[index];
      let place = index;
      while (place > start && compare(values[place - 1], value) > 0) {
        values[place] = values[place - 1];
        place -= 1;
      }
      values[place] = value;
    }
  }
  let from = values;
  let to = new Array(length);
  for (let width = run; width < length; width *= 2) {
    for (let start = 0; start < length; start += 2 * width) {
      mergeRuns(from, to, start, start + width, start + 2 * width, compare);
    }
    const swap = from;
    from = to;
    to = swap;
  }
  if (from !== values) for (let index = 0; index < length; index += 1) values[index] = from[index];
  return values;
}

function mergeRuns(from, to, start, middleGiven, endGiven, compare) {
  const length = from.length;
  const middle = middleGiven < length ? middleGiven : length;
  const end = endGiven < length ? endGiven : length;
  let left = start;
  let right = middle;
  for (let place = start; place < end; place += 1) {
    if (left < middle && (right >= end || compare(from[left], from[right]) <= 0)) {
      to[place] = from[left];
      left += 1;
    } else {
      to[place] = from[right];
      right += 1;
    }
  }
}

function requireComparator(compare) {
  if (compare !== undefined && typeof compare !== 'function') throw new TypeError('The comparator must be a function');
}

/** The sorting methods, as they replace those of the engine. */
export function sortingMethods() {
  const call = Function.prototype.call;
  const uncurry = (method) => call.bind(method);
  const arraySort = uncurry(Array.prototype.sort);
  const arrayToSorted = uncurry(Array.prototype.toSorted);
  const typed = Object.getPrototypeOf(Uint8Array).prototype;
  const typedSort = uncurry(typed.sort);
  const typedToSorted = uncurry(typed.toSorted);
  const isTypedArray = ArrayBuffer.isView;

  const sortInto = (target, values, holes, compare) => {
    const defined = [];
    for (let index = 0; index < values.length; index += 1)
      if (values[index] !== undefined) defined[defined.length] = values[index];
    const undefinedCount = values.length - defined.length;
    sortValues(defined, compare);
    let place = 0;
    for (; place < defined.length; place += 1) target[place] = defined[place];
    for (; place < defined.length + undefinedCount; place += 1) target[place] = undefined;
    for (; place < defined.length + undefinedCount + holes; place += 1) delete target[place];
    return target;
  };

  return {
    array: {
      sort(compare) {
        requireComparator(compare);
        if (compare === undefined) return arraySort(this);
        const object = Object(this);
        const length = object.length >>> 0;
        const values = [];
        for (let index = 0; index < length; index += 1) if (index in object) values[values.length] = object[index];
        return sortInto(object, values, length - values.length, compare);
      },
      toSorted(compare) {
        requireComparator(compare);
        if (compare === undefined) return arrayToSorted(this);
        const object = Object(this);
        const length = object.length >>> 0;
        const values = new Array(length);
        for (let index = 0; index < length; index += 1) values[index] = object[index];
        return sortInto(new Array(length), values, 0, compare);
      },
    },
    typed: {
      sort(compare) {
        requireComparator(compare);
        if (compare === undefined || !isTypedArray(this)) return typedSort(this, compare);
        const sorted = sortValues(Array.from(this), compare);
        for (let index = 0; index < sorted.length; index += 1) this[index] = sorted[index];
        return this;
      },
      toSorted(compare) {
        requireComparator(compare);
        const copy = typedToSorted(this);
        if (compare === undefined) return copy;
        const sorted = sortValues(Array.from(this), compare);
        for (let index = 0; index < sorted.length; index += 1) copy[index] = sorted[index];
        return copy;
      },
    },
  };
}
