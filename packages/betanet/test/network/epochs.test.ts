/** Faults that show only from one epoch to the next, in a network of short epochs. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Consensus, DEFAULT_LOTTERY, epochStart } from '@fog/betanet';
import { type Transport, tcpTransport } from '@fog/transport';
import { linkTo, packetThrough, until } from './hostile-parts.ts';
import { lyingAuthority } from './lying-authority.ts';
import { freePorts, type SmallMixNetwork, startMixNetwork } from './small-mix-network.ts';

const EPOCH = 10_000;
const GRACE = 900;
const DROPPER = 'mix-0';
const CLOSED = 'gateway-1';
const UNMEASURED = 654_321;

const EVEN_STEPS = {
  descriptors: 270_000,
  votes: 360_000,
  'vote-witness': 450_000,
  reveals: 520_000,
  'reveal-witness': 590_000,
  proofs: 740_000,
  'proof-lists': 820_000,
  'proof-witness': 900_000,
  consensus: 960_000,
};

/** Takes whatever comes, and sends nothing on. */
const deaf: Transport = {
  ...tcpTransport,
  dial: () => Promise.reject(new Error('this node sends nothing on')),
};

/** Cuts whatever connects to it, once the authorities have seen that it is there. */
class ClosedDoor {
  readonly #streams: Duplex[] = [];
  #isClosed = false;

  readonly transport: Transport = {
    ...tcpTransport,
    listen: (address, onStream, options) => {
      const onKnock = (stream: Duplex, from: string) => {
        this.#streams.push(stream);
        if (this.#isClosed) stream.destroy();
        else onStream(stream, from);
      };
      return tcpTransport.listen(address, onKnock, options);
    },
  };

  close(): void {
    this.#isClosed = true;
    for (const stream of this.#streams) stream.destroy();
  }
}

/**
 * The first consensus after that epoch of which `check` holds. A busy machine may miss a round, or a step of it; of three
 * in a row one has to be as it should.
 */
async function consensusAfter(network: SmallMixNetwork, epoch: number, check: (consensus: Consensus) => void) {
  let known = epoch;
  for (;;) {
    const latest = () => network.authorities[0]?.latest;
    await until(`there is a consensus after epoch ${known}`, () => (latest()?.body.epoch ?? 0) > known, 3 * EPOCH);
    const consensus = latest() as Consensus;
    known = consensus.body.epoch;
    try {
      check(consensus);
      return consensus;
    } catch (error) {
      if (known >= epoch + 3) throw error;
    }
  }
}

/** A packet under the key of the last epoch is told apart for a while; then the key is gone, and nothing knows the packet. */
async function expectKeyToDie(network: SmallMixNetwork, consensus: Consensus, epoch: number): Promise<void> {
  await sleep(epochStart(network.genesis, epoch + 1) + 1.3 * GRACE - Date.now());
  const gateway = network.node('gateway-0');
  const late = await linkTo(network, 'gateway-0');
  const expired = gateway.drops.count('expired-key');
  late.link.sendPacket(packetThrough(network, consensus, [gateway.id], { epoch }));
  await until('the packet of the last epoch is counted', () => gateway.drops.count('expired-key') === expired + 1);
  const keyFile = join(network.folderOf('gateway-0'), 'keys', `${epoch}.key`);
  await until('the key of that packet is deleted', () => !existsSync(keyFile), 2 * GRACE);
  await sleep(100); // the threads forget it a moment after its file is gone
  const damaged = gateway.drops.count('bad-mac');
  late.link.sendPacket(packetThrough(network, consensus, [gateway.id], { epoch }));
  await until('nothing knows the packet any more', () => gateway.drops.count('bad-mac') === damaged + 1);
  late.link.close();
}

function expectHonestMeasured(network: SmallMixNetwork, consensus: Consensus): void {
  const failing = [network.node(DROPPER).id, network.node(CLOSED).id].sort();
  assert.deepEqual(
    consensus.body.excluded,
    failing.map((id) => ({ id, reason: 'performance-below-floor' })),
  );
  const measured = consensus.body.nodes.filter(({ role }) => role === 'mix');
  const honest = ['mix-1', 'mix-2', 'mix-3'].map((name) => network.node(name).id);
  assert.deepEqual(measured.map(({ id }) => id).sort(), honest.sort());
  const probed = consensus.body.nodes.filter(({ role }) => role !== 'service');
  for (const { performancePpm } of probed) {
    assert.ok(performancePpm > DEFAULT_LOTTERY.performanceFloorPpm, `${performancePpm} ppm`);
    assert.notEqual(performancePpm, UNMEASURED);
  }
}

test('epochs: a liar is named, an authority may be down, old packets are refused, a failing mix and a closed gateway lose their places', async () => {
  const [hiddenPort = 0] = await freePorts(1);
  const door = new ClosedDoor();
  await using network = await startMixNetwork({
    layers: 2,
    mixesPerLayer: 2,
    gateways: 2,
    epochMilliseconds: EPOCH,
    bootstrapMilliseconds: 12_000,
    // Half a dozen probers make packets all the time: most of these are to be loops.
    traffic: {
      clientPayloadIntervalMilliseconds: 300,
      clientLoopIntervalMilliseconds: 200,
      clientDropIntervalMilliseconds: 1000,
      nodeLoopIntervalMilliseconds: 500,
    },
    graceMilliseconds: GRACE,
    schedule: EVEN_STEPS,
    lottery: { ...DEFAULT_LOTTERY, leastProbes: 5, unmeasuredPerformancePpm: UNMEASURED },
    nodeOptions: (name) => ({ [DROPPER]: { transport: deaf }, [CLOSED]: { transport: door.transport } })[name] ?? {},
    authorityOptions: { probeClients: 2 },
    hiddenPorts: new Map([[2, hiddenPort]]),
  });
  try {
    const { genesis, authorityKeys } = network;
    const lies: number[] = [];
    await using _liar = await lyingAuthority({
      port: Number(new URL(genesis.authorities[2]?.url ?? '').port),
      hiddenPort,
      secretKey: authorityKeys[2] as Uint8Array,
      epochs: lies,
    });
    const dropper = network.node(DROPPER).id;

    // On a machine that is busy starting all of this the first round may come too early.
    const isWhole = () => network.authorities[0]?.latest?.body.nodes.length === network.nodes.length;
    await until('there is a consensus with all nodes', isWhole, 5 * EPOCH);
    door.close();
    const base = network.authorities[0]?.latest?.body.epoch ?? 0;
    const zero = network.authorities[0]?.latest as Consensus;
    lies.push(base + 1, base + 2, base + 3);
    assert.deepEqual(zero.body.authorities, {
      counted: ['authority-0', 'authority-1', 'authority-2'],
      equivocated: [],
      absent: [],
    });
    assert.ok(zero.body.nodes.some(({ id }) => id === dropper));

    const one = await consensusAfter(network, base, ({ body }) => {
      assert.deepEqual(body.authorities.equivocated, ['authority-2']);
      assert.deepEqual(body.authorities.counted, ['authority-0', 'authority-1']);
    });

    await sleep(epochStart(genesis, one.body.epoch) + 50 - Date.now());
    await network.stopAuthority(2);
    await expectKeyToDie(network, zero, one.body.epoch - 1);

    const two = await consensusAfter(network, one.body.epoch, (consensus) => {
      assert.deepEqual(consensus.body.authorities.absent, ['authority-2']);
      expectHonestMeasured(network, consensus);
    });

    await sleep(epochStart(genesis, two.body.epoch) - Date.now());
    const client = network.client('private');
    await client.connected(AbortSignal.timeout(5000));
    const answer = await client.request({ service: 'echo', bytes: Uint8Array.of(7), answerWithinMilliseconds: 10_000 });
    assert.deepEqual([...answer], [7]);
    assert.ok((client.consensus?.body.epoch ?? 0) >= two.body.epoch);
  } catch (error) {
    throw new Error(network.said.join('\n'), { cause: error });
  }
});
