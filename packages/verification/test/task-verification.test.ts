import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AcceptDecision,
  commitmentOf,
  newTaskVerification,
  type TaskVerification,
  taskVerificationSchema,
  type VerificationDecision,
  type VerificationEvent,
  type VerificationPolicy,
  verificationPolicySchema,
  verifyTask,
} from '../src/index.ts';

const NONCE = '0'.repeat(64);
const policyOf = (block: object = {}): VerificationPolicy => verificationPolicySchema.parse(block);
const replicate = policyOf({ mode: 'replicate' });
const adaptive = policyOf({ mode: 'adaptive' });
const digestOf = (value: number) => `sha256:${String(value).padStart(64, '0')}`;
const nodeOf = (fence: number) => `n${fence}`;

const leased = (fence: number, changes: object = {}): VerificationEvent => ({
  kind: 'leased',
  nodeId: nodeOf(fence),
  owner: `o${fence}`,
  prefix: `p${fence}`,
  fence,
  credibility: 0.8,
  consecutiveValid: 0,
  random: 0,
  ...changes,
});
const proven = { credibility: 0.98, consecutiveValid: 10 };
const committed = (fence: number, value: number): VerificationEvent => ({
  kind: 'committed',
  fence,
  commitment: commitmentOf({ digest: digestOf(value), nodeId: nodeOf(fence), nonce: NONCE }),
});
const revealed = (fence: number, value: number): VerificationEvent => ({
  kind: 'revealed',
  fence,
  digest: digestOf(value),
  nonce: NONCE,
});

/** Applies events that must all fit, and answers with the decisions of the last. */
class Story {
  state: TaskVerification = newTaskVerification();
  readonly #policy: VerificationPolicy;

  constructor(policy: VerificationPolicy) {
    this.#policy = policy;
  }

  tell(...events: VerificationEvent[]): VerificationDecision[] {
    let decisions: VerificationDecision[] = [];
    for (const event of events) {
      const step = verifyTask(this.state, event, this.#policy);
      assert.ok(step, `no transition for ${JSON.stringify(event)} in ${JSON.stringify(this.state)}`);
      taskVerificationSchema.parse(step.state);
      this.state = step.state;
      decisions = step.decisions;
    }
    return decisions;
  }

  refuses(event: VerificationEvent): void {
    assert.equal(verifyTask(this.state, event, this.#policy), null, JSON.stringify(event));
  }

  /** One more replica, from lease to reveal. */
  result(fence: number, value: number, changes: object = {}): VerificationDecision[] {
    return this.tell(leased(fence, changes), committed(fence, value), revealed(fence, value));
  }
}

const kinds = (decisions: readonly VerificationDecision[]) => decisions.map(({ kind }) => kind);
const accepted = (decisions: readonly VerificationDecision[]) => {
  const found = decisions.find((decision): decision is AcceptDecision => decision.kind === 'accept');
  assert.ok(found, `not accepted: ${JSON.stringify(decisions)}`);
  return found;
};

/** Two replicas side by side that give these values. */
function pair(story: Story, left: number, right: number): VerificationDecision[] {
  story.tell(leased(1), leased(2), committed(1, left), committed(2, right), revealed(1, left));
  return story.tell(revealed(2, right));
}

test('a quorum of two: the first lease asks for a second, both commit, both reveal, the result is accepted', () => {
  const story = new Story(replicate);
  assert.deepEqual(story.tell(leased(1)), [{ kind: 'replicate', count: 1, owners: ['o1'], prefixes: ['p1'] }]);
  assert.deepEqual(story.tell(committed(1, 7)), [], 'nobody reveals while another replica is still to come');
  assert.deepEqual(story.tell(leased(2)), []);
  assert.deepEqual(story.tell(committed(2, 7)), [{ kind: 'reveal', fences: [1, 2] }]);
  assert.deepEqual(story.tell(revealed(2, 7)), []);
  const decision = accepted(story.tell(revealed(1, 7)));
  assert.deepEqual(
    [decision.fence, decision.valid, decision.invalid, decision.isUnreplicated],
    [2, [2, 1], [], false],
    'the first that was revealed is canonical',
  );
  story.refuses(revealed(1, 7));
  story.refuses(leased(3));
});

test('a mismatch condemns nobody and adds one replica; the quorum then says who is invalid', () => {
  const story = new Story(replicate);
  assert.deepEqual(pair(story, 1, 2), [
    { kind: 'mismatch', fences: [1, 2] },
    { kind: 'replicate', count: 1, owners: ['o1', 'o2'], prefixes: ['p1', 'p2'] },
  ]);
  const decision = accepted(story.result(3, 2));
  assert.deepEqual([decision.valid, decision.invalid], [[2, 3], [1]]);
});

test('alone: a proven node is accepted at once, and an unlucky draw replicates it', () => {
  const story = new Story(adaptive);
  assert.deepEqual(story.tell(leased(1, { ...proven, random: 0.89 })), []);
  assert.deepEqual(story.tell(committed(1, 7)), [{ kind: 'reveal', fences: [1] }]);
  assert.ok(accepted(story.tell(revealed(1, 7))).isUnreplicated);
  assert.deepEqual(kinds(new Story(adaptive).tell(leased(1, { ...proven, random: 0.9 }))), ['replicate']);
  assert.deepEqual(kinds(new Story(adaptive).tell(leased(1, { consecutiveValid: 9 }))), ['replicate']);
});

test('trust: alone is not enough below the credibility that the job asks for', () => {
  const story = new Story(policyOf({ trust: 0.999 }));
  assert.deepEqual(kinds(story.result(1, 7, proven)), ['replicate']);
  assert.ok(!accepted(story.result(2, 7, proven)).isUnreplicated);
});

test('backtracking: a task that ran alone is verified again and confirmed, or corrected', () => {
  const confirmed = new Story(adaptive);
  confirmed.result(1, 7, proven);
  assert.deepEqual(kinds(confirmed.tell({ kind: 'reopened' })), ['replicate']);
  assert.equal(confirmed.state.accepted?.fence, 1, 'the result stays until another is proven');
  const same = accepted(confirmed.result(2, 7));
  assert.deepEqual(
    [same.fence, same.valid, same.confirmedAgain, same.isCorrection, same.isUnreplicated],
    [1, [2], [1], false, false],
  );

  const corrected = new Story(adaptive);
  corrected.result(1, 9);
  corrected.tell({ kind: 'failed', fence: 99 } as VerificationEvent, ...[]) as unknown;
});

test('inconclusive: the trusted node decides who was right', () => {
  const story = new Story(policyOf({ mode: 'replicate', maxReplicas: 3 }));
  pair(story, 1, 2);
  const decisions = story.result(3, 3);
  assert.deepEqual(kinds(decisions), ['mismatch', 'adjudicate']);
  assert.equal(story.state.phase, 'adjudicating');
  const decision = accepted(story.tell({ kind: 'adjudicated', fence: 9, digest: digestOf(3) }));
  assert.deepEqual([decision.fence, decision.valid, decision.invalid], [9, [3], [1, 2]]);
  const without = new Story(policyOf({ mode: 'replicate', maxReplicas: 2 }));
  pair(without, 1, 2);
  assert.deepEqual(without.tell({ kind: 'adjudication-impossible' }), [{ kind: 'give-up', reason: 'inconclusive' }]);
});
