/**
 * What operators watch of a node, in the text format of Prometheus. Everything is read from the node when it is scraped,
 * so a packet costs nothing for it.
 */
import { Counter, Gauge, type Histogram, Registry } from 'prom-client';
import { DROP_CAUSES } from '../mixing/drop-counters.ts';
import { LOOP_STATES } from '../mixing/loop-alarm.ts';
import type { MixNode } from './mix-node.ts';
import { TIME_BOUNDS_SECONDS, type TimeHistogram } from './time-histogram.ts';

export interface NodeMetrics {
  /** Of the answer to a scrape. */
  contentType: string;
  text(): Promise<string>;
}

/** What metrics are read from. */
export type WatchedNode = Pick<MixNode, 'status' | 'drops' | 'histograms' | 'handshakeFaults' | 'doubleEndorsements'>;

export function nodeMetrics(node: WatchedNode): NodeMetrics {
  const registry = new Registry();
  addPackets(registry, node);
  addTimes(registry, node);
  addLinks(registry, node);
  addLoops(registry, node);
  addReplaySets(registry, node);
  addAuthorities(registry, node);
  return { contentType: registry.contentType, text: () => registry.metrics() };
}

function addPackets(registry: Registry, node: WatchedNode): void {
  const registers = [registry];
  const causes = Object.entries(DROP_CAUSES).map(([cause, meaning]) => `${cause}: ${meaning}`);
  const drops: Counter<'cause'> = new Counter({
    name: 'fog_mix_drops_total',
    help: `Packets that were dropped, by cause. ${causes.join(' ')}`,
    labelNames: ['cause'] as const,
    registers,
    collect: () => {
      drops.reset();
      for (const [cause, count] of node.drops.entries()) drops.inc({ cause }, count);
    },
  });
  const packets: Counter<'at'> = new Counter({
    name: 'fog_mix_packets_total',
    help: 'Packets that came from links (received), were put into the delay queue (entered), and left it (left)',
    labelNames: ['at'] as const,
    registers,
    collect: () => {
      const counters = node.status().packets;
      packets.reset();
      for (const at of ['received', 'entered', 'left'] as const) packets.inc({ at }, counters[at]);
    },
  });
  const waiting: Gauge<'at'> = new Gauge({
    name: 'fog_mix_waiting_packets',
    help: 'Packets that are being unwrapped, and packets that are held for the delay they ask for',
    labelNames: ['at'] as const,
    registers,
    collect: () => {
      const { unwrapping, held } = node.status().packets;
      waiting.set({ at: 'unwrapping' }, unwrapping);
      waiting.set({ at: 'held' }, held);
    },
  });
}

/** Processing and the delays of mixing are told apart: only the first is work of the node. */
function addTimes(registry: Registry, { histograms: { processing, delay, lateness } }: WatchedNode): void {
  const add = (name: string, help: string, times: TimeHistogram) =>
    registry.registerMetric(histogramOf(`fog_mix_${name}_seconds`, help, times));
  add(
    'processing',
    'From the network into the delay queue: the work of the node, without the delay itself',
    processing,
  );
  add('delay', 'How long packets were held, as they asked for; the work of the node is not in it', delay);
  add('delay_lateness', 'How much longer than they asked for packets were held', lateness);
}

/** As much of a metric as a registry asks for: what the library itself would make of it counts single packets. */
function histogramOf(name: string, help: string, times: TimeHistogram): Histogram<'le'> {
  const get = async () => {
    const counts = times.cumulative();
    const bounds = [...TIME_BOUNDS_SECONDS, '+Inf'];
    const buckets = bounds.map((le, at) => ({ metricName: `${name}_bucket`, labels: { le }, value: counts[at] ?? 0 }));
    const sum = { metricName: `${name}_sum`, labels: {}, value: times.sumSeconds };
    const count = { metricName: `${name}_count`, labels: {}, value: counts.at(-1) ?? 0 };
    return { name, help, type: 'histogram', values: [...buckets, sum, count], aggregator: 'sum' };
  };
  return { name, get } as unknown as Histogram<'le'>;
}

function addLinks(registry: Registry, node: WatchedNode): void {
  const registers = [registry];
  const links: Gauge<'direction'> = new Gauge({
    name: 'fog_mix_links',
    help: 'Links that others made to this node (in), that it made (out), and that it wants to have made (wanted)',
    labelNames: ['direction'] as const,
    registers,
    collect: () => {
      for (const [direction, count] of Object.entries(node.status().links)) links.set({ direction }, count);
    },
  });
  const faults: Counter<'fault'> = new Counter({
    name: 'fog_mix_handshake_faults_total',
    help: 'Connections that ended before they were links, by fault',
    labelNames: ['fault'] as const,
    registers,
    collect: () => {
      faults.reset();
      for (const [fault, count] of node.handshakeFaults) faults.inc({ fault }, count);
    },
  });
  const cut: Counter<'fault'> = new Counter({
    name: 'fog_mix_link_faults_total',
    help: 'Links that were cut for what came over them, by fault',
    labelNames: ['fault'] as const,
    registers,
    collect: () => {
      cut.reset();
      for (const [fault, count] of Object.entries(node.status().linkFaults)) cut.inc({ fault }, Number(count));
    },
  });
  const listed: Gauge = new Gauge({
    name: 'fog_mix_in_consensus',
    help: 'Whether the node is part of the consensus of the present epoch',
    registers,
    collect: () => listed.set(node.status().isInConsensus ? 1 : 0),
  });
}

function addLoops(registry: Registry, node: WatchedNode): void {
  const registers = [registry];
  const loops: Counter<'fate'> = new Counter({
    name: 'fog_mix_loops_total',
    help: 'Loops of this node: sent, returned in time, lost, and those of the lost that came late',
    labelNames: ['fate'] as const,
    registers,
    collect: () => {
      const { state: _, ...counts } = node.status().loops;
      loops.reset();
      for (const [fate, count] of Object.entries(counts)) loops.inc({ fate }, count);
    },
  });
  const state: Gauge<'state'> = new Gauge({
    name: 'fog_mix_loop_state',
    help: 'What the loops of this node say: 1 for the present state, 0 for the others',
    labelNames: ['state'] as const,
    registers,
    collect: () => {
      const present = node.status().loops.state;
      for (const known of LOOP_STATES) state.set({ state: known }, known === present ? 1 : 0);
    },
  });
}

function addReplaySets(registry: Registry, node: WatchedNode): void {
  const registers = [registry];
  const tags: Gauge<'epoch'> = new Gauge({
    name: 'fog_mix_replay_tags',
    help: 'Packets that have been seen under the key of an epoch',
    labelNames: ['epoch'] as const,
    registers,
    collect: () => {
      tags.reset();
      for (const set of node.status().replaySets) tags.set({ epoch: String(set.epoch) }, set.tags);
    },
  });
  const bytes: Gauge = new Gauge({
    name: 'fog_mix_replay_bytes',
    help: 'Memory of all replay sets',
    registers,
    collect: () => bytes.set(node.status().replaySets.reduce((sum, set) => sum + set.bytes, 0)),
  });
}

function addAuthorities(registry: Registry, node: WatchedNode): void {
  const doubled: Counter<'authority'> = new Counter({
    name: 'fog_mix_double_endorsements_total',
    help: "Epochs of which an authority has endorsed two consensuses: it lies, or its key is somebody else's, too",
    labelNames: ['authority'] as const,
    registers: [registry],
    collect: () => {
      doubled.reset();
      for (const [authority, count] of node.doubleEndorsements) doubled.inc({ authority }, count);
    },
  });
}
