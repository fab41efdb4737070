/**
 * How items and results travel in a batch.
 *
 *     to the script    stdin   {"start": 12, "items": [1, null, {"a": 2}], "bytes": [[1, 2048]]}
 *                      file    /in/bytes: the bytes of the items that are bytes, one after another
 *     back             JSON    {"values": [..], "bytes": [], "errors": [[2, {..}]]}
 *                      or, when a result is bytes: 0x00, u32 little endian length of that JSON, the JSON, the bytes
 *
 * `start` is the index of the first item; pairs in `bytes` and `errors` begin with a place in the batch. Bytes stay
 * bytes on the whole way: as base64 in the JSON they would grow by a third and be decoded by the slowest engine.
 */
import { FogError } from '@fog/contract';

export const BYTES_PATH = '/in/bytes';

/** One item, ready to travel. */
export type EncodedItem = { text: string } | { data: Uint8Array };

export interface EncodedBatch {
  stdin: string;
  /** Content of `BYTES_PATH`, null where no item is bytes. */
  bytes: Uint8Array | null;
}

export function encodeBatch(start: number, items: readonly EncodedItem[]): EncodedBatch {
  const places: [number, number][] = [];
  const parts: Uint8Array[] = [];
  const texts = items.map((item, place) => {
    if ('text' in item) return item.text;
    places.push([place, item.data.length]);
    parts.push(item.data);
    return 'null';
  });
  const stdin = `{"start":${start},"items":[${texts.join(',')}],"bytes":${JSON.stringify(places)}}`;
  return { stdin, bytes: places.length === 0 ? null : new Uint8Array(Buffer.concat(parts)) };
}

export interface ItemError {
  name: string;
  message: string;
  /** The function returned something that is not JSON. */
  notSerialisable: boolean;
}

interface BatchResult {
  values: unknown[];
  bytes: [place: number, length: number][];
  errors: [place: number, error: ItemError][];
}

export type ItemOutcome = { value: unknown } | { error: ItemError };

/**
 * Outcomes in the order of the batch; fewer than it has items when the script stopped at an error.
 * Throws `protocol-violation` when the bytes are not what the script writes.
 */
export function decodeResult(data: Uint8Array): ItemOutcome[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const isFramed = data[0] === 0 && data.length >= 5;
  const bodyStart = isFramed ? 5 + view.getUint32(1, true) : data.length;
  const text = new TextDecoder().decode(data.subarray(isFramed ? 5 : 0, bodyStart));
  let result: BatchResult;
  try {
    result = checkResult(JSON.parse(text));
  } catch (cause) {
    throw new FogError('protocol-violation', 'a batch answered with something else than its results', { cause });
  }
  const outcomes: ItemOutcome[] = result.values.map((value) => ({ value }));
  let offset = bodyStart;
  for (const [place, length] of result.bytes) {
    outcomes[place] = { value: data.slice(offset, offset + length) };
    offset += length;
  }
  for (const [place, error] of result.errors) outcomes[place] = { error };
  if (offset > data.length) throw new FogError('protocol-violation', 'the result of a batch is cut off');
  return outcomes;
}

/** The node that sends it need not be honest: everything is checked before it is used. */
function checkResult(document: unknown): BatchResult {
  const { values, bytes, errors } = document as Partial<BatchResult>;
  const isPlace = (place: unknown) => Number.isInteger(place) && (place as number) >= 0 && isIndex(place as number);
  const isIndex = (place: number) => place < (values?.length ?? 0);
  const isLength = (length: unknown) => Number.isSafeInteger(length) && (length as number) >= 0;
  const isError = (error: Partial<ItemError> | null) =>
    typeof error?.name === 'string' && typeof error.message === 'string' && typeof error.notSerialisable === 'boolean';
  if (!Array.isArray(values) || !Array.isArray(bytes) || !Array.isArray(errors)) throw new TypeError('no results');
  if (!bytes.every(([place, length]) => isPlace(place) && isLength(length))) throw new TypeError('no places of bytes');
  if (!errors.every(([place, error]) => isPlace(place) && isError(error))) throw new TypeError('no errors');
  return { values, bytes, errors };
}
