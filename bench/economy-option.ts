/** Whether the fog that is measured asks for money. The figures in docs/benchmarks.md are of one that does not. */
import type { BenchmarkContext } from './benchmark.ts';

export const ECONOMY_OPTION = {
  economy: { default: 0, description: '1: the fog asks for money, as one does unless told otherwise' },
} as const;

export function economyOf(context: BenchmarkContext): 'on' | 'off' {
  return context.option('economy') === 0 ? 'off' : 'on';
}
