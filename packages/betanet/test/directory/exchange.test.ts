/** What counts among authorities, and how votes become relays and a seed. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { SignedTestimony, VotedRelay } from '../../src/directory/documents.ts';
import {
  documentsToPassOn,
  type Exchange,
  evidenceIn,
  NEW_EXCHANGE,
  receiveDocument,
  receiveWitness,
  settleExchange,
} from '../../src/directory/exchange.ts';
import { agreedPrevious } from '../../src/directory/shared-randomness.ts';
import {
  type AgreedRelay,
  agreedRelays,
  belowFloor,
  commitmentTo,
  documentDigest,
  seedOf,
  signDocument,
  upperMedian,
  type Vote,
} from '../../src/index.ts';
import { relayOf, signerOf, smallGenesis } from './members.ts';

const NAMES = ['alice', 'bob', 'carol'];
const NETWORK = 'ab'.repeat(32);

function reveal(authority: string, byte: string): { document: SignedTestimony; digest: string } {
  const body = { kind: 'reveal' as const, network: NETWORK, epoch: 1, authority, value: byte.repeat(32) };
  return { document: signDocument(body, signerOf(authority)), digest: documentDigest(body) };
}

function direct(exchange: Exchange, { document, digest }: ReturnType<typeof reveal>): Exchange {
  return receiveDocument(exchange, document, digest) ?? exchange;
}

describe('exchange', () => {
  const own = reveal('alice', '01');
  const ofBob = reveal('bob', '02');
  const ofCarol = reveal('carol', '03');
  const otherOfCarol = reveal('carol', '04');

  test('what two have signed for counts; what only its sender has signed does not', () => {
    let exchange = [own, ofBob, ofCarol].reduce(direct, NEW_EXCHANGE);
    assert.deepEqual(settleExchange(exchange, NAMES, 2).counted, [], 'nobody has borne witness yet');
    exchange = receiveWitness(exchange, 'alice', [own, ofBob]) ?? exchange;
    assert.deepEqual(settleExchange(exchange, NAMES, 2), {
      counted: [ofBob.document],
      equivocated: [],
      absent: ['alice', 'carol'],
    });
    exchange = receiveWitness(exchange, 'bob', [own, ofBob]) ?? exchange;
    exchange = receiveWitness(exchange, 'carol', [ofCarol]) ?? exchange;
    const { counted, absent } = settleExchange(exchange, NAMES, 2);
    assert.deepEqual(counted, [own.document, ofBob.document]);
    assert.deepEqual(absent, ['carol'], 'its own witness does not help it');
    assert.deepEqual(settleExchange(exchange, NAMES, 3).counted, []);
  });

  test('of a sender with two documents neither counts, and they are evidence', () => {
    let exchange = [own, ofBob, ofCarol].reduce(direct, NEW_EXCHANGE);
    exchange = receiveWitness(exchange, 'alice', [own, ofBob, ofCarol]) ?? exchange;
    assert.deepEqual(evidenceIn(exchange), []);
    exchange = receiveWitness(exchange, 'bob', [own, ofBob, otherOfCarol]) ?? exchange;
    const { equivocated, counted } = settleExchange(exchange, NAMES, 2);
    assert.deepEqual(equivocated, ['carol']);
    assert.deepEqual(counted, [own.document, ofBob.document]);
    const [evidence] = evidenceIn(exchange);
    assert.deepEqual(evidence, { authority: 'carol', first: ofCarol.document, second: otherOfCarol.document });
  });

  test('one vote is enough for a network of one authority', () => {
    const exchange = direct(NEW_EXCHANGE, own);
    assert.deepEqual(settleExchange(exchange, ['alice'], 1).counted, [own.document]);
  });

  test('a sender can make it grow by two documents, and a witness is heard once', () => {
    const many = ['05', '06', '07', '08'].map((byte) => reveal('carol', byte));
    const exchange = many.reduce(direct, NEW_EXCHANGE);
    assert.equal(exchange.documents.length, 2);
    assert.equal(documentsToPassOn(exchange).length, 2);
    assert.equal(receiveDocument(exchange, many[0]?.document as SignedTestimony, many[0]?.digest as string), null);
    const heard = receiveWitness(exchange, 'bob', [ofBob]);
    assert.ok(heard !== null);
    assert.equal(receiveWitness(heard, 'bob', [ofCarol]), null);
  });
});

describe('shared randomness', () => {
  const scope = { network: NETWORK, epoch: 4 };
  const reveals = NAMES.map((authority, at) => ({ authority, value: `0${at + 1}`.repeat(32) }));

  test('the seed is that of the reveals in any order, and of each of them, the epoch and the seed before', () => {
    const seed = seedOf(scope, reveals, null);
    assert.equal(seedOf(scope, reveals.toReversed(), null), seed);
    const others = [
      seedOf(scope, reveals.slice(1), null),
      seedOf({ ...scope, epoch: 5 }, reveals, null),
      seedOf(scope, reveals, { epoch: 3, seed }),
      seedOf(scope, reveals, { epoch: 2, seed }),
      ...reveals.map((_, at) =>
        seedOf(scope, reveals.with(at, { authority: NAMES[at] ?? '', value: 'ff'.repeat(32) }), null),
      ),
    ];
    assert.equal(new Set([seed, ...others]).size, others.length + 1);
  });

  test('a commitment is of one authority in one round', () => {
    const [first] = reveals;
    const given = first as (typeof reveals)[number];
    const all = [
      commitmentTo(scope, given),
      commitmentTo(scope, { ...given, authority: 'bob' }),
      commitmentTo({ ...scope, epoch: 5 }, given),
      commitmentTo({ ...scope, network: 'cd'.repeat(32) }, given),
    ];
    assert.equal(new Set(all).size, 4);
  });

  test('the seed before is the one that most votes name', () => {
    const a = { epoch: 3, seed: 'aa'.repeat(32) };
    const b = { epoch: 2, seed: 'bb'.repeat(32) };
    assert.deepEqual(agreedPrevious([{ previous: b }, { previous: a }, { previous: b }]), b);
    assert.deepEqual(agreedPrevious([{ previous: b }, { previous: a }]), a, 'the newer of two');
    assert.deepEqual(agreedPrevious([{ previous: null }, { previous: b }]), b);
    assert.equal(agreedPrevious([{ previous: null }]), null);
    assert.equal(agreedPrevious([]), null);
  });
});

describe('agreed relays', () => {
  const genesis = smallGenesis();
  const lottery = {
    ...genesis.lottery,
    leastProbes: 100,
    unmeasuredPerformancePpm: 900_000,
  };
  const relay = relayOf('mix-1');
  const named = (given: Partial<VotedRelay> = {}): VotedRelay => ({
    id: relay.id,
    descriptor: relay.describe(genesis, 1),
    stake: '10',
    reputationPpm: 500_000,
    sent: 0,
    returned: 0,
    ...given,
  });
  const agree = (...entries: (VotedRelay | null)[]) => {
    const votes = entries.map(
      (entry): Vote => ({
        kind: 'vote',
        network: NETWORK,
        epoch: 1,
        authority: 'alice',
        commitment: NETWORK,
        previous: null,
        relays: entry === null ? [] : [entry],
      }),
    );
    return agreedRelays(votes, 2, lottery);
  };

  test('a relay counts when a threshold names it, with the median of what they say of it', () => {
    assert.deepEqual(agree(named(), null, null).excluded, [{ id: relay.id, reason: 'known-to-too-few' }]);
    const { agreed } = agree(named({ stake: '1' }), named({ stake: '10' }), named({ stake: '999' }));
    assert.equal(agreed[0]?.stake, 10n);
    assert.equal(agreed[0]?.performancePpm, 900_000, 'nobody has measured it');
  });

  test('performance is the median of those who have measured enough, if these are enough', () => {
    const ratios = (...returned: number[]) =>
      agree(...returned.map((count) => named({ sent: 1000, returned: count }))).agreed[0]?.performancePpm;
    assert.equal(ratios(1000, 800, 0), 800_000);
    assert.equal(ratios(1000, 699, 0), 699_000);
    assert.equal(ratios(0, 0, 1000), 1, 'never nothing: it would have no weight');
    assert.equal(ratios(1000, 0), 1_000_000, 'one of two cannot put it out');
    const few = agree(named({ sent: 99, returned: 0 }), named({ sent: 99, returned: 0 }), named());
    assert.equal(few.agreed[0]?.performancePpm, 900_000, '99 probes are too few to say anything');
    const one = agree(named({ sent: 1_000_000, returned: 0 }), named({ sent: 99, returned: 99 }), named());
    assert.equal(one.agreed[0]?.performancePpm, 900_000, 'nor can one that lies before the others know it');
  });

  test('of failing relays the worst are put out, as long as half and as many as a path needs are left', () => {
    const fallen = (least: number, ...relays: [performancePpm: number, operator: string][]) => {
      const agreed = relays.map(([performancePpm, operator], index): AgreedRelay => {
        const descriptor = relay.describe(genesis, 1, { operator }).body;
        return {
          id: `${index}`,
          descriptor,
          stake: 1n,
          reputationPpm: 1,
          performancePpm,
          isMeasured: operator !== 'new',
        };
      });
      return [...belowFloor(agreed, 700_000, least)];
    };
    assert.deepEqual(fallen(1, [700_000, 'a'], [699_999, 'b'], [900_000, 'c']), ['1']);
    assert.deepEqual(fallen(1, [1, 'a']), [], 'one alone stays');
    assert.deepEqual(fallen(1, [3, 'a'], [1, 'b'], [2, 'c'], [4, 'd']), ['1', '2'], 'the better half stays');
    assert.deepEqual(fallen(3, [1, 'a'], [1, 'b'], [900_000, 'c'], [900_000, 'd']), ['0'], 'three layers, three mixes');
    const operators = [
      [1, 'a'],
      [2, 'b'],
      [900_000, 'b'],
      [900_000, 'c'],
    ] as [number, string][];
    assert.deepEqual(fallen(3, ...operators), ['1'], 'and three operators');
    assert.deepEqual(fallen(1, [1, 'new'], [2, 'b'], [900_000, 'c']), ['1'], 'nobody who is not known yet');
    assert.deepEqual(fallen(2), []);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(1_000_000), fc.constantFrom('a', 'b', 'c', 'd'))),
        fc.nat(5),
        (all, least) => {
          const out = fallen(least, ...all);
          const kept = all.filter((_, index) => !out.includes(`${index}`));
          const count = (relays: typeof all) => new Set(relays.map(([, operator]) => operator)).size;
          assert.ok(kept.length >= Math.min(all.length, Math.max(least, all.length / 2)));
          assert.ok(count(kept) >= Math.min(count(all), least));
          assert.ok(out.every((id) => (all[Number(id)]?.[0] ?? 0) < 700_000));
        },
      ),
    );
  });

  test('votes for different keys in the lottery are not added up; of equal keys the newest descriptor is taken', () => {
    const other = named({ descriptor: relay.describe(genesis, 1, { vrfKey: 'cd'.repeat(32), sequence: 9 }) });
    assert.deepEqual(agree(named(), other, null).excluded, [{ id: relay.id, reason: 'known-to-too-few' }]);
    const newer = named({ descriptor: relay.describe(genesis, 1, { sequence: 2 }) });
    assert.equal(agree(named(), other, newer).agreed[0]?.descriptor.sequence, 2);
  });

  test('the median lies within what most say, whatever one of three says', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.integer(), (a, b, lie) => {
        const median = upperMedian([a, lie, b]) ?? 0;
        assert.ok(median >= Math.min(a, b) && median <= Math.max(a, b));
      }),
    );
    assert.equal(upperMedian([]), null);
  });
});
