/** Values of parameters as people write and read them: `5%`, `100`, `2d`, `on`. */
import { FogError, formatDuration, parseDuration } from '@fog/contract';
import { formatFog, parseFog } from '@fog/economy/amounts';
import { PARAMETER_NAMES, PARAMETERS, type ParameterName, type ParameterUnit } from '@fog/economy/governance';

const PPM_PER_PERCENT = 10_000n;
const PERCENT = /^(\d{1,4})(?:\.(\d{1,4}))?%$/;

/** `feePpm` and `5%` -> 50,000. Throws `invalid-request` for a name that there is not, and for no such value. */
export function parseParameter(name: string, text: string): bigint {
  if (!Object.hasOwn(PARAMETERS, name)) {
    throw new FogError('invalid-request', `there is no parameter "${name.slice(0, 60)}"`, {
      hint: `parameters are ${PARAMETER_NAMES.join(', ')}`,
    });
  }
  const { unit, least, most } = PARAMETERS[name as ParameterName];
  const value = valueIn(unit, text);
  if (value !== null && value >= least && value <= most) return value;
  if (value !== null) {
    const range = `${parameterText(unit, least)} to ${parameterText(unit, most)}`;
    throw new FogError('invalid-request', `${name} cannot be ${parameterText(unit, value)}: it is from ${range}`);
  }
  throw new FogError('invalid-request', `"${text.slice(0, 60)}" is no value of ${name}`, { hint: HINTS[unit] });
}

const HINTS: Readonly<Record<ParameterUnit, string>> = {
  ppm: 'write a share like 5% or 0.25%, or parts per million like 50000',
  'micro-fog': 'write an amount of FOG like 100 or 0.5',
  milliseconds: 'write a duration like 2d or 12h, or milliseconds',
  switch: 'write on or off',
  count: 'write a whole number like 100',
};

function valueIn(unit: ParameterUnit, text: string): bigint | null {
  if (unit === 'switch') return text === 'on' ? 1n : text === 'off' ? 0n : null;
  if (unit === 'micro-fog') return parseFog(text);
  if (/^\d{1,18}$/.test(text)) return BigInt(text);
  if (unit === 'count') return null;
  if (unit === 'milliseconds') return BigInt(parseDuration(text));
  const [, whole, decimals = ''] = PERCENT.exec(text) ?? [];
  return whole === undefined ? null : BigInt(whole) * PPM_PER_PERCENT + BigInt(decimals.padEnd(4, '0'));
}

/** 50,000 ppm -> `5%`. */
export function parameterText(unit: ParameterUnit, value: bigint): string {
  switch (unit) {
    case 'ppm':
      return percentText(value);
    case 'micro-fog':
      return `${formatFog(value)} FOG`;
    case 'milliseconds':
      return formatDuration(Number(value));
    case 'count':
      return String(value);
    case 'switch':
      return value === 0n ? 'off' : 'on';
  }
}

/** Also of values whose parameter this program does not know. */
export function namedValueText(name: string, value: string): string {
  return Object.hasOwn(PARAMETERS, name) ? parameterText(PARAMETERS[name as ParameterName].unit, BigInt(value)) : value;
}

function percentText(ppm: bigint): string {
  const decimals = String(ppm % PPM_PER_PERCENT)
    .padStart(4, '0')
    .replace(/0+$/, '');
  return `${ppm / PPM_PER_PERCENT}${decimals === '' ? '' : `.${decimals}`}%`;
}
