/** Simulations of the ledger over its log: a disk that fails in every way, repeatably. */
export { SeededRandom } from './seeded-random.ts';
export { SimulatedDisk, type SimulatedDiskOptions } from './simulated-disk.ts';
export { LANDINGS, type Landing, SimulatedFile } from './simulated-file.ts';
