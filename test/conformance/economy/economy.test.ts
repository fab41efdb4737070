import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ECONOMY_AREA } from './area.ts';

/** What becomes of a file: the failures of its cases, null where there is none. */
async function outcome(path: string, document: object): Promise<(string | null)[]> {
  const content = Buffer.from(JSON.stringify(document));
  const results: (string | null)[] = [];
  for (const one of await ECONOMY_AREA.cases({ path, content, sibling: async () => null }, { isQuick: false })) {
    try {
      await ECONOMY_AREA.run(one);
      results.push(null);
    } catch (error) {
      results.push((error as Error).message);
    }
  }
  return results;
}

const scenario = async (one: object, note = 'supply 200, votes ann=30 bo=12 cy=0, delay 3, period 5, quorum 10%') =>
  (await outcome('gov/other.json', { note, scenarios: [one] }))[0];

/** A scenario of a late quorum: the clauses of its name, and those of what follows. */
const late = (name: string, clauses: string): object =>
  Object.fromEntries([
    ['name', `late quorum: extension 3, ${name}`],
    ['then', clauses],
  ]);

const HOLDS: readonly object[] = [
  {
    name: 'a',
    votes: [
      ['ann', 'for'],
      ['bo', 'Against'],
    ],
    tally: { for: 30, against: 12 },
    result: 'Executed',
  },
  { name: 'a', votes: [['bo', 1]], result: 'Defeated' },
  {
    name: 'a',
    votes: [
      ['bo', 'abstain'],
      ['cy', 'for'],
    ],
    quorum_pct: 6,
    result: 'Defeated',
  },
  { name: 'a', votes: [['bo', 'for']], quorum: 12, result: 'Succeeded' },
  { name: 'a', votes: [['bo', 'for']], quorum: 13, result: 'Defeated' },
  {
    name: 'a',
    votes: [
      ['ann', 'for'],
      ['ann', 'for'],
    ],
    error: 'GovernorAlreadyCastVote',
  },
  { name: 'threshold 50 with 49 votes', threshold: 50, proposer: 'dan', error: 'InsufficientProposerVotes' },
  { name: 'vote before start', error: 'UnexpectedProposalState(Pending)' },
  { name: 'vote after deadline', error: 'UnexpectedProposalState(Defeated)' },
  { name: 'execute before the end', error: 'UnexpectedProposalState(Active)' },
  { name: 'execute twice', error: 'UnexpectedProposalState(Executed)' },
  { name: 'no votes', result: 'Defeated' },
  { name: 'support 3', error: 'InvalidVoteType' },
  {
    name: 'fractional votes by bo (weight 9)',
    ballots: [{ for: 4 }, { against: 5 }],
    tally: { for: 4, against: 5 },
    used: 9,
  },
  { name: 'fractional 2,3,4 then nominal abstain', tally: { against: 2, for: 3, abstain: 7 } },
  { name: 'fractional votes', voter: 'bo', ballots: [{ for: 13 }], error: 'ExceedRemainingWeight' },
  late(
    'quorum 12; bo votes for at deadline',
    'deadline becomes vote_time+3, state stays Active; eve then votes against 40; at end Defeated',
  ),
  late('quorum 13; bo votes for at deadline', 'deadline stays; at end Defeated'),
];

test('scenarios of other voters and numbers', async () => {
  for (const one of HOLDS) assert.equal(await scenario(one), null, JSON.stringify(one));
});

const FAILS: readonly [one: object, why: RegExp][] = [
  [{ name: 'a', votes: [['ann', 'for']], tally: { for: 29 }, result: 'Executed' }, /the tally/],
  [{ name: 'a', votes: [['ann', 'for']], result: 'Defeated' }, /the state of the proposal/],
  [{ name: 'a', votes: [['bo', 'for']], result: 'Executed' }, /executed/],
  [{ name: 'a', votes: [['ann', 'for']], result: 'Adopted' }, /unknown result/],
  [{ name: 'a', votes: [['ann', 'for']] }, /nothing is told/],
  [{ name: 'a', votes: [['zoe', 'for']], result: 'Executed' }, /nothing is told of the voter/],
  [{ name: 'a', votes: [['ann', 'for']], error: 'AlreadyCastVote' }, /nothing is refused/],
  [{ name: 'vote before start', error: 'UnexpectedProposalState(Active)' }, /the state/],
  [{ name: 'vote before start', error: 'InvalidVoteType' }, /is pending/],
  [{ name: 'vote before start', error: 'NoSuchError' }, /unknown error/],
  [
    { name: 'threshold 50 with 50 votes', threshold: 50, proposer: 'dan', error: 'InsufficientProposerVotes' },
    /refused/,
  ],
  [{ name: 'a', votes: [['ann', 'for']], tally: { for: 30 }, used: 30 }, /in fractions/],
  [{ name: 'quadratic votes', error: 'InvalidVoteType' }, /unknown scenario/],
  [{ name: 'support 2', error: 'InvalidVoteType' }, /nothing is refused/],
  [{ name: 'fractional 2,3,4 then nominal abstain', tally: { against: 2, for: 3, abstain: 4 } }, /the tally/],
  [{ name: 'fractional votes by bo', ballots: [{ for: 4 }], tally: { for: 4 }, used: 5 }, /used/],
  [late('quorum 12; bo votes for at deadline', 'deadline becomes vote_time+4'), /deadline/],
  [late('quorum 12; bo waves', ''), /unknown clause/],
];

test('what does not come out as told, or is not understood, is a failure', async () => {
  for (const [one, why] of FAILS) assert.match((await scenario(one)) ?? '', why, JSON.stringify(one));
  await assert.rejects(outcome('gov/other.json', { scenarios: [{ name: 'a', colour: 1 }] }), /unknown shape/);
  await assert.rejects(outcome('gov/other.json', { elections: [] }), /unknown shape/);
  await assert.rejects(outcome('gov/conviction-2.json', { conviction: [{ t: 1 }] }), /unknown shape/);
});

test('checkpoints go on from entry to entry, and begin anew with a mint', async () => {
  const checkpoints = (...entries: object[]) => outcome('gov/other.json', { votes_checkpoints: entries });
  const first = { steps: ['mint ann 40 (undelegated)'], votes: { ann: 0 } };
  const second = { steps: ['ann delegates bo at x'], past: { 'x-1': 0, x: 40, 'ann x': 0 } };
  const third = { steps: ['burn ann 15 at y', 'ann delegates ann at z'], past: { 'bo y': 25, 'bo z': 0, z: 25 } };
  const lookup = { steps: ['lookup at x>=now'], error: 'FutureLookup' };
  const anew = { steps: ['mint m,p', 'mint n,p', 'burn m,q'], past_total_supply: { 'p-1': 0, p: 'm+n', q: 'n' } };
  const rule = { rule: 'same-tick updates overwrite the last checkpoint' };
  assert.deepEqual(await checkpoints(first, second, third, lookup, anew, rule), Array(6).fill(null));
  const wrong = await checkpoints(
    first,
    { ...second, past: { x: 39 } },
    { ...lookup, error: 'InvalidVoteType' },
    { ...anew, past_total_supply: { q: 'm' } },
    { rule: 'checkpoints are never overwritten' },
    { steps: ['mint ann 1'] },
    { steps: ['ann gives bo 3'], votes: { bo: 3 } },
  );
  const reasons = [/^x/, /not known/, /^q/, /unknown rule/, /nothing is told/, /unknown step/];
  for (const [index, why] of reasons.entries()) assert.match(wrong[index + 1] ?? '', why);
});

test('conviction is compared digit for digit, thresholds to a billionth', async () => {
  const conviction = { t: 2, y0: 100, x: 50, decay: 5_000_000, conviction: '100', float: 100 };
  const threshold = { requested: 1, funds: 10, supply: 50, active: 4, alpha: 0.5, beta: 0.2, rho: 0.002, threshold: 4 };
  const run = (change: object, other: object) =>
    outcome('gov/conviction-2.json', {
      conviction: [{ ...conviction, ...change }],
      threshold: [{ ...threshold, ...other }],
    });
  assert.deepEqual(await run({}, {}), [null, null]);
  assert.deepEqual(await run({}, { requested: 2, threshold: 'inf' }), [null, null]);
  const [value, least] = await run({ conviction: 101 }, { threshold: 4.00000001 });
  assert.match(value ?? '', /100n/);
  assert.match(least ?? '', /the threshold is 4, not 4.00000001/);
  assert.match((await run({}, { threshold: 'inf' }))[1] ?? '', /nothing is enough/);
});
