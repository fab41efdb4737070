/** Fields that proposals and ballots are made of, and the documents about them. */
import { nameSchema } from '@fog/contract';
import { z } from 'zod';
import { MOST_MICRO_FOG } from '../amounts.ts';
import { governanceFault } from './faults.ts';

const PRINCIPAL = nameSchema;

export const hexSchema = (bytes: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`), `must be ${bytes * 2} lower-case hex digits`);

/** Amounts in documents: decimal digits, since they go beyond the numbers of JSON. */
export const amountSchema = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,38})$/, 'must be a whole number of micro-FOG')
  .transform(BigInt)
  .refine((amount) => amount <= MOST_MICRO_FOG, 'must fit 128 bits');

/** Sequence numbers and milliseconds. */
export const wholeSchema = z.int().min(0);

/** Throws `invalid-request` for what is no name of a principal. */
export function assertPrincipal(name: string, what: string): void {
  if (PRINCIPAL.safeParse(name).success) return;
  throw governanceFault('malformed', `${what} is ${JSON.stringify(String(name).slice(0, 80))}, which is no principal`, {
    hint: 'names have 1 to 63 letters, digits, dots, dashes or underscores',
  });
}

/** Control characters, and those that turn the direction of writing: what a terminal shows must be what it says. */
const UNPRINTABLE = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u;

/** Whether text can be shown as it is. Several lines may have line feeds and tabs. */
export function isPrintable(text: string, { isLines }: { isLines: boolean }): boolean {
  return text.isWellFormed() && !UNPRINTABLE.test(isLines ? text.replace(/[\n\t]/g, ' ') : text);
}

/** Throws `invalid-request` for text that is too short, too long, or cannot be shown as it is. */
export function assertText(
  text: string,
  { most, least = 0, isLines = false, what }: { most: number; least?: number; isLines?: boolean; what: string },
): void {
  const isText = typeof text === 'string' && text.length >= least && text.length <= most;
  if (isText && isPrintable(text, { isLines })) return;
  throw governanceFault('malformed', `${what} has to be text of ${least} to ${most} characters`, {
    hint: 'leave out control characters; put what is longer behind a link',
  });
}
