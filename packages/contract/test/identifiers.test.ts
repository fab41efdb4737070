import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import {
  attemptKey,
  digestSchema,
  formatToken,
  jobIdSchema,
  nameSchema,
  newId,
  nodeIdSchema,
  parseToken,
  SCOPES,
  timeOfId,
  tokenIdSchema,
} from '../src/index.ts';

test('new ids are valid, sort by their time, and differ', () => {
  const now = Date.now();
  const ids = Array.from({ length: 500 }, (_, index) => newId('j', now + index * 7, randomBytes(9)));
  for (const id of ids) assert.ok(jobIdSchema.safeParse(id).success, id);
  assert.deepEqual(ids.toSorted(), ids);
  assert.equal(new Set(Array.from({ length: 1000 }, () => newId('t', now, randomBytes(9)))).size, 1000);
  assert.ok(tokenIdSchema.safeParse(newId('t', 0, new Uint8Array(9))).success);
  assert.ok(jobIdSchema.safeParse(newId('j', Date.UTC(2527, 0), new Uint8Array(9).fill(255))).success);
});

test('identifiers are matched whole', () => {
  const digest = `sha256:${'0a'.repeat(32)}`;
  assert.ok(digestSchema.safeParse(digest).success);
  for (const wrong of [
    digest.toUpperCase(),
    `${digest}\n`,
    `x${digest}`,
    digest.slice(1),
    'sha256:',
    `sha512:${'0'.repeat(64)}`,
  ]) {
    assert.ok(!digestSchema.safeParse(wrong).success, wrong);
  }
  assert.ok(nodeIdSchema.safeParse(`n${'0'.repeat(32)}`).success);
  assert.ok(!nodeIdSchema.safeParse(`n${'g'.repeat(32)}`).success);
  for (const name of ['a', 'A-b_c.d', 'x'.repeat(63)]) assert.ok(nameSchema.safeParse(name).success, name);
  for (const name of ['', '.', '-a', 'a-', 'a b', 'a/b', '..', 'ü', 'a\n', 'x'.repeat(64)])
    assert.ok(!nameSchema.safeParse(name).success, name);
});

test('attempts have one key each', () => {
  assert.equal(attemptKey({ job: 'j1', partition: 12, fence: 1 }), 'j1/12/1');
  assert.notEqual(attemptKey({ job: 'j', partition: 1, fence: 12 }), attemptKey({ job: 'j', partition: 11, fence: 2 }));
});

test('tokens come back in their parts, with and without a fingerprint', () => {
  for (const scope of SCOPES) {
    for (const fingerprint of [null, 'f0'.repeat(32)]) {
      const parts = {
        scope,
        id: newId('t', Date.now(), randomBytes(9)),
        secret: randomBytes(32).toString('base64url'),
        fingerprint,
      };
      assert.deepEqual(parseToken(` ${formatToken(parts)}\n`), parts);
    }
  }
});

test('an id tells when it was made', () => {
  for (const time of [0, 1, 1_700_000_000_000]) assert.equal(timeOfId(newId('j', time, new Uint8Array(9))), time);
});

test('what is no token is refused, and never quoted', () => {
  const token = formatToken({
    scope: 'admin',
    id: newId('t', 1, new Uint8Array(9)),
    secret: 's'.repeat(43),
    fingerprint: null,
  });
  for (const text of [
    '',
    'fog_admin',
    token.slice(0, -1),
    `${token}x`,
    `${token}.`,
    `${token}.${'F'.repeat(64)}`,
    token.replace('admin', 'root'),
    'sw0rdfish',
  ]) {
    assert.throws(
      () => parseToken(text),
      (error: Error & { code: string }) =>
        error.code === 'unauthenticated' && (text === '' || !error.message.includes(text)),
    );
  }
});
