import { FogError } from '@fog/contract';

export interface Bound {
  /** What is counted, such as one node. */
  key: string;
  most: number;
  /** For the message: "tunnels to this node". */
  what: string;
}

/** Counts what is open under several bounds at a time. */
export class OpenCounts {
  readonly #counts = new Map<string, number>();

  get(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /** Answers what gives the place back, once. Throws `too-many-requests` when one of the bounds is reached. */
  take(bounds: readonly Bound[]): () => void {
    const full = bounds.find(({ key, most }) => this.get(key) >= most);
    if (full !== undefined) throw new FogError('too-many-requests', `${full.most} ${full.what} are open`);
    for (const { key } of bounds) this.#counts.set(key, this.get(key) + 1);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      for (const { key } of bounds) {
        const left = this.get(key) - 1;
        if (left === 0) this.#counts.delete(key);
        else this.#counts.set(key, left);
      }
    };
  }
}
