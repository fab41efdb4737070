/**
 * Clients and a service over a simulated network that loses, doubles, delays and reorders packets. Held at every event:
 * a reply block is used once (the network throws otherwise), and nothing grows beyond its limit. A failure prints its
 * seed; FOG_MODEL_SEED runs it again, FOG_MODEL_RUNS sets how many seeds there are.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Destination } from '../../src/client/client-session.ts';
import { CLIENT_LIMITS } from '../../src/client/limits.ts';
import type { MessageReference } from '../../src/client/mix-client-core.ts';
import { SeededRandom } from './seeded-random.ts';
import { type SimulatedClient, SimulatedNetwork, type Weather } from './simulated-network.ts';
import { idOf, networkOf } from './small-network.ts';

const RUNS = Number(process.env.FOG_MODEL_RUNS ?? 3);
const FIRST_SEED = Number(process.env.FOG_MODEL_SEED ?? 1);
const SEEDS = Array.from({ length: process.env.FOG_MODEL_SEED === undefined ? RUNS : 1 }, (_, at) => FIRST_SEED + at);
const EPOCHS = Array.from({ length: 100 }, (_, at) => at - 1);
const VIEW = networkOf({ layers: 3, relaysPerLayer: 4, epochs: EPOCHS });
const ECHO: Destination = { node: idOf('s0'), service: 'echo', level: 'confidential' };
const ROUGH: Weather = { lost: 0.15, doubled: 0.1, linkMilliseconds: 30 };
const FINE: Weather = { lost: 0, doubled: 0, linkMilliseconds: 5 };
/** After that, everything that was under way has come or failed. */
const SETTLED_MILLISECONDS = CLIENT_LIMITS.messageLifetimeMilliseconds + 60_000;

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const nameOf = ({ session, sequence }: MessageReference) => `${session}/${sequence}`;

interface SentMessage {
  name: string;
  text: string;
}

/** Sends messages of all sizes at random times; what each holds is unique. */
function sendSome(network: SimulatedNetwork, client: SimulatedClient, amount: number, largest: number): SentMessage[] {
  const sent: SentMessage[] = [];
  for (let at = 0; at < amount; at += 1) {
    const bytes = network.random.bytes(8 + network.random.below(largest));
    const message = client.core.send(
      { destination: ECHO, bytes, answerWithinMilliseconds: CLIENT_LIMITS.answerMilliseconds },
      network.now,
    );
    sent.push({ name: nameOf(message), text: hex(bytes) });
    network.run(network.random.below(3000));
  }
  return sent;
}

function assertBounded(network: SimulatedNetwork): void {
  const { service, clients } = network;
  assert.ok(service.held.replyBlocks <= service.held.sessions * CLIENT_LIMITS.replyBlocksPerSender);
  assert.ok(service.held.reassemblyBytes <= service.held.sessions * CLIENT_LIMITS.reassemblyBytesPerSender);
  for (const { core } of clients) {
    assert.ok(core.held.queuedPackets <= CLIENT_LIMITS.queuedPackets);
    assert.ok(core.held.replyKeys <= CLIENT_LIMITS.replyKeys);
    assert.ok(core.held.outstandingFragments <= CLIENT_LIMITS.outstandingFragments);
  }
}

/** Each message and answer came once or is reported failed; what is called delivered was. */
function assertSettled(network: SimulatedNetwork, sent: ReadonlyMap<SimulatedClient, SentMessage[]>): number {
  const arrived = network.serviceEffects.flatMap((effect) => (effect.kind === 'request' ? [hex(effect.bytes)] : []));
  assert.equal(new Set(arrived).size, arrived.length, 'no message comes twice');
  let failures = 0;
  for (const [client, messages] of sent) {
    const outcomes = new Map<string, string[]>();
    const answers: string[] = [];
    for (const effect of client.effects) {
      if (effect.kind === 'answer') answers.push(hex(effect.bytes));
      else if (effect.kind !== 'loop')
        outcomes.set(nameOf(effect.message), [...(outcomes.get(nameOf(effect.message)) ?? []), effect.kind]);
    }
    assert.equal(new Set(answers).size, answers.length, 'no answer comes twice');
    for (const { name, text } of messages) {
      const outcome = outcomes.get(name) ?? [];
      assert.equal(outcome.filter((kind) => kind !== 'unanswered').length, 1, `${name}: ${outcome}`);
      if (outcome.includes('delivered')) {
        assert.ok(arrived.includes(text), `${name} was delivered`);
        assert.ok(answers.includes(text) !== outcome.includes('unanswered'), `${name}: ${outcome}`);
      } else failures += 1;
    }
  }
  return failures;
}

function assertEmpty(network: SimulatedNetwork): void {
  for (const { core } of network.clients) {
    const { queuedPackets, outstandingFragments, reassemblyBytes } = core.held;
    assert.deepEqual(
      { queuedPackets, outstandingFragments, reassemblyBytes },
      {
        queuedPackets: 0,
        outstandingFragments: 0,
        reassemblyBytes: 0,
      },
    );
  }
  assert.equal(network.service.held.outstandingFragments, 0);
}

/** The service sends back what it gets, at once or some seconds later. */
function echo(network: SimulatedNetwork): void {
  const late: { due: number; answer: () => void }[] = [];
  network.onRequest = (request) => {
    const answer = () => void network.answer(request, request.bytes);
    if (network.random.below(3) > 0) answer();
    else late.push({ due: network.now + network.random.below(5000), answer });
  };
  network.onEvent = () => {
    assertBounded(network);
    for (const { answer } of late.filter(({ due }) => due <= network.now)) answer();
    late.splice(0, late.length, ...late.filter(({ due }) => due > network.now));
  };
}

for (const seed of SEEDS) {
  test(`through a rough network each message and answer comes once, over changes of epochs (seed ${seed})`, () => {
    const network = new SimulatedNetwork(seed, VIEW, ROUGH);
    echo(network);
    const clients = [network.addClient(), network.addClient()];
    const sent = new Map(clients.map((client) => [client, sendSome(network, client, 12, 8000)]));
    network.run(SETTLED_MILLISECONDS);
    assert.equal(assertSettled(network, sent), 0, 'with such losses nothing fails');
    for (const { effects } of clients) assert.ok(effects.every(({ kind }) => kind !== 'unanswered'));
    assertEmpty(network);
    assert.equal(network.counts.expiredKeys, 0, 'keys were chosen for the time of arrival');
    assert.ok(network.counts.cover > network.counts.requestPackets / 10, 'empty slots carry cover');
  });
}

test('through a network that loses most, a message comes once or is reported failed, and nothing stays behind', () => {
  const network = new SimulatedNetwork(50, VIEW, { ...ROUGH, lost: 0.75 });
  echo(network);
  const clients = [network.addClient(), network.addClient()];
  const sent = new Map(clients.map((client) => [client, sendSome(network, client, 10, 6000)]));
  network.run(SETTLED_MILLISECONDS);
  const failures = assertSettled(network, sent);
  assert.ok(failures > 0 && failures < 20, `${failures} failed`);
  network.weather = FINE;
  network.slotMilliseconds = 5000;
  network.run(CLIENT_LIMITS.sessionMemoryMilliseconds + 120_000);
  assertEmpty(network);
  assert.deepEqual(network.service.held, { sessions: 0, replyBlocks: 0, outstandingFragments: 0, reassemblyBytes: 0 });
  assert.deepEqual(
    clients.map(({ core }) => core.held),
    clients.map(() => ({ sessions: 0, queuedPackets: 0, replyKeys: 0, outstandingFragments: 0, reassemblyBytes: 0 })),
  );
});

test('where nothing comes through, each message fails after its tries with a typed error', () => {
  const network = new SimulatedNetwork(60, VIEW, { ...FINE, lost: 1 });
  const client = network.addClient();
  const message = client.core.send({ destination: ECHO, bytes: new Uint8Array(10) }, network.now);
  network.run(SETTLED_MILLISECONDS);
  const [effect] = client.effects;
  assert.ok(effect?.kind === 'failed' && nameOf(effect.message) === nameOf(message));
  assert.equal(effect.error.code, 'timed-out');
  assert.equal(network.counts.requestPackets, CLIENT_LIMITS.fragmentTries);
});

test('an answer much larger than its request gets the reply blocks it needs, as the service asks for them', () => {
  const network = new SimulatedNetwork(70, VIEW, FINE);
  const large = new SeededRandom(1).bytes(60_000);
  network.onRequest = (request) => void network.answer(request, large);
  const client = network.addClient();
  client.core.send({ destination: ECHO, bytes: new Uint8Array(1), answerWithinMilliseconds: 300_000 }, network.now);
  network.run(120_000);
  const answers = client.effects.flatMap((effect) => (effect.kind === 'answer' ? [effect] : []));
  assert.equal(answers.length, 1);
  assert.deepEqual(answers[0]?.bytes, large);
  assert.equal(answers[0]?.answers, 0);
  assert.ok(network.serviceEffects.some(({ kind }) => kind === 'replied'));
});

test('a late answer still finds a reply block, though those of the request have expired', () => {
  const network = new SimulatedNetwork(80, VIEW, FINE);
  const client = network.addClient();
  const requests: { sender: string; request: number }[] = [];
  network.onRequest = ({ sender, request }) => void requests.push({ sender, request });
  client.core.send({ destination: ECHO, bytes: new Uint8Array(1), answerWithinMilliseconds: 600_000 }, network.now);
  network.run(400_000);
  const [request] = requests;
  assert.ok(request);
  network.answer(request, new Uint8Array([5]));
  network.run(60_000);
  assert.deepEqual(
    client.effects.map(({ kind }) => kind),
    ['delivered', 'answer'],
  );
});

test('an answer that does not come is told, and so is one that was waited for too long', () => {
  const network = new SimulatedNetwork(90, VIEW, FINE);
  const client = network.addClient();
  client.core.send({ destination: ECHO, bytes: new Uint8Array(1), answerWithinMilliseconds: 5000 }, network.now);
  network.run(6000);
  assert.deepEqual(
    client.effects.map(({ kind }) => kind),
    ['delivered', 'unanswered'],
  );
});

test('a destination with little to send does not wait for one with much', () => {
  const network = new SimulatedNetwork(100, VIEW, FINE);
  const client = network.addClient();
  const large = client.core.send(
    { destination: { ...ECHO, isolation: 'other' }, bytes: new Uint8Array(20_000) },
    network.now,
  );
  const small = client.core.send({ destination: ECHO, bytes: new Uint8Array(2000) }, network.now);
  network.run(2000);
  const delivered = client.effects.flatMap((effect) => (effect.kind === 'delivered' ? [nameOf(effect.message)] : []));
  assert.deepEqual(delivered, [nameOf(small)]);
  network.run(10_000);
  assert.equal(client.effects.length, 2);
  assert.notEqual(large.session, small.session, 'what is isolated has a pseudonym of its own');
  const senders = network.serviceEffects.flatMap((effect) => (effect.kind === 'request' ? [effect.sender] : []));
  assert.equal(new Set(senders).size, 2);
});
