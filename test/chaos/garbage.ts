/** Bytes that break a connection. Random enough never to be taken for something meant. */
import type { Choices } from '../support/seeded-random.ts';

/**
 * `bytes`: noise, which no framing survives. `frame`: a well-formed WebSocket text frame with text that is not of
 * the protocol; only frames going up are masked (RFC 6455, section 5.3).
 */
export function garbage(choices: Choices, shape: 'bytes' | 'frame', direction: 'up' | 'down'): Buffer {
  if (shape === 'bytes')
    return Buffer.from(Array.from({ length: choices.integer(1, 64) }, () => choices.integer(0, 255)));
  const text = choices.pick(['{', '{"type":"nonsense"}', 'null', '{"type":"journal","first":0,"entries":[]}']);
  const payload = Buffer.from(text);
  if (direction === 'down') return Buffer.concat([Buffer.from([0x81, payload.length]), payload]);
  const mask = Buffer.from([1, 2, 3, 4]);
  const masked = payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), mask, masked]);
}
