/** TextEncoder and TextDecoder for UTF-8, and the conversions that the realm itself needs. */

/**
 * `host.encode(text)` gives the UTF-8 bytes of a well-formed text as an ArrayBuffer, `host.decode(buffer, fatal)` the
 * text of bytes, or undefined when they are faulty and `fatal` is 1. Neither carries the character U+0000: QuickJS
 * hands texts over as C strings. So texts are cut there.
 */
export function createTextConversions(host) {
  const { encode: hostEncode, decode: hostDecode } = host;
  const NUL = String.fromCharCode(0);
  const call = Function.prototype.call;
  const toWellFormed = call.bind(String.prototype.toWellFormed);
  const includes = call.bind(String.prototype.includes);
  const split = call.bind(String.prototype.split);
  const indexOf = call.bind(Uint8Array.prototype.indexOf);
  const subarray = call.bind(Uint8Array.prototype.subarray);
  const sliceBytes = call.bind(Uint8Array.prototype.slice);
  const setBytes = call.bind(Uint8Array.prototype.set);
  const Bytes = Uint8Array;

  const encode = (value) => {
    const text = toWellFormed(value);
    if (text === '') return new Bytes(0);
    if (!includes(text, NUL)) return new Bytes(hostEncode(text));
    const pieces = split(text, NUL);
    const parts = [];
    let length = pieces.length - 1;
    for (let index = 0; index < pieces.length; index += 1) {
      parts[index] = pieces[index] === '' ? new Bytes(0) : new Bytes(hostEncode(pieces[index]));
      length += parts[index].length;
    }
    const bytes = new Bytes(length);
    let offset = 0;
    for (let index = 0; index < parts.length; index += 1) {
      setBytes(bytes, parts[index], offset);
      offset += parts[index].length + 1;
    }
    return bytes;
  };

  const decodePiece = (bytes, fatal) => {
    if (bytes.length === 0) return '';
    const text = hostDecode(sliceBytes(bytes).buffer, fatal ? 1 : 0);
    if (text === undefined) throw new TypeError('The bytes are not valid UTF-8');
    return text;
  };
  const decode = (bytes, fatal) => {
    let text = '';
    let start = 0;
    for (;;) {
      const end = indexOf(bytes, 0, start);
      if (end < 0) return text + decodePiece(subarray(bytes, start), fatal);
      text += decodePiece(subarray(bytes, start, end), fatal) + NUL;
      start = end + 1;
    }
  };
  return { encode, decode };
}

/** Bytes of any ArrayBuffer or view, without copying. Throws TypeError for anything else. */
export function bytesOf(source) {
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  return new Uint8Array(source);
}

export function isBytes(value) {
  return ArrayBuffer.isView(value) || Object.prototype.toString.call(value) === '[object ArrayBuffer]';
}

export function textEncodingClasses({ encode, decode }) {
  const isUtf8 = (label) => /^(?:utf-?8|unicode-1-1-utf-8)$/i.test(`${label}`.trim());
  class TextEncoder {
    get encoding() {
      return 'utf-8';
    }
    encode(text = '') {
      return encode(`${text}`);
    }
    encodeInto(text, target) {
      let read = 0;
      let written = 0;
      for (const character of `${text}`) {
        const bytes = encode(character);
        if (written + bytes.length > target.length) break;
        target.set(bytes, written);
        read += character.length;
        written += bytes.length;
      }
      return { read, written };
    }
  }
  class TextDecoder {
    #fatal;
    #ignoreBOM;
    constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
      if (!isUtf8(label)) throw new RangeError('Only utf-8 is supported');
      this.#fatal = Boolean(fatal);
      this.#ignoreBOM = Boolean(ignoreBOM);
    }
    get encoding() {
      return 'utf-8';
    }
    get fatal() {
      return this.#fatal;
    }
    get ignoreBOM() {
      return this.#ignoreBOM;
    }
    decode(source = new ArrayBuffer(0), { stream = false } = {}) {
      if (stream) throw new TypeError('Streams are not supported');
      if (!isBytes(source)) throw new TypeError('An ArrayBuffer or a view of one is needed');
      let bytes = bytesOf(source);
      if (!this.#ignoreBOM && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes = bytes.subarray(3);
      return decode(bytes, this.#fatal);
    }
  }
  return { TextEncoder, TextDecoder };
}
