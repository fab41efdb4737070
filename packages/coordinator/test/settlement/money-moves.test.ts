/** What one transaction asks of the ledger may be more than a batch of it takes. */
import assert from 'node:assert/strict';
import { transferId } from '@fog/economy/chart';
import { LEDGER_LIMITS } from '@fog/economy/ledger';
import { MoneyMoves } from '../../src/settlement/money-moves.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import { supplyOf, walletOf } from './money-invariants.ts';

const MORE = LEDGER_LIMITS.batchEvents + 10;

await onBothDatabases('money moves', {
  async 'more accounts and transfers than a batch takes are made in one transaction, once'({ open }) {
    const fog = await open({ economy: 'on' });
    const { economy, database, clock } = fog;
    assert.ok(economy !== null);
    const pay = () =>
      database.write(async (writer) => {
        const moves = new MoneyMoves('fog');
        for (let index = 0; index < MORE; index += 1) {
          moves.issue('wallet', `p${index}`, 2n, transferId('issue', 'many', index));
        }
        await moves.carryOut(writer, economy.ledger, clock.now);
      });
    await pay();
    await pay();
    assert.equal(await supplyOf(database, 'fog'), 2n * BigInt(MORE));
    assert.equal(await walletOf(database, `p${MORE - 1}`, 'fog'), 2n);
  },
});
