/** What clients check of a consensus, and what `verifyLottery` finds in one that was tampered with. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { endorsementOf } from '../../src/directory/documents.ts';
import {
  type Authority,
  type ClockVerdict,
  type Consensus,
  type ConsensusBody,
  documentDigest,
  doubleEndorsers,
  type Genesis,
  judgeClock,
  type LotteryFaultCode,
  networkIdOf,
  signDocument,
  toldTime,
  verifyConsensus,
  verifyLottery,
  vrfVerify,
  weightOf,
} from '../../src/index.ts';
import { EPOCH, GENESIS_TIME, signerOf, smallGenesis, smallRelays, verifyCheapProof } from './members.ts';
import { runRound } from './one-round.ts';

const GENESIS = smallGenesis({ lottery: { ...smallGenesis().lottery, seatsPerLayer: 2 } });
const { consensus: CONSENSUS } = runRound(GENESIS, smallRelays(6));
const BODY = CONSENSUS.body;

/** A body with signatures of the named, made at a time. */
function endorsed(body: ConsensusBody, names = ['alice', 'bob'], signedMilliseconds = GENESIS_TIME - 1000): Consensus {
  const digest = documentDigest(body);
  const signatures = names.map((authority) => {
    const { signature } = signDocument(
      endorsementOf(body, digest, { authority, signedMilliseconds }),
      signerOf(authority),
    );
    return { authority, signedMilliseconds, signature };
  });
  return { body, signatures };
}

function verdictOf(document: unknown, now = GENESIS_TIME, genesis: Genesis = GENESIS): string {
  const verdict = verifyConsensus(document, { genesis, now, verifyProof: verifyCheapProof });
  return verdict.valid ? 'valid' : verdict.reason;
}

describe('consensus: what a client checks', () => {
  test('as published it is valid, and with exactly a threshold of signatures too', () => {
    assert.equal(verdictOf(CONSENSUS), 'valid');
    assert.equal(verdictOf(endorsed(BODY)), 'valid');
  });

  test('signatures: too few, of strangers, of another body, or one counted twice are not enough', () => {
    assert.equal(verdictOf(endorsed(BODY, ['alice'])), 'not-endorsed');
    assert.equal(verdictOf(endorsed(BODY, ['alice', 'mallory'])), 'not-endorsed');
    const { signatures } = endorsed(BODY);
    const changed = { ...BODY, randomness: { ...BODY.randomness, withheld: ['bob'] } };
    assert.equal(verdictOf({ body: changed, signatures }), 'not-endorsed');
    assert.equal(verdictOf({ body: BODY, signatures: [signatures[0], signatures[0]] }), 'malformed');
    const moved = signatures.map((entry) => ({ ...entry, signedMilliseconds: 0 }));
    assert.equal(verdictOf({ body: BODY, signatures: moved }), 'not-endorsed');
  });

  test('time: stale after its epoch and grace, clock behind when it comes from the future', () => {
    const end = GENESIS_TIME + EPOCH + GENESIS.graceMilliseconds;
    assert.equal(verdictOf(CONSENSUS, GENESIS_TIME - 2000), 'valid', 'a while before its epoch');
    assert.equal(verdictOf(CONSENSUS, end - 1), 'valid');
    assert.equal(verdictOf(CONSENSUS, end), 'stale');
    const stale = verifyConsensus(CONSENSUS, { genesis: GENESIS, now: end + 90_000 });
    assert.match(stale.valid ? '' : stale.message, /ended 91 s ago by this clock.*or this clock is ahead/);
    assert.equal(verdictOf(CONSENSUS, GENESIS_TIME - 40_000), 'clock-skew');
    assert.equal(verdictOf(endorsed(BODY, undefined, GENESIS_TIME + 30_001)), 'clock-skew');
    assert.equal(verdictOf(endorsed(BODY, undefined, GENESIS_TIME + 30_000)), 'valid');
    const one = endorsed(BODY, ['alice'], GENESIS_TIME + 90_000).signatures;
    const both = { body: BODY, signatures: [...one, ...endorsed(BODY, ['bob']).signatures] };
    assert.equal(verdictOf(both), 'valid', 'one authority alone does not make a clock wrong');
  });

  test('a clock is wrong when a threshold of authorities say so, and in one direction', () => {
    const cases: [number[], number, ClockVerdict][] = [
      [[1000, 900, 1_000_000], 40_000, { skewMilliseconds: 39_100, disagreeing: 3 }],
      [[1000, 1_000_000, 40_000], 40_000, { skewMilliseconds: null, disagreeing: 2 }],
      [[900_000, 800_000, 500], 500, { skewMilliseconds: -799_500, disagreeing: 2 }],
      [[1000, 1000, 1000], 31_000, { skewMilliseconds: null, disagreeing: 0 }],
      [[900_000], 500, { skewMilliseconds: null, disagreeing: 1 }],
      [[], 0, { skewMilliseconds: null, disagreeing: 0 }],
    ];
    for (const [told, now, verdict] of cases) assert.deepEqual(judgeClock(told, now, 2), verdict);
  });

  test('a time counts when its authority signed it, for this network and nonce', () => {
    const [authority] = GENESIS.authorities as [Authority];
    const nonce = 'ab'.repeat(32);
    const body = { kind: 'clock', network: networkIdOf(GENESIS), authority: 'alice', nonce, milliseconds: 5 };
    const timeOf = (document: unknown) => toldTime(document, { genesis: GENESIS, authority, nonce });
    assert.equal(timeOf(signDocument(body, signerOf('alice'))), 5);
    assert.equal(timeOf(signDocument(body, signerOf('bob'))), null);
    assert.equal(timeOf({ ...signDocument(body, signerOf('alice')), body: { ...body, milliseconds: 6 } }), null);
    for (const other of [{ nonce: 'cd'.repeat(32) }, { network: nonce }, { authority: 'bob' }, { milliseconds: -1 }]) {
      assert.equal(timeOf(signDocument({ ...body, ...other }, signerOf('alice'))), null, JSON.stringify(other));
    }
    assert.equal(timeOf({ milliseconds: 5 }), null);
  });

  const tampered: [string, string, (body: ConsensusBody) => ConsensusBody][] = [
    ['network', 'wrong-network', (body) => ({ ...body, network: 'ab'.repeat(32) })],
    ['geometry', 'wrong-geometry', (body) => ({ ...body, geometryHash: 'ab'.repeat(32) })],
    ['test flag', 'wrong-parameters', (body) => ({ ...body, test: false })],
    ['traffic', 'wrong-parameters', (body) => ({ ...body, traffic: { ...body.traffic, meanDelayMilliseconds: 1 } })],
    ['layers', 'wrong-parameters', (body) => ({ ...body, layers: 1 })],
    [
      'identity',
      'inconsistent',
      (body) => ({ ...body, nodes: body.nodes.map((node) => ({ ...node, identityKey: 'ab'.repeat(32) })) }),
    ],
    [
      'Sphinx keys',
      'inconsistent',
      (body) => ({ ...body, nodes: body.nodes.map((node) => ({ ...node, sphinxKeys: node.sphinxKeys.toReversed() })) }),
    ],
    ['names', 'inconsistent', (body) => ({ ...body, authorities: { ...body.authorities, absent: ['mallory'] } })],
    ['empty layer', 'empty-layer', (body) => ({ ...body, nodes: body.nodes.filter(({ layer }) => layer !== 1) })],
    ['seed', 'bad-lottery', (body) => ({ ...body, randomness: { ...body.randomness, seed: 'ab'.repeat(32) } })],
  ];
  for (const [name, reason, tamper] of tampered) {
    test(`${name} that is not right is refused, though a threshold has signed it`, () => {
      assert.equal(verdictOf(endorsed(tamper(BODY))), reason);
    });
  }

  test('two consensuses for one epoch name who has signed both', () => {
    const other = { ...BODY, excluded: [{ id: 'ab'.repeat(32), reason: 'no-proof' as const }] };
    assert.deepEqual(doubleEndorsers(endorsed(BODY, ['alice', 'bob']), endorsed(other, ['bob', 'carol']), GENESIS), [
      'bob',
    ]);
    assert.deepEqual(doubleEndorsers(endorsed(BODY), endorsed(BODY), GENESIS), []);
    assert.deepEqual(doubleEndorsers(endorsed(BODY), endorsed({ ...other, epoch: 1 }), GENESIS), []);
  });
});

describe('lottery: what anybody can check', () => {
  test('of a good consensus all proofs are right, with the function that ships as well', () => {
    assert.deepEqual(verifyLottery(BODY, verifyCheapProof), { valid: true, faults: [], checked: 6 });
    const real = runRound(GENESIS, smallRelays(3), { isCheap: false, given: { verifyProof: vrfVerify } });
    assert.deepEqual(verifyLottery(real.consensus.body), { valid: true, faults: [], checked: 3 });
  });

  const mixes = BODY.nodes.filter(({ role }) => role === 'mix');
  const change = (made: (node: ConsensusBody['nodes'][number]) => object): ConsensusBody => ({
    ...BODY,
    nodes: BODY.nodes.map((node) => (node.id === mixes[0]?.id ? { ...node, ...made(node) } : node)),
  });
  const drawOf = (given: object) => change(({ draw }) => ({ draw: draw === null ? null : { ...draw, ...given } }));
  const [standby] = BODY.standby;

  const cases: [LotteryFaultCode, ConsensusBody][] = [
    ['seed-not-of-reveals', { ...BODY, randomness: { ...BODY.randomness, reveals: BODY.randomness.reveals.slice(1) } }],
    ['mix-without-draw', change(() => ({ draw: null }))],
    ['mix-without-draw', change(() => ({ layer: null }))],
    ['drawn-though-no-mix', { ...BODY, nodes: BODY.nodes.map((node) => ({ ...node, layer: 1 })) }],
    ['registered-too-late', drawOf({ registeredEpoch: 0 })],
    ['bad-proof', drawOf({ proof: 'ab'.repeat(80) })],
    ['bad-proof', drawOf({ proof: standby?.draw.proof })],
    ['bad-proof', drawOf({ vrfKey: standby?.draw.vrfKey })],
    ['wrong-weight', drawOf({ weight: '1' })],
    ['wrong-weight', change(() => ({ performancePpm: 1 }))],
    ['not-eligible', drawOf({ stake: '0', weight: '0' })],
    ['wrong-weight', gatewayWith({ weight: '1' })],
    ['not-eligible', gatewayWith({ stake: '0', weight: '0' })],
    ['wrong-layer', change(({ layer }) => ({ layer: layer === 1 ? 2 : 1 }))],
    ['should-have-no-seat', withSeatOfAnother()],
    ['should-have-a-seat', withSeatOfAnother()],
    ['twice', { ...BODY, standby: [...BODY.standby, entrantOf(mixes[0])] }],
  ];
  for (const [code, body] of cases) {
    test(`finds ${code}`, () => {
      const { valid, faults } = verifyLottery(body, verifyCheapProof);
      assert.equal(valid, false);
      assert.ok(
        faults.some((fault) => fault.code === code),
        `found ${faults.map((fault) => fault.code)}`,
      );
    });
  }

  test('weights are exact, however large the stake', () => {
    const weight = weightOf({ stake: 10n ** 20n, reputationPpm: 999_999, performancePpm: 999_999 }, 10n ** 21n);
    assert.equal(weight, 99999800000100000000000000000000n);
  });
});

function gatewayWith(given: object): ConsensusBody {
  const change = (node: ConsensusBody['nodes'][number]) => ({
    ...node,
    standing: node.standing === null ? null : { ...node.standing, ...given },
  });
  return { ...BODY, nodes: BODY.nodes.map((node) => (node.role === 'gateway' ? change(node) : node)) };
}

function entrantOf(node: ConsensusBody['nodes'][number] | undefined): ConsensusBody['standby'][number] {
  if (node?.draw == null) throw new Error('the node was not drawn');
  return { id: node.id, operator: node.operator, performancePpm: node.performancePpm, draw: node.draw };
}

/** One with a seat and one without change places. */
function withSeatOfAnother(): ConsensusBody {
  const seat = BODY.nodes.find(({ role }) => role === 'mix');
  const [entrant] = BODY.standby;
  if (seat === undefined || entrant === undefined) throw new Error('the consensus has no relay without a seat');
  return {
    ...BODY,
    nodes: BODY.nodes.map((node) => (node === seat ? { ...seat, ...entrant } : node)),
    standby: BODY.standby.map((other) => (other === entrant ? entrantOf(seat) : other)),
  };
}
