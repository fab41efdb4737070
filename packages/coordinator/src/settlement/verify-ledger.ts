/**
 * Checks a stored ledger from its first row: every hash of the chain, every balance decided again by the state machine,
 * and that debits and credits are equal. What is not sealed yet is checked too, but for its hashes, and told.
 */
import type { CheckedBatch } from './chain-check.ts';
import { ChainCheck } from './chain-check.ts';
import type { StoredBalance, StoredBatch, StoredRecord } from './journal.ts';
import { hexOf, type LedgerFault, TABLE_OF_KIND } from './ledger-faults.ts';
import type { LedgerSource, SourceBatch } from './ledger-source.ts';
import { type Counters, readAccount, readBalance, readTime, readTransfer } from './records.ts';
import { LedgerReplay } from './replay.ts';

export interface LedgerVerdict {
  isValid: boolean;
  faults: LedgerFault[];
  /** More faults than are shown: the check ended there. */
  isCut: boolean;
  records: number;
  batches: number;
  accounts: number;
  /** Pending transfers that are neither posted, voided nor released. */
  openTransfers: number;
  /** Up to where the chain goes: what a later check, or one of another copy, can be given as `NotedSeal`. */
  sealed: { batch: number; sequence: number; hash: string | null; at: number | null };
  /** Null where nothing had been noted. */
  noted: (NotedSeal & { isPrefix: boolean }) | null;
  unsealed: { batches: number; rows: number; oldestAt: number | null };
  totals: {
    ledger: number;
    debitsPending: string;
    debitsPosted: string;
    creditsPending: string;
    creditsPosted: string;
  }[];
}

/** A seal that was seen before, and kept where the owner of the ledger cannot change it. */
export interface NotedSeal {
  /** 64 hexadecimal digits. */
  hash: string;
  /** Of the last row before it; null where that is not known. */
  sequence: number | null;
}

const MOST_FAULTS = 100;

/** `noted`: the ledger has to go on from there; that it does not is a fault. */
export async function verifyLedger(source: LedgerSource, noted: NotedSeal | null = null): Promise<LedgerVerdict> {
  const run = new Verification(source, noted);
  for await (const placed of source.batches()) {
    await run.take(placed);
    if (run.isFull) break;
  }
  return run.finish();
}

class Verification {
  readonly #source: LedgerSource;
  readonly #noted: NotedSeal | null;
  /** Hash of the seal where the noted one has to be, or of the noted one wherever it is. */
  #foundAt: string | null = null;
  readonly #chain = new ChainCheck();
  readonly #replay = new LedgerReplay();
  readonly #faults: LedgerFault[] = [];
  readonly #counted = { records: 0, balances: 0, batches: 0, seals: 0 };
  readonly #sealed: LedgerVerdict['sealed'] = { batch: 0, sequence: 0, hash: null, at: null };
  readonly #unsealed: LedgerVerdict['unsealed'] = { batches: 0, rows: 0, oldestAt: null };
  #next = { batch: 1, sequence: 1 };
  #timestamp = 0n;

  constructor(source: LedgerSource, noted: NotedSeal | null) {
    this.#source = source;
    this.#noted = noted;
  }

  get isFull(): boolean {
    return this.#faults.length >= MOST_FAULTS;
  }

  async take({ batch, records, first, last }: SourceBatch): Promise<void> {
    const isBroken = this.#places(records, first, last);
    const checked = batch === null ? this.#hole(first, last, records) : this.#checked(batch, records, { first, last });
    this.#faults.push(...checked.faults);
    this.#counted.records += records.length;
    this.#next = { batch: this.#next.batch + 1, sequence: last + 1 };
    await this.#decide(checked, isBroken || checked.isBroken);
  }

  async finish(): Promise<LedgerVerdict> {
    const totals = this.#totals();
    if (!this.isFull) {
      await this.#clock();
      this.#faults.push(...(await this.#source.leftovers(this.#counted)));
    }
    const noted = this.#noted === null ? null : { ...this.#noted, isPrefix: this.#foundAt === this.#noted.hash };
    // It is told first: of a chain that goes on from nothing that is known, all the rest tells little.
    if (noted !== null && !noted.isPrefix) this.#faults.unshift(this.#notFrom(noted));
    return {
      isValid: this.#faults.length === 0,
      faults: this.#faults.slice(0, MOST_FAULTS),
      isCut: this.isFull,
      records: this.#counted.records,
      batches: this.#counted.batches,
      accounts: this.#replay.accounts,
      openTransfers: this.#replay.openTransfers,
      sealed: this.#sealed,
      noted,
      unsealed: this.#unsealed,
      totals,
    };
  }

  /** Why the chain is not the one that was noted. */
  #notFrom({ hash, sequence }: NotedSeal): LedgerFault {
    const isShort = sequence !== null && this.#sealed.sequence < sequence;
    const message = isShort
      ? `the chain ends at row ${this.#sealed.sequence}, before what was noted: rows were cut off, or it is an older copy`
      : 'the chain does not go on from what was noted: it was written anew, or is another';
    const row = sequence === null ? 'every seal' : `sequence ${sequence}`;
    return { table: 'ledger_seals', row, field: 'hash', expected: hash, found: this.#foundAt, message };
  }

  #compare(sequence: number, hash: string): void {
    if (this.#noted === null) return;
    const isThere = this.#noted.sequence === null ? this.#noted.hash === hash : this.#noted.sequence === sequence;
    if (isThere) this.#foundAt = hash;
  }

  /** Whether rows are missing, or too many. */
  #places(records: readonly StoredRecord[], first: number, last: number): boolean {
    const faults: LedgerFault[] = [];
    let next = first;
    for (const { kind, sequence } of records) {
      if (sequence < next)
        faults.push(lost(TABLE_OF_KIND[kind], `sequence ${sequence}`, 'two rows have this sequence'));
      for (; next < sequence; next += 1) faults.push(missing(next));
      next = Math.max(next, sequence + 1);
      if (faults.length >= MOST_FAULTS) break;
    }
    for (; next <= last && faults.length < MOST_FAULTS; next += 1) faults.push(missing(next));
    this.#faults.push(...faults);
    return faults.length > 0;
  }

  #hole(first: number, last: number, records: readonly StoredRecord[]): CheckedBatch {
    const message = `no batch names the rows ${first} to ${last}`;
    this.#chain.lose();
    return { faults: [lost('ledger_batches', `batch ${this.#next.batch}`, message)], records, isBroken: false };
  }

  #checked(batch: StoredBatch, records: readonly StoredRecord[], place: { first: number; last: number }): CheckedBatch {
    this.#counted.batches += 1;
    const { seal } = batch;
    if (seal !== null) {
      this.#counted.seals += 1;
      const checked = this.#chain.check(batch, seal, records);
      if (this.#unsealed.batches > 0) {
        checked.faults.push(lost('ledger_seals', `batch ${batch.number}`, 'it is sealed, and one before it is not'));
      }
      this.#compare(place.last, hexOf(seal.hash) ?? '');
      Object.assign(this.#sealed, {
        batch: batch.number,
        sequence: place.last,
        hash: hexOf(seal.hash),
        at: seal.sealedAt,
      });
      return checked;
    }
    this.#unsealed.batches += 1;
    this.#unsealed.rows += place.last - place.first + 1;
    this.#unsealed.oldestAt ??= batch.writtenAt;
    const { number, first, last } = batch;
    const expected = { number: this.#next.batch, first: place.first, last: place.last };
    const faults = Object.entries({ number, first, last }).flatMap(([field, found]) => {
      const right = expected[field as keyof typeof expected];
      if (found === right) return [];
      const fault = lost('ledger_batches', `batch ${number}`, 'batches do not lie one behind the other');
      return [{ ...fault, field, expected: String(right), found: String(found) }];
    });
    return { faults, records, isBroken: false };
  }

  async #decide({ records }: CheckedBatch, isBroken: boolean): Promise<void> {
    this.#noteTimes(records);
    const { faults, balances } = this.#replay.batch(records);
    const stored = await this.#source.balances(balances);
    if (stored === null) {
      if (!isBroken) this.#faults.push(...faults);
      return;
    }
    this.#counted.balances += stored.length;
    // What follows from rows that are known to be wrong is no fault of its own.
    if (isBroken) {
      this.#counted.balances += balances.length - stored.length;
      this.#replay.adopt(stored);
      return;
    }
    const differing = balanceFaults(balances, stored);
    this.#faults.push(...faults, ...differing);
    if (faults.length > 0) this.#replay.adopt(stored);
  }

  #noteTimes(records: readonly StoredRecord[]): void {
    for (const { kind, body } of records) {
      const time =
        kind === 'transfer'
          ? readTransfer(0n, body).timestamp
          : kind === 'account'
            ? readAccount(0n, body).timestamp
            : kind === 'expiry'
              ? readTime(body)
              : 0n;
      if (time > this.#timestamp) this.#timestamp = time;
    }
  }

  #totals(): LedgerVerdict['totals'] {
    return Array.from(this.#replay.totals(), ([ledger, sums]) => {
      for (const phase of ['Pending', 'Posted'] as const) {
        const [debits, credits] = [sums[`debits${phase}`], sums[`credits${phase}`]];
        if (debits === credits) continue;
        const fault = lost('ledger_balances', `ledger ${ledger}`, `${phase.toLowerCase()} debits and credits differ`);
        this.#faults.push({ ...fault, field: `credits${phase}`, expected: String(debits), found: String(credits) });
      }
      const texts = Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, String(sum)]));
      return { ledger, ...(texts as { [Name in keyof Counters]: string }) };
    });
  }

  async #clock(): Promise<void> {
    const clock = await this.#source.clock();
    if (clock === null) return;
    const expected = { sequence: this.#next.sequence - 1, batch: this.#next.batch - 1 };
    for (const field of ['sequence', 'batch'] as const) {
      if (clock[field] === expected[field]) continue;
      const fault = lost('ledger_clock', 'the only one', 'the newest row is another');
      this.#faults.push({ ...fault, field, expected: String(expected[field]), found: String(clock[field]) });
    }
    if (clock.timestamp < this.#timestamp) {
      const fault = lost('ledger_clock', 'the only one', 'it is before the newest row: at least what is expected');
      const [expected, found] = [String(this.#timestamp), String(clock.timestamp)];
      this.#faults.push({ ...fault, field: 'timestamp', expected, found });
    }
    for (const { id } of this.#replay.overdue(clock.expiredUntil)) {
      const row = `transfer ${id.toString(16).padStart(32, '0')}`;
      this.#faults.push(lost('ledger_expiries', row, 'its time is over, and it was not released'));
    }
  }
}

function balanceFaults(expected: readonly StoredBalance[], stored: readonly StoredBalance[]): LedgerFault[] {
  const byAccount = new Map(stored.map((balance) => [balance.account, balance]));
  return expected.flatMap((right) => {
    const found = byAccount.get(right.account);
    const row = `account ${right.account}, sequence ${right.sequence}`;
    if (found === undefined) return [lost('ledger_balances', row, 'the row is missing')];
    const faults: LedgerFault[] = [];
    if (hexOf(right.entries) !== hexOf(found.entries)) {
      const fault = lost('ledger_balances', row, 'other rows have changed the account');
      faults.push({ ...fault, field: 'entries', expected: hexOf(right.entries), found: hexOf(found.entries) });
    }
    if (hexOf(right.body) === hexOf(found.body)) return faults;
    const [counters, others] = [readBalance(right.body), readBalance(found.body)];
    const names = Object.keys(counters) as (keyof typeof counters)[];
    for (const field of names.filter((name) => counters[name] !== others[name])) {
      const fault = lost('ledger_balances', row, 'the state machine comes to another balance');
      faults.push({ ...fault, field, expected: String(counters[field]), found: String(others[field]) });
    }
    if (faults.length === 0)
      faults.push({ ...lost('ledger_balances', row, 'it is not written as it has to be'), field: 'body' });
    return faults;
  });
}

function missing(sequence: number): LedgerFault {
  return lost(
    'ledger_accounts, ledger_transfers, ledger_expiries, ledger_failures',
    `sequence ${sequence}`,
    'the row is missing',
  );
}

function lost(table: string, row: string, message: string): LedgerFault {
  return { table, row, field: null, expected: null, found: null, message };
}
