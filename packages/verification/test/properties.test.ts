/**
 * Invariants of the verification of a task, whatever the nodes do and in whichever order it is told. Each run is a
 * random game between the coordinator and honest and lying nodes; fast-check shows seed and game of a failure.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VerificationPolicy } from '@fog/contract';
import fc from 'fast-check';
import { groupCredibilities } from '../src/credibility.ts';
import { mayRun, VERIFICATION_LIMITS, type VerificationEvent, verifyTask } from '../src/index.ts';
import { resultsOf, runningOf } from '../src/task-outcome.ts';
import { policyOf, Story } from './story.ts';

const RIGHT = 1;

const policies: fc.Arbitrary<VerificationPolicy> = fc
  .record({
    mode: fc.constantFrom('none', 'replicate', 'adaptive'),
    quorum: fc.integer({ min: 2, max: 4 }),
    maxReplicas: fc.integer({ min: 4, max: 7 }),
    trust: fc.constantFrom(undefined, 0.9, 0.999),
    compare: fc.constantFrom('exact', { tolerance: { absolute: 1 } }),
  })
  .map(policyOf);

type Move =
  | { kind: 'lease'; owner: number; prefix: number; consecutiveValid: number; random: number }
  | { kind: 'commit' | 'reveal' | 'fail' | 'copy' | 'change'; which: number; value: number }
  | { kind: 'deadline'; of: 'commit' | 'reveal' }
  | { kind: 'compare'; agree: boolean }
  | { kind: 'adjudicate'; value: number }
  | { kind: 'unplaceable' | 'impossible' | 'reopen' };

const value = fc.integer({ min: 1, max: 3 });
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('lease' as const),
      owner: fc.integer({ min: 0, max: 9 }),
      prefix: fc.integer({ min: 0, max: 9 }),
      consecutiveValid: fc.constantFrom(0, 0, 12, 300),
      random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom('commit', 'reveal'), which: fc.nat(), value }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('fail', 'copy', 'change'), which: fc.nat(), value }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deadline'), of: fc.constantFrom('commit', 'reveal') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('compare'), agree: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('adjudicate'), value }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('unplaceable', 'impossible', 'reopen') }) },
) as fc.Arbitrary<Move>;

/** Plays moves that fit and those that do not; what a node commits to is remembered by its fence. */
class Game extends Story {
  readonly committedTo = new Map<number, number>();
  /** Replicas that were asked for, less those that no node could be found for. */
  placed = 0;
  /** Times that the task was looked at: the first, and each time it was reopened. */
  looks = 1;
  leases = 0;
  lastEvent: VerificationEvent | null = null;

  override tryTell(event: VerificationEvent) {
    const { requested } = this.state;
    const told = super.tryTell(event);
    this.lastEvent = event;
    if (told !== null && event.kind === 'leased') this.leases += 1;
    if (told !== null && event.kind === 'reopened') this.looks += 1;
    if (told !== null && event.kind === 'unplaceable') this.placed -= requested;
    return told;
  }

  play(made: Move): void {
    const told = this.#play(made);
    for (const action of told?.actions ?? []) if (action.kind === 'place-replicas') this.placed += action.count;
  }

  #play(made: Move) {
    const { state } = this;
    const replica = 'which' in made ? state.replicas[made.which % Math.max(1, state.replicas.length)] : undefined;
    const fence = replica?.fence ?? 99;
    switch (made.kind) {
      case 'lease': {
        const [owner, prefix] = [`o${made.owner}`, `p${made.prefix}`];
        const { random, consecutiveValid } = made;
        return this.tryTell(this.lease(state.lastFence + 1, { owner, prefix, random, trust: { consecutiveValid } }));
      }
      case 'commit':
        if (replica?.commitment === null) this.committedTo.set(fence, made.value);
        return this.tryTell({ kind: 'committed', fence, commitment: this.commitment(fence, made.value) });
      case 'change':
        if (replica?.commitment === null) return null;
        return this.tryTell({ kind: 'committed', fence, commitment: this.commitment(fence, made.value) });
      case 'copy': {
        const commitment = state.replicas.find((other) => other.commitment !== null)?.commitment;
        if (replica?.commitment !== null || commitment === undefined || commitment === null) return null;
        return this.tryTell({ kind: 'committed', fence, commitment });
      }
      case 'reveal': {
        const digest = this.digest(this.committedTo.get(fence) ?? made.value);
        return this.tryTell({ kind: 'revealed', fence, digest, nonce: this.nonce(fence) });
      }
      case 'fail':
        return this.tryTell({ kind: 'failed', fence });
      case 'deadline':
        return this.tryTell({ ...made, round: made.of === 'commit' ? state.round : state.round - 1 });
      case 'compare': {
        const asked = state.comparisons.find(({ agree }) => agree === null);
        return asked === undefined ? null : this.tryTell({ ...asked, kind: 'compared', agree: made.agree });
      }
      case 'adjudicate':
        return this.tryTell({ kind: 'adjudicated', fence: state.lastFence + 1, digest: this.digest(made.value) });
      case 'impossible':
        return this.tryTell({ kind: 'adjudication-impossible' });
      case 'reopen':
        return this.tryTell({ kind: 'reopened' });
      case 'unplaceable':
        return this.tryTell({ kind: 'unplaceable' });
    }
  }
}

/** `check` sees the game after each move. */
function playAll(check: (game: Game, policy: VerificationPolicy) => void): void {
  fc.assert(
    fc.property(policies, fc.array(move, { minLength: 20, maxLength: 120 }), (policy, moves) => {
      const game = new Game(policy);
      for (const made of moves) {
        game.play(made);
        check(game, policy);
      }
    }),
    { numRuns: 400 },
  );
}

test('separate: never two replicas of a task at one owner or in one network', () => {
  playAll(({ state }) => {
    assert.equal(new Set(state.replicas.map(({ owner }) => owner)).size, state.replicas.length);
    assert.equal(new Set(state.replicas.map(({ prefix }) => prefix)).size, state.replicas.length);
    for (const replica of state.replicas) assert.ok(!mayRun(state, { owner: replica.owner, prefix: 'elsewhere' }));
  });
});

test('earned: accepted implies one alone, a quorum with the credibility asked for, or a trusted node', () => {
  playAll((game, policy) => {
    const { accepted, replicas, phase, single } = game.state;
    if (phase !== 'accepted' || accepted === null || accepted.by === 'trusted') return;
    const exact = policy.compare === 'exact';
    const group = resultsOf(game.state).filter(({ digest }) => !exact || digest === accepted.digest);
    if (accepted.by === 'alone') {
      // One that was doubted, and about which nothing could be found out, stays what it was.
      if (game.looks > 1) return;
      assert.ok(single === true || policy.mode === 'none');
      assert.equal(replicas.length, 1);
    } else if (single === false) assert.ok(group.length >= policy.quorum);
    if (policy.trust === undefined || policy.mode === 'none' || !exact) return;
    const others = resultsOf(game.state).filter(({ digest }) => digest !== accepted.digest);
    const credibilities = [group, ...others.map((other) => [other])].map((members) =>
      members.map(({ credibility }) => credibility),
    );
    // A result under suspicion had no vote, and what stands against the quorum may have formed groups.
    if (others.length === 0) assert.ok((groupCredibilities(credibilities)[0] ?? 0) >= policy.trust);
  });
});

test('bound: what a node has committed to is what is revealed of it, and a copy is revealed by nobody', () => {
  playAll((game) => {
    for (const { fence, digest } of resultsOf(game.state)) {
      const value = game.committedTo.get(fence);
      assert.ok(value !== undefined, 'a replica that copied its commitment has no result');
      assert.equal(digest, game.digest(value));
    }
  });
});

test('bounded: replicas never grow without end, however often nodes fail, disagree and are doubted', () => {
  playAll(({ state, placed, looks }, { maxReplicas }) => {
    assert.ok(runningOf(state).length + state.requested <= maxReplicas);
    assert.ok(state.replicas.length <= maxReplicas + 1, 'with the one under suspicion');
    assert.ok(placed <= looks * (maxReplicas + VERIFICATION_LIMITS.failedReplicas + 1), `${placed} in ${looks} looks`);
  });
});

test('asked: the replicas that may still be leased are those asked for, less those leased or given up', () => {
  playAll(({ state, placed, leases, looks }) => {
    if (state.phase === 'collecting' && looks === 1) assert.equal(state.requested, 1 + placed - leases);
  });
  const again = new Story(policyOf({ quorum: 3 }));
  again.result(1, RIGHT, { trust: { consecutiveValid: 12 } });
  again.tell({ kind: 'reopened' });
  assert.equal(again.state.requested, 3);
});

test('total: a game that goes on ends decided when every request is served', () => {
  fc.assert(
    fc.property(policies, fc.array(value, { minLength: 60, maxLength: 60 }), (policy, values) => {
      const game = new Game(policy);
      for (let turn = 0; turn < 400; turn += 1) {
        const { phase, requested, comparisons, lastFence, replicas, round } = game.state;
        if (phase === 'accepted' || phase === 'undecided') return;
        const waiting = comparisons.some(({ agree }) => agree === null);
        const open = replicas.find((replica) => replica.digest === null && replica.round < round);
        const working = replicas.find(({ commitment }) => commitment === null);
        if (waiting) game.play({ kind: 'compare', agree: false });
        else if (phase === 'adjudicating') game.play({ kind: 'adjudicate', value: RIGHT });
        else if (requested > 0) game.leased(lastFence + 1);
        else if (open !== undefined) game.revealed(open.fence, values[open.fence % 60] ?? 1);
        else if (working !== undefined) game.committed(working.fence, values[working.fence % 60] ?? 1);
        else assert.fail(`nothing is left to do in ${JSON.stringify(game.state)}`);
      }
      assert.fail('no end');
    }),
    { numRuns: 200 },
  );
});

test('just: a node that always answers right is never found invalid by honest nodes, whatever liars answer', () => {
  const lies = fc.array(fc.integer({ min: 2, max: 1000 }), { minLength: 12, maxLength: 12 });
  const honest = fc.array(fc.boolean(), { minLength: 12, maxLength: 12 });
  fc.assert(
    fc.property(policies, lies, honest, (policy, values, isHonest) => {
      // Liars that do not collude: all their values differ.
      fc.pre(new Set(values).size === values.length);
      const game = new Game({ ...policy, compare: 'exact' });
      const answerOf = (fence: number) => (isHonest[fence] ? RIGHT : (values[fence] ?? 0));
      for (let fence = 1; fence < 12 && game.state.phase === 'collecting'; fence += 1) {
        game.leased(fence);
        if (game.state.requested > 0) continue;
        for (const replica of runningOf(game.state)) game.committed(replica.fence, answerOf(replica.fence));
        for (const replica of runningOf(game.state)) {
          const { verdicts } = game.revealed(replica.fence, answerOf(replica.fence));
          for (const { verdict, fence: judged } of verdicts) {
            if (isHonest[judged]) assert.notEqual(verdict, 'invalid', `fence ${judged}`);
          }
        }
      }
    }),
    { numRuns: 400 },
  );
});

test('order: in which replicas of a round commit and reveal decides neither the result nor the verdicts', () => {
  const given = fc.array(value, { minLength: 4, maxLength: 4 });
  const shuffled = fc.shuffledSubarray([1, 2, 3, 4], { minLength: 4 });
  const quorums = fc.integer({ min: 2, max: 4 });
  fc.assert(
    fc.property(given, shuffled, shuffled, quorums, (values, commits, reveals, quorum) => {
      const outcome = (commitOrder: readonly number[], revealOrder: readonly number[]) => {
        const story = new Story(policyOf({ mode: 'replicate', quorum, maxReplicas: 6 }));
        const inRound = (fence: number) => fence <= quorum;
        const answerOf = (fence: number) => values[fence - 1] ?? 0;
        for (let fence = 1; fence <= quorum; fence += 1) story.leased(fence);
        for (const fence of commitOrder.filter(inRound)) story.committed(fence, answerOf(fence));
        for (const fence of revealOrder.filter(inRound)) story.revealed(fence, answerOf(fence));
        const { phase, accepted, requested } = story.state;
        const verdicts = Object.entries(story.verdicts()).map(([verdict, fences]) => [verdict, fences.toSorted()]);
        return { phase, requested, digest: accepted?.digest, verdicts };
      };
      assert.deepEqual(outcome(commits, reveals), outcome([1, 2, 3, 4], [1, 2, 3, 4]));
    }),
    { numRuns: 300 },
  );
});

test('twice: a message that is repeated changes nothing', () => {
  playAll((game, policy) => {
    if (game.lastEvent === null) return;
    const step = verifyTask(game.state, game.lastEvent, policy);
    if (step === null) return;
    assert.deepEqual(step.state, game.state, JSON.stringify(game.lastEvent));
    assert.deepEqual([step.actions.map(({ kind }) => kind), step.verdicts], [['refuse'], []]);
  });
});
