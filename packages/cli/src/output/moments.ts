/** Times for people. */
import { formatDuration } from '@fog/contract';

/** `2026-03-01 12:34:56 (5m ago)`, in UTC. */
export function momentText(milliseconds: number | null, nowMilliseconds: number): string {
  if (milliseconds === null) return '-';
  const text = new Date(milliseconds).toISOString().slice(0, 19).replace('T', ' ');
  return `${text} UTC (${agoText(milliseconds, nowMilliseconds)})`;
}

export function agoText(milliseconds: number, nowMilliseconds: number): string {
  const difference = nowMilliseconds - milliseconds;
  return difference >= 0 ? `${coarse(difference)} ago` : `in ${coarse(-difference)}`;
}

export function spanText(from: number | null, to: number | null): string {
  return from === null || to === null ? '-' : formatDuration(Math.max(0, to - from));
}

/** The two largest units say enough about something long ago. */
function coarse(milliseconds: number): string {
  if (milliseconds < 1000) return '0s';
  const parts = formatDuration(milliseconds).match(/[\d.]+[a-z]+/g) ?? [];
  return parts.slice(0, 2).join('');
}
