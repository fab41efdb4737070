/** What a scrape of a node, and of an authority, tells. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorityMetrics, DROP_CAUSES, type MixNodeStatus, nodeMetrics } from '@fog/betanet';
import type { HandshakeFault } from '@fog/transport';
import { DropCounters } from '../../src/mixing/drop-counters.ts';
import { TimeHistogram } from '../../src/node/time-histogram.ts';

const STATUS: MixNodeStatus = {
  id: 'ab',
  role: 'mix',
  operator: 'x',
  address: '127.0.0.1:1',
  epoch: 3,
  isInConsensus: true,
  layer: 2,
  links: { in: 4, out: 2, wanted: 3 },
  loops: { state: 'degraded', sent: 9, returned: 5, lost: 3, late: 1 },
  packets: {
    received: 100,
    held: 6,
    unwrapping: 1,
    entered: 90,
    left: 84,
    droppedArriving: 0,
    droppedHeld: 0,
    mostHeld: 12,
    askedMilliseconds: 5,
    heldMilliseconds: 6,
  },
  drops: {},
  handshakeFaults: {},
  linkFaults: {},
  mailboxes: { clients: 0, kept: 0 },
  replaySets: [
    { epoch: 2, tags: 50, bytes: 1000, capacity: 100 },
    { epoch: 3, tags: 40, bytes: 500, capacity: 100 },
  ],
  processingMilliseconds: null,
  delayMilliseconds: null,
  latenessMilliseconds: null,
};

test('drops by cause with what each means, packets, links, loops and replay sets', async () => {
  const drops = new DropCounters();
  drops.add('replay', 7);
  const [processing, delay, lateness] = [new TimeHistogram(), new TimeHistogram(), new TimeHistogram()];
  processing.record(0.25);
  processing.record(0.75);
  delay.record(50);
  const handshakeFaults = new Map<HandshakeFault, number>();
  const status = () => STATUS;
  const metrics = nodeMetrics({
    drops,
    handshakeFaults,
    histograms: { processing, delay, lateness },
    status,
    doubleEndorsements: new Map([['alice', 2]]),
  });
  const text = await metrics.text();
  for (const [cause, meaning] of Object.entries(DROP_CAUSES)) {
    assert.ok(text.includes(`${cause}: ${meaning}`), meaning);
    assert.ok(text.includes(`fog_mix_drops_total{cause="${cause}"} ${cause === 'replay' ? 7 : 0}\n`), cause);
  }
  for (const line of [
    'fog_mix_packets_total{at="received"} 100',
    'fog_mix_waiting_packets{at="held"} 6',
    'fog_mix_links{direction="wanted"} 3',
    'fog_mix_in_consensus 1',
    'fog_mix_loops_total{fate="lost"} 3',
    'fog_mix_loop_state{state="degraded"} 1',
    'fog_mix_loop_state{state="alarm"} 0',
    'fog_mix_replay_tags{epoch="2"} 50',
    'fog_mix_replay_bytes 1500',
    'fog_mix_double_endorsements_total{authority="alice"} 2',
    '# TYPE fog_mix_processing_seconds histogram',
    'fog_mix_processing_seconds_bucket{le="0.0002"} 0',
    'fog_mix_processing_seconds_bucket{le="0.0005"} 1',
    'fog_mix_processing_seconds_bucket{le="0.001"} 2',
    'fog_mix_processing_seconds_bucket{le="+Inf"} 2',
    'fog_mix_processing_seconds_sum 0.001',
    'fog_mix_processing_seconds_count 2',
    'fog_mix_delay_seconds_bucket{le="0.02"} 0',
    'fog_mix_delay_seconds_bucket{le="0.05"} 1',
    'fog_mix_delay_seconds_sum 0.05',
    'fog_mix_delay_lateness_seconds_bucket{le="+Inf"} 0',
    'fog_mix_delay_lateness_seconds_count 0',
  ]) {
    assert.ok(text.includes(`${line}\n`), `${line}\n${text}`);
  }
  assert.equal(await metrics.text(), text, 'a second scrape counts nothing twice');
});

test('an authority tells its epochs and what it refused', async () => {
  const status = {
    authority: 'a',
    network: 'ff',
    milliseconds: 0,
    round: { epoch: 8, step: 'votes', failure: null },
    consensusEpoch: null,
    descriptors: 5,
  };
  const text = await authorityMetrics({ status: () => status, refusals: new Map([['late', 2]]) }).text();
  assert.match(text, /^fog_mix_authority_round_epoch 8$/m);
  assert.match(text, /^fog_mix_authority_consensus_epoch Nan$/im);
  assert.match(text, /^fog_mix_authority_descriptors 5$/m);
  assert.match(text, /^fog_mix_authority_refusals_total\{reason="late"\} 2$/m);
});
