/** Streams that are paid out of one balance, from `{ cases: [{ name, blocks, balance, rates, end, paid }] }`. */
import assert from 'node:assert/strict';
import { settleStream } from '@fog/economy/escrow';
import { z } from 'zod';
import type { VectorFile } from '../areas.ts';
import { type Check, parseShape, readJson } from '../vector-shape.ts';

/** Whole; as text where a number of JSON could not tell it. */
const whole = z.union([z.int(), z.string().regex(/^-?\d{1,39}$/)]).transform(BigInt);
const amount = whole.refine((value) => value >= 0n, 'is negative');

const fileSchema = z.strictObject({
  note: z.string().optional(),
  cases: z.array(
    z.strictObject({
      name: z.string(),
      blocks: amount,
      balance: amount,
      rates: z.array(amount),
      /** Negative by all that could not be paid. */
      end: whole,
      paid: z.array(amount),
    }),
  ),
});

export function streamChecks(file: VectorFile): Check[] {
  return parseShape(fileSchema, readJson(file)).cases.map(({ name, blocks, balance, rates, end, paid }) => ({
    name,
    run() {
      const settled = settleStream({ elapsed: blocks, balance, rates });
      assert.deepEqual(settled.paid, paid, 'what is paid');
      assert.equal(settled.balance, end, 'the balance at the end');
      const missing = settled.unsettled.reduce((sum, one) => sum + one, 0n);
      assert.equal(missing, end < 0n ? -end : 0n, 'what is unsettled');
    },
  }));
}
