/** Bytes as they are given may be a Node `Buffer`, whose `slice` does not copy: hence `copyOf`. */

export function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(bytes);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** As long as `a`; `b` is no shorter. */
export function xor(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(a.length);
  for (let at = 0; at < a.length; at += 1) result[at] = (a[at] as number) ^ (b[at] as number);
  return result;
}
