/**
 * What a scenario says, as steps. Fields tell what they can; the rest stands in its name and in the clauses of `then`,
 * of which each form that is known has a pattern here. What fits none is a failure.
 */
import assert from 'node:assert/strict';
import type { Choice, Tally, Vote } from '@fog/economy/governance';
import { z } from 'zod';
import {
  assertError,
  CHOICE_OF_SUPPORT,
  type Fixture,
  GovernorWorld,
  quorumOfPercent,
  stateName,
  type WorldOptions,
} from './governor-world.ts';

const amount = z.int().nonnegative();
const tallySchema = z.strictObject({ for: amount, against: amount, abstain: amount });
const support = z.union([z.string(), z.int()]);
export const scenarioSchema = z.strictObject({
  name: z.string(),
  votes: z.array(z.tuple([z.string(), support])).optional(),
  ballots: z.array(tallySchema.partial()).optional(),
  tally: tallySchema.partial().optional(),
  used: amount.optional(),
  result: z.string().optional(),
  error: z.string().optional(),
  // biome-ignore lint/suspicious/noThenProperty: it is called so in the files, and is text
  then: z.string().optional(),
  rule: z.string().optional(),
  quorum_pct: z.number().min(0).max(100).optional(),
  quorum: amount.optional(),
  threshold: amount.optional(),
  proposer: z.string().optional(),
  voter: z.string().optional(),
  weight: amount.optional(),
  delay: amount.optional(),
  period: amount.optional(),
  extension: amount.optional(),
});
export type Scenario = z.output<typeof scenarioSchema>;

/** Runs a scenario and throws where it does not come out as told. */
export function runScenario(scenario: Scenario, given: Fixture): void {
  const fixture = fixtureFor(scenario, given);
  const world = new GovernorWorld(fixture, optionsOf(scenario));
  const run = stepsOf(scenario, fixture);
  if (scenario.error === undefined) {
    run(world);
    return;
  }
  let error: unknown = null;
  try {
    run(world);
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error !== null, `nothing is refused, and ${scenario.error} is expected`);
  if (error instanceof assert.AssertionError) throw error;
  assertError(error, scenario.error);
}

/** The fixture, with the weights and times that the scenario tells itself. */
function fixtureFor(scenario: Scenario, fixture: Fixture): Fixture {
  const { name, proposer, delay = fixture.delay, period = fixture.period } = scenario;
  const weights = new Map(fixture.weights);
  const withVotes = /\bwith (\d+) votes?\b/.exec(name)?.[1];
  if (proposer !== undefined && withVotes !== undefined) weights.set(proposer, BigInt(withVotes));
  for (const [, voter = '', , weight] of voteClauses(scenario)) {
    if (weight !== undefined) weights.set(voter, BigInt(weight));
  }
  const fractional = fractionalVoter(scenario, fixture);
  if (fractional !== null) weights.set(fractional.voter, fractional.weight);
  return { ...fixture, weights, delay, period };
}

function optionsOf({ name, quorum_pct: percent, quorum, extension, threshold }: Scenario): WorldOptions {
  const [, namedQuorum, isPercent] = /\bquorum (?:fraction )?(\d+(?:\.\d+)?)(%)?/.exec(name) ?? [];
  const namedExtension = /\bextension (\d+)/.exec(name)?.[1];
  const options: WorldOptions = { threshold: BigInt(threshold ?? 0) };
  if (percent !== undefined) options.quorum = quorumOfPercent(percent);
  else if (quorum !== undefined) options.quorum = { votesMicroFog: BigInt(quorum) };
  else if (isPercent !== undefined) options.quorum = quorumOfPercent(Number(namedQuorum));
  else if (namedQuorum !== undefined) options.quorum = { votesMicroFog: BigInt(namedQuorum) };
  const ticks = extension ?? (namedExtension === undefined ? undefined : Number(namedExtension));
  if (ticks !== undefined) options.extension = ticks;
  return options;
}

type Steps = (world: GovernorWorld) => void;

const FRACTIONAL_THEN =
  /^fractional (\d+), ?(\d+), ?(\d+),? then (?:a )?(?:nominal )?(?:vote )?(for|against|abstain)\b/i;
const FRACTIONAL_OVER = /^fractional .*\b(?:over|exceeds?|beyond|above)\b.*\bweight\b/i;

/** Scenarios that their names alone tell. */
const NAMED: readonly [pattern: RegExp, steps: (world: GovernorWorld, match: RegExpExecArray) => void][] = [
  [/^(?:no votes?|nobody votes)\b/i, (world) => world.toOpening()],
  [/^vot(?:e|ing) before (?:the )?(?:start|snapshot|opening)\b/i, (world) => world.vote(world.anyVoter(), 'for')],
  [
    /^vot(?:e|ing) after (?:the )?(?:end|deadline)\b/i,
    (world) => {
      world.toOpening();
      world.tick = world.deadline + 1;
      world.vote(world.anyVoter(), 'for');
    },
  ],
  [
    /^(?:vot(?:e|ing) twice|double vote|second vote)\b/i,
    (world) => {
      world.toOpening();
      world.vote(world.anyVoter(), 'for');
      world.vote(world.anyVoter(), 'against');
    },
  ],
  [
    /^(?:vote with )?support (\d+)\b/i,
    (world, match) => {
      world.toOpening();
      world.vote(world.anyVoter(), choiceOf(Number(match[1])));
    },
  ],
  [
    /^execute twice\b/i,
    (world) => {
      world.toOpening();
      world.vote(world.anyVoter(), 'for');
      reach(world, 'Executed');
      world.execute();
    },
  ],
  [
    /^execute before (?:the )?(?:end|deadline)\b/i,
    (world) => {
      world.toOpening();
      world.execute();
    },
  ],
];

function stepsOf(scenario: Scenario, fixture: Fixture): Steps {
  const { name, votes, proposer } = scenario;
  return (world) => {
    world.propose(proposer);
    const fractional = fractionalVotes(scenario, fixture);
    const isLate = /^late quorum\b/i.test(name);
    assert.ok(isLate || scenario.then === undefined, `unknown clauses "${scenario.then}"`);
    assert.ok(!isLate || votes === undefined, 'a late quorum tells its votes in clauses');
    assert.ok(fractional !== null || scenario.used === undefined, 'nobody votes in fractions');
    assert.ok(fractional === null || votes === undefined, 'votes and fractional ballots in one scenario');
    if (isLate) {
      runLateQuorum(world, scenario);
    } else if (fractional !== null) {
      world.toOpening();
      for (const vote of fractional.votes) world.vote(fractional.voter, vote);
      if (scenario.used !== undefined) assert.equal(world.usedBy(fractional.voter), BigInt(scenario.used), 'used');
    } else if (votes !== undefined) {
      world.toOpening();
      for (const [voter, choice] of votes) world.vote(voter, choiceOf(choice));
    } else if (scenario.threshold === undefined) {
      const named = NAMED.map(([pattern, steps]) => ({ match: pattern.exec(name), steps })).find(({ match }) => match);
      assert.ok(named?.match != null, `unknown scenario "${name}"`);
      named.steps(world, named.match);
    }
    finish(world, scenario);
  };
}

function finish(world: GovernorWorld, { tally, result, error, votes, threshold }: Scenario): void {
  if (tally !== undefined) assert.deepEqual(world.proposal.tally, tallyOf(tally), 'the tally');
  if (result !== undefined) reach(world, result);
  const isChecked = tally !== undefined || result !== undefined || error !== undefined;
  assert.ok(isChecked || votes === undefined, 'nothing is told of what comes of it');
  assert.ok(isChecked || threshold === undefined, 'nothing is told of what comes of it');
}

/** Goes on until the proposal should be in a state, and checks that it is. */
function reach(world: GovernorWorld, result: string): void {
  const isAfter = ['Executed', 'Defeated', 'Succeeded'].includes(result);
  assert.ok(isAfter || ['Active', 'Pending', 'Canceled'].includes(result), `unknown result "${result}"`);
  if (isAfter) {
    world.toOpening();
    world.tick = world.deadline + 1;
    world.advance();
  }
  if (result === 'Executed') world.execute();
  if (result === 'Canceled') world.stop();
  assert.equal(stateName(world.proposal), result, 'the state of the proposal');
  if (result === 'Defeated') assert.throws(() => world.execute(), 'a defeated proposal can be executed');
}

const VOTE_CLAUSE =
  /^(\w+)(?: then)? votes (for|against|abstain)(?: (\d+))?(?: at (?:the )?deadline(?:\s*-\s*(\d+))?)?$/i;

/** Clauses of a late quorum: those of its name first, then those of what follows. */
function clausesOf({ name, then = '' }: Scenario): string[] {
  const [, ...named] = name.split(';');
  return [...named, ...then.split(';')].map((clause) => clause.trim()).filter((clause) => clause !== '');
}

function voteClauses(scenario: Scenario): string[][] {
  if (!/^late quorum\b/i.test(scenario.name)) return [];
  return clausesOf(scenario).flatMap((clause) => {
    const match = VOTE_CLAUSE.exec(clause);
    return match === null ? [] : [[...match]];
  });
}

function runLateQuorum(world: GovernorWorld, scenario: Scenario): void {
  world.toOpening();
  const first = world.deadline;
  let votedAt = world.tick;
  for (const clause of clausesOf(scenario).flatMap((part) => part.split(/, (?=state|deadline|at end)/))) {
    const vote = VOTE_CLAUSE.exec(clause);
    const becomes = /^deadline (?:becomes|is) vote_time\s*\+\s*(\d+)$/i.exec(clause);
    const state = /^state (?:stays|is|becomes) (\w+)$/i.exec(clause);
    const end = /^at (?:the )?end,? (?:it is |state is )?(\w+)$/i.exec(clause);
    if (vote !== null) {
      const [, voter = '', choice = '', weight, before] = vote;
      if (/\bat (?:the )?deadline/.test(clause)) world.tick = world.deadline - Number(before ?? 0);
      if (weight !== undefined) assert.equal(world.weightOf(voter), BigInt(weight), `the weight of ${voter}`);
      world.vote(voter, choiceOf(choice));
      votedAt = world.tick;
    } else if (becomes !== null) {
      assert.equal(world.deadline, votedAt + Number(becomes[1]), 'the deadline');
    } else if (/^deadline (?:stays|is unchanged|unchanged)$/i.test(clause)) {
      assert.equal(world.deadline, first, 'the deadline');
    } else if (state !== null) {
      world.advance();
      assert.equal(stateName(world.proposal), state[1], 'the state');
      // The old deadline is over, the new one not.
      if (world.deadline > world.tick) world.tick += 1;
    } else if (end !== null) {
      reach(world, end[1] ?? '');
    } else {
      assert.fail(`unknown clause "${clause}"`);
    }
  }
}

/** Who votes in fractions, with which weight; null where nobody does. */
function fractionalVoter(scenario: Scenario, { weights }: Fixture): { voter: string; weight: bigint } | null {
  const { name, ballots, rule = '' } = scenario;
  if (ballots === undefined && !FRACTIONAL_THEN.test(name) && !FRACTIONAL_OVER.test(name)) return null;
  const [, namedVoter, namedWeight] = /\bby (\w+)(?:.*\bweight (\d+))?/.exec(name) ?? [];
  const ruled = /\((\d+)\s*-\s*\d+\s*=\s*\d+\)/.exec(rule)?.[1];
  // OpenZeppelin lets its second voter do it.
  const voter = scenario.voter ?? namedVoter ?? [...weights.keys()][1] ?? '';
  const told = scenario.weight ?? namedWeight ?? ruled;
  const weight = told === undefined ? weights.get(voter) : BigInt(told);
  assert.ok(weight !== undefined, `nothing is told of the voter "${voter}"`);
  return { voter, weight };
}

function fractionalVotes(scenario: Scenario, fixture: Fixture): { voter: string; votes: Vote[] } | null {
  const who = fractionalVoter(scenario, fixture);
  if (who === null) return null;
  const { voter, weight } = who;
  const { name, ballots } = scenario;
  if (ballots !== undefined) return { voter, votes: ballots.map(tallyOf) };
  const then = FRACTIONAL_THEN.exec(name);
  if (then === null) return { voter, votes: [{ for: weight + 1n, against: 0n, abstain: 0n }] };
  // In the order in which OpenZeppelin packs them.
  const [, against = 0, yes = 0, abstain = 0, choice = ''] = then;
  return { voter, votes: [{ against: BigInt(against), for: BigInt(yes), abstain: BigInt(abstain) }, choiceOf(choice)] };
}

function tallyOf({ for: yes = 0, against = 0, abstain = 0 }: NonNullable<Scenario['tally']>): Tally {
  return { for: BigInt(yes), against: BigInt(against), abstain: BigInt(abstain) };
}

/** A choice by its name or by its number; what is neither is handed on, and has to be refused. */
function choiceOf(support: string | number): Choice {
  return typeof support === 'number'
    ? (CHOICE_OF_SUPPORT[support] ?? (String(support) as Choice))
    : (support.toLowerCase() as Choice);
}
