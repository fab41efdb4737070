/** Makes packets into memory that it shares with the generator, then ends. */
import { parentPort, workerData } from 'node:worker_threads';
import { makePackets, type PacketPath } from './packets.ts';

export interface PacketWorkerData {
  path: PacketPath;
  firstNumber: number;
  target: Uint8Array<SharedArrayBuffer>;
}

const { path, firstNumber, target } = workerData as PacketWorkerData;
makePackets(path, firstNumber, target);
parentPort?.postMessage('made');
