import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FogError } from '@fog/contract';
import {
  BrokenInvariant,
  LedgerAuditor,
  openingRequest,
  RequestSource,
  SeededRandom,
  simulateLedger,
} from '../../../src/ledger/log/simulation/index.ts';
import { LedgerMachine } from '../../../src/ledger/machine.ts';

describe('a simulated ledger', () => {
  it('keeps every invariant through crashes, torn writes, failed syncs, retries and timeouts', async () => {
    const totals = { operations: 0, crashes: 0, tornTails: 0, retries: 0, snapshots: 0, failedSyncs: 0, lost: 0 };
    const statuses = new Set<string>();
    for (let seed = 1; seed <= 12; seed += 1) {
      const report = await simulateLedger(seed, 6000);
      for (const count of Object.keys(totals) as (keyof typeof totals)[]) totals[count] += report[count];
      for (const status of Object.keys(report.statuses)) statuses.add(status);
    }
    // A simulation in which nothing happens would show nothing.
    for (const [count, times] of Object.entries(totals)) assert.ok(times >= 5, `${count}: ${times}`);
    for (const status of [
      'exists',
      'id_already_failed',
      'linked_event_failed',
      'pending_transfer_expired',
      'exceeds_credits',
    ]) {
      assert.ok(statuses.has(status), status);
    }
  });

  it('is the same for the same seed, and another for another', async () => {
    const [one, same, other] = await Promise.all([7, 7, 8].map((seed) => simulateLedger(seed, 1500)));
    assert.deepEqual(one, same);
    assert.notEqual(one?.digest, other?.digest);
  });
});

/** Lets an auditor follow a ledger whose answers or balances are falsified by `falsify`. */
function audit(falsify: (answer: Uint8Array, request: number) => void): string {
  const source = new RequestSource(new SeededRandom(5));
  const auditor = new LedgerAuditor();
  const machine = new LedgerMachine();
  let now = 1_000_000n;
  machine.apply(openingRequest(), now);
  try {
    for (let number = 0; number < 400; number += 1) {
      const request = source.next();
      now += 50_000_000n;
      const answer = machine.apply(request.bytes, now);
      falsify(answer, number);
      auditor.take(request, answer, now, (id) => Number(machine.ledger.transfer(BigInt(id))?.amount ?? 0n));
      auditor.compare(machine.ledger);
    }
  } catch (error) {
    assert.ok(error instanceof BrokenInvariant, error instanceof FogError ? error.message : String(error));
    return error.invariant;
  }
  return 'nothing';
}

describe('the auditor', () => {
  const CREATED = 255;
  const EXISTS = 46;
  const EXCEEDS_CREDITS = 54;
  const replaceFirst = (from: (status: number) => boolean, to: number) => {
    let isDone = false;
    return (answer: Uint8Array) => {
      const at = isDone || answer.length === 0 ? -1 : answer.findIndex(from);
      if (at === -1) return;
      answer[at] = to;
      isDone = true;
    };
  };

  it('has nothing against a ledger that does what it says', () => {
    assert.equal(
      audit(() => undefined),
      'nothing',
    );
  });

  it('finds a transfer that happened and is denied, and one that is told and never happened', () => {
    const denied = audit(replaceFirst((status) => status === CREATED, EXCEEDS_CREDITS));
    assert.ok(['balances', 'linked atomicity', 'idempotence'].includes(denied), denied);
    const invented = audit(replaceFirst((status) => status === EXCEEDS_CREDITS, CREATED));
    assert.ok(['balances', 'limits', 'linked atomicity', 'idempotence'].includes(invented), invented);
  });

  it('finds a second time of the same transfer, and a duplicate of nothing', () => {
    assert.equal(audit(replaceFirst((status) => status === EXISTS, CREATED)), 'idempotence');
    const nothing = audit(replaceFirst((status) => status === CREATED, EXISTS));
    assert.ok(['idempotence', 'linked atomicity'].includes(nothing), nothing);
  });

  it('finds a status that is none', () => {
    assert.equal(audit(replaceFirst((status) => status === 12, 200)), 'closed statuses');
  });
});
