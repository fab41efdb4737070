import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type DaoRecord,
  formatDaoRecord,
  parseDaoRecord,
  powerSnapshot,
  type RecountFaultKind,
  recount,
} from '../../src/governance/index.ts';
import { isInTree, leafHash, proofOf, rootOf, treeLevels } from '../../src/governance/merkle-tree.ts';
import { DAY, Dao, FOG, HOUR, keyOf, openDao, secretOf, signed } from './dao.ts';

function votedRecord(): DaoRecord {
  const { dao, id } = openDao({ kind: 'treasury', grants: [{ to: 'dee', amountMicroFog: FOG }] });
  dao.vote(id, 'ann', 'for');
  dao.vote(id, 'bo', 'against');
  dao.vote(id, 'cy', 'for');
  dao.pass(7 * DAY + 1);
  return dao.record(id);
}

const faultsOf = ({ proposal, snapshot, ballots }: DaoRecord) =>
  recount(proposal, snapshot, ballots).faults.map(({ fault, ballot }) =>
    ballot === null ? fault : `${fault} ${ballot}`,
  );

describe('a recount', () => {
  test('gives the tally and the result, and finds nothing wrong with an honest record', () => {
    const { proposal, snapshot, ballots } = votedRecord();
    const { faults, tally, countedBallots, isCarried, quorumMicroFog } = recount(proposal, snapshot, ballots);
    assert.deepEqual(faults, []);
    assert.deepEqual([tally, countedBallots, isCarried], [proposal.tally, 3, true]);
    assert.equal(quorumMicroFog, 200n * FOG);
  });

  const change = (name: string, edit: (record: DaoRecord) => DaoRecord, ...expected: string[]) =>
    test(name, () => assert.deepEqual(faultsOf(edit(votedRecord())), expected));
  const ballot = (index: number, edit: (one: DaoRecord['ballots'][number], all: DaoRecord['ballots']) => object) => {
    return (record: DaoRecord): DaoRecord => ({
      ...record,
      ballots: record.ballots.map((one, at) => (at === index ? { ...one, ...edit(one, record.ballots) } : one)),
    });
  };
  const proposal = (edit: object) => (record: DaoRecord) => ({ ...record, proposal: { ...record.proposal, ...edit } });
  const snapshot = (edit: object) => (record: DaoRecord) => ({ ...record, snapshot: { ...record.snapshot, ...edit } });

  change(
    'a choice that was changed',
    ballot(1, () => ({ choice: 'for' })),
    'signature 1',
    'tally-differs',
  );
  change(
    'a signature that was changed',
    ballot(2, () => ({ signature: '0'.repeat(128) })),
    'signature 2',
    'tally-differs',
    'result-differs',
  );
  change(
    'more power than the snapshot gives',
    ballot(0, () => ({ powerMicroFog: 1001n * FOG })),
    'not-in-snapshot 0',
    'tally-differs',
    'result-differs',
  );
  change(
    'another key',
    ballot(0, () => ({ publicKey: keyOf('eve') })),
    'not-in-snapshot 0',
    'tally-differs',
    'result-differs',
  );
  change(
    'another place',
    ballot(2, () => ({ index: 1 })),
    'not-in-snapshot 2',
    'tally-differs',
    'result-differs',
  );
  change(
    'a proof that was changed',
    ballot(1, ({ proof }) => ({ proof: [...proof.slice(1), '00'.repeat(32)] })),
    'not-in-snapshot 1',
    'tally-differs',
  );
  change(
    'a proof that is too long',
    ballot(1, ({ proof }) => ({ proof: [...proof, '00'.repeat(32)] })),
    'not-in-snapshot 1',
    'tally-differs',
  );
  change(
    'a ballot twice',
    ballot(1, (_one, [first]) => ({ ...first })),
    'second-ballot 1',
    'tally-differs',
  );
  change(
    'a ballot for another proposal',
    ballot(1, () => ({ proposal: 'ab'.repeat(32) })),
    'other-proposal 1',
    'tally-differs',
  );
  change(
    'a ballot after the deadline',
    ballot(2, () => ({ castAtMilliseconds: 2 ** 45 })),
    'time 2',
    'tally-differs',
    'result-differs',
  );
  change(
    'a ballot before the vote',
    ballot(0, () => ({ castSequence: 1 })),
    'time 0',
    'tally-differs',
    'result-differs',
  );
  change('what is proposed was changed', proposal({ title: 'something else' }), 'proposal-id');
  change('a tally that was changed', proposal({ tally: { for: 1n, against: 0n, abstain: 0n } }), 'tally-differs');
  change('a result that was changed', proposal({ state: 'defeated' }), 'result-differs');
  change('a quorum that was changed', proposal({ quorumMicroFog: 1n }), 'proposal-terms');
  change('a deadline that was put off', proposal({ votesUntilMilliseconds: 2 ** 45 }), 'proposal-terms');
  change(
    'a vote that opened too early',
    proposal({ openedAtMilliseconds: 1_000_000 }),
    'proposal-terms',
    'proposal-terms',
  );
  change('a vote that never opened', (record) => proposal({ openedAtMilliseconds: null })(record), 'not-opened');
  change('a root that was changed', snapshot({ root: 'cd'.repeat(32) }), 'snapshot-root');
  change('a tick that was changed', snapshot({ snapshotSequence: 15 }), 'other-snapshot', 'snapshot-root');
  change(
    'a list without somebody',
    (record) => snapshot({ leaves: (record.snapshot.leaves ?? []).slice(1) })(record),
    'snapshot-leaves',
  );
  change(
    'a list that is not sorted',
    (record) => snapshot({ leaves: [...(record.snapshot.leaves ?? [])].reverse() })(record),
    'snapshot-leaves',
    'snapshot-leaves',
  );
  change(
    'a supply that was changed',
    snapshot({ supplyMicroFog: 10n }),
    'snapshot-root',
    'snapshot-leaves',
    'proposal-terms',
  );
  change('a list that is not published', snapshot({ leaves: null }));

  test('a clock that was set back during the vote is no fault', () => {
    const { dao, id } = openDao();
    dao.vote(id, 'ann', 'for');
    dao.now -= HOUR;
    dao.vote(id, 'bo', 'for');
    assert.deepEqual(faultsOf(dao.record(id)), []);
  });

  test('a snapshot in which everything was changed to fit is not the one of the proposal', () => {
    const record = votedRecord();
    const entries = (record.snapshot.leaves ?? []).map(({ voter, powerMicroFog }) => ({
      voter,
      publicKey: keyOf(voter),
      beforeMicroFog: voter === 'bo' ? 900n * FOG : powerMicroFog - 100n * FOG,
      atSnapshotMicroFog: 2000n * FOG,
    }));
    const forged = powerSnapshot(record.snapshot, entries);
    assert.ok(faultsOf({ ...record, snapshot: forged }).includes('snapshot-root'));
  });

  test('property: a recount equals the tally, and one changed thing of a ballot is found', () => {
    const voters = fc.uniqueArray(fc.constantFrom('ann', 'bo', 'cy', 'dee', 'ed', 'flo', 'gus'), { minLength: 1 });
    const choices = fc.array(fc.constantFrom('for', 'against', 'abstain'), { minLength: 7, maxLength: 7 });
    const edits = fc.constantFrom('choice', 'powerMicroFog', 'publicKey', 'index', 'proof', 'nonce', 'voter');
    fc.assert(
      fc.property(voters, choices, edits, fc.nat(), (names, wanted, edited, which) => {
        const dao = new Dao();
        for (const [index, name] of names.entries()) dao.join(name, BigInt(200 + 31 * index) * FOG);
        const { id } = dao.propose(names[0] ?? '');
        dao.pass(DAY + 1);
        for (const [index, name] of names.entries()) dao.vote(id, name, (wanted[index] ?? 'for') as 'for');
        dao.pass(7 * DAY + 1);
        const record = parseDaoRecord(formatDaoRecord(dao.record(id)));
        const { faults, tally } = recount(record.proposal, record.snapshot, record.ballots);
        assert.deepEqual([faults, tally], [[], dao.get(id).tally]);
        const at = which % record.ballots.length;
        const ballots = record.ballots.map((one, index) => (index === at ? { ...one, ...altered(one, edited) } : one));
        const found = recount(record.proposal, record.snapshot, ballots).faults.map(({ fault }) => fault);
        const expected: RecountFaultKind[] = ['signature', 'not-in-snapshot'];
        assert.ok(
          found.some((fault) => expected.includes(fault)),
          edited,
        );
      }),
      { numRuns: 25 },
    );
  });
});

function altered(one: DaoRecord['ballots'][number], edited: string): object {
  switch (edited) {
    case 'choice':
      return { choice: one.choice === 'for' ? 'against' : 'for' };
    case 'powerMicroFog':
      return { powerMicroFog: one.powerMicroFog + 1n };
    case 'publicKey':
      return {
        publicKey: keyOf('eve'),
        signature: signed({ id: one.proposal, network: one.network }, one.voter, one.choice, secretOf('eve')).signature,
      };
    case 'index':
      return { index: one.index + 1 };
    case 'proof':
      return { proof: [...one.proof, '11'.repeat(32)] };
    case 'nonce':
      return { nonce: '22'.repeat(16) };
    default:
      return { voter: 'zoe' };
  }
}

describe('the tree of a snapshot', () => {
  test('property: every leaf is proven at its place, and at no other, nor another leaf there', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), (size) => {
        const leaves = Array.from({ length: size }, (_, index) => leafHash(Buffer.from(`leaf ${index}`)));
        const levels = treeLevels(leaves);
        const tree = { leaves: size, root: rootOf(levels) };
        leaves.forEach((leaf, index) => {
          const proof = proofOf(levels, index);
          assert.ok(isInTree({ leaf, index, proof }, tree));
          for (const other of [index ^ 1, index + 1, size, -1]) {
            if (other !== index) assert.ok(!isInTree({ leaf, index: other, proof }, tree));
          }
          assert.ok(!isInTree({ leaf: leafHash(Buffer.from('another')), index, proof }, tree));
          assert.ok(!isInTree({ leaf, index, proof: proof.slice(1) }, tree) || proof.length === 0);
        });
      }),
      { numRuns: 40 },
    );
  });

  test('is the one of RFC 9162: its roots of one to five leaves', () => {
    const sha = (...parts: Buffer[]) => leafHash(Buffer.concat(parts)).toString('hex');
    assert.equal(
      rootOf(treeLevels([])).toString('hex'),
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    );
    assert.equal(sha(), '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d');
    // The log of eight entries that the Certificate Transparency tests publish: its first three.
    const inputs = ['', '00', '10'].map((text) => leafHash(Buffer.from(text, 'hex')));
    const roots = [1, 2, 3].map((size) => rootOf(treeLevels(inputs.slice(0, size))).toString('hex'));
    assert.deepEqual(roots, [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
      'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    ]);
  });

  test('snapshots that cannot be', () => {
    const head = { network: 'net', proposal: 'ab', beforeSequence: 1, snapshotSequence: 4, supplyMicroFog: 10n };
    const entry = (voter: string, power: bigint) => ({
      voter,
      publicKey: keyOf(voter),
      beforeMicroFog: power,
      atSnapshotMicroFog: 99n,
    });
    assert.equal(powerSnapshot(head, [entry('bo', 4n), entry('ann', 6n), entry('cy', 0n)]).voters, 2);
    for (const entries of [
      [entry('ann', 6n), entry('ann', 1n)],
      [entry('ann', 6n), entry('bo', 5n)],
      [entry('a b', 6n)],
      [entry('ann', -1n)],
      [{ ...entry('ann', 1n), publicKey: 'short' }],
    ]) {
      assert.throws(() => powerSnapshot(head, entries), { code: 'invalid-request' });
    }
  });
});

describe('the file of a record', () => {
  test('is read as it was written', () => {
    const record = votedRecord();
    const { proposal, ballots } = parseDaoRecord(formatDaoRecord(record));
    assert.deepEqual(proposal, record.proposal);
    assert.deepEqual(ballots, record.ballots);
    assert.equal(formatDaoRecord(parseDaoRecord(formatDaoRecord(record))), formatDaoRecord(record));
  });

  test('that is none is refused with the place of the fault', () => {
    const file = formatDaoRecord(votedRecord());
    const edited = (edit: (document: Record<string, Record<string, unknown>>) => void) => {
      const document = JSON.parse(file);
      edit(document);
      return JSON.stringify(document);
    };
    const faults: [file: string, where: RegExp][] = [
      ['', /not JSON/],
      ['[]', /the document/],
      ['{"format":"fog-dao-record","version":2}', /version/],
      [edited((document) => Object.assign(document, { extra: 1 })), /extra/],
      [edited(({ proposal }) => Object.assign(proposal ?? {}, { title: '\u001b[2J' })), /proposal\.title/],
      [edited(({ proposal }) => Object.assign(proposal ?? {}, { supplyMicroFog: '-1' })), /proposal\.supplyMicroFog/],
      [edited(({ snapshot }) => Object.assign(snapshot ?? {}, { supplyMicroFog: '9'.repeat(39) })), /snapshot\.supply/],
      [edited(({ ballots }) => Object.assign(ballots?.[1] ?? {}, { proof: ['xy'] })), /ballots\.1\.proof\.0/],
    ];
    for (const [text, where] of faults)
      assert.throws(() => parseDaoRecord(text), { code: 'invalid-request', message: where });
  });

  test('property: damaged files are refused in words, or counted without falling over', () => {
    const file = formatDaoRecord(votedRecord());
    const edit = fc.tuple(fc.nat(file.length - 1), fc.nat(12), fc.string({ maxLength: 6 }));
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        const damaged = edits.reduce((text, [at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut), file);
        let record: DaoRecord;
        try {
          record = parseDaoRecord(damaged);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'invalid-request');
          return;
        }
        recount(record.proposal, record.snapshot, record.ballots);
      }),
      { numRuns: 300 },
    );
  });
});
