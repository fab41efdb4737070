import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type DrawProof,
  ed25519Signer,
  epochStart,
  isSignedBy,
  lotteryInput,
  type NodeRole,
  networkIdOf,
  type SignedDescriptor,
  signDocument,
  stepEnd,
  verifyProof,
} from '../../src/index.ts';
import { openIdentity } from '../../src/node/node-identity.ts';
import { Registration } from '../../src/node/registration.ts';
import { secretOf, smallGenesis } from '../directory/members.ts';

const genesis = smallGenesis();
const NAMES = genesis.authorities.map(({ id }) => id);
const SEED = 'ab'.repeat(32);

interface Answers {
  /** Authorities that take what they are sent; the others are down. */
  taking: readonly string[];
  /** The seed that each authority tells. */
  seeds?: Readonly<Record<string, string>>;
  /** One of them never answers about a descriptor. */
  isStuck?: boolean;
}

/** A relay in a folder; the clock stands still unless it is set. */
async function relay(folder: string, answers: Answers, clock: { now: number }, role: NodeRole = 'mix') {
  const identity = await openIdentity(folder);
  const told = { descriptors: [] as SignedDescriptor[], proofs: [] as DrawProof[], troubles: [] as unknown[] };
  const outcome = () => ({
    taken: NAMES.filter((name) => answers.taking.includes(name)),
    refused: new Map(NAMES.filter((name) => !answers.taking.includes(name)).map((name) => [name, 'is down'])),
  });
  const registration = new Registration({
    genesis,
    identity,
    folder,
    now: () => clock.now,
    directory: {
      publish: async (descriptor) => {
        told.descriptors.push(descriptor);
        return answers.isStuck ? new Promise(() => {}) : outcome();
      },
      prove: async (proof) => {
        told.proofs.push(proof);
        return outcome();
      },
      seeds: async (epoch) =>
        genesis.authorities.flatMap((authority) => {
          const seed = answers.seeds?.[authority.id];
          if (seed === undefined) return [];
          const notice = { kind: 'seed-notice', network: networkIdOf(genesis), epoch, authority: authority.id, seed };
          const value = signDocument(notice, ed25519Signer(secretOf(authority.id)));
          return [{ authority, value, atMilliseconds: clock.now }];
        }),
    },
    describe: () => ({
      role,
      operator: 'me',
      operatorProof: null,
      addresses: [{ host: '127.0.0.1', port: 1 }],
      protocolVersions: [1],
    }),
    sphinxKeys: async (epoch) => [0, 1, 2].map((ahead) => ({ epoch: epoch + ahead, publicKey: SEED })),
    troubled: (what, epoch, reasons) => told.troubles.push([what, epoch, reasons]),
  });
  return { registration, identity, told };
}

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fog-registration-'));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('a descriptor is sent until all authorities have it, and again for the next epoch', () =>
  inFolder(async (folder) => {
    const clock = { now: epochStart(genesis, 3) + 10 };
    const answers = { taking: ['alice', 'bob'] };
    const { registration, identity, told } = await relay(folder, answers, clock);
    using _ = registration;
    await sleep(700);
    assert.ok(told.descriptors.length >= 2, 'carol is down');
    assert.deepEqual(told.troubles, [], 'a threshold will do');
    answers.taking = NAMES;
    await sleep(300);
    const { length } = told.descriptors;
    await sleep(300);
    assert.equal(told.descriptors.length, length);
    const signatures = new Set(told.descriptors.map(({ signature }) => signature));
    assert.equal(signatures.size, 1, 'it is the same: who has it already need not write it down again');
    for (const descriptor of told.descriptors) {
      assert.ok(isSignedBy(descriptor, identity.identityKey));
      assert.deepEqual([descriptor.body.epoch, descriptor.body.registeredEpoch], [4, 3]);
    }
    clock.now += genesis.epochMilliseconds;
    await sleep(300);
    assert.deepEqual([told.descriptors.at(-1)?.body.epoch, told.descriptors.at(-1)?.body.registeredEpoch], [5, 3]);
  }));

test('too few authorities are told of once a round, with what they said', () =>
  inFolder(async (folder) => {
    const { registration, told } = await relay(folder, { taking: ['bob'] }, { now: epochStart(genesis, 3) + 10 });
    using _ = registration;
    await sleep(700);
    assert.ok(told.descriptors.length >= 2);
    assert.deepEqual(told.troubles, [['descriptor', 4, { alice: 'is down', carol: 'is down' }]]);
  }));

test('the epoch in which the key for the lottery was first registered outlives a restart', () =>
  inFolder(async (folder) => {
    for (const epoch of [3, 8]) {
      const { registration, identity, told } = await relay(
        folder,
        { taking: NAMES },
        { now: epochStart(genesis, epoch) + 10 },
      );
      await sleep(60);
      registration[Symbol.dispose]();
      assert.equal(told.descriptors[0]?.body.registeredEpoch, 3);
      const stored = JSON.parse(await readFile(join(folder, 'registration.json'), 'utf8'));
      assert.deepEqual(stored, { vrfKey: identity.vrfKey, epoch: 3 });
    }
  }));

test('a mix proves what it drew once a threshold of authorities tells the same seed', () =>
  inFolder(async (folder) => {
    const clock = { now: stepEnd(genesis, 4, 'reveal-witness') + 1 };
    const answers: Answers = { taking: NAMES, seeds: { alice: SEED, bob: 'cd'.repeat(32) } };
    const { registration, identity, told } = await relay(folder, answers, clock);
    using _ = registration;
    await sleep(300);
    const early: number = told.proofs.length;
    assert.equal(early, 0, 'they do not agree');
    answers.seeds = { alice: SEED, carol: SEED };
    await sleep(600);
    const [proof] = told.proofs;
    assert.ok(proof !== undefined);
    assert.equal(told.proofs.length, 1);
    const input = lotteryInput({ network: networkIdOf(genesis), epoch: 4, seed: SEED, id: identity.id });
    assert.ok(verifyProof(Buffer.from(identity.vrfKey, 'hex'), input, Buffer.from(proof.proof, 'hex')) !== null);
  }));

test('an authority that does not answer about the descriptor does not keep the proof back', () =>
  inFolder(async (folder) => {
    const clock = { now: stepEnd(genesis, 4, 'reveal-witness') + 1 };
    const seeds = { alice: SEED, bob: SEED };
    const { registration, told } = await relay(folder, { taking: NAMES, seeds, isStuck: true }, clock);
    using _ = registration;
    await sleep(300);
    assert.deepEqual([told.proofs.length, told.descriptors.length], [1, 1]);
  }));

test('a gateway proves nothing', () =>
  inFolder(async (folder) => {
    const clock = { now: stepEnd(genesis, 4, 'reveal-witness') + 1 };
    const seeds = { alice: SEED, bob: SEED, carol: SEED };
    const { registration, told } = await relay(folder, { taking: NAMES, seeds }, clock, 'gateway');
    using _ = registration;
    await sleep(300);
    assert.deepEqual([told.proofs.length, told.descriptors.length], [0, 1]);
  }));
