/** Simulations of the ledger over its log: a disk that fails in every way, clients, an auditor; all repeatable. */
export { BrokenInvariant, LedgerAuditor } from './ledger-auditor.ts';
export { SeededRandom } from './seeded-random.ts';
export { type SimulationReport, simulateLedger } from './simulate-ledger.ts';
export { SimulatedDisk, type SimulatedDiskOptions } from './simulated-disk.ts';
export { LANDINGS, type Landing, SimulatedFile } from './simulated-file.ts';
export { openingRequest, RequestSource, type SimulatedEvent, type SimulatedRequest } from './simulated-requests.ts';
