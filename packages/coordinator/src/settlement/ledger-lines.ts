/**
 * A ledger as lines of JSON, for other programs and other machines.
 *
 *     {"format":"fog-ledger-1"}
 *     {"batch":1,"first":1,"last":2,"writtenAt":1700000000000,"sealedAt":1700000000400,"hash":"…","checks":"…"}
 *     {"record":"account","sequence":"1","id":"…","userData128":"0",…}     one a row, fields as in `records.ts`
 *
 * Ids and bytes are hexadecimal, numbers are decimal in quotes. A batch that is not sealed ends with `writtenAt`. Balances
 * are left out: they follow from the rows.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { FogError } from '@fog/contract';
import type { StoredBatch, StoredRecord } from './journal.ts';
import { hexOf, valueText } from './ledger-faults.ts';
import type { LedgerSource, SourceBatch } from './ledger-source.ts';
import { searchedColumns } from './loaded-part.ts';
import { BODY_BYTES, RECORD_FIELDS, RECORD_KINDS, type RecordKind, readTransfer, recordBytes } from './records.ts';

const FORMAT = 'fog-ledger-1';
const HEX_FIELD_BYTES = 16;
const SEQUENCE_BYTES = 8;

/** The lines of a ledger, without their ends. */
export async function* ledgerLines(source: Pick<LedgerSource, 'batches'>): AsyncIterable<string> {
  yield JSON.stringify({ format: FORMAT });
  for await (const { batch, records, first, last } of source.batches()) {
    if (batch === null) throw notWhole(first, last);
    yield JSON.stringify(headerLine(batch));
    for (const record of records) yield JSON.stringify(recordLine(record));
  }
}

/** Reads such lines of a file. Throws `invalid-request` with the number of a line that is none. */
export function fileSource(path: string): LedgerSource {
  return {
    batches: () => batchesOfFile(path),
    balances: async () => null,
    leftovers: async () => [],
    clock: async () => null,
  };
}

function headerLine({ number, first, last, writtenAt, seal }: StoredBatch): Record<string, unknown> {
  const header = { batch: number, first, last, writtenAt };
  if (seal === null) return header;
  return { ...header, sealedAt: seal.sealedAt, hash: hexOf(seal.hash), checks: hexOf(seal.checks) };
}

function recordLine(record: StoredRecord): Record<string, string> {
  const bytes = recordBytes(record);
  const line: Record<string, string> = { record: record.kind };
  let start = 1;
  for (const { name, bytes: width } of RECORD_FIELDS[record.kind]) {
    line[name] = valueText(name, bytes.subarray(start, start + width));
    start += width;
  }
  return line;
}

async function* batchesOfFile(path: string): AsyncIterable<SourceBatch> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
  let number = 0;
  let batch: StoredBatch | null = null;
  let records: StoredRecord[] = [];
  for await (const line of lines) {
    number += 1;
    const value = parsed(line, number);
    if (number === 1) {
      if (value.format !== FORMAT) throw unreadable(number, `the first line is not {"format":"${FORMAT}"}`);
    } else if ('batch' in value) {
      if (batch !== null) yield placed(batch, records);
      batch = readHeader(value, number);
      records = [];
    } else {
      if (batch === null) throw unreadable(number, 'a record before the first batch');
      records.push(readRecordLine(value, number));
    }
  }
  if (number === 0) throw unreadable(1, 'the file is empty');
  if (batch !== null) yield placed(batch, records);
}

function placed(batch: StoredBatch, records: readonly StoredRecord[]): SourceBatch {
  return { batch, records, first: batch.first, last: batch.last };
}

function parsed(line: string, number: number): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw unreadable(number, 'it is no JSON object');
}

function readHeader(value: Record<string, unknown>, line: number): StoredBatch {
  const whole = (name: string): number => {
    const found = value[name];
    if (Number.isSafeInteger(found) && (found as number) >= 0) return found as number;
    throw unreadable(line, `${name} is no whole number`);
  };
  const hex = (name: string): Buffer => {
    const found = value[name];
    if (typeof found === 'string' && /^([0-9a-f]{2})*$/.test(found)) return Buffer.from(found, 'hex');
    throw unreadable(line, `${name} is not hexadecimal`);
  };
  const header = { number: whole('batch'), first: whole('first'), last: whole('last'), writtenAt: whole('writtenAt') };
  const isSealed = 'hash' in value;
  return {
    ...header,
    seal: isSealed ? { hash: hex('hash'), checks: hex('checks'), sealedAt: whole('sealedAt') } : null,
  };
}

function readRecordLine(value: Record<string, unknown>, line: number): StoredRecord {
  const kind = value.record as RecordKind;
  if (typeof kind !== 'string' || !Object.hasOwn(RECORD_KINDS, kind)) throw unreadable(line, 'it is no record');
  const fields = RECORD_FIELDS[kind].map(({ name, bytes }) => fieldBytes(value[name], { name, bytes, line }));
  const whole = Buffer.concat(fields);
  const sequence = Number(whole.readBigUInt64BE());
  const id = whole.subarray(SEQUENCE_BYTES, SEQUENCE_BYTES + HEX_FIELD_BYTES);
  const body = whole.subarray(SEQUENCE_BYTES + HEX_FIELD_BYTES);
  if (body.length !== BODY_BYTES[kind]) throw unreadable(line, 'its fields do not add up');
  const columns = kind === 'transfer' ? searchedColumns(readTransfer(0n, body)) : { pendingId: null, expiresAt: null };
  return { kind, sequence, id, body, ...columns };
}

function fieldBytes(found: unknown, { name, bytes, line }: { name: string; bytes: number; line: number }): Buffer {
  const text = typeof found === 'string' ? found : '';
  const isHex = name === 'id' || name.endsWith('Account') || name === 'pendingId';
  const isRight = isHex ? /^[0-9a-f]{32}$/.test(text) : /^(0|[1-9]\d{0,38})$/.test(text);
  const hex = isHex
    ? text
    : isRight
      ? BigInt(text)
          .toString(16)
          .padStart(2 * bytes, '0')
      : '';
  if (!isRight || hex.length !== 2 * bytes) throw unreadable(line, `${name} is ${JSON.stringify(found)}`);
  return Buffer.from(hex, 'hex');
}

function unreadable(line: number, why: string): FogError {
  return new FogError('invalid-request', `line ${line} is no line of an exported ledger: ${why}`, {
    details: { line },
    hint: 'export it again with "fog ledger export FILE"',
  });
}

function notWhole(first: number, last: number): FogError {
  return new FogError('conflict', `no batch names the rows ${first} to ${last}: the ledger is not whole`, {
    hint: 'run "fog ledger verify" on the database',
  });
}
