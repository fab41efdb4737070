/** Figures that a trace may not tell. */

export interface Unavailable {
  /** Why, for people. */
  unavailable: string;
}

/** A number, or why there is none; never 0 for what is not known. */
export type Figure = number | Unavailable;

export function unavailable(why: string): Unavailable {
  return { unavailable: why };
}

export function isAvailable<Value>(figure: Value | Unavailable): figure is Value {
  return typeof figure !== 'object' || figure === null || !('unavailable' in figure);
}
