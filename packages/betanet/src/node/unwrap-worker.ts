/**
 * An unwrapping thread: takes packets from its ring in batches and unwraps them under the first key that fits.
 *
 * A batch is closed when it is large enough to fill the lanes of the processor, or when its first packet has waited for
 * as long as it may. While one is unwrapped the next one grows, so that batches are as large as the load.
 */
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { type BackendName, type Geometry, OUTCOME_BYTES, SPHINX_LIMITS } from '@fog/sphinx';
import { KeyedUnwrappers } from './keyed-unwrappers.ts';
import { NODE_LIMITS } from './limits.ts';
import { CONTROL, distance, type UnwrapKeys, type UnwrapRing } from './unwrap-ring.ts';

export interface UnwrapWorkerData {
  geometry: Geometry;
  ring: UnwrapRing;
  backend: BackendName | null;
  orders: MessagePort;
}

const { geometry, ring, backend: preferred, orders } = workerData as UnwrapWorkerData;
const unwrappers = new KeyedUnwrappers(geometry, preferred === null ? {} : { prefer: preferred });
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
    unwrappers.setKeys(keys);
    for (const { privateKey, tagKey } of keys) for (const key of [privateKey, tagKey]) key.fill(0);
  }
}

function unwrapSlots(at: number, count: number): void {
  const packets = ring.packets.subarray(at * ring.packetBytes, (at + count) * ring.packetBytes);
  const outcomes = ring.outcomes.subarray(at * OUTCOME_BYTES, (at + count) * OUTCOME_BYTES);
  unwrappers.unwrap(packets, outcomes, count);
}
