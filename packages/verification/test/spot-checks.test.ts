import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  issueSpotCheck,
  judgeSpotCheck,
  type KnownAnswer,
  knownAnswerOf,
  knownAnswerSchema,
  type NodeTrust,
  newTaskVerification,
  type TaskVerificationState,
  unknownNode,
  VERIFICATION_LIMITS,
} from '../src/index.ts';

const RIGHT = `sha256:${'a'.repeat(64)}`;
const WRONG = `sha256:${'b'.repeat(64)}`;
const TASK = { job: 'j1', partition: 7 };
const proven: NodeTrust = { ...unknownNode(), consecutiveValid: 10 };
const always = { whether: 0, which: 0 };
const holder = (name: string) => ({ nodeId: `n-${name}`, owner: `o-${name}`, prefix: `p-${name}` });

/** An accepted task with these results; each: credibility, digest. */
function acceptedWith(by: 'alone' | 'quorum' | 'trusted', ...results: [number, string][]): TaskVerificationState {
  const replicas = results.map(([credibility, digest], at) => ({
    ...holder('ab'[at] ?? 'c'),
    fence: at + 1,
    round: 0,
    credibility,
    commitment: null,
    digest,
  }));
  return { ...newTaskVerification(), phase: 'accepted', accepted: { digest: RIGHT, fence: 1, by }, replicas };
}

function answer(): KnownAnswer {
  const made = knownAnswerOf(TASK, acceptedWith('quorum', [0.98, RIGHT], [0.98, RIGHT]));
  assert.ok(made);
  return made;
}

test('known answers come of agreement between credible nodes only', () => {
  assert.equal(answer().digest, RIGHT);
  const none: [string, TaskVerificationState][] = [
    ['alone', acceptedWith('alone', [0.999, RIGHT])],
    ['one result, and trust', acceptedWith('trusted', [0.999, RIGHT])],
    ['two unknown nodes', acceptedWith('quorum', [0.8, RIGHT], [0.8, RIGHT])],
    ['somebody disagreed', acceptedWith('quorum', [0.98, RIGHT], [0.98, RIGHT], [0.8, WRONG])],
    ['being verified again', { ...acceptedWith('quorum', [0.98, RIGHT], [0.98, RIGHT]), phase: 'adjudicating' }],
  ];
  for (const [why, state] of none) assert.equal(knownAnswerOf(TASK, state), null, why);
});

test('a spot check never meets an owner or a network that knows the task', () => {
  const answers = [answer()];
  assert.equal(issueSpotCheck(answers, { ...holder('x'), owner: 'o-a' }, proven, 0.5, always), null);
  assert.equal(issueSpotCheck(answers, { ...holder('x'), prefix: 'p-b' }, proven, 0.5, always), null);
  const issued = issueSpotCheck(answers, holder('x'), proven, 0.5, always);
  assert.ok(issued);
  assert.equal(issued.check.expected, RIGHT);
  assert.equal(issueSpotCheck([issued.answer], { ...holder('y'), owner: 'o-x' }, proven, 0.5, always), null);
});

test('the share and the standing decide whether there is one', () => {
  const answers = [answer()];
  assert.equal(issueSpotCheck(answers, holder('x'), proven, 0.02, { whether: 0.02, which: 0 }), null);
  assert.notEqual(issueSpotCheck(answers, holder('x'), proven, 0.02, { whether: 0.0199, which: 0 }), null);
  assert.equal(issueSpotCheck(answers, holder('x'), unknownNode(), 1, always), null, 'replicated anyway');
  assert.equal(issueSpotCheck([], holder('x'), proven, 1, always), null);
});

test('an answer retires after its uses, and is stored within its limits', () => {
  let used: KnownAnswer = answer();
  for (let use = 0; use < VERIFICATION_LIMITS.usesOfKnownAnswer; use += 1) {
    const issued = issueSpotCheck([used], holder(`x${use}`), proven, 1, always);
    assert.ok(issued);
    const judged = judgeSpotCheck(issued.answer, issued.check, `sha256:${String(use).padStart(64, '0')}`);
    assert.ok(judged.answer);
    used = judged.answer;
  }
  assert.equal(issueSpotCheck([used], holder('last'), proven, 1, always), null);
  assert.deepEqual(knownAnswerSchema.parse(JSON.parse(JSON.stringify(used))), used);
});

test('verdicts: a second independent node with the same other answer puts the known answer in doubt', () => {
  const check = (name: string) => ({ version: 1 as const, task: TASK, expected: RIGHT, ...holder(name) });
  assert.equal(judgeSpotCheck(answer(), check('x'), RIGHT).verdict, 'spot-check-passed');
  const first = judgeSpotCheck(answer(), check('x'), WRONG);
  assert.equal(first.verdict, 'spot-check-failed');
  const accomplice = judgeSpotCheck(first.answer, { ...check('y'), owner: 'o-x' }, WRONG);
  assert.equal(accomplice.verdict, 'spot-check-failed', 'the same owner is no second witness');
  const neighbour = judgeSpotCheck(first.answer, { ...check('y'), prefix: 'p-x' }, WRONG);
  assert.equal(neighbour.verdict, 'spot-check-failed', 'the same network is no second witness');
  const other = judgeSpotCheck(first.answer, check('y'), `sha256:${'c'.repeat(64)}`);
  assert.equal(other.verdict, 'spot-check-failed');
  assert.deepEqual(judgeSpotCheck(first.answer, check('y'), WRONG), { answer: null, verdict: 'disputed' });
  assert.equal(judgeSpotCheck(null, check('z'), WRONG).verdict, 'spot-check-failed', 'a dropped answer still judges');
});
