/** The errors of the log: what is wrong, in which file, at which byte, before which record. */
import { FogError } from '@fog/contract';

/** What can be wrong with stored bytes. */
export const DAMAGES = [
  'segment-header',
  'segment-missing',
  'record-checksum',
  'record-length',
  'record-sequence',
  'record-chain',
  'record-missing',
  'record-refused',
  'snapshot-header',
  'snapshot-part',
  'snapshot-end',
  'snapshot-chain',
  'snapshot-refused',
  'folder',
] as const;
export type Damage = (typeof DAMAGES)[number];

export interface DamagePlace {
  file: string;
  /** Byte of the file. */
  offset: number;
  /** Of the record that should be there; of a snapshot, that of its state. */
  sequence: bigint;
}

/** `data-directory`, with the place in its details. */
export function damageError(damage: Damage, place: DamagePlace, message: string, cause?: unknown): FogError {
  const { file, offset, sequence } = place;
  return new FogError('data-directory', `${file} is damaged at byte ${offset} (record ${sequence}): ${message}`, {
    details: { damage, file, offset, sequence: String(sequence) },
    hint: 'nothing was changed; put back a copy of the folder, or one in which this file is whole',
    ...(cause === undefined ? {} : { cause }),
  });
}

const NO_ROOM = ['ENOSPC', 'EDQUOT'];

export function isFullDisk(error: unknown): boolean {
  return NO_ROOM.includes((error as { code?: string } | null)?.code ?? '');
}

/** An error of the disk: `storage-full` or `unavailable`. */
export function storageFault(error: unknown, doing: string, place: string): FogError {
  if (error instanceof FogError) return error;
  const why = error instanceof Error ? error.message : String(error);
  const isFull = isFullDisk(error);
  return new FogError(isFull ? 'storage-full' : 'unavailable', `cannot ${doing} in ${place}: ${why}`, {
    cause: error,
    hint: isFull ? 'make room on the disk' : 'look at the disk, and open the log again when it is well',
  });
}

/** A request whose sync failed: it may be in the log or not. */
export function unknownOutcome(cause: FogError): FogError {
  return new FogError(cause.code, `${cause.message}; the request was not acknowledged`, {
    cause,
    retryable: true,
    details: { outcome: 'unknown' },
    hint: 'open the log again and send the same request: what has happened already is not done twice',
  });
}
