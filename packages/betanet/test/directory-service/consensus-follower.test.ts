import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FogError } from '@fog/contract';
import {
  type Authority,
  type AuthorityStatus,
  type Consensus,
  ConsensusFollower,
  type ConsensusFollowerOptions,
  epochStart,
  verifyProof,
} from '../../src/index.ts';
import { smallGenesis, smallRelays } from '../directory/members.ts';
import { runRound } from '../directory/one-round.ts';

const genesis = smallGenesis();
const NOW = epochStart(genesis, 0) + 100;
const round = runRound(genesis, smallRelays(), { isCheap: false, given: { verifyProof } });
const [alice, bob, carol] = genesis.authorities as [Authority, Authority, Authority];
const answerOf = (authority: Authority, value: unknown) => ({ authority, value, atMilliseconds: NOW });

interface Fake {
  answers: (epoch: number) => unknown[];
  /** By how much each authority's clock is ahead. */
  clocks?: number[];
}

function follow({ answers, clocks = [0, 0, 0] }: Fake, given: Partial<ConsensusFollowerOptions> = {}) {
  const told: { changed: (readonly Consensus[])[]; missing: string[]; skewed: FogError[]; asked: number } = {
    changed: [],
    missing: [],
    skewed: [],
    asked: 0,
  };
  const now = given.now ?? (() => NOW);
  const follower = new ConsensusFollower({
    genesis,
    directory: {
      consensus: async (epoch) => {
        told.asked += 1;
        const [a, b, c] = answers(epoch as number);
        return [answerOf(alice, a), answerOf(bob, b), answerOf(carol, c)].filter(({ value }) => value !== undefined);
      },
      statuses: async () =>
        clocks.map((ahead, index) => ({
          authority: genesis.authorities[index] as Authority,
          value: { milliseconds: NOW + ahead } as AuthorityStatus,
          atMilliseconds: now(),
        })),
    },
    now,
    changed: (consensuses) => told.changed.push(consensuses),
    missing: (reason) => told.missing.push(reason),
    skewed: (error) => told.skewed.push(error),
    ...given,
  });
  return { follower, told };
}

test('of what authorities answer the first that holds is taken, whoever gave it', async () => {
  const forged = structuredClone(round.consensus);
  forged.body.nodes.length = 1;
  const { follower, told } = follow({ answers: (epoch) => (epoch === 0 ? [{}, forged, round.consensus] : []) });
  using _ = follower;
  await follower.ready(AbortSignal.timeout(5000));
  assert.deepEqual(follower.present, round.consensus);
  assert.deepEqual(told.changed, [[round.consensus]]);
  assert.deepEqual(told.missing, []);
});

test('a consensus of another epoch than was asked for is not taken', async () => {
  const { follower, told } = follow(
    { answers: () => [round.consensus] },
    { now: () => NOW + genesis.epochMilliseconds },
  );
  using _ = follower;
  await sleep(100);
  assert.deepEqual(told.changed, []);
  assert.match(told.missing[0] ?? '', /alice/);
});

test('that there is none is told once, with the reasons', async () => {
  const { follower, told } = follow({ answers: () => [{ kind: 'consensus' }, undefined, null] });
  using _ = follower;
  await sleep(700);
  assert.equal(told.missing.length, 1);
  assert.match(told.missing[0] ?? '', /alice: .*; carol: /);
  assert.ok(told.asked >= 4, 'it goes on asking');
  assert.equal(follower.present, null);
});

test('a clock that is wrong by the clocks of most authorities ends it', async () => {
  const { follower, told } = follow({ answers: () => [round.consensus], clocks: [120_000, 120_500, 0] });
  using _ = follower;
  await assert.rejects(() => follower.ready(AbortSignal.timeout(5000)), /this clock is 120 s behind/);
  assert.equal(told.skewed[0]?.code, 'invalid-configuration');
  const { asked } = told;
  await sleep(400);
  assert.equal(told.asked, asked, 'nothing is followed any more');
  assert.deepEqual(told.changed, []);
});

test('one authority whose clock is wrong, or that alone answers, proves nothing', async () => {
  for (const clocks of [[900_000, 0, 0], [900_000]]) {
    const { follower, told } = follow({ answers: () => [round.consensus], clocks });
    using _ = follower;
    await follower.ready(AbortSignal.timeout(5000));
    assert.deepEqual(told.skewed, []);
  }
});

test('a clock that is set while the node runs is found out before the epoch is over', async () => {
  let ahead = 0;
  const { follower, told } = follow({ answers: () => [round.consensus] }, { now: () => NOW + ahead });
  using _ = follower;
  await follower.ready(AbortSignal.timeout(5000));
  ahead = -60_000;
  for (let waited = 0; told.skewed.length === 0 && waited < 50; waited += 1) await sleep(50);
  assert.match(told.skewed[0]?.message ?? '', /this clock is 60 s behind/);
});

test('who waits stops waiting when asked to, also beforehand', async () => {
  const { follower } = follow({ answers: () => [] });
  using _ = follower;
  await assert.rejects(() => follower.ready(AbortSignal.timeout(20)), { name: 'TimeoutError' });
  await assert.rejects(() => follower.ready(AbortSignal.abort()), { name: 'AbortError' });
});
