import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type MaskedStream, SecretMask } from '../src/secret-mask.ts';
import { startSite } from './agent-under-test.ts';
import { leaseGroup } from './fake-coordinator.ts';

/** By definition: every byte of every occurrence is left out, overlapping occurrences are one. */
function maskedByDefinition(bytes: Buffer, sought: readonly Buffer[]): Buffer {
  const found: [number, number][] = [];
  for (const secret of sought) {
    for (let at = bytes.indexOf(secret); at >= 0; at = bytes.indexOf(secret, at + 1))
      found.push([at, at + secret.length]);
  }
  found.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  const parts: Buffer[] = [];
  let end = 0;
  for (const [start, stop] of found) {
    if (start >= end) parts.push(bytes.subarray(end, start), Buffer.from('[secret]'));
    end = Math.max(end, stop);
  }
  return Buffer.concat([...parts, bytes.subarray(end)]);
}

function pushAll(stream: MaskedStream, bytes: Uint8Array, cuts: readonly number[]): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (const cut of [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    // The buffer is used again for the next piece, as that of a pipe is.
    const piece = Buffer.from(bytes.subarray(from, cut));
    parts.push(Buffer.from(stream.push(piece)));
    piece.fill(0);
    from = cut;
  }
  return Buffer.concat([...parts, stream.end()]);
}

// Few letters, so that secrets overlap with themselves and each other, and texts are full of them and of their parts.
const word = fc.string({ unit: fc.constantFrom('a', 'b', 'ü'), minLength: 4, maxLength: 9 });
const secrets = fc.array(word, { minLength: 1, maxLength: 5 });
const text = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', 'ü', 'x'), maxLength: 60 }).map((it) => Buffer.from(it)),
  fc.uint8Array({ maxLength: 60 }).map((it) => Buffer.from(it)),
);

test('any cut of any bytes gives what masking the whole gives, which is what the definition says', () => {
  fc.assert(
    fc.property(
      secrets,
      fc.array(
        fc.oneof(
          text,
          word.map((it) => Buffer.from(it)),
        ),
      ),
      fc.array(fc.nat()),
      (values, pieces, cuts) => {
        const bytes = Buffer.concat(pieces);
        const mask = new SecretMask(values);
        const expected = maskedByDefinition(
          bytes,
          values.map((value) => Buffer.from(value)),
        );
        assert.equal(pushAll(mask.stream(), bytes, []).toString('latin1'), expected.toString('latin1'));
        assert.equal(pushAll(mask.stream(), bytes, cuts).toString('latin1'), expected.toString('latin1'));
        const everywhere = Array.from(bytes, (_, index) => index);
        assert.equal(pushAll(mask.stream(), bytes, everywhere).toString('latin1'), expected.toString('latin1'));
      },
    ),
    { numRuns: 500 },
  );
});

test('nothing is held back but what may become a secret', () => {
  fc.assert(
    fc.property(secrets, text, (values, bytes) => {
      const sought = values.map((value) => Buffer.from(value));
      const stream = new SecretMask(values).stream();
      const given: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += 1) {
        given.push(stream.push(bytes.subarray(at, at + 1)));
        const seen = bytes.subarray(0, at + 1);
        let open = 0;
        for (const secret of sought) {
          for (let length = 1; length < secret.length && length <= seen.length; length += 1) {
            if (seen.subarray(seen.length - length).equals(secret.subarray(0, length))) open = Math.max(open, length);
          }
        }
        // Without that tail, everything is out; a run of secrets that began before it has been told.
        const whole = maskedByDefinition(bytes.subarray(0, at + 1), sought).toString('latin1');
        const out = Buffer.concat(given).toString('latin1');
        const tail = seen.subarray(seen.length - open).toString('latin1');
        assert.ok(whole.startsWith(out) || out.endsWith('[secret]'), `${whole} ${out}`);
        if (open === 0) assert.equal(out, whole);
        else assert.ok(out.length >= whole.length - Math.max(tail.length, 8 * tail.length), `${whole} ${out} ${tail}`);
      }
    }),
    { numRuns: 300 },
  );
  const stream = new SecretMask(['hunter22']).stream();
  assert.equal(stream.push(Buffer.from('password: ')).toString(), 'password: ');
  assert.equal(stream.push(Buffer.from('hunter2')).toString(), '');
  assert.equal(stream.push(Buffer.from('2')).toString(), '[secret]');
  assert.equal(stream.push(Buffer.from('hunt')).toString(), '');
  assert.equal(stream.push(Buffer.from('s h')).toString(), 'hunts ');
  assert.equal(stream.end().toString(), 'h');
});

test('short secrets are left alone, the longest wins, a last line break is no part of one', () => {
  assert.equal(new SecretMask(['abc', '', 'wxyz']).text('abc wxyz'), 'abc [secret]');
  assert.equal(new SecretMask(['üü']).text('üü'), '[secret]');
  assert.equal(new SecretMask(['pass', 'password']).text('pass password'), '[secret] [secret]');
  assert.equal(new SecretMask(['password', 'sword of']).text('a password of b'), 'a [secret] b');
  assert.equal(new SecretMask(['abcd']).text('abcdabcd'), '[secret][secret]');
  assert.equal(new SecretMask(['token\r\n']).text('token.'), '[secret].');
  assert.equal(new SecretMask([]).text('text'), 'text');
  assert.equal(new SecretMask(['a.*b', '$&$1']).text('a.*b $&$1 axxb'), '[secret] [secret] axxb');
});

test('a key is found whole and line by line, but for its short lines', () => {
  const key = '-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\nshort\n-----END KEY-----\n';
  const mask = new SecretMask([key]);
  assert.equal(mask.text(`key:\n${key}.`), 'key:\n[secret]\n.');
  assert.equal(mask.text('> hkiG9w0BAQEFAASC <\r\n> MIIEvQIBADANBgkq <\r\n'), '> [secret] <\r\n> [secret] <\r\n');
  assert.equal(mask.text(key.replaceAll('\n', '\r\n')), '[secret]\r\n[secret]\r\n[secret]\r\nshort\r\n[secret]\r\n');
});

test('many long secrets cost one step a byte', () => {
  const long = 'a'.repeat(65_000);
  const lines = Array.from({ length: 5000 }, (_, index) => `line ${index}.`).join('\n');
  const stream = new SecretMask([`${long}b`, lines]).stream();
  const started = performance.now();
  // The worst there is: every byte may belong to a secret, and each comes alone.
  let given = 0;
  for (let index = 0; index < 200_000; index += 1) given += stream.push(Buffer.from('a')).length;
  assert.equal(given, 135_000);
  assert.ok(performance.now() - started < 10_000);
});

test('no log of an attempt carries its secrets, however they are written, and none of it is lost', async () => {
  await using site = await startSite();
  const { coordinator, runtime } = site;
  const secrets = { password: 'correct-horse-battery', pin: '123' };
  const task = { env: { PASSWORD: { secret: 'password' }, PIN: { secret: 'pin' } } };
  coordinator.lease(leaseGroup([0, 1], { task, group: { secrets } }));
  await coordinator.until(() => runtime.attempts.length === 2);
  for (const attempt of runtime.attempts) {
    const { host } = attempt;
    host.log('stdout', Buffer.from('it is correct-'));
    host.log('stderr', Buffer.from('pin 123\n'));
    for (const byte of Buffer.from('horse-battery.\n')) host.log('stdout', Buffer.of(byte));
    host.log('stdout', Buffer.from('correct-horse'));
    if (attempt === runtime.attempts[0]) attempt.succeed();
    else attempt.fail('exit-code', 'correct-horse-battery', 1);
  }
  await coordinator.until(() => coordinator.ending(0) !== undefined && coordinator.ending(1) !== undefined);
  for (const partition of [0, 1]) {
    const ending = coordinator.ending(partition);
    assert.ok(ending?.event === 'succeed' || ending?.event === 'fail');
    await coordinator.until(() => coordinator.log(partition).length >= ending.logBytes);
    assert.equal(coordinator.log(partition), 'it is pin 123\n[secret].\ncorrect-horse');
  }
});
