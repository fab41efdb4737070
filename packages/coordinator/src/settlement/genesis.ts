/** The first FOG: made once, when a fog that asks for money is started for the first time, and never again. */
import { parseFog, portionOf } from '@fog/economy/amounts';
import { transferId } from '@fog/economy/chart';
import type { Database } from '../store/database.ts';
import { readLedgerTransfer } from './ledger-queries.ts';
import { MoneyMoves } from './money-moves.ts';
import type { SqlLedger } from './sql-ledger.ts';

/** Of the first money: to the treasury. The rest is the operator's, who hands it out. */
const TREASURY_PPM = 150_000n;
export const OPERATOR = 'admin';

/** `supply` in FOG. Another one at a later start changes nothing. */
export async function makeFirstMoney(
  { database, ledger, now }: { database: Database; ledger: SqlLedger; now: () => number },
  supply: string,
): Promise<void> {
  const id = transferId('issue', 'genesis', 'treasury');
  await database.write(async (writer) => {
    if ((await readLedgerTransfer(writer, id)) !== null) return;
    const whole = parseFog(supply);
    const treasury = portionOf(whole, TREASURY_PPM);
    const moves = new MoneyMoves('fog');
    moves.issue('treasury', '', treasury, id);
    moves.issue('wallet', OPERATOR, whole - treasury, transferId('issue', 'genesis', 'operator'));
    await moves.carryOut(writer, ledger, now());
  });
}
