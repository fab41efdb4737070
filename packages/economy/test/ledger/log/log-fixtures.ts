/** What the tests of the log share. */
import assert from 'node:assert/strict';
import { FogError } from '@fog/contract';
import { type LogStorage, MachineLog, type MachineLogOptions } from '../../../src/ledger/log/index.ts';
import { SeededRandom, SimulatedDisk, type SimulatedDiskOptions } from '../../../src/ledger/log/simulation/index.ts';
import { CountingMachine } from './counting-machine.ts';

export const SMALL_SEGMENT = 16_384;

export function simulatedDisk(seed: number, options: Partial<SimulatedDiskOptions> = {}): SimulatedDisk {
  return new SimulatedDisk({ random: new SeededRandom(seed), isImmediate: true, ...options });
}

export function openLog(
  disk: Pick<SimulatedDisk, 'mount'>,
  options: Partial<MachineLogOptions<CountingMachine>> = {},
): Promise<MachineLog<CountingMachine>> {
  let now = 0n;
  return MachineLog.open({
    storage: disk.mount(),
    createMachine: () => new CountingMachine(),
    now: () => {
      now += 1000n;
      return now;
    },
    segmentBytes: SMALL_SEGMENT,
    ...options,
  });
}

interface Write {
  name: string;
  offset: number;
  bytes: Uint8Array;
}

/** Tells of each write before it happens. */
function watched(storage: LogStorage, onWrite: (write: Write) => void): LogStorage {
  const names = new Map<string, string>();
  return {
    ...storage,
    async create(name) {
      names.set(name, name);
      const file = await storage.create(name);
      let current = name;
      return {
        ...file,
        write(offset, bytes) {
          // A segment was reserved under another name.
          current = names.get(current) ?? current;
          onWrite({ name: current, offset, bytes: bytes.slice() });
          return file.write(offset, bytes);
        },
      };
    },
    rename(from, to) {
      names.set(from, to);
      names.set(to, to);
      return storage.rename(from, to);
    },
  };
}

/** The disk, torn behind each byte of each write, before it happens; where a byte stays as it was, so does the image. */
export function tornAtEachByte(
  disk: Pick<SimulatedDisk, 'mount' | 'content'>,
  onTear: (place: string) => void,
): LogStorage {
  return watched(disk.mount(), ({ name, offset, bytes }) => {
    const content = disk.content(name);
    if (content === undefined) return;
    const before = content.slice();
    for (const [index, byte] of bytes.entries()) {
      if (content[offset + index] === byte) continue;
      content[offset + index] = byte;
      onTear(`${name}:${offset + index}`);
    }
    content.set(before);
  });
}

/** Different for every number; its length, too. */
export function request(number: number, bytes = 20 + ((number * 37) % 200)): Uint8Array {
  return new Uint8Array(bytes).fill(1 + (number % 250));
}

/** One after the other, each in a group of its own. */
export async function submitEach(log: MachineLog<CountingMachine>, from: number, to: number): Promise<void> {
  for (let number = from; number <= to; number += 1) await log.submit(request(number));
}

/** Checks the code of an error, and what its details say. */
export function isFogError(code: string, details: Record<string, unknown> = {}): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof FogError, String(error));
    assert.equal(error.code, code, error.message);
    for (const [key, value] of Object.entries(details)) assert.deepEqual(error.details[key], value, error.message);
    return true;
  };
}
