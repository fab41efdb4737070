/** The invariants of the ledger after a crash at every byte of its log, over random histories. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  ACCOUNT_FLAGS,
  accountsRequest,
  expiryRequest,
  type Ledger,
  LedgerMachine,
  REQUEST_KINDS,
  TRANSFER_FLAGS,
  TRANSFER_STATUSES,
  transfersRequest,
} from '../../../src/ledger/index.ts';
import { type AppliedRequest, MachineLog, recover } from '../../../src/ledger/log/index.ts';
import { ACCOUNTS, type Batch, histories, ISSUANCE, SECOND } from '../histories.ts';
import { SMALL_SEGMENT, simulatedDisk, tornAtEachByte } from './log-fixtures.ts';

const create = () => new LedgerMachine();
const { pending, voidPending } = TRANSFER_FLAGS;

/** What must hold of a ledger by itself. */
const INVARIANTS: Readonly<Record<string, (ledger: Ledger) => void>> = {
  'sum of debits = sum of credits, per ledger, pending and posted ones apart'(ledger) {
    for (const sums of ledger.totals().values()) {
      assert.equal(sums.debitsPending, sums.creditsPending);
      assert.equal(sums.debitsPosted, sums.creditsPosted);
    }
  },
  'no limited account is negative'(ledger) {
    for (const account of ledger.queryAccounts({ limit: 100 })) {
      const { flags, debitsPending, debitsPosted, creditsPending, creditsPosted } = account;
      if (flags & ACCOUNT_FLAGS.debitsMustNotExceedCredits) assert.ok(debitsPending + debitsPosted <= creditsPosted);
      if (flags & ACCOUNT_FLAGS.creditsMustNotExceedDebits) assert.ok(creditsPending + creditsPosted <= debitsPosted);
    }
  },
  'the supply is what was issued'(ledger) {
    let issued = 0n;
    for (const { flags, debitAccount, creditAccount, amount } of ledger.queryTransfers({ limit: 8190, ledger: 1 })) {
      if ((flags & (pending | voidPending)) !== 0) continue;
      if (debitAccount === ISSUANCE) issued += amount;
      if (creditAccount === ISSUANCE) issued -= amount;
    }
    const held = ledger
      .queryAccounts({ limit: 100, ledger: 1 })
      .filter(({ id }) => id !== ISSUANCE)
      .reduce((sum, { creditsPosted, debitsPosted }) => sum + creditsPosted - debitsPosted, 0n);
    assert.equal(held, issued);
  },
  'what is pending resolves once'(ledger) {
    const all = ledger.queryTransfers({ limit: 8190 });
    for (const { id } of all) {
      const resolving = all.filter(({ pendingId }) => pendingId === id);
      const status = ledger.pendingStatus(id);
      assert.equal(resolving.length, status === 'posted' || status === 'voided' ? 1 : 0);
    }
  },
};

/** Writes a history into a log; `onTear` looks at each image that a crash could leave. */
async function torn(history: readonly Batch[], onTear: (written: Written) => void): Promise<number> {
  const disk = simulatedDisk(3);
  const written: Written = { applied: [], digests: [create().digest()], answers: [], recovered: create(), sequence: 0 };
  const shadow = create();
  let images = 0;
  let log: MachineLog<LedgerMachine> | null = null;
  const storage = tornAtEachByte(disk, (place) => {
    images += 1;
    const { machine, position } = recover(disk.mount(), create);
    const sequence = Number(position.sequence);
    assert.ok(position.sequence >= (log?.durable ?? 0n), `${place} lost what was acknowledged`);
    assert.deepEqual(machine.digest(), written.digests[sequence], `${place}: replay gives another state`);
    onTear(Object.assign(written, { recovered: machine, sequence }));
  });
  let now = 0n;
  log = await MachineLog.open({
    storage,
    createMachine: create,
    now: () => (now += SECOND / 2n),
    segmentBytes: SMALL_SEGMENT,
    onApplied(one) {
      written.applied.push(one);
      written.answers.push(shadow.apply(one.request, one.timestamp));
      written.digests.push(shadow.digest());
    },
  });
  await log.submit(accountsRequest(ACCOUNTS));
  for (const { transfers, pause } of history) {
    if (pause > 0n) await log.submit(expiryRequest());
    await log.submit(transfersRequest(transfers));
  }
  await log.close();
  return images;
}

interface Written {
  applied: AppliedRequest[];
  /** Of the state after so many requests. */
  digests: Uint8Array[];
  /** To each request. */
  answers: Uint8Array[];
  recovered: LedgerMachine;
  sequence: number;
}

const short = histories.filter(({ length }) => length > 5).map((history) => history.slice(0, 6));

describe('a ledger after a crash at every byte of its log, over random histories', () => {
  test('replay equality, nothing acknowledged is lost, and each invariant of the ledger holds', async () => {
    const property = fc.asyncProperty(short, async (history) => {
      const looked = new Set<number>();
      const images = await torn(history, ({ recovered, sequence }) => {
        // The digest is that of the same requests: one look at each state is enough.
        if (looked.has(sequence)) return;
        looked.add(sequence);
        for (const [name, holds] of Object.entries(INVARIANTS)) {
          try {
            holds(recovered.ledger);
          } catch (error) {
            throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
          }
        }
      });
      assert.ok(images > 500, `${images} images`);
      assert.ok(looked.size > history.length, 'each state was there after some crash');
    });
    await fc.assert(property, { numRuns: 2 });
  });

  test('idempotent retry: whoever got no answer asks again, and what happened before happens no second time', async () => {
    const property = fc.asyncProperty(short, async (history) => {
      let again = 0;
      await torn(history, ({ recovered, sequence, applied, answers }) => {
        for (const at of [sequence, sequence - 1]) {
          const one = applied[at];
          const first = answers[at];
          if (one === undefined || first === undefined || one.request[0] !== REQUEST_KINDS.createTransfers) continue;
          const isBefore = at < sequence;
          // Behind the one that was lost.
          const statuses = recovered.apply(one.request, one.timestamp + (isBefore ? SECOND : 0n));
          if (!isBefore) assert.deepEqual(statuses, first, 'what was lost happens as it would have happened');
          else
            for (const [event, status] of first.entries()) {
              if (status !== TRANSFER_STATUSES.created) continue;
              again += 1;
              assert.notEqual(statuses[event], TRANSFER_STATUSES.created);
            }
        }
      });
      assert.ok(again > 100, `${again} were asked again`);
    });
    await fc.assert(property, { numRuns: 1 });
  });
});
