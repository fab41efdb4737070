/** Wallets as the routes ask for them. */
import {
  type CurrencyName,
  type DeploymentPayment,
  FogError,
  type JobPayment,
  type LedgerHead,
  type MarketPrice,
  type Wallet,
  type WalletEntry,
} from '@fog/contract';
import { ACCOUNT_CODES, accountId, CURRENCIES, TRANSFER_CODES, transferId } from '@fog/economy/chart';
import { assertCovered, readRecord, readTerms } from '@fog/economy/escrow';
import type { Account, NewTransfer, Transfer } from '@fog/economy/ledger';
import { decodeCursor, encodeCursor } from '../access/page-cursor.ts';
import type { Caller, Page, PageRequest } from '../service.ts';
import type { Database, Reader } from '../store/database.ts';
import { readOpenEscrows, readWalletNames } from '../store/settlement-rows.ts';
import { jobOfNumber } from './job-numbers.ts';
import {
  readLedgerAccount,
  readLedgerAccounts,
  readLedgerTransfer,
  spendable,
  transfersOfAccount,
} from './ledger-queries.ts';
import type { Market } from './market.ts';
import { MoneyMoves } from './money-moves.ts';
import { noSuchDeployment, paymentOfDeployment, paymentOfJob } from './periods/deployment-payments.ts';
import type { ServicePeriods } from './periods/service-periods.ts';
import { newestSeal, unsealedTail } from './sealing.ts';
import type { SqlLedger } from './sql-ledger.ts';

const CURRENCY_NAMES = Object.keys(CURRENCIES) as CurrencyName[];
const NANOSECONDS_PER_MILLISECOND = 1_000_000n;

export interface WalletsDependencies {
  database: Database;
  ledger: SqlLedger;
  market: Market;
  periods: Pick<ServicePeriods, 'statesOf'>;
  now: () => number;
}

export class Wallets {
  readonly #dependencies: WalletsDependencies;

  constructor(dependencies: WalletsDependencies) {
    this.#dependencies = dependencies;
  }

  /** Throws `forbidden` where the caller asks for another's. */
  async get(caller: Caller, named: string | undefined): Promise<Wallet> {
    const { read } = this.#dependencies.database;
    const principal = ownerOf(caller, named);
    const accounts = await readLedgerAccounts(
      read,
      CURRENCY_NAMES.map((currency) => accountId(currency, 'wallet', principal)),
    );
    const escrows = await readOpenEscrows(read, principal);
    const balances = CURRENCY_NAMES.map((currency) => {
      const account = accounts.get(accountId(currency, 'wallet', principal));
      const inEscrow = escrows.get(currency) ?? 0n;
      return { currency, available: String(spendable(account)), inEscrow: String(inEscrow) };
    });
    // Real money first; the faucet's only where there is any.
    return {
      principal,
      balances: balances.filter(({ currency }) => currency === 'fog' || isUsed(accounts, principal)),
    };
  }

  /** Of both currencies, the newest first. What moved nothing, such as a delegation of votes, is left out. */
  async entries(
    caller: Caller,
    { principal: named, cursor, limit }: PageRequest & { principal?: string | undefined },
  ): Promise<Page<WalletEntry>> {
    const { read } = this.#dependencies.database;
    const principal = ownerOf(caller, named);
    const key = decodeCursor(cursor, /^\d{1,16}$/);
    const found: { sequence: number; entry: WalletEntry | null }[] = [];
    let isMore = false;
    for (const currency of CURRENCY_NAMES) {
      const id = accountId(currency, 'wallet', principal);
      const { entries, next } = await transfersOfAccount(read, id, {
        before: key === undefined ? undefined : Number(key),
        limit,
      });
      isMore ||= next !== null;
      const told = await this.#told(
        read,
        id,
        currency,
        entries.map(({ transfer }) => transfer),
      );
      entries.forEach(({ sequence, kind, transfer }, at) => {
        const isShown = kind === 'transfer' && transfer.amount > 0n;
        found.push({ sequence, entry: isShown ? (told[at] ?? null) : null });
      });
    }
    const shown = found.sort((left, right) => right.sequence - left.sequence).slice(0, limit);
    isMore ||= found.length > shown.length;
    return {
      items: shown.flatMap(({ entry }) => entry ?? []),
      next: isMore ? encodeCursor(String(shown.at(-1)?.sequence)) : null,
    };
  }

  /** Sends FOG. Throws `insufficient-funds` with what is missing, and `conflict` for a key that sent something else. */
  async send(caller: Caller, { to, amount, key }: { to: string; amount: string; key: string }): Promise<WalletEntry> {
    const { database, ledger, now } = this.#dependencies;
    const from = accountId('fog', 'wallet', caller.principal);
    const transfer: NewTransfer = {
      id: transferId('send', caller.principal, key),
      debitAccount: from,
      creditAccount: accountId('fog', 'wallet', to),
      amount: BigInt(amount),
      ledger: CURRENCIES.fog,
      code: TRANSFER_CODES.send,
    };
    if (to === caller.principal || transfer.amount === 0n) {
      throw new FogError('invalid-request', 'nothing is sent: an amount above 0 goes to somebody else', {
        hint: 'fog wallet send PRINCIPAL FOG',
      });
    }
    await database.write(async (writer) => {
      const before = await readLedgerTransfer(writer, transfer.id);
      if (before !== null) return assertSame(before.transfer, transfer);
      assertCovered(transfer.amount, spendable(await readLedgerAccount(writer, from)));
      const moves = new MoneyMoves('fog');
      moves.openWallet(caller.principal);
      moves.openWallet(to);
      moves.add({ transfers: [transfer] });
      await moves.carryOut(writer, ledger, now());
    });
    const stored = await readLedgerTransfer(database.read, transfer.id);
    if (stored === null) throw new FogError('internal', 'what was sent is not in the ledger');
    const [entry] = await this.#told(database.read, from, 'fog', [stored.transfer]);
    return entry as WalletEntry;
  }

  /** Throws `not-found` for a job that is none of the caller's, or that nobody pays for. */
  async jobPayment(caller: Caller, job: string): Promise<JobPayment> {
    const row = await this.#dependencies.database.read
      .selectFrom('jobs')
      .select(['submitter', 'purpose', 'payment_terms', 'escrow'])
      .where('id', '=', job)
      .executeTakeFirst();
    const isTheirs = row?.submitter === caller.principal || caller.scope !== 'submit';
    if (row === undefined || row.purpose !== 'user' || !isTheirs) {
      throw new FogError('not-found', `there is no job ${job}`, { hint: 'fog job ls' });
    }
    const terms = row.payment_terms === null ? null : readTerms(row.payment_terms);
    if (row.escrow === null || terms === null || terms.currency === null) {
      throw new FogError('not-found', `nobody pays for job ${job}`);
    }
    return paymentOfJob(job, { ...terms, currency: terms.currency }, readRecord(row.escrow));
  }

  /** Throws `not-found` for a deployment that is none of the caller's, or that nobody pays for. */
  async deploymentPayment(
    caller: Caller,
    { name, principal: named }: { name: string; principal?: string | undefined },
  ): Promise<DeploymentPayment> {
    const { database, periods, now } = this.#dependencies;
    const { scope } = caller;
    // To others it does not exist, as everywhere.
    const principal = scope === 'admin' || scope === 'read' ? (named ?? caller.principal) : caller.principal;
    if (named !== undefined && named !== principal) noSuchDeployment(name);
    return await paymentOfDeployment(database.read, periods, { principal, name }, now());
  }

  prices(): MarketPrice[] {
    return this.#dependencies.market.prices();
  }

  async ledgerHead(): Promise<LedgerHead> {
    const { read } = this.#dependencies.database;
    const { unsealedRows: rows, ageMilliseconds: milliseconds } = await unsealedTail(read, this.#dependencies.now());
    const seal = await newestSeal(read);
    const accounts = await readLedgerAccounts(
      read,
      CURRENCY_NAMES.map((currency) => accountId(currency, 'issuance')),
    );
    return {
      sealed: seal === null ? null : { ...seal, hash: Buffer.from(seal.hash).toString('hex') },
      unsealed: { rows, milliseconds },
      supply: CURRENCY_NAMES.map((currency) => {
        const issuance = accounts.get(accountId(currency, 'issuance'));
        return { currency, amount: String((issuance?.debitsPosted ?? 0n) - (issuance?.creditsPosted ?? 0n)) };
      }),
    };
  }

  async #told(
    reader: Reader,
    own: bigint,
    currency: CurrencyName,
    transfers: readonly Transfer[],
  ): Promise<WalletEntry[]> {
    const otherOf = ({ debitAccount, creditAccount }: Transfer) =>
      debitAccount === own ? creditAccount : debitAccount;
    const others = transfers.map(otherOf);
    const accounts = await readLedgerAccounts(reader, others);
    const names = await readWalletNames(reader, others);
    return transfers.map((transfer) => {
      const { id, amount, code, timestamp, debitAccount, userData128 } = transfer;
      const other = partyOf(accounts.get(otherOf(transfer)), names);
      return {
        id: id.toString(16).padStart(32, '0'),
        at: Number(timestamp / NANOSECONDS_PER_MILLISECOND),
        currency,
        kind: nameOf(TRANSFER_CODES, code),
        direction: debitAccount === own ? 'out' : 'in',
        amount: String(amount),
        // New money comes from nobody; it tells for which job it is.
        other: code === TRANSFER_CODES.emission ? { ...other, name: jobOfNumber(userData128) } : other,
      };
    });
  }
}

function isUsed(accounts: ReadonlyMap<bigint, Account>, principal: string): boolean {
  return accounts.has(accountId('faucet', 'wallet', principal));
}

function ownerOf({ scope, principal }: Caller, named: string | undefined): string {
  if (named === undefined || named === principal || scope === 'admin' || scope === 'read') return named ?? principal;
  throw new FogError('forbidden', `the wallet of ${named} is for ${named} and the operator alone`, {
    hint: 'leave --principal out for your own',
  });
}

function assertSame(before: Transfer, wanted: NewTransfer): void {
  if (before.creditAccount === wanted.creditAccount && before.amount === wanted.amount) return;
  throw new FogError('conflict', 'this key has sent another amount, or to somebody else', {
    hint: 'use a new key for a new payment',
  });
}

function partyOf(account: Account | undefined, names: ReadonlyMap<bigint, string>): WalletEntry['other'] {
  if (account === undefined) return { kind: 'unknown', name: '' };
  const kind = nameOf(ACCOUNT_CODES, account.code);
  const name = kind === 'escrow' ? jobOfNumber(account.userData128) : (names.get(account.id) ?? '');
  return { kind, name };
}

function nameOf(codes: Readonly<Record<string, number>>, code: number): string {
  return Object.entries(codes).find(([, known]) => known === code)?.[0] ?? 'unknown';
}
