/**
 * Rounds of AES (FIPS 197, section 5.1: SubBytes, ShiftRows, MixColumns, AddRoundKey) over four 32-bit words, each a
 * column in little-endian order, as the processor's own instruction has it.
 *
 * A round looks its bytes up in tables, so its time depends on what the cache holds: whoever shares the processor
 * could learn of keys. The native backend has no tables.
 */

const FIELD_POLYNOMIAL = 0x11b;

function times(a: number, b: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit += 1) {
    if (((b >> bit) & 1) === 1) product ^= a << bit;
  }
  for (let bit = 14; bit >= 8; bit -= 1) {
    if (((product >> bit) & 1) === 1) product ^= FIELD_POLYNOMIAL << (bit - 8);
  }
  return product;
}

function inverse(a: number): number {
  let result = 1;
  // a^254, for the multiplicative group has 255 elements.
  for (let bit = 7; bit >= 0; bit -= 1) {
    result = times(result, result);
    if (((254 >> bit) & 1) === 1) result = times(result, a);
  }
  return result;
}

function rotateByte(value: number, by: number): number {
  return ((value << by) | (value >> (8 - by))) & 0xff;
}

function substitute(byte: number): number {
  const b = byte === 0 ? 0 : inverse(byte);
  return b ^ rotateByte(b, 1) ^ rotateByte(b, 2) ^ rotateByte(b, 3) ^ rotateByte(b, 4) ^ 0x63;
}

/** What a byte in row r of a column contributes to the column after SubBytes and MixColumns. */
const [TABLE_0, TABLE_1, TABLE_2, TABLE_3] = [0, 1, 2, 3].map((row) => {
  const table = new Int32Array(256);
  for (let byte = 0; byte < 256; byte += 1) {
    const s = substitute(byte);
    const word = times(s, 2) | (s << 8) | (s << 16) | (times(s, 3) << 24);
    table[byte] = (word << (8 * row)) | (row === 0 ? 0 : word >>> (32 - 8 * row));
  }
  return table;
}) as [Int32Array, Int32Array, Int32Array, Int32Array];

/**
 * Encrypts the four words at `at` of `state` in place by one round for each entry of `order`: where in `keys` the four
 * words of that round's key begin.
 */
export function aesRounds(state: Int32Array, at: number, keys: Int32Array, order: readonly number[]): void {
  let a = state[at] as number;
  let b = state[at + 1] as number;
  let c = state[at + 2] as number;
  let d = state[at + 3] as number;
  for (let round = 0; round < order.length; round += 1) {
    const key = order[round] as number;
    const nextA = column(a, b, c, d) ^ (keys[key] as number);
    const nextB = column(b, c, d, a) ^ (keys[key + 1] as number);
    const nextC = column(c, d, a, b) ^ (keys[key + 2] as number);
    d = column(d, a, b, c) ^ (keys[key + 3] as number);
    a = nextA;
    b = nextB;
    c = nextC;
  }
  state[at] = a;
  state[at + 1] = b;
  state[at + 2] = c;
  state[at + 3] = d;
}

/** One column: its rows come from the four columns that ShiftRows brings together. */
function column(row0: number, row1: number, row2: number, row3: number): number {
  return (
    (TABLE_0[row0 & 0xff] as number) ^
    (TABLE_1[(row1 >> 8) & 0xff] as number) ^
    (TABLE_2[(row2 >> 16) & 0xff] as number) ^
    (TABLE_3[row3 >>> 24] as number)
  );
}
