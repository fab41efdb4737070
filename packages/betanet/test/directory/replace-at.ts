/** Changes what stands in one of all places of an object, in the order of a walk. */
export function replaceAt(of: object, at: number, change: (value: unknown) => unknown): void {
  const places: [Record<string, unknown>, string][] = [];
  const walk = (value: object) => {
    for (const [key, entry] of Object.entries(value)) {
      places.push([value as Record<string, unknown>, key]);
      if (typeof entry === 'object' && entry !== null) walk(entry);
    }
  };
  walk(of);
  const [holder, key] = places[at % places.length] as (typeof places)[number];
  holder[key] = change(holder[key]);
}
