/**
 * An unwrapping thread: takes packets from its ring in batches and unwraps them under the first key that fits.
 *
 * A batch is closed when it is large enough to fill the lanes of the processor, or when its first packet has waited for
 * as long as it may. While one is unwrapped the next one grows, so that batches are as large as the load.
 */
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import {
  type BackendName,
  chooseBackend,
  type Geometry,
  OUTCOME_BYTES,
  OUTCOME_STATUS,
  SPHINX_LIMITS,
  type Unwrapper,
} from '@fog/sphinx';
import { NODE_LIMITS } from './limits.ts';
import { CONTROL, distance, OUTCOME_EPOCH_AT, type UnwrapKeys, type UnwrapRing } from './unwrap-ring.ts';

export interface UnwrapWorkerData {
  geometry: Geometry;
  ring: UnwrapRing;
  backend: BackendName | null;
  orders: MessagePort;
}

const { geometry, ring, backend: preferred, orders } = workerData as UnwrapWorkerData;
const { backend } = chooseBackend(preferred === null ? {} : { prefer: preferred });
const retried = new Uint8Array(SPHINX_LIMITS.batchPackets * geometry.packetBytes);
const retriedOutcomes = new Uint8Array(SPHINX_LIMITS.batchPackets * OUTCOME_BYTES);
let unwrappers: { epoch: number; unwrapper: Unwrapper }[] = [];
let done = 0;
let followedOrders = 0;

for (;;) {
  const available = waitForPackets();
  followOrders();
  if (available === 0) continue;
  const at = done & (ring.slots - 1);
  const count = batchOf(Math.min(available, SPHINX_LIMITS.batchPackets, ring.slots - at));
  unwrapSlots(at, count);
  done = (done + count) | 0;
  Atomics.store(ring.control, CONTROL.done, done);
  Atomics.notify(ring.control, CONTROL.done);
}

/** How many packets are there; 0 when only an order has come. */
function waitForPackets(): number {
  let written = Atomics.load(ring.control, CONTROL.written);
  while (written === done) {
    if (Atomics.load(ring.control, CONTROL.orders) !== followedOrders) return 0;
    Atomics.wait(ring.control, CONTROL.written, written, NODE_LIMITS.orderWaitMilliseconds);
    written = Atomics.load(ring.control, CONTROL.written);
  }
  const closesAt = performance.now() + NODE_LIMITS.batchWaitMilliseconds;
  while (distance(done, written) < NODE_LIMITS.batchPackets) {
    const left = closesAt - performance.now();
    if (left <= 0) break;
    Atomics.wait(ring.control, CONTROL.written, written, left);
    written = Atomics.load(ring.control, CONTROL.written);
  }
  return distance(done, written);
}

/** Lanes that stay empty cost as much as full ones, so what does not fill them is left for the next batch. */
function batchOf(available: number): number {
  return available < NODE_LIMITS.batchPackets ? available : available - (available % NODE_LIMITS.batchPackets);
}

function followOrders(): void {
  const current = Atomics.load(ring.control, CONTROL.orders);
  if (current === followedOrders) return;
  followedOrders = current;
  for (let order = receiveMessageOnPort(orders); order !== undefined; order = receiveMessageOnPort(orders)) {
    const { keys } = order.message as UnwrapKeys;
    for (const { unwrapper } of unwrappers) unwrapper[Symbol.dispose]();
    unwrappers = keys.map(({ epoch, privateKey, tagKey }) => {
      const unwrapper = backend.createUnwrapper({ geometry, privateKey, tagKey });
      privateKey.fill(0);
      tagKey.fill(0);
      return { epoch, unwrapper };
    });
  }
}

/** Without a key every packet is one for another key. */
function unwrapSlots(at: number, count: number): void {
  const packets = ring.packets.subarray(at * ring.packetBytes, (at + count) * ring.packetBytes);
  const outcomes = ring.outcomes.subarray(at * OUTCOME_BYTES, (at + count) * OUTCOME_BYTES);
  const [first, ...others] = unwrappers;
  if (first === undefined) {
    outcomes.fill(0);
    for (let index = 0; index < count; index += 1) outcomes[index * OUTCOME_BYTES] = OUTCOME_STATUS.badMac;
    return;
  }
  first.unwrapper.unwrapBatch(packets, outcomes, count);
  for (let index = 0; index < count; index += 1)
    outcomes[index * OUTCOME_BYTES + OUTCOME_EPOCH_AT] = first.epoch & 0xff;
  for (const other of others) retry(other, packets, outcomes, count);
}

/** A packet whose MAC was wrong is as it came: it may be for the key of the epoch before, or after. */
function retry(
  { epoch, unwrapper }: { epoch: number; unwrapper: Unwrapper },
  packets: Uint8Array,
  outcomes: Uint8Array,
  count: number,
): void {
  const indices: number[] = [];
  for (let index = 0; index < count; index += 1) {
    if (outcomes[index * OUTCOME_BYTES] === OUTCOME_STATUS.badMac) indices.push(index);
  }
  if (indices.length === 0) return;
  for (const [place, index] of indices.entries()) {
    const from = index * ring.packetBytes;
    retried.set(packets.subarray(from, from + ring.packetBytes), place * ring.packetBytes);
  }
  unwrapper.unwrapBatch(retried, retriedOutcomes, indices.length);
  for (const [place, index] of indices.entries()) {
    if (retriedOutcomes[place * OUTCOME_BYTES] === OUTCOME_STATUS.badMac) continue;
    const from = place * ring.packetBytes;
    packets.set(retried.subarray(from, from + ring.packetBytes), index * ring.packetBytes);
    const record = retriedOutcomes.subarray(place * OUTCOME_BYTES, (place + 1) * OUTCOME_BYTES);
    outcomes.set(record, index * OUTCOME_BYTES);
    outcomes[index * OUTCOME_BYTES + OUTCOME_EPOCH_AT] = epoch & 0xff;
  }
}
