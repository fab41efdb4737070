/** What is found wrong in a stored ledger, and where. */
import { HEADER_FIELDS } from './chain.ts';
import type { StoredRecord } from './journal.ts';
import { RECORD_FIELDS, type RecordKind } from './records.ts';

export interface LedgerFault {
  table: string;
  /** Which row, by its key. */
  row: string;
  /** null where the row is wrong, but nothing tells which part of it. */
  field: string | null;
  /** null where nothing tells it. Ids and bytes are in hexadecimal, all else in decimal. */
  expected: string | null;
  found: string | null;
  message: string;
}

export const TABLE_OF_KIND: Readonly<Record<RecordKind, string>> = {
  account: 'ledger_accounts',
  transfer: 'ledger_transfers',
  expiry: 'ledger_expiries',
  failure: 'ledger_failures',
};

const HEX_FIELDS = ['id', 'debitAccount', 'creditAccount', 'pendingId'];

/** The field of a record, or of a header, that a byte of it belongs to, with both values. */
export function locateByte(
  of: { record: StoredRecord } | { batch: number },
  place: number,
  { original, found }: { original: Uint8Array; found: Uint8Array },
): LedgerFault {
  const fields = 'record' in of ? RECORD_FIELDS[of.record.kind] : HEADER_FIELDS.map((name) => ({ name, bytes: 8 }));
  const table = 'record' in of ? TABLE_OF_KIND[of.record.kind] : 'ledger_batches';
  const row = 'record' in of ? `sequence ${of.record.sequence}` : `batch ${of.batch}`;
  let start = 1;
  const message = 'one byte of it was changed: with the one that is expected the seal is right';
  for (const { name, bytes } of fields) {
    if (place < start + bytes) {
      const [expected, shown] = [original, found].map((whole) => valueText(name, whole.subarray(start, start + bytes)));
      const isSeal = name === 'sealedAt';
      return {
        table: isSeal ? 'ledger_seals' : table,
        row,
        field: name,
        expected: expected ?? null,
        found: shown ?? null,
        message,
      };
    }
    start += bytes;
  }
  return { table, row, field: null, expected: null, found: null, message };
}

export function valueText(field: string, bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return HEX_FIELDS.includes(field) ? hex : String(BigInt(`0x${hex || '0'}`));
}

export function hexOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('hex');
}
