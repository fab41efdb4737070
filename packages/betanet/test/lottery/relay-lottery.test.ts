/** Statistics of the lottery are over fixed seeds: the names of the relays and the numbers of the rounds. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type Candidate,
  drawRelays,
  type LotteryParameters,
  lotteryInput,
  raceKey,
  weightOf,
} from '../../src/lottery/relay-lottery.ts';
import { NO_ECONOMY } from '../../src/lottery/standing.ts';
import { chiSquared } from '../../src/mixing/chi-squared.ts';
import { candidate, idOf, PARAMETERS, seedOfRound } from './candidates.ts';

const ROUNDS = 1500;

/** How often each of the named has a seat. `make` gives the candidates of a round. */
function seatsByName(
  names: readonly string[],
  make: (round: number) => Candidate[],
  parameters: LotteryParameters,
  rounds = ROUNDS,
): number[] {
  const seats = new Map(names.map((name) => [idOf(name), 0]));
  for (let round = 0; round < rounds; round += 1) {
    for (const { id } of drawRelays(make(round), parameters, seedOfRound(round)).seats) {
      seats.set(id, (seats.get(id) ?? 0) + 1);
    }
  }
  return names.map((name) => seats.get(idOf(name)) ?? 0);
}

describe('relay lottery: chances', () => {
  test("the first seat is a relay's with the chance of its share of the weights", () => {
    const stakes = [1n, 2n, 3n, 4n, 10n];
    const names = stakes.map((stake) => `with ${stake}`);
    const make = (round: number) => stakes.map((stake, at) => candidate(names[at] as string, round, { stake }));
    const observed = seatsByName(names, make, PARAMETERS);
    const expected = stakes.map((stake) => (ROUNDS * Number(stake)) / 20);
    // A sound draw is as bad as that once in a thousand times.
    assert.ok(chiSquared(observed, expected).probability > 0.001, `${observed} seats, expected ${expected}`);
  });

  test('reputation and performance weigh like stake', () => {
    const made = (round: number) => [
      candidate('whole', round, { stake: 2n }),
      candidate('half reputed', round, { stake: 4n, reputationPpm: 500_000 }),
      candidate('quarter performing', round, { stake: 8n, performancePpm: 250_000 }),
    ];
    const observed = seatsByName(['whole', 'half reputed', 'quarter performing'], made, PARAMETERS);
    assert.ok(chiSquared(observed, [ROUNDS / 3, ROUNDS / 3, ROUNDS / 3]).probability > 0.001, `${observed}`);
  });

  test('splitting a stake into ten changes nothing at the first seat', () => {
    const others = (round: number) => [1, 2, 3, 4].map((n) => candidate(`other ${n}`, round, { stake: 10n }));
    const parts = Array.from({ length: 10 }, (_, at) => `part ${at}`);
    const whole = seatsByName(
      ['whole'],
      (round) => [candidate('whole', round, { stake: 10n }), ...others(round)],
      PARAMETERS,
    );
    const split = seatsByName(
      parts,
      (round) => [...parts.map((name) => candidate(name, round)), ...others(round)],
      PARAMETERS,
    );
    const share = (seats: readonly number[]) => seats.reduce((sum, count) => sum + count, 0) / ROUNDS;
    // Both are a fifth; three standard deviations of 1,500 rounds are 0.031.
    assert.ok(Math.abs(share(whole) - 0.2) < 0.031, `whole ${share(whole)}`);
    assert.ok(Math.abs(share(split) - 0.2) < 0.031, `split ${share(split)}`);
  });

  test('at later seats splitting gains what drawing without putting back gives, and no more', () => {
    // One of three equal relays has one of two seats with a chance of 2/3. Its halves have 11/15 seats between them:
    // 1/3 + 1/3 x 0.5/2.5 + 2/3 x 1/2.
    const parameters = { ...PARAMETERS, seatsPerLayer: 2 };
    const make = (round: number) => [
      ...['other a', 'other b'].map((name) => candidate(name, round, { stake: 2n })),
      ...['half a', 'half b'].map((name) => candidate(name, round, { stake: 1n })),
    ];
    const seats = seatsByName(['half a', 'half b'], make, parameters);
    const share = seats.reduce((sum, count) => sum + count, 0) / ROUNDS;
    // Three standard deviations are 0.045.
    assert.ok(Math.abs(share - 11 / 15) < 0.045, `${share}`);
  });

  test('stake beyond saturation changes nothing', () => {
    const both = { ...PARAMETERS, saturationStake: 5n, seatsPerLayer: 2 };
    const draw = (stake: bigint) =>
      drawRelays([candidate('rich', 1, { stake }), candidate('other', 1, { stake: 5n })], both, seedOfRound(1));
    assert.deepEqual(draw(5_000_000n), draw(5n));
    assert.notDeepEqual(draw(4n), draw(5n));
    assert.equal(weightOf({ stake: 9n, reputationPpm: 1, performancePpm: 2 }, 5n), 10n);
  });

  test('each relay is as likely in one layer as in another', () => {
    const names = Array.from({ length: 10 }, (_, at) => `relay ${at}`);
    const three = { ...PARAMETERS, layers: 3, seatsPerLayer: 4 };
    const counts = [0, 0, 0];
    for (let round = 0; round < 900; round += 1) {
      const { seats } = drawRelays(
        names.map((name) => candidate(name, round)),
        three,
        seedOfRound(round),
      );
      const layer = seats.find(({ id }) => id === idOf('relay 0'))?.layer ?? 0;
      counts[layer - 1] = (counts[layer - 1] ?? 0) + 1;
    }
    assert.ok(chiSquared(counts, [300, 300, 300]).probability > 0.001, `${counts}`);
  });
});

describe('relay lottery: rules', () => {
  test('who has too little at stake or no weight does not take part, and is told so', () => {
    const parameters = { ...PARAMETERS, minimumStake: 10n, seatsPerLayer: 2 };
    const candidates = [
      candidate('poor', 1, { stake: 9n }),
      candidate('just', 1, { stake: 10n }),
      candidate('ill reputed', 1, { stake: 50n, reputationPpm: 0 }),
      candidate('broken', 1, { stake: 50n, performancePpm: 0 }),
    ];
    const { seats, notDrawn } = drawRelays(candidates, parameters, seedOfRound(1));
    assert.deepEqual(
      seats.map(({ id }) => id),
      [idOf('just')],
    );
    assert.deepEqual(
      new Map(notDrawn.map(({ id, reason }) => [id, reason])),
      new Map([
        [idOf('poor'), 'stake-below-minimum'],
        [idOf('ill reputed'), 'no-weight'],
        [idOf('broken'), 'no-weight'],
      ]),
    );
  });

  test('an operator has no more than its share where others can fill the seats', () => {
    const parameters = { ...PARAMETERS, layers: 2, seatsPerLayer: 4, operatorSharePpm: 250_000 };
    const big = Array.from({ length: 20 }, (_, n) => candidate(`big ${n}`, 7, { operator: 'big', stake: 1000n }));
    const small = Array.from({ length: 8 }, (_, n) => candidate(`small ${n}`, 7));
    const { seats, notDrawn } = drawRelays([...big, ...small], parameters, seedOfRound(7));
    const ofBig = seats.filter(({ id }) => big.some((relay) => relay.id === id));
    assert.equal(seats.length, 8);
    assert.deepEqual(ofBig.map(({ layer }) => layer).sort(), [1, 2], 'one of four seats in each layer');
    assert.ok(notDrawn.some(({ reason }) => reason === 'operator-share'));
    const alone = drawRelays(big, parameters, seedOfRound(7));
    assert.equal(alone.seats.length, 8, 'alone it fills them all');
  });

  test('the order of the candidates does not matter, and each has one fate', () => {
    const relay = fc.record({
      name: fc.string({ minLength: 1, maxLength: 8 }),
      operator: fc.constantFrom('a', 'b', 'c'),
      stake: fc.bigInt({ min: 0n, max: 2_000n }),
      reputationPpm: fc.integer({ min: 0, max: 1_000_000 }),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(relay, { selector: ({ name }) => name, maxLength: 30 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(1000),
        (relays, layers, seatsPerLayer, round) => {
          const parameters = { ...PARAMETERS, layers, seatsPerLayer, operatorSharePpm: 400_000 };
          const candidates = relays.map(({ name, ...given }) => candidate(name, round, given));
          const draw = drawRelays(candidates, parameters, seedOfRound(round));
          const again = drawRelays(candidates.toReversed(), parameters, seedOfRound(round));
          assert.deepEqual(draw.seats, again.seats);
          const fates = [...draw.seats, ...draw.notDrawn].map(({ id }) => id).sort();
          assert.deepEqual(fates, candidates.map(({ id }) => id).sort());
          const eligible = draw.notDrawn.filter(({ reason }) => reason === 'not-drawn' || reason === 'operator-share');
          const all = draw.seats.length + eligible.length;
          assert.equal(draw.seats.length, Math.min(all, layers * seatsPerLayer), 'no seat is left empty');
          const sizes = Array.from(
            { length: layers },
            (_, at) => draw.seats.filter(({ layer }) => layer === at + 1).length,
          );
          assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `layers of ${sizes}`);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('relays of one operator are spread over the layers, and short of relays the last layers are filled', () => {
    const three = { ...PARAMETERS, layers: 3, seatsPerLayer: 9 };
    for (let round = 0; round < 50; round += 1) {
      const relays = Array.from({ length: 14 }, (_, n) =>
        candidate(`r${n}`, round, { operator: n < 7 ? 'x' : `o${n}` }),
      );
      const { seats } = drawRelays(relays, three, seedOfRound(round));
      const ofX = [1, 2, 3].map(
        (layer) =>
          seats.filter((seat) => seat.layer === layer && relays.findIndex(({ id }) => id === seat.id) < 7).length,
      );
      assert.deepEqual(ofX.sort(), [2, 2, 3]);
    }
    const two = drawRelays([candidate('a', 1), candidate('b', 1)], three, seedOfRound(1));
    assert.deepEqual(two.seats.map(({ layer }) => layer).sort(), [2, 3]);
  });

  test('the input is of one network, epoch, seed and relay', () => {
    const given = { network: 'aa', epoch: 1, seed: 'bb', id: 'cc' };
    const inputs = [
      given,
      { ...given, network: 'ab' },
      { ...given, epoch: 2 },
      { ...given, seed: 'b', id: 'bcc' },
      { ...given, id: 'cd' },
    ];
    assert.equal(new Set(inputs.map((input) => Buffer.from(lotteryInput(input)).toString('hex'))).size, inputs.length);
  });

  test('keys of a draw never change: those who compute them must agree for ever', () => {
    const output = Uint8Array.from({ length: 64 }, (_, at) => at);
    assert.equal(
      raceKey(output, 1_000_000_000_000n).toString(16),
      '260e4e8a1b63dc0d8651fb3e91cb4ac7a65b747bcce4b05a367046f',
    );
  });

  test('without an economy all relays stand alike', () => {
    assert.deepEqual(NO_ECONOMY.standingOf({ id: 'a', operator: 'b', relays: 1 }), {
      stake: 1n,
      reputationPpm: 1_000_000,
    });
  });
});
