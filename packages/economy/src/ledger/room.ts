/** What is said when the ledger in memory is full. */
import { FogError } from '@fog/contract';

export function assertRoom(wanted: number, most: number, what: string): void {
  if (wanted <= most) return;
  throw new FogError('storage-full', `the ledger in memory holds ${most} ${what} at most`, {
    details: { what, most, wanted },
    hint: 'nothing of the batch has happened; begin a new ledger from the balances of this one',
  });
}
