/**
 * The bytes between the agent and the forwarder; the comment of `forwarder.c` has the format. Pure. What comes from a
 * sandbox may be anything: the program inside can dial the same socket.
 */
import { NETWORK_LIMITS } from '../limits.ts';

const OPEN = 0x4f;
const RUN = 0x52;

export function openFrame(id: number, port: number): Uint8Array {
  const frame = Buffer.alloc(7);
  frame[0] = OPEN;
  frame.writeUInt32BE(id, 1);
  frame.writeUInt16BE(port, 5);
  return frame;
}

/** Null for a command that the forwarder would not take: an empty one, one with NUL, or a very long one. */
export function runFrame(id: number, command: readonly string[], timeoutMilliseconds: number): Uint8Array | null {
  const [program = ''] = command;
  if (program === '' || command.some((word) => word.includes('\0'))) return null;
  const words = Buffer.from(command.map((word) => `${word}\0`).join(''), 'utf8');
  if (words.length > NETWORK_LIMITS.commandBytes || command.length > NETWORK_LIMITS.commandWords) return null;
  const header = Buffer.alloc(13);
  header[0] = RUN;
  header.writeUInt32BE(id, 1);
  header.writeUInt32BE(Math.min(Math.max(1, Math.round(timeoutMilliseconds)), 2 ** 31 - 1), 5);
  header.writeUInt32BE(words.length, 9);
  return Buffer.concat([header, words]);
}

/** How a connection from a sandbox begins. `headerBytes` are used up; what follows belongs to the relayed stream. */
export type Opening =
  | { kind: 'egress' | 'control'; headerBytes: number }
  | { kind: 'answer'; id: number; status: number; headerBytes: number }
  | { kind: 'start-failure'; errno: number; headerBytes: number }
  | { kind: 'incomplete' }
  | { kind: 'invalid' };

export const OPENING_BYTES = 6;

/** `bytes` are the first ones of the connection. */
export function parseOpening(bytes: Uint8Array): Opening {
  const [kind] = bytes;
  if (kind === undefined) return { kind: 'incomplete' };
  if (kind === 0x45) return { kind: 'egress', headerBytes: 1 };
  if (kind === 0x43) return { kind: 'control', headerBytes: 1 };
  if (kind === 0x58) {
    return bytes.length < 2 ? { kind: 'incomplete' } : { kind: 'start-failure', errno: bytes[1] ?? 0, headerBytes: 2 };
  }
  if (kind !== 0x44) return { kind: 'invalid' };
  if (bytes.length < OPENING_BYTES) return { kind: 'incomplete' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { kind: 'answer', id: view.getUint32(1), status: view.getUint8(5), headerBytes: OPENING_BYTES };
}

/** What a command ended with: everything that came after the opening. Null when it makes no sense. */
export function parseCommandResult(bytes: Uint8Array): { exitCode: number | null; output: string } | null {
  const [ended, code] = bytes;
  if (code === undefined || (ended !== 0 && ended !== 1)) return null;
  const output = new TextDecoder('utf-8').decode(bytes.subarray(2, 2 + NETWORK_LIMITS.commandOutputBytes));
  return { exitCode: ended === 0 ? code : null, output };
}
