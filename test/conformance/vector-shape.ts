/** Reading vector files whose shape is known: anything else is a failure, for what is not understood is not checked. */
import assert from 'node:assert/strict';
import { z } from 'zod';
import type { VectorFile } from './areas.ts';

/** One thing to check, made ready. */
export interface Check {
  name: string;
  run(): void;
}

/** Bytes as lower- or upper-case hex; becomes a `Uint8Array`. */
export const hex = z
  .string()
  .regex(/^([0-9a-fA-F]{2})*$/, 'not hex')
  .transform((text) => Uint8Array.from(Buffer.from(text, 'hex')));

export function hexOfLength(bytes: number) {
  return hex.refine((value) => value.length === bytes, `not ${bytes} bytes`);
}

export function readJson({ content }: VectorFile): unknown {
  return JSON.parse(Buffer.from(content).toString('utf8'));
}

/** Throws with the first difference from the schema. */
export function parseShape<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`unknown shape: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}

export function assertBytes(actual: Uint8Array | null, expected: Uint8Array, what: string): void {
  assert.equal(
    actual === null ? null : Buffer.from(actual).toString('hex'),
    Buffer.from(expected).toString('hex'),
    what,
  );
}
