/** One run of generator, node and sink, each a process of its own, over one geometry. */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type GeometryChoice, geometryOf } from '../../packages/sphinx/src/index.ts';
import type { BenchmarkContext } from '../benchmark.ts';
import { ChildProgram } from '../child-program.ts';
import { clockMilliseconds, sleepUntil } from '../clock.ts';
import { percentile, rounded } from '../statistics.ts';
import { TemporaryFolder } from '../temporary-folder.ts';
import type { Connection, Sending } from './generator-process.ts';
import type { NodeAddress, NodeUsage, Processing } from './node-process.ts';
import type { Arrival, SampleResult, SinkAddress } from './sink-process.ts';
import { coresUsed, machineCpuMilliseconds, packetsPerSecond, threadCoresUsed, type Usage } from './usage.ts';

/** Sent before anything is measured, to learn the rate and so how many packets to make. */
const PROBE_PACKETS = 1 << 15;
const PROBE_SECONDS = 60;
/** Of the window: links and threads run, buffers have their size. */
const WARM_UP_MILLISECONDS = 500;
/** More packets than the probe's rate asks for: what is warm is faster. */
const SPARE = 1.5;
/** At rates below the highest. */
const PACED_SECONDS = 10;
const DRAIN_MILLISECONDS = 10_000;
/** Half of what a node must carry at least, where the machine can. */
const LOW_LOAD_PACKETS_PER_SECOND = 12_500;
/**
 * Generator and sink share the processors with the node and must not hold one for long just when it has work: V8 gives
 * them no helping threads, and a collector that has little to do at a time.
 */
const INSTRUMENT = ['--single-threaded', '--max-semi-space-size=1'];
const GIBIBYTE = 2 ** 30;
/** No phase that ends by itself lasts longer. */
const MOST_SECONDS = 600;

interface Usages {
  generator: Usage;
  node: NodeUsage;
  sink: Usage;
}

class Relay {
  readonly generator: ChildProgram;
  readonly node: ChildProgram;
  readonly sink: ChildProgram;

  constructor({ cleanup, profileFolder }: BenchmarkContext) {
    const nodeArguments = profileFolder === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`];
    this.sink = cleanup.use(new ChildProgram('mixnode/sink-process.ts', { nodeArguments: INSTRUMENT }));
    this.node = cleanup.use(new ChildProgram('mixnode/node-process.ts', { nodeArguments }));
    this.generator = cleanup.use(new ChildProgram('mixnode/generator-process.ts', { nodeArguments: INSTRUMENT }));
  }

  /** Answers what the node computes with. */
  async connect(geometry: GeometryChoice, folder: string, threads: number): Promise<string> {
    const networkId = randomBytes(32).toString('hex');
    const sink = await this.sink.ask<SinkAddress>('start', { geometry, networkId });
    const senderLinkKey = await this.generator.ask<string>('linkKey');
    const options = { geometry, networkId, folder, threads, senderLinkKey, sink };
    const node = await this.node.ask<NodeAddress>('start', options);
    const connection: Connection = {
      geometry,
      networkId,
      address: node.address,
      linkKey: node.linkKey,
      first: node,
      last: sink,
      recipient: sink.recipient,
    };
    await this.generator.ask('connect', connection);
    return node.backend;
  }

  async usage(): Promise<Usages> {
    const [generator, node, sink] = await Promise.all([
      this.generator.ask<Usage>('usage'),
      this.node.ask<NodeUsage>('usage'),
      this.sink.ask<Usage>('usage'),
    ]);
    return { generator, node, sink };
  }

  make(count: number): Promise<number> {
    return this.generator.ask<number>('make', { count });
  }

  send(sending: Sending): Promise<number> {
    return this.generator.ask<number>('send', sending);
  }

  /** Waits until nothing moves any more. */
  async settled(): Promise<Usages> {
    let before = await this.usage();
    for (const until = clockMilliseconds() + DRAIN_MILLISECONDS; clockMilliseconds() < until; ) {
      await sleepUntil(clockMilliseconds() + 200);
      const now = await this.usage();
      const isStill = now.sink.packets === before.sink.packets && now.node.packets === before.node.packets;
      if (isStill && now.node.inside === 0) return now;
      before = now;
    }
    throw new Error('packets still move ten seconds after the last was sent');
  }

  async end(): Promise<void> {
    for (const program of [this.generator, this.node, this.sink]) await program[Symbol.asyncDispose]();
  }
}

/** The figures of one geometry. Speeds are of the sink: what has gone all the way. */
export async function measureRelay(geometry: GeometryChoice, context: BenchmarkContext) {
  using folder = context.cleanup.use(new TemporaryFolder());
  const relay = new Relay(context);
  const backend = await relay.connect(geometry, join(folder.path, 'keys'), context.option('threads'));
  const { packetBytes } = geometryOf(geometry);
  const seconds = context.option('seconds');
  context.progress(`packets of ${packetBytes} bytes; ${backend}`);

  await relay.make(PROBE_PACKETS);
  const probeBegin = await relay.usage();
  let next = await relay.send({ from: 0, to: PROBE_PACKETS, packetsPerSecond: 0, seconds: PROBE_SECONDS });
  const probed = packetsPerSecond(probeBegin.sink, (await relay.usage()).sink);
  const pacedSeconds = Math.min(seconds, PACED_SECONDS) + (2 * WARM_UP_MILLISECONDS) / 1000;
  const atLowLoad = pacedSeconds * LOW_LOAD_PACKETS_PER_SECOND;
  const paced = SPARE * pacedSeconds * (probed / 2) + atLowLoad;
  const wanted = next + SPARE * probed * seconds + paced;
  const most = Math.floor((context.option('memory') * GIBIBYTE) / packetBytes);
  context.progress(`about ${rounded(probed)} packets a second; making ${rounded(Math.min(wanted, most))} of them`);
  const total = await relay.make(Math.min(Math.max(wanted, context.option('distinct')), most));

  const full = await fullLoad(relay, next, Math.floor(Math.max(next, total - paced)), seconds);
  const { nodePacketsPerSecond } = full;
  context.progress(`${rounded(nodePacketsPerSecond)} packets a second`);
  const half = await pacedLoad(relay, full.next, total - atLowLoad, nodePacketsPerSecond / 2);
  const low = await pacedLoad(relay, half.next, total, LOW_LOAD_PACKETS_PER_SECOND);
  for (const { atPacketsPerSecond, p50, p99 } of [half.times, low.times])
    context.progress(`at ${atPacketsPerSecond} packets a second: p50 ${p50} ms, p99 ${p99} ms`);
  next = await relay.send({ from: low.next, to: total, packetsPerSecond: 0, seconds: MOST_SECONDS });

  const once = await relay.settled();
  await relay.send({ from: 0, to: next, packetsPerSecond: 0, seconds: MOST_SECONDS });
  const twice = await relay.settled();
  const sample = await relay.sink.ask<SampleResult>('check');
  await relay.end();
  return {
    packetBytes,
    backend,
    nodePacketsPerSecond: rounded(nodePacketsPerSecond),
    windowSeconds: rounded(full.windowSeconds),
    dropRate: full.dropRate,
    processingMilliseconds: half.times,
    processingMillisecondsAtLowLoad: low.times,
    cpuShare: full.cpuShare,
    memory: full.memory,
    distinctPackets: once.generator.packets,
    honestDropped: once.generator.packets - once.sink.packets,
    honestDroppedByCause: once.node.drops,
    replayedPackets: twice.generator.packets - once.generator.packets,
    replaysAccepted: twice.sink.packets - once.sink.packets,
    sample,
    bound: boundBy(full.cpuShare),
  };
}

async function fullLoad(relay: Relay, from: number, to: number, seconds: number) {
  const before = await relay.settled();
  const sending = relay.send({ from, to, packetsPerSecond: 0, seconds: seconds + 2 * (WARM_UP_MILLISECONDS / 1000) });
  await sleepUntil(clockMilliseconds() + WARM_UP_MILLISECONDS);
  const begin = await relay.usage();
  const ended = await Promise.race([sending, sleepUntil(begin.sink.atMilliseconds + 1000 * seconds)]);
  const end = await relay.usage();
  const next = ended ?? (await sending);
  const after = await relay.settled();
  const sent = after.generator.packets - before.generator.packets;
  return {
    next,
    nodePacketsPerSecond: packetsPerSecond(begin.sink, end.sink),
    windowSeconds: (end.sink.atMilliseconds - begin.sink.atMilliseconds) / 1000,
    dropRate: (sent - (after.sink.packets - before.sink.packets)) / sent,
    cpuShare: sharesOf(begin, end),
    memory: {
      rssBytesAtBegin: begin.node.rssBytes,
      rssBytesAtEnd: end.node.rssBytes,
      ofReplaySetAtBegin: begin.node.replayBytes,
      ofReplaySetAtEnd: end.node.replayBytes,
    },
  };
}

function sharesOf(begin: Usages, end: Usages) {
  return {
    generator: rounded(coresUsed(begin.generator, end.generator)),
    node: rounded(coresUsed(begin.node, end.node)),
    sink: rounded(coresUsed(begin.sink, end.sink)),
    nodeInputOutputThread: rounded(threadCoresUsed(begin.node, end.node)),
  };
}

async function pacedLoad(relay: Relay, first: number, to: number, rate: number) {
  const warm = { from: first, to, packetsPerSecond: rate, seconds: (2 * WARM_UP_MILLISECONDS) / 1000 };
  const from = await relay.send(warm);
  await relay.node.ask<Processing>('processing');
  await relay.sink.ask<Arrival[]>('arrivals');
  const machineBegin = machineCpuMilliseconds();
  const begin = await relay.usage();
  const next = await relay.send({ from, to, packetsPerSecond: rate, seconds: PACED_SECONDS });
  const end = await relay.usage();
  const machine = machineCpuMilliseconds() - machineBegin;
  const cpuShare = sharesOf(begin, end);
  const ours = cpuShare.generator + cpuShare.node + cpuShare.sink;
  const others = machine / (end.node.atMilliseconds - begin.node.atMilliseconds) - ours;
  const { p50, p99, count } = await relay.node.ask<Processing>('processing');
  await relay.settled();
  const arrivals = await relay.sink.ask<Arrival[]>('arrivals');
  const journeys = await relay.generator.ask<number[]>('journeys', { arrivals });
  const times = {
    p50,
    p99,
    atPacketsPerSecond: rounded(packetsPerSecond(begin.sink, end.sink)),
    packets: count,
    cpuShare,
    /** Of programs that have nothing to do with this run: a time beside a large one tells little. */
    othersCpuShare: rounded(Math.max(0, others)),
    fromGeneratorToSink: { p50: rounded(percentile(journeys, 0.5)), p99: rounded(percentile(journeys, 0.99)) },
  };
  return { next, times };
}

function boundBy(share: { generator: number; node: number; sink: number; nodeInputOutputThread: number }): string {
  const { generator, node, sink, nodeInputOutputThread: inputOutput } = share;
  const cores = availableParallelism();
  const sum = generator + node + sink;
  const unwrapping = node - inputOutput;
  const shares = `generator ${generator}, node ${node} (I/O thread ${inputOutput}, other threads ${rounded(unwrapping)}), sink ${sink}`;
  if (inputOutput > 0.9) return `the I/O thread of the node, which is one: ${shares} processors`;
  if (unwrapping > 0.9) return `the unwrapping thread of the node: ${shares} processors`;
  if (sum > 0.9 * cores) return `the ${cores} processors, which the three processes share: ${shares}`;
  return `no processor is full (${rounded(sum)} of ${cores}): the threads wait for one another; ${shares}`;
}
