/** A thread that unwraps what lies in shared memory, again and again, with an addon of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Geometry } from '@fog/sphinx';
import { loadNative } from '../src/backends/native.ts';

export interface Work {
  geometry: Geometry;
  privateKey: Uint8Array;
  tagKey: Uint8Array;
  /** `rounds` batches of `count` packets each, one after another, and room for their records. */
  packets: SharedArrayBuffer;
  outcomes: SharedArrayBuffer;
  count: number;
  rounds: number;
}

const { geometry, privateKey, tagKey, packets, outcomes, count, rounds } = workerData as Work;
const loaded = loadNative();
if (!loaded.available) throw new Error(loaded.reason);
using unwrapper = loaded.backend.createUnwrapper({ geometry, privateKey, tagKey });
const [packetBytes, outcomeBytes] = [packets.byteLength / rounds, outcomes.byteLength / rounds];
for (let round = 0; round < rounds; round += 1) {
  unwrapper.unwrapBatch(
    new Uint8Array(packets, round * packetBytes, packetBytes),
    new Uint8Array(outcomes, round * outcomeBytes, outcomeBytes),
    count,
  );
}
parentPort?.postMessage('done');
