/** What clearing a sealed-bid double auction of standard slices takes. */
import { AUCTION_MECHANISMS, clearBatch, type SealedOrder } from '@fog/scheduler/market';
import { seededRandom } from '../../test/support/seeded-random.ts';
import type { BenchmarkContext } from '../benchmark.ts';
import { median, rounded } from '../statistics.ts';

const RUNS = 31;
const HIGHEST_MICRO_FOG = 1_000_000;

/** `auctionMilliseconds`: the median of one batch of so many bids and as many asks, a slice each, of one market. */
export function measureAuction(context: BenchmarkContext, orders: number) {
  const random = seededRandom(1);
  const price = () => 1 + Math.floor(random() * HIGHEST_MICRO_FOG);
  const batch = (['bid', 'ask'] as const).flatMap((side) =>
    Array.from({ length: orders }, (_, index): SealedOrder => {
      const name = `${side}-${index}`;
      return {
        ...{ id: name, participant: name, side, slices: 1, limitMicroFog: price() },
        market: { tier: 'bronze', region: 'eu' },
      };
    }),
  );
  const figures = AUCTION_MECHANISMS.map((mechanism) => {
    const times = Array.from({ length: RUNS }, (_, seed) => {
      const began = performance.now();
      clearBatch(batch, { mechanism, seed });
      return performance.now() - began;
    });
    return [mechanism, rounded(median(times))] as const;
  });
  context.progress(
    `an auction of ${orders} x ${orders} orders: ${figures.map((figure) => figure.join(' ')).join(', ')} ms`,
  );
  return { auctionMilliseconds: Object.fromEntries(figures) };
}
