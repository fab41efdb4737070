/**
 * One mix on real sockets: generator -> node -> sink, a process each, with encrypted links and all checks on. All
 * packets are made before they are sent; each is valid, and different from every other.
 *
 * Beside it what one processor unwraps by each backend, in the same run.
 */
import type { GeometryChoice } from '../packages/sphinx/src/index.ts';
import type { Benchmark, BenchmarkContext } from './benchmark.ts';
import { measureRelay } from './mixnode/relay-run.ts';
import { measureOpensslX25519, measureUnwrapping } from './mixnode/unwrap-rates.ts';
import { rounded, roundedOrNull } from './statistics.ts';

const FIVE_HOPS: GeometryChoice = { hops: 5, userPayloadBytes: 2000 };
const SEVEN_HOPS: GeometryChoice = { hops: 7, userPayloadBytes: 2000 };

export const mixnode: Benchmark = {
  name: 'mixnode',
  summary: 'packets a second through one mix, socket to socket, and unwrapped by one processor',
  options: {
    seconds: { default: 60, description: 'of the timed window' },
    threads: { default: 1, description: 'unwrapping threads of the node' },
    memory: { default: 8, description: 'GiB of packets; the window ends when they are sent' },
    distinct: { default: 1_000_000, description: 'packets at least, all of them sent twice' },
    unwrap: { default: 2, description: 'seconds for each backend, at least 1' },
  },
  async run(context) {
    const openssl = measureOpensslX25519();
    context.progress(`X25519 ${rounded(openssl.perSecond)} a second: ${openssl.source}`);
    const main = await measure(FIVE_HOPS, context);
    return {
      opensslX25519PerSecond: rounded(openssl.perSecond),
      opensslX25519Source: openssl.source,
      ...main,
      sevenHops: await measure(SEVEN_HOPS, context),
    };
  },
};

async function measure(geometry: GeometryChoice, context: BenchmarkContext) {
  const rates = measureUnwrapping(geometry, Math.max(1, context.option('unwrap')), (name, reason) =>
    context.progress(`${name} is not there: ${reason}`),
  );
  const { naive, ...backends } = rates;
  const figures = Object.entries(backends).map(([name, rate]) => [name, roundedOrNull(rate)] as const);
  context.progress(
    `unwrapped a second: ${figures.map((figure) => figure.join(' ')).join(', ')}; naive ${rounded(naive ?? 0)}`,
  );
  const relay = await measureRelay(geometry, context);
  const fastest = Math.max(...Object.values(backends).map((rate) => rate ?? 0));
  return {
    unwrapPerSecondPerCore: Object.fromEntries(figures),
    naiveUnwrapPerSecond: roundedOrNull(naive),
    /** One processor against one processor; and the whole node against a program that does nothing but unwrap. */
    ratioToNaive: roundedOrNull(naive === null ? null : fastest / naive),
    nodeRatioToNaive: roundedOrNull(naive === null ? null : relay.nodePacketsPerSecond / naive),
    ...relay,
  };
}
