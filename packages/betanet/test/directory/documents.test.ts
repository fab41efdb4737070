/** Genesis, canonical JSON, signatures, and readers that strangers' text goes through. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isAddressHost } from '../../src/directory/addresses.ts';
import {
  authorityMessageSchema,
  canonicalJson,
  consensusSchema,
  DIRECTORY_LIMITS,
  documentDigest,
  drawProofSchema,
  ed25519PublicKey,
  ed25519Signer,
  genesisSchema,
  isPublicHost,
  isSignedBy,
  networkIdOf,
  parseGenesis,
  readDocument,
  seedNoticeSchema,
  signDocument,
  signedDescriptorSchema,
  signedSchema,
  verifyConsensus,
} from '../../src/index.ts';
import { authorityOf, secretOf, signerOf, smallGenesis, smallRelays } from './members.ts';
import { runRound } from './one-round.ts';
import { replaceAt } from './replace-at.ts';

const FUZZ_RUNS = Number(process.env.FOG_FUZZ_RUNS ?? 10_000);

describe('canonical JSON', () => {
  test('one text for one value', () => {
    assert.equal(
      canonicalJson({ b: [1, -0, 'é"\n'], a: { d: null, c: true } }),
      '{"a":{"c":true,"d":null},"b":[1,0,"é\\"\\n"]}',
    );
    for (const value of [1.5, 2 ** 53, Number.NaN, undefined, '\ud800', 1n, new Date(), { a: undefined }]) {
      assert.throws(() => canonicalJson(value), { code: 'not-serialisable' });
    }
    const deep = Array.from({ length: 40 }).reduce<unknown>((inner) => [inner], 1);
    assert.throws(() => canonicalJson(deep), { code: 'not-serialisable', message: /levels/ });
  });

  test('it says what JSON says, and does not depend on the order of keys', () => {
    const integer = fc.maxSafeInteger();
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.boolean(),
        fc.constant(null),
        integer,
        fc.string({ unit: 'grapheme' }),
        fc.array(tie('any')),
        fc.dictionary(fc.string(), tie('any'), { noNullPrototype: true }),
      ),
    })).any;
    const reversed = (of: unknown): unknown =>
      typeof of !== 'object' || of === null
        ? of
        : Array.isArray(of)
          ? of.map(reversed)
          : Object.fromEntries(
              Object.entries(of)
                .reverse()
                .map(([key, entry]) => [key, reversed(entry)]),
            );
    fc.assert(
      fc.property(value, (of) => {
        const text = canonicalJson(of);
        assert.deepEqual(
          JSON.parse(text),
          JSON.parse(JSON.stringify(of), (_, entry) => (entry === 0 ? 0 : entry)),
        );
        assert.equal(canonicalJson(reversed(of)), text);
      }),
      { numRuns: 300 },
    );
  });
});

describe('signed documents', () => {
  const body = { kind: 'draft', text: 'hello', number: 7 };
  const publicKey = ed25519PublicKey(secretOf('alice'));

  test('a signature is of one body, one key and one kind', () => {
    const document = signDocument(body, signerOf('alice'));
    assert.equal(isSignedBy(document, publicKey), true);
    assert.equal(
      isSignedBy(
        JSON.parse(`{"body":{"number":7,"kind":"draft","text":"hello"},"signature":"${document.signature}"}`),
        publicKey,
      ),
      true,
    );
    assert.equal(isSignedBy(document, ed25519PublicKey(secretOf('bob'))), false);
    for (const change of [{ number: 8 }, { kind: 'final' }, { text: 'hello ' }]) {
      const changed = { ...body, ...change };
      assert.equal(isSignedBy({ body: changed, signature: document.signature }, publicKey), false);
    }
    assert.equal(isSignedBy({ ...document, signature: `${document.signature.slice(0, -2)}ff` }, publicKey), false);
    assert.notEqual(documentDigest(body), documentDigest({ ...body, kind: 'final' }));
  });

  test('a key that is none signs nothing', () => {
    assert.equal(isSignedBy(signDocument(body, signerOf('alice')), 'ff'.repeat(32)), false);
    assert.equal(isSignedBy(signDocument(body, signerOf('alice')), '00'), false);
  });

  test('the key of RFC 8032, section 7.1, test 1', () => {
    const secret = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');
    assert.equal(ed25519PublicKey(secret), 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
    assert.equal(Buffer.from(ed25519Signer(secret)(new Uint8Array())).toString('hex').slice(0, 16), 'e5564300c360ac72');
  });
});

describe('readers of what strangers send', () => {
  const genesis = smallGenesis();
  const round = runRound(genesis, smallRelays(3));
  const schemas = {
    descriptor: signedDescriptorSchema,
    'draw-proof': drawProofSchema,
    'seed-notice': signedSchema(seedNoticeSchema),
    message: authorityMessageSchema,
    consensus: consensusSchema,
    genesis: genesisSchema,
  } as const;
  const samples: { kind: keyof typeof schemas; value: unknown }[] = [
    { kind: 'genesis', value: genesis },
    ...round.descriptors.slice(0, 2).map((value) => ({ kind: 'descriptor' as const, value })),
    ...round.proofs.slice(0, 1).map((value) => ({ kind: 'draw-proof' as const, value })),
    ...round.notices.slice(0, 1).map((value) => ({ kind: 'seed-notice' as const, value })),
    ...round.messages.map((value) => ({ kind: 'message' as const, value })),
    { kind: 'consensus', value: round.consensus },
  ];

  test('what we write we read again, the same', () => {
    for (const { kind, value } of samples) {
      const read = readDocument(JSON.stringify(value), schemas[kind], DIRECTORY_LIMITS.consensusBytes);
      assert.deepEqual(read, { document: value });
    }
  });

  test('damaged text is refused in words or is a document; nothing throws', () => {
    const texts = samples.map(({ kind, value }) => ({ kind, text: JSON.stringify(value) }));
    let refused = 0;
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(40), fc.string({ maxLength: 6 }), (which, at, cut, put) => {
        const { kind, text } = texts[which % texts.length] as (typeof texts)[number];
        const from = at % text.length;
        const damaged = text.slice(0, from) + put + text.slice(from + cut);
        const read = readDocument(damaged, schemas[kind], DIRECTORY_LIMITS.consensusBytes);
        if ('fault' in read) refused += 1;
        else assert.equal(typeof canonicalJson(read.document), 'string');
      }),
      { numRuns: FUZZ_RUNS },
    );
    assert.ok(refused > FUZZ_RUNS / 2);
  });

  test('values of other types in any place are refused, and verifyConsensus never throws', () => {
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom(-1, 1e300, '', [], {}, '0'.repeat(64), null, 2 ** 60));
    fc.assert(
      fc.property(fc.nat(), value, (at, put) => {
        const copy = structuredClone(round.consensus) as object;
        replaceAt(copy, at, () => put);
        const verdict = verifyConsensus(copy, { genesis, now: genesis.genesisMilliseconds, checksLottery: false });
        assert.equal(verdict.valid, JSON.stringify(copy) === JSON.stringify(round.consensus));
      }),
      { numRuns: FUZZ_RUNS / 20 },
    );
  });

  test('text over the limit is not parsed', () => {
    assert.deepEqual(readDocument(' '.repeat(11), genesisSchema, 10), { fault: 'has more than 10 bytes' });
  });
});

describe('genesis', () => {
  test('its hash is the id of the network, and changes with everything in it', () => {
    const genesis = smallGenesis();
    assert.equal(networkIdOf(parseGenesis(JSON.parse(JSON.stringify(genesis)))), networkIdOf(genesis));
    const others = [{ name: 'other' }, { test: true, layers: 1 }, { threshold: 3 }, { graceMilliseconds: 5 }].map(
      smallGenesis,
    );
    assert.equal(new Set([genesis, ...others].map(networkIdOf)).size, 5);
  });

  const broken: [string, object, RegExp][] = [
    [
      'half as threshold',
      { authorities: ['a', 'b', 'c', 'd'].map(authorityOf), threshold: 2 },
      /threshold must be more than half/,
    ],
    ['threshold over all', { threshold: 4 }, /threshold/],
    [
      'two authorities in earnest',
      { test: false, authorities: ['a', 'b'].map(authorityOf), threshold: 2 },
      /three or more/,
    ],
    [
      'one key twice',
      { authorities: [authorityOf('a'), { ...authorityOf('a'), id: 'b' }, authorityOf('c')] },
      /different keys/,
    ],
    ['more layers than hops allow', { layers: 3 }, /layers must be two fewer/],
    ['hops beyond the format', { geometry: { hops: 99, userPayloadBytes: 10 } }, /geometry/],
    ['a grace longer than an epoch', { graceMilliseconds: 10_001 }, /graceMilliseconds/],
    ['steps that run backwards', { schedule: { ...smallGenesis().schedule, reveals: 1 } }, /schedule/],
    ['a stake that is none', { lottery: { ...smallGenesis().lottery, minimumStake: '1.5' } }, /lottery.minimumStake/],
    ['a minimum above saturation', { lottery: { ...smallGenesis().lottery, minimumStake: '2' } }, /minimumStake above/],
    [
      'a delay over its cap',
      { traffic: { ...smallGenesis().traffic, delayCapMilliseconds: 1 } },
      /delayCapMilliseconds/,
    ],
    ['an unknown field', { colour: 'red' }, /colour/],
  ];
  for (const [name, given, message] of broken) {
    test(`${name} is refused`, () => {
      assert.throws(() => parseGenesis({ ...smallGenesis(), ...given }), { code: 'invalid-configuration', message });
    });
  }
});

describe('addresses', () => {
  test('literals in their one spelling', () => {
    for (const host of ['10.0.0.1', '8.8.8.8', '::1', '2a00:1450::1']) assert.equal(isAddressHost(host), true, host);
    for (const host of [
      'example.org',
      '',
      '1.2.3',
      '010.0.0.1',
      '2A00::1',
      '2a00:0::1',
      'fe80::1%eth0',
      '[::1]',
      '::1]/x',
    ]) {
      assert.equal(isAddressHost(host), false, host);
    }
  });

  test('public ones are told from those of private, local and documentation networks', () => {
    for (const host of ['8.8.8.8', '172.15.0.1', '172.32.0.1', '2a00:1450::1', '2600::1']) {
      assert.equal(isPublicHost(host), true, host);
    }
    const inner = [
      '127.0.0.1',
      '10.1.2.3',
      '172.16.0.1',
      '172.31.255.1',
      '192.168.1.1',
      '169.254.1.1',
      '100.64.0.1',
      '192.0.2.1',
      '224.0.0.1',
      '255.255.255.255',
      '0.0.0.0',
    ];
    const inner6 = [
      '::',
      '::1',
      'fe80::1',
      'fc00::1',
      'ff02::1',
      '2001:db8::1',
      '::ffff:8.8.8.8',
      '::ffff:808:808',
      '2002:a00:1::1',
      '64:ff9b::808:808',
    ];
    for (const host of [...inner, ...inner6]) assert.equal(isPublicHost(host), false, host);
  });
});
