/** Who is drawn to run a disputed task again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ArbiterCandidate, drawArbiters, STAKING_LIMITS } from '../../src/staking/index.ts';

const FOG = 1_000_000n;
const TASK = { job: 'j1', partition: 3 };
const NOBODY = { owners: [], prefixes: [] };

function candidate(owner: string, stake = 10n * FOG, prefix = `net-${owner}`): ArbiterCandidate {
  return { owner, prefix, stake };
}

const several = fc.uniqueArray(
  fc.record({
    owner: fc.stringMatching(/^[a-h]$/),
    prefix: fc.stringMatching(/^[p-t]$/),
    stake: fc.bigInt(0n, 100n * FOG),
  }),
  { maxLength: 8, selector: ({ owner }) => owner },
);

test('those who are drawn are of different owners and networks, no party, and bonded; the order of asking changes nothing', () => {
  const parties = { owners: ['a'], prefixes: ['p'] };
  fc.assert(
    fc.property(several, fc.string(), fc.integer({ min: 1, max: 4 }), (candidates, seed, count) => {
      let drawn: string[] = [];
      try {
        drawn = drawArbiters(TASK, { seed, candidates, parties }, count);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'unavailable');
        const able = candidates.filter(
          ({ owner, prefix, stake }) => owner !== 'a' && prefix !== 'p' && stake >= STAKING_LIMITS.leastArbiterMicroFog,
        );
        assert.ok(new Set(able.map(({ prefix }) => prefix)).size < count, 'there were too few indeed');
        return;
      }
      const chosen = drawn.map((name) => candidates.find(({ owner }) => owner === name) as ArbiterCandidate);
      assert.equal(new Set(drawn).size, count);
      assert.equal(new Set(chosen.map(({ prefix }) => prefix)).size, count);
      for (const { owner, prefix, stake } of chosen) {
        assert.ok(owner !== 'a' && prefix !== 'p' && stake >= STAKING_LIMITS.leastArbiterMicroFog);
      }
      assert.deepEqual(drawArbiters(TASK, { seed, candidates: candidates.toReversed(), parties }, count), drawn);
    }),
  );
});

test('many names with little at stake are not drawn for all places: the draw is by stake', () => {
  const honest = ['ada', 'bob', 'cyd'].map((owner) => candidate(owner, 1000n * FOG));
  const swarm = Array.from({ length: 300 }, (_, index) => candidate(`mallory-${index}`, FOG));
  let taken = 0;
  for (let seed = 0; seed < 300; seed += 1) {
    const drawn = drawArbiters(TASK, { seed: `${seed}`, candidates: [...honest, ...swarm], parties: NOBODY }, 3);
    if (drawn.every((owner) => owner.startsWith('mallory'))) taken += 1;
  }
  // With 300 of 3,300 FOG that is one draw in 1,300; by heads it would be nearly all.
  assert.ok(taken <= 3, `${taken} of 300`);
});

test('another task or another seed draws others, and the same one again the same', () => {
  const candidates = Array.from({ length: 40 }, (_, index) => candidate(`owner-${index}`));
  const draw = (job: string, seed: string) =>
    drawArbiters({ job, partition: 0 }, { seed, candidates, parties: NOBODY }, 3);
  assert.deepEqual(draw('j1', 'a'), draw('j1', 'a'));
  assert.notDeepEqual(draw('j1', 'a'), draw('j1', 'b'));
  assert.notDeepEqual(draw('j1', 'a'), draw('j2', 'a'));
});

test('too many to draw from, and an amount that is none, are refused', () => {
  const many = Array.from({ length: STAKING_LIMITS.arbiterCandidates + 1 }, (_, index) => candidate(`o${index}`));
  const code = 'invalid-request';
  assert.throws(() => drawArbiters(TASK, { seed: 's', candidates: many, parties: NOBODY }, 3), { code });
  assert.throws(() => drawArbiters(TASK, { seed: 's', candidates: [candidate('ada', -1n)], parties: NOBODY }, 1), {
    code,
  });
});
