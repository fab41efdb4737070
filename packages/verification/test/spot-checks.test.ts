import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  issueSpotCheck,
  judgeSpotCheck,
  type KnownAnswer,
  knownAnswerOf,
  knownAnswerSchema,
  type NodeTrust,
  type ReplicaResult,
  rememberAnswer,
  unknownNode,
  VERIFICATION_LIMITS,
  validated,
} from '../src/index.ts';

const RIGHT = `sha256:${'a'.repeat(64)}`;
const WRONG = `sha256:${'b'.repeat(64)}`;
const TASK = { job: 'j1', partition: 7 };
const proven: NodeTrust = [...Array(10)].reduce(validated, unknownNode());
const always = { whether: 0, which: 0 };
const holder = (name: string) => ({ nodeId: `n-${name}`, owner: `o-${name}`, prefix: `p-${name}` });
const resultOf = (name: string, credibility: number, digest = RIGHT): ReplicaResult => ({
  ...holder(name),
  fence: 1,
  digest,
  credibility,
});

function answer(): KnownAnswer {
  const made = knownAnswerOf(TASK, [resultOf('a', 0.98), resultOf('b', 0.98)], []);
  assert.ok(made);
  return made;
}

test('known answers come of agreement between credible nodes only', () => {
  assert.equal(answer().digest, RIGHT);
  assert.equal(knownAnswerOf(TASK, [resultOf('a', 0.999)], []), null, 'alone');
  assert.equal(knownAnswerOf(TASK, [resultOf('a', 0.8), resultOf('b', 0.8)], []), null, 'two unknown nodes');
  assert.equal(knownAnswerOf(TASK, [resultOf('a', 0.98), resultOf('b', 0.98)], [resultOf('c', 0.8, WRONG)]), null);
  assert.equal(knownAnswerOf(TASK, [resultOf('a', 0.98), resultOf('b', 0.98, WRONG)], []), null, 'only similar');
});

test('a spot check never meets an owner or a network that knows the task', () => {
  const answers = [answer()];
  assert.equal(issueSpotCheck(answers, { ...holder('x'), owner: 'o-a' }, proven, 0.5, always), null);
  assert.equal(issueSpotCheck(answers, { ...holder('x'), prefix: 'p-b' }, proven, 0.5, always), null);
  const issued = issueSpotCheck(answers, holder('x'), proven, 0.5, always);
  assert.equal(issued?.check.expected, RIGHT);
  assert.equal(issueSpotCheck(issued?.answers ?? [], { ...holder('y'), owner: 'o-x' }, proven, 0.5, always), null);
});

test('the share and the standing decide whether there is one', () => {
  const answers = [answer()];
  assert.equal(issueSpotCheck(answers, holder('x'), proven, 0.02, { whether: 0.02, which: 0 }), null);
  assert.notEqual(issueSpotCheck(answers, holder('x'), proven, 0.02, { whether: 0.0199, which: 0 }), null);
  assert.equal(issueSpotCheck(answers, holder('x'), unknownNode(), 1, always), null, 'replicated anyway');
  assert.equal(issueSpotCheck([], holder('x'), proven, 1, always), null);
});

test('an answer retires after its uses, and the oldest makes room', () => {
  let answers = [answer()];
  for (let use = 0; use < VERIFICATION_LIMITS.usesOfKnownAnswer; use += 1) {
    const issued = issueSpotCheck(answers, holder(`x${use}`), proven, 1, always);
    assert.ok(issued);
    answers = judgeSpotCheck(issued.answers, issued.check, `sha256:${String(use).padStart(64, '0')}`).answers;
  }
  assert.equal(issueSpotCheck(answers, holder('last'), proven, 1, always), null);
  assert.deepEqual(knownAnswerSchema.parse(JSON.parse(JSON.stringify(answers[0]))), answers[0], 'within its limits');
  let many: KnownAnswer[] = [];
  for (let partition = 0; partition <= VERIFICATION_LIMITS.knownAnswers; partition += 1) {
    many = rememberAnswer(many, { ...answer(), partition });
  }
  assert.equal(many.length, VERIFICATION_LIMITS.knownAnswers);
  assert.equal(many[0]?.partition, 1);
});

test('verdicts: a second independent node with the same other answer puts the known answer in doubt', () => {
  const check = (name: string) => ({ ...TASK, expected: RIGHT, ...holder(name) });
  assert.equal(judgeSpotCheck([answer()], check('x'), RIGHT).verdict, 'passed');
  const first = judgeSpotCheck([answer()], check('x'), WRONG);
  assert.equal(first.verdict, 'failed');
  const accomplice = judgeSpotCheck(first.answers, { ...check('y'), owner: 'o-x' }, WRONG);
  assert.equal(accomplice.verdict, 'failed', 'the same owner is no second witness');
  assert.equal(judgeSpotCheck(first.answers, check('y'), `sha256:${'c'.repeat(64)}`).verdict, 'failed');
  const second = judgeSpotCheck(first.answers, check('y'), WRONG);
  assert.equal(second.verdict, 'disputed');
  assert.deepEqual(second.answers, []);
  assert.equal(judgeSpotCheck([], check('z'), WRONG).verdict, 'failed');
});
