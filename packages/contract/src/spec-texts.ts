/** Quantities, durations and constraints as they are written in a specification. They stay text; `units.ts` turns them into numbers. */
import { z } from 'zod';
import { CONSTRAINT_PATTERN, parseConstraint } from './constraints.ts';
import { FogError } from './errors.ts';
import { BYTES_PATTERN, CPU_PATTERN, DURATION_PATTERN, parseBytes, parseCpu, parseDuration } from './units.ts';

export const bytesText = quantity(BYTES_PATTERN, parseBytes, 'bytes: 256Mi, 1G or a number');
export const cpuText = quantity(CPU_PATTERN, parseCpu, 'CPU: 500m, 0.5 or 2');

/** Text of the pattern, or a bare number; greater than zero. */
function quantity(pattern: RegExp, parse: (text: string) => number, what: string) {
  const error = `must be a quantity of ${what}`;
  return z
    .union([z.string().regex(withNonZeroDigit(pattern), error), z.number().positive(error)], { error })
    .transform(String)
    .refine((text) => isPositive(parse, text), error)
    .meta({ description: `Quantity of ${what}` });
}

const DURATION_FAULT = 'must be a duration: 500ms, 30s, 10m, 1h30m or 7d';
export const durationText = z
  .string(DURATION_FAULT)
  .regex(withNonZeroDigit(DURATION_PATTERN), { error: DURATION_FAULT, abort: true })
  .refine((text) => isPositive(parseDuration, text), DURATION_FAULT)
  .meta({ description: 'Duration: 500ms, 30s, 10m, 1h30m or 7d' });

/** For waits that may also be left out. */
export const durationOrZero = z
  .string(DURATION_FAULT)
  .regex(DURATION_PATTERN, DURATION_FAULT)
  .meta({ description: 'Duration: 0s, 500ms, 30s, 10m, 1h30m or 7d' });

/** None of the patterns has an exponent, so what has a digit other than 0 is more than zero. */
function withNonZeroDigit(pattern: RegExp): RegExp {
  return new RegExp(pattern.source.replace('^', '^(?=.*[1-9])'));
}

function isPositive(parse: (text: string) => number, text: string): boolean {
  try {
    return parse(text) > 0;
  } catch {
    return false;
  }
}

export const constraintText = z
  .string()
  .superRefine((text, context) => {
    try {
      parseConstraint(text);
    } catch (error) {
      const { message, hint } = FogError.from(error);
      context.addIssue({ code: 'custom', message: hint === undefined ? message : `${message}; ${hint}` });
    }
  })
  .meta({
    description: 'os == linux, region in (eu, us), cores >= 4, gpu or !gpu',
    pattern: CONSTRAINT_PATTERN.source,
  });
