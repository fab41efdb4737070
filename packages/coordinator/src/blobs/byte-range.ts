/** The Range header for bytes (RFC 9110, section 14): a single range; anything else means the whole. */

export interface ByteRange {
  start: number;
  /** Last byte, included. */
  end: number;
}

/**
 * `whole` when there is no range that has to be honoured, `unsatisfiable` when it lies outside `bytes` (416).
 * A header that is malformed, of another unit or of several ranges is ignored, which the RFC allows.
 */
export function parseByteRange(header: string | undefined, bytes: number): ByteRange | 'whole' | 'unsatisfiable' {
  const match = header === undefined ? null : /^bytes=(\d{0,16})-(\d{0,16})$/i.exec(header.trim());
  if (match === null || (match[1] === '' && match[2] === '')) return 'whole';
  if (match[1] === '') {
    const suffix = Number(match[2]);
    if (suffix === 0 || bytes === 0) return 'unsatisfiable';
    return { start: Math.max(0, bytes - suffix), end: bytes - 1 };
  }
  const start = Number(match[1]);
  const end = match[2] === '' ? bytes - 1 : Number(match[2]);
  if (match[2] !== '' && end < start) return 'whole';
  if (start >= bytes) return 'unsatisfiable';
  return { start, end: Math.min(end, bytes - 1) };
}
