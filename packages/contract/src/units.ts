/** Kubernetes quantities and durations: text in specs and settings, whole numbers inside. */
import { FogError } from './errors.ts';

const MULTIPLIERS: Record<string, number> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
};
const DURATION_UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Longer than any that fits into 53 bits. */
const LONGEST_QUANTITY = 64;

export const BYTES_PATTERN = /^(\d+(?:\.\d+)?)(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/;
export const CPU_PATTERN = /^(?:(\d+)m|(\d+(?:\.\d{1,3})?))$/;
export const DURATION_PATTERN = /^(?:\d+(?:ms|s|m|h|d))+$/;

/** `'256Mi'` -> 268435456. Fractions are rounded up. Throws `invalid-request`. */
export function parseBytes(text: string): number {
  const match = text.length > LONGEST_QUANTITY ? null : BYTES_PATTERN.exec(text);
  const bytes = match === null ? Number.NaN : exactProduct(match[1] ?? '', MULTIPLIERS[match[2] ?? ''] ?? 0);
  if (!Number.isSafeInteger(bytes)) throw notA('quantity of bytes', text, '256Mi, 1G or a number of bytes');
  return bytes;
}

/** In whole numbers: 528.897 * 1e12 is no whole number in floating point, and would be rounded up. */
function exactProduct(decimal: string, multiplier: number): number {
  const [whole = '', fraction = ''] = decimal.split('.');
  const scale = 10n ** BigInt(fraction.length);
  const scaled = BigInt(whole + fraction) * BigInt(multiplier);
  return Number((scaled + scale - 1n) / scale);
}

/** `'500m'` or `'0.5'` -> 500 thousandths of a core. Throws `invalid-request`. */
export function parseCpu(text: string): number {
  const match = CPU_PATTERN.exec(text);
  const milliCpu = match === null ? Number.NaN : match[1] ? Number(match[1]) : Math.round(Number(match[2]) * 1000);
  if (!Number.isSafeInteger(milliCpu)) throw notA('quantity of CPU', text, '500m, 0.5 or 2');
  return milliCpu;
}

/** `'1h30m'` -> 5400000 milliseconds. Throws `invalid-request`. */
export function parseDuration(text: string): number {
  if (!DURATION_PATTERN.test(text)) throw notA('duration', text, '500ms, 30s, 10m, 1h30m or 7d');
  let milliseconds = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) {
    milliseconds += Number(amount) * (DURATION_UNITS[unit as string] as number);
  }
  if (!Number.isSafeInteger(milliseconds)) throw notA('duration', text, 'a shorter one');
  return milliseconds;
}

/** 268435456 -> `'256 MiB'`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** 5400000 -> `'1h30m'`; below a second `'250ms'`; seconds with one decimal under ten, `'8s'` where that is 0. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)}ms`;
  if (milliseconds < 10_000) return `${(milliseconds / 1000).toFixed(1).replace('.0', '')}s`;
  let rest = Math.round(milliseconds / 1000);
  let text = '';
  for (const [unit, seconds] of [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    const amount = Math.floor(rest / seconds);
    rest -= amount * seconds;
    if (amount > 0) text += `${amount}${unit}`;
  }
  return text;
}

function notA(what: string, text: string, examples: string): FogError {
  return new FogError('invalid-request', `"${text}" is not a ${what}; write ${examples}`);
}
