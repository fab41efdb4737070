import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { loadSecretsKey, SecretStore } from '../../src/access/secrets.ts';
import { HTTP_LIMITS } from '../../src/limits.ts';
import { storeFolder } from './store-folder.ts';

test('secrets are sealed at rest, replaced, listed by name and deleted', async () => {
  await using folder = await storeFolder();
  const { database } = folder;
  const secrets = new SecretStore({ database, key: randomBytes(32), now: () => 5 });
  for (const name of ['b', 'a', 'c']) await secrets.set('alice', name, `value of ${name}`);
  await secrets.set('alice', 'a', 'newer');
  await secrets.set('bob', 'a', 'of bob');
  assert.deepEqual(await secrets.resolve('alice', ['a', 'b', 'a']), { a: 'newer', b: 'value of b' });
  assert.deepEqual(await secrets.resolve('alice', []), {});
  const first = await secrets.list('alice', { limit: 2 });
  assert.deepEqual(
    first.items.map((secret) => secret.name),
    ['a', 'b'],
  );
  const second = await secrets.list('alice', { limit: 2, cursor: first.next ?? '' });
  assert.deepEqual(second, { items: [{ name: 'c', principal: 'alice', updatedAt: 5 }], next: null });
  const dump = JSON.stringify(await database.read.selectFrom('secrets').selectAll().execute());
  assert.ok(!dump.includes('newer') && !dump.includes(Buffer.from('newer').toString('base64')));
  await secrets.delete('alice', 'a');
  await assert.rejects(secrets.delete('alice', 'a'), { code: 'not-found' });
  assert.deepEqual(await secrets.resolve('bob', ['a']), { a: 'of bob' });
});

test('what is not set is named, and a value never stands in an error', async () => {
  await using folder = await storeFolder();
  const { database } = folder;
  const secrets = new SecretStore({ database, key: randomBytes(32) });
  await secrets.set('alice', 'known', 'precious');
  await assert.rejects(secrets.resolve('alice', ['known', 'absent']), {
    code: 'invalid-spec',
    details: { missing: ['absent'] },
  });
  assert.deepEqual(await secrets.missing('alice', ['known', 'absent', 'absent']), ['absent']);
  const other = new SecretStore({ database, key: randomBytes(32) });
  await assert.rejects(other.resolve('alice', ['known']), (error: Error & { code: string }) => {
    assert.ok(!inspect(error, { depth: 9 }).includes('precious'));
    return error.code === 'invalid-configuration';
  });
});

test('a sealed value does not open under another name, owner, or when a bit changed', async () => {
  await using folder = await storeFolder();
  const { database } = folder;
  const secrets = new SecretStore({ database, key: randomBytes(32) });
  await secrets.set('alice', 'mine', 'precious');
  const row = await database.read.selectFrom('secrets').selectAll().executeTakeFirstOrThrow();
  const flipped = Buffer.from(row.sealed, 'base64');
  flipped[14] = (flipped[14] ?? 0) ^ 1;
  const copies = [
    { ...row, principal: 'bob' },
    { ...row, name: 'other' },
    { ...row, name: 'flipped', sealed: flipped.toString('base64') },
    { ...row, name: 'short', sealed: 'AAAA' },
  ];
  await database.write((writer) => writer.insertInto('secrets').values(copies).execute());
  for (const { principal, name } of copies) {
    await assert.rejects(secrets.resolve(principal, [name]), { code: 'invalid-configuration' });
  }
});

test('a principal holds a limited number of secrets', async () => {
  await using folder = await storeFolder();
  const { database } = folder;
  const secrets = new SecretStore({ database, key: randomBytes(32) });
  const row = { principal: 'alice', sealed: '', updated_at: 1 };
  const rows = Array.from({ length: HTTP_LIMITS.secretsPerPrincipal }, (_, index) => ({ ...row, name: `s${index}` }));
  await database.write((writer) => writer.insertInto('secrets').values(rows).execute());
  await assert.rejects(secrets.set('alice', 'more', 'x'), { code: 'too-many-requests', retryable: false });
  await secrets.set('alice', 's1', 'replaced');
  await secrets.set('bob', 'more', 'x');
});

test('the key is made once, kept private, and a wrong key file is explained', async () => {
  await using folder = await storeFolder();
  const { directory: dataDirectory } = folder;
  const [key, same] = await Promise.all([loadSecretsKey({ dataDirectory }), loadSecretsKey({ dataDirectory })]);
  assert.equal(key.length, 32);
  assert.deepEqual(same, key);
  assert.equal((await stat(join(dataDirectory, 'secrets.key'))).mode & 0o777, 0o600);
  const keyFile = join(dataDirectory, 'given.key');
  await assert.rejects(loadSecretsKey({ dataDirectory, keyFile }), { code: 'invalid-configuration' });
  await writeFile(keyFile, 'too short');
  await assert.rejects(
    loadSecretsKey({ dataDirectory, keyFile }),
    (error: Error) => !error.message.includes('too short'),
  );
  await writeFile(keyFile, 'AB'.repeat(32));
  assert.deepEqual(await loadSecretsKey({ dataDirectory, keyFile }), Buffer.alloc(32, 0xab));
});
