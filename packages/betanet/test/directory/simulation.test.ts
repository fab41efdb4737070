/**
 * Authorities in simulated networks, some hundred rounds from seeds that are shown. The invariants:
 *
 *     agreement   what honest authorities publish for an epoch has one digest
 *     progress    with one of three down or lying, and messages that arrive within a step, the others publish each epoch
 *     soundness   what is published passes the checks of a client
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { epochStart, verifyConsensus } from '../../src/index.ts';
import { LIARS } from './liars.ts';
import { authorityOf, smallGenesis, smallRelays, verifyCheapProof } from './members.ts';
import { type Outcome, SimulatedNetwork, type SimulationOptions } from './simulated-network.ts';

const SEEDS = Number(process.env.FOG_DIRECTORY_SEEDS ?? 2);
const ROUNDS = 3;
const RELAYS = smallRelays();
const GENESIS = smallGenesis();
const HONEST = ['alice', 'bob'];

/** Runs the seeds; each failure names its own. */
function forSeeds(options: Partial<SimulationOptions>, check: (outcome: Outcome, network: SimulatedNetwork) => void) {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const network = new SimulatedNetwork({ genesis: GENESIS, relays: RELAYS, rounds: ROUNDS, ...options, seed });
    const outcome = network.run();
    try {
      assertAgreement(outcome, options.liar?.name);
      assertSound(outcome, options);
      check(outcome, network);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
}

function assertAgreement({ published, adopted }: Outcome, liar?: string): void {
  const honest = [...published, ...adopted].filter(({ authority }) => authority !== liar);
  for (const [epoch, ofEpoch] of Map.groupBy(honest, (entry) => entry.epoch)) {
    const digests = new Set(ofEpoch.map(({ digest }) => digest));
    assert.equal(digests.size, 1, `epoch ${epoch} has ${digests.size} consensuses`);
  }
}

function assertSound({ published }: Outcome, options: Partial<SimulationOptions>): void {
  const { genesis = GENESIS, loss = 0, liar } = options;
  const isLossy = loss > 0;
  for (const { consensus, epoch, authority } of published) {
    if (authority === liar?.name) continue;
    const now = epochStart(genesis, epoch);
    const verdict = verifyConsensus(consensus, { genesis, now, verifyProof: verifyCheapProof });
    // Where all proofs of a layer's relays were lost, a consensus says so, and no client uses it.
    const isSound = verdict.valid || (isLossy && verdict.reason === 'empty-layer');
    assert.ok(isSound, JSON.stringify(verdict));
  }
}

function assertProgress({ published, adopted }: Outcome, honest: readonly string[], rounds = ROUNDS): void {
  for (let epoch = 0; epoch < rounds; epoch += 1) {
    for (const authority of honest) {
      const has = [...published, ...adopted].some((entry) => entry.epoch === epoch && entry.authority === authority);
      assert.ok(has, `${authority} has no consensus for epoch ${epoch}`);
    }
  }
}

describe('authorities on a network', () => {
  test('all up: every epoch has a consensus with all relays, and nobody is blamed', () => {
    forSeeds({ duplicates: 0.3, mostDelayMilliseconds: 200, mostSkewMilliseconds: 100 }, (outcome) => {
      assertProgress(outcome, ['alice', 'bob', 'carol']);
      assert.deepEqual(outcome.evidence, []);
      for (const {
        consensus: { body },
      } of outcome.published) {
        assert.deepEqual(body.authorities, { counted: ['alice', 'bob', 'carol'], equivocated: [], absent: [] });
        assert.deepEqual(body.randomness.withheld, []);
        assert.equal(body.nodes.length + body.standby.length, RELAYS.length);
        assert.deepEqual(body.excluded, []);
      }
      const seeds = new Set(outcome.published.map(({ consensus }) => consensus.body.randomness.seed));
      assert.equal(seeds.size, ROUNDS, 'each epoch has a seed of its own');
    });
  });

  test('one of three down: the others go on, and say that it is absent', () => {
    forSeeds({ down: ['carol'], mostDelayMilliseconds: 200, mostSkewMilliseconds: 100 }, (outcome) => {
      assertProgress(outcome, HONEST);
      for (const { consensus } of outcome.published) {
        assert.deepEqual(consensus.body.authorities.absent, ['carol']);
      }
    });
  });

  test('messages lost, doubled, late; authorities that crash and come back: never two consensuses', () => {
    let published = 0;
    for (const loss of [0.1, 0.4]) {
      const bad = { loss, duplicates: 0.2, crashes: 0.04, mostDelayMilliseconds: 900, mostSkewMilliseconds: 400 };
      forSeeds(bad, (outcome) => {
        published += outcome.published.length;
      });
    }
    assert.ok(published > SEEDS, `only ${published} consensuses: the test would show nothing`);
  });

  test('five authorities with a threshold of three bear two that are down', () => {
    const five = smallGenesis({ authorities: ['alice', 'bob', 'carol', 'dave', 'eve'].map(authorityOf), threshold: 3 });
    forSeeds({ genesis: five, rounds: 2, down: ['carol', 'eve'] }, (outcome) => {
      assertProgress(outcome, ['alice', 'bob', 'dave'], 2);
    });
  });
});

describe('a lying authority', () => {
  const network = { mostDelayMilliseconds: 150, mostSkewMilliseconds: 60 };

  test('two votes, one for each of the others: it is caught, named and left out', () => {
    forSeeds({ ...network, liar: LIARS.twoVotes }, (outcome) => {
      assertProgress(outcome, HONEST);
      for (const { consensus, authority } of outcome.published) {
        if (authority === 'carol') continue;
        assert.deepEqual(consensus.body.authorities.equivocated, ['carol']);
        assert.deepEqual(consensus.body.authorities.counted, HONEST);
      }
      for (const by of HONEST)
        assert.ok(
          outcome.evidence.some((found) => found.by === by),
          `${by} has evidence`,
        );
    });
  });

  test('a reveal that is withheld is told in the consensus, by name', () => {
    forSeeds({ ...network, liar: LIARS.withholder }, (outcome) => {
      assertProgress(outcome, HONEST);
      for (const { consensus, authority } of outcome.published) {
        if (authority !== 'carol') assert.deepEqual(consensus.body.randomness.withheld, ['carol']);
      }
    });
  });

  test('all of it, at random, to each something else, at the last moment: agreement and progress hold', () => {
    forSeeds({ ...network, liar: LIARS.anything }, (outcome) => assertProgress(outcome, HONEST));
    forSeeds({ ...network, liar: LIARS.lastMoment }, (outcome) => assertProgress(outcome, HONEST));
  });
});
