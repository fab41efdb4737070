/** What somebody tries who wants a better name than the work deserves, or a worse one for others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Check,
  type CheckVerdict,
  evidenceOf,
  type ReputationRecord,
  recordEvidence,
  reputationOf,
  unknownReputation,
} from '../../src/reputation/index.ts';

const DAY = 86_400_000;
const NOW = 20_000 * DAY;

function checkOf(changes: Partial<Check> = {}): Check {
  return {
    verdict: 'valid',
    by: 'quorum',
    chosenBy: 'coordinator',
    provider: 'bob',
    submitter: 'alice',
    witnesses: ['bob', 'carol'],
    valueMicroFog: 100n,
    ...changes,
  };
}

/** Mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test('only checks that the coordinator chose are evidence, and only what somebody else vouches for', () => {
  assert.deepEqual(evidenceOf(checkOf()), { finding: 'right', valueMicroFog: 100n });
  const nothing: Partial<Check>[] = [
    { verdict: 'alone' },
    { verdict: 'cleared' },
    { verdict: 'inconclusive' },
    { chosenBy: 'submitter' },
    { provider: 'alice' },
    { witnesses: [] },
    { witnesses: ['bob'] },
    { witnesses: ['bob', 'alice'] },
    { verdict: 'invalid', witnesses: ['alice'] },
  ];
  for (const changes of nothing) assert.equal(evidenceOf(checkOf(changes)), null, JSON.stringify(changes.verdict));
  const finding = (changes: Partial<Check>) => evidenceOf(checkOf(changes))?.finding;
  assert.equal(finding({ verdict: 'invalid', witnesses: ['alice', 'carol'] }), 'wrong');
  assert.equal(finding({ verdict: 'invalid', by: 'trusted', witnesses: [] }), 'proven-wrong');
  assert.equal(finding({ verdict: 'spot-check-passed', by: 'known-answer', witnesses: [] }), 'right');
  assert.equal(finding({ verdict: 'spot-check-failed', by: 'known-answer', witnesses: [] }), 'wrong');
  assert.equal(finding({ verdict: 'withheld', witnesses: [] }), 'wrong');
  assert.throws(() => evidenceOf(checkOf({ verdict: 'splendid' as CheckVerdict })), { code: 'invalid-request' });
  assert.throws(() => evidenceOf(checkOf({ witnesses: Array.from({ length: 17 }, () => 'x') })), {
    code: 'invalid-request',
  });
});

/** Its own job, or one of an accomplice that only the two of them have computed. */
function isDealt({ provider, submitter, witnesses }: Check): boolean {
  return submitter === provider || witnesses.every((owner) => owner === provider || owner === submitter);
}

test('property, self-dealing: no number of jobs between the accounts of one owner, or that only they vouch for, moves a rank', () => {
  const own = fc.constantFrom('mallory');
  const check = fc.record({
    verdict: fc.constantFrom<CheckVerdict[]>('valid', 'alone', 'cleared', 'invalid'),
    by: fc.constant('quorum' as const),
    chosenBy: fc.constantFrom('coordinator' as const, 'submitter' as const),
    provider: own,
    submitter: fc.constantFrom('mallory', 'friend'),
    witnesses: fc.array(fc.constantFrom('mallory', 'friend', 'carol'), { maxLength: 3 }),
    valueMicroFog: fc.bigInt({ min: 0n, max: 1n << 40n }),
  });
  fc.assert(
    fc.property(fc.array(check, { maxLength: 30 }), (checks) => {
      for (const one of checks) if (isDealt(one)) assert.equal(evidenceOf(one), null);
    }),
  );
});

test('slow build-up, then one big lie: cheap results vouch for no dear task, and the lie costs nearly all of them', () => {
  let record = unknownReputation();
  for (let day = 0; day < 90; day += 1) {
    for (let times = 0; times < 100; times += 1) {
      record = recordEvidence(record, { finding: 'right', valueMicroFog: 100n }, NOW + day * DAY);
    }
  }
  const now = NOW + 90 * DAY;
  const big = { valueMicroFog: 100_000_000n };
  assert.ok(reputationOf(record, now, { valueMicroFog: 100n }) > 990_000);
  assert.ok(reputationOf(record, now, big) < 5_000, 'the dear task finds a stranger');
  const caught = recordEvidence(record, { finding: 'wrong', ...big }, now);
  assert.ok(reputationOf(caught, now, { valueMicroFog: 100n }) < 500_000);
  const proven = recordEvidence(record, { finding: 'proven-wrong', ...big }, now);
  assert.equal(reputationOf(proven, now), 0);
});

test('whitewashing: to lie, leave and come back is never worth more than to lie and stay', () => {
  const random = randomOf(7);
  for (let trial = 0; trial < 50; trial += 1) {
    let [stays, leaves] = [unknownReputation(), unknownReputation()];
    for (let step = 0; step < 200; step += 1) {
      const now = NOW + step * DAY;
      const finding = random() < 0.1 ? 'wrong' : 'right';
      const evidence = { finding, valueMicroFog: BigInt(Math.floor(random() * 1000)) } as const;
      stays = recordEvidence(stays, evidence, now);
      leaves = finding === 'wrong' ? unknownReputation() : recordEvidence(leaves, evidence, now);
      for (const valueMicroFog of [0n, 500n, 100_000n]) {
        const [before, after] = [stays, leaves].map((record) => reputationOf(record, now, { valueMicroFog }));
        assert.ok((before ?? 0) >= (after ?? 0));
      }
    }
  }
});

test('the rank is below the true share of right results nearly always, whatever that is', () => {
  for (const share of [0.5, 0.8, 0.9, 0.99]) {
    const random = randomOf(Math.round(share * 1000));
    let record: ReputationRecord = unknownReputation();
    let above = 0;
    const checks = 5000;
    for (let check = 0; check < checks; check += 1) {
      const finding = random() < share ? 'right' : 'wrong';
      record = recordEvidence(record, { finding, valueMicroFog: 0n }, NOW);
      if (reputationOf(record, NOW) > share * 1_000_000) above += 1;
    }
    assert.ok(above / checks < 0.025, `${share}: ${above} of ${checks}`);
  }
});

interface Fleet {
  honest: number;
  liars: number;
}

/**
 * Quorums of two, drawn at random; where two differ, a third one decides. Liars agree with each other on a wrong value
 * whenever they meet on a task that they choose to lie about, and condemn whoever is right.
 */
function collude({ honest, liars }: Fleet, lieShare: number, seed: number): { honest: number; liars: number } {
  const random = randomOf(seed);
  const count = honest + liars;
  const records = Array.from({ length: count }, unknownReputation);
  for (let task = 0; task < 8000; task += 1) {
    const now = NOW + Math.floor(task / 400) * DAY;
    const isLie = random() < lieShare;
    const drawn: number[] = [];
    const draw = () => {
      const node = Math.floor(random() * count);
      if (!drawn.includes(node)) drawn.push(node);
    };
    while (drawn.length < 2) draw();
    const answer = (node: number) => (isLie && node >= honest ? 'wrong' : 'right');
    if (answer(drawn[0] ?? 0) !== answer(drawn[1] ?? 0)) while (drawn.length < 3) draw();
    const wrong = drawn.filter((node) => answer(node) === 'wrong').length;
    const accepted = wrong * 2 > drawn.length ? 'wrong' : 'right';
    const witnesses = drawn.filter((node) => answer(node) === accepted).map(String);
    for (const node of drawn) {
      const verdict = answer(node) === accepted ? 'valid' : 'invalid';
      const evidence = evidenceOf(checkOf({ verdict, provider: String(node), witnesses, valueMicroFog: 100n }));
      if (evidence !== null) records[node] = recordEvidence(records[node] ?? unknownReputation(), evidence, now);
    }
  }
  const end = NOW + 20 * DAY;
  const mean = (part: ReputationRecord[]) =>
    part.reduce((sum, record) => sum + reputationOf(record, end), 0) / part.length;
  return { honest: mean(records.slice(0, honest)), liars: mean(records.slice(honest)) };
}

test('collusion: a fifth of all nodes that lie together stay far below the honest, who recover from their majorities', () => {
  for (const lieShare of [0.05, 0.2, 0.5]) {
    const { honest, liars } = collude({ honest: 40, liars: 10 }, lieShare, 11);
    assert.ok(honest > liars, `${lieShare}: ${honest} ${liars}`);
    assert.ok(honest > 750_000, `${lieShare}: ${honest}`);
  }
  const fifth = collude({ honest: 40, liars: 10 }, 0.2, 11);
  assert.ok(fifth.liars < 550_000 && fifth.honest > 950_000, `${fifth.honest} ${fifth.liars}`);
  const twoFifths = collude({ honest: 30, liars: 20 }, 0.2, 11);
  assert.ok(twoFifths.honest > twoFifths.liars, `${twoFifths.honest} ${twoFifths.liars}`);
});
