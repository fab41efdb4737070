/** Numbers that an operator or another part chose, checked once where they come in. */
import { FogError } from '@fog/contract';

/** Throws a `FogError` (`invalid-configuration`) unless `value` is a whole number from `least` to `most`. */
export function assertWholeNumber(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new FogError(
    'invalid-configuration',
    `${name} is ${value}, and must be a whole number from ${least} to ${most}`,
    {
      details: { name, value, least, most },
    },
  );
}

/** Throws a `FogError` (`invalid-configuration`) unless `value` is a number from `least` to `most`. */
export function assertNumber(name: string, value: number, least: number, most: number): void {
  if (value >= least && value <= most) return;
  throw new FogError('invalid-configuration', `${name} is ${value}, and must be a number from ${least} to ${most}`, {
    details: { name, value, least, most },
  });
}
