/** Looking into documents whose shape nobody has checked yet. */

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The record under an own key; null where there is none, or something else. */
export function recordIn(value: unknown, key: string): Record<string, unknown> | null {
  const found = isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return isRecord(found) ? found : null;
}
