/** Who is told when stake moves. */
import type { Reader, Writer } from '../store/database.ts';

export interface StakeListener {
  moved(
    writer: Writer,
    moves: readonly { owner: string; before: bigint; after: bigint }[],
    sequence: number,
  ): Promise<void>;
  lockedUntil(writer: Reader, owner: string): Promise<number | null>;
}
