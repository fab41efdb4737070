import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FogError } from '@fog/contract';
import { endorsementOf } from '../../src/directory/documents.ts';
import {
  type Authority,
  type Consensus,
  ConsensusFollower,
  type ConsensusFollowerOptions,
  documentDigest,
  epochStart,
  networkIdOf,
  signDocument,
  verifyProof,
} from '../../src/index.ts';
import { signerOf, smallGenesis, smallRelays } from '../directory/members.ts';
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
  /** Who signs what an authority says of its clock; by default itself. */
  signedBy?: (name: string) => string;
}

function follow(
  { answers, clocks = [0, 0, 0], signedBy = (name) => name }: Fake,
  given: Partial<ConsensusFollowerOptions> = {},
) {
  const told: {
    changed: (readonly Consensus[])[];
    missing: string[];
    skewed: FogError[];
    asked: number;
    warned: string[];
  } = {
    changed: [],
    missing: [],
    skewed: [],
    asked: 0,
    warned: [],
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
      clocks: async (nonce) =>
        clocks.map((ahead, index) => {
          const authority = genesis.authorities[index] as Authority;
          const network = networkIdOf(genesis);
          const clock = { kind: 'clock', network, authority: authority.id, nonce, milliseconds: NOW + ahead };
          return { authority, value: signDocument(clock, signerOf(signedBy(authority.id))), atMilliseconds: now() };
        }),
    },
    now,
    changed: (consensuses) => told.changed.push(consensuses),
    missing: (reason) => told.missing.push(reason),
    skewed: (error) => told.skewed.push(error),
    warned: (message) => told.warned.push(message),
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
    assert.match(told.warned.join(), /some authorities disagree/);
  }
});

test('times that the authorities did not sign are told of once, and stop nobody', async () => {
  const forged: Fake = {
    answers: () => [round.consensus],
    clocks: [900_000, 900_000, 900_000],
    signedBy: () => 'mallory',
  };
  const { follower, told } = follow(forged);
  using _ = follower;
  await follower.ready(AbortSignal.timeout(5000));
  await sleep(400);
  assert.ok(told.asked >= 2);
  assert.deepEqual(told.skewed, []);
  assert.deepEqual(told.warned.length, 1);
  assert.match(told.warned[0] ?? '', /not signed/);
});

/** Endorsed by two, as if one of them had been shown to other people. */
function otherConsensus(like: Consensus['body'], names: readonly string[]): Consensus {
  const body = { ...like, authorities: { counted: ['alice', 'bob'], equivocated: [], absent: ['carol'] } };
  const signatures = names.map((authority) => {
    const endorsement = endorsementOf(body, documentDigest(body), { authority, signedMilliseconds: NOW - 1000 });
    const { signature } = signDocument(endorsement, signerOf(authority));
    return { authority, signedMilliseconds: NOW - 1000, signature };
  });
  return { body, signatures };
}

test('of two valid consensuses neither is taken, and who endorsed both is told and counted', async () => {
  const first = { ...round.consensus, signatures: round.consensus.signatures.slice(0, 2) };
  const second = otherConsensus(round.consensus.body, ['bob', 'carol']);
  const { follower, told } = follow({ answers: (epoch) => (epoch === 0 ? [first, second, undefined] : []) });
  using _ = follower;
  await sleep(300);
  assert.deepEqual(told.changed, []);
  assert.equal(follower.present, null);
  assert.match(follower.refusal ?? '', /2 consensuses of epoch 0, and bob signed both/);
  assert.deepEqual([...follower.doubleEndorsements], [['bob', 1]]);
  assert.equal(told.warned.length, 1);
});

test('a second valid consensus that shows when its epoch begins takes the first away; the last epoch stays', async () => {
  let now = epochStart(genesis, 1) - 200;
  const next = runRound(genesis, smallRelays(), {
    epoch: 1,
    states: round.states,
    isCheap: false,
    given: { verifyProof },
  });
  const shown: unknown[] = [next.consensus];
  const { follower } = follow(
    { answers: (epoch) => (epoch === 0 ? [round.consensus] : epoch === 1 ? shown : []) },
    { now: () => now },
  );
  using _ = follower;
  await follower.ready(AbortSignal.timeout(5000));
  assert.deepEqual(
    follower.consensuses.map(({ body: { epoch } }) => epoch),
    [0, 1],
  );
  shown.push(otherConsensus(next.consensus.body, ['alice', 'carol']));
  now += 300;
  for (let waited = 0; follower.refusal === null && waited < 60; waited += 1) await sleep(50);
  assert.match(follower.refusal ?? '', /epoch 1/);
  assert.equal(follower.present, null);
  assert.deepEqual(
    follower.consensuses.map(({ body: { epoch } }) => epoch),
    [0],
  );
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
