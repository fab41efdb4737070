/**
 * A ledger over its log on a disk that crashes, with clients that send, wait, give up and send again: one seed decides
 * over everything. What was acknowledged has to be there after every crash, and the auditor has to agree with it.
 */
import { LedgerMachine } from '../../machine.ts';
import { type AppliedRequest, MachineLog } from '../machine-log.ts';
import { sameBytes } from '../record.ts';
import { BrokenInvariant, LedgerAuditor } from './ledger-auditor.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { openingRequest, RequestSource, type SimulatedRequest } from './simulated-requests.ts';

const SEGMENT_BYTES = 65_536;
const MOST_OUTSTANDING = 24;
const COMPARED_EVERY = 200;

export interface SimulationReport {
  seed: number;
  /** Transfers and expiries that came into the log and were audited. */
  operations: number;
  requests: number;
  crashes: number;
  failedSyncs: number;
  snapshots: number;
  /** Requests that were sent again, because nobody knew what had become of them. */
  retries: number;
  /** Recoveries that cut off a torn tail. */
  tornTails: number;
  /** Requests that a crash took away before they were acknowledged. */
  lost: number;
  statuses: Record<string, number>;
  /** SHA-256 of the ledger at the end, hexadecimal. */
  digest: string;
}

/** Runs until so many operations are audited. Throws `BrokenInvariant`, whose message names the seed. */
export async function simulateLedger(seed: number, operations: number): Promise<SimulationReport> {
  const simulation = new Simulation(seed);
  try {
    return await simulation.run(operations);
  } catch (error) {
    if (error instanceof BrokenInvariant) throw new BrokenInvariant(error.invariant, `seed ${seed}: ${error.message}`);
    throw error;
  }
}

interface Entry extends AppliedRequest {
  isAcknowledged: boolean;
}

class Simulation {
  readonly #random: SeededRandom;
  readonly #disk: SimulatedDisk;
  readonly #source: RequestSource;
  readonly #auditor = new LedgerAuditor();
  /** Has applied what is known to be durable, and nothing else. */
  readonly #reference = new LedgerMachine();
  /** By their bytes, which are the same object all along. */
  readonly #requests = new WeakMap<Uint8Array, SimulatedRequest>();
  /** Always the first record. */
  readonly #opening = openingRequest();
  /** Applied, and not audited yet. */
  #entries: Entry[] = [];
  #again: Uint8Array[] = [];
  #log: MachineLog<LedgerMachine> | null = null;
  #isOpening = false;
  #outstanding = new Set<Uint8Array>();
  #audited = 0n;
  #now = 1_000_000_000n;
  #fault: unknown = null;
  readonly #report: SimulationReport;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#disk = new SimulatedDisk({ random: this.#random, sectorBytes: this.#random.pick([512, 4096]) });
    this.#source = new RequestSource(this.#random);
    const counts = { operations: 0, requests: 0, crashes: 0, failedSyncs: 0, snapshots: 0, retries: 0 };
    this.#report = { seed, ...counts, tornTails: 0, lost: 0, statuses: {}, digest: '' };
    this.#requests.set(this.#opening, { bytes: this.#opening, events: [] });
  }

  async run(operations: number): Promise<SimulationReport> {
    while (this.#report.operations < operations) {
      this.#act();
      await turn();
      if (this.#fault !== null) throw this.#fault;
      this.#audit();
    }
    this.#auditor.compare(this.#reference.ledger);
    this.#report.statuses = Object.fromEntries([...this.#auditor.statuses].sort());
    this.#report.digest = Buffer.from(this.#reference.digest()).toString('hex');
    return this.#report;
  }

  #act(): void {
    const random = this.#random;
    const drawn = random.unit();
    this.#now += BigInt(random.below(20_000_000));
    if (this.#log === null && !this.#isOpening) this.#open();
    else if (drawn < 0.004) this.#crash();
    else if (drawn < 0.0045) {
      this.#disk.failSyncAfter(random.below(4));
      this.#report.failedSyncs += 1;
    } else if (drawn < 0.008 && this.#log !== null) this.#snapshot(this.#log);
    else if (drawn < 0.35 && this.#log !== null && this.#outstanding.size < MOST_OUTSTANDING) this.#send(this.#log);
    else this.#disk.step();
    // After a failed sync only a new start helps.
    if (this.#log !== null && this.#log.failure !== null) this.#crash();
  }

  #open(): void {
    this.#isOpening = true;
    const entries = this.#entries;
    MachineLog.open({
      storage: this.#disk.mount(),
      createMachine: () => new LedgerMachine(),
      now: () => this.#now,
      segmentBytes: SEGMENT_BYTES,
      onApplied: (applied) => void entries.push({ ...applied, isAcknowledged: false }),
    }).then(
      (log) => this.#opened(log),
      (error) => {
        this.#isOpening = false;
        // A sync may fail while the folder is being mended; damage there is none.
        if (error.code !== 'unavailable') this.#fault = error;
        else this.#crash();
      },
    );
  }

  /** What was recovered becomes known to have happened; what was not has not. */
  #opened(log: MachineLog<LedgerMachine>): void {
    this.#isOpening = false;
    this.#log = log;
    const last = log.durable;
    const survived = this.#entries.filter(({ sequence }) => sequence <= last);
    const gone = this.#entries.filter(({ sequence }) => sequence > last);
    try {
      if (gone.some(({ isAcknowledged }) => isAcknowledged) || last < this.#audited) {
        throw new BrokenInvariant('durability', `what was acknowledged after record ${last} is gone`);
      }
      if (last > this.#audited + BigInt(survived.length))
        throw new BrokenInvariant('durability', 'more is there than was sent');
      for (const entry of survived) this.#take(entry);
      this.#entries.length = 0;
      this.#report.lost += gone.length;
      if (log.recovery.torn !== null) this.#report.tornTails += 1;
      if (!sameBytes(log.machine.digest(), this.#reference.digest())) {
        throw new BrokenInvariant('replay equality', `the state after record ${last} is another`);
      }
      if (last > 0n) this.#auditor.compare(log.machine.ledger);
    } catch (error) {
      this.#fault = error;
    }
  }

  #send(log: MachineLog<LedgerMachine>): void {
    const isFirst = log.applied === 0n;
    const retried = !isFirst && this.#random.chance(0.7) ? this.#again.pop() : undefined;
    const request = isFirst ? this.#opening : (retried ?? this.#fresh());
    if (retried !== undefined) this.#report.retries += 1;
    const entries = this.#entries;
    this.#outstanding.add(request);
    log.submit(request).then(
      () => {
        this.#outstanding.delete(request);
        const applied = entries.findLast((entry) => entry.request === request);
        if (applied === undefined || applied.sequence > log.durable) {
          this.#fault = new BrokenInvariant('durability', 'a request was acknowledged before it was durable');
        } else applied.isAcknowledged = true;
        // Some answers never reach the client, who sends once more.
        if (request !== this.#opening && this.#random.chance(0.05)) this.#again.push(request);
      },
      // Whoever crashes afterwards sends it again.
      () => undefined,
    );
  }

  #fresh(): Uint8Array {
    const request = this.#source.next();
    this.#requests.set(request.bytes, request);
    return request.bytes;
  }

  #snapshot(log: MachineLog<LedgerMachine>): void {
    log.snapshot().then(
      () => {
        this.#report.snapshots += 1;
      },
      () => undefined,
    );
  }

  /** Nobody who waits for an answer gets one; they will ask again. */
  #crash(): void {
    this.#disk.crash();
    this.#report.crashes += 1;
    this.#log = null;
    this.#isOpening = false;
    this.#entries = [...this.#entries];
    this.#outstanding.delete(this.#opening);
    this.#again.push(...this.#outstanding);
    this.#outstanding = new Set();
  }

  /** Audits what is durable, in the order of the log. */
  #audit(): void {
    const durable = this.#log?.durable ?? 0n;
    let taken = 0;
    for (const entry of this.#entries) {
      // The answer may still be on its way to the client.
      if (entry.sequence > durable || !entry.isAcknowledged) break;
      this.#take(entry);
      taken += 1;
    }
    if (taken > 0) this.#entries.splice(0, taken);
  }

  #take({ sequence, request, answer, timestamp }: Entry): void {
    if (sequence !== this.#audited + 1n)
      throw new BrokenInvariant('order', `record ${sequence} follows ${this.#audited}`);
    this.#audited = sequence;
    if (!sameBytes(this.#reference.apply(request, timestamp), answer)) {
      throw new BrokenInvariant('replay equality', `record ${sequence} is answered in another way`);
    }
    const simulated = this.#requests.get(request) as SimulatedRequest;
    this.#report.requests += 1;
    this.#report.operations += simulated.events?.length ?? 1;
    if (sequence === 1n) return;
    const { ledger } = this.#reference;
    this.#auditor.take(simulated, answer, timestamp, (id) => Number(ledger.transfer(BigInt(id))?.amount ?? -1n));
    if (this.#report.requests % COMPARED_EVERY === 0) this.#auditor.compare(ledger);
  }
}

/** Lets everything run that waits for nothing but its turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
