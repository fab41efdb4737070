import assert from 'node:assert/strict';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseToken, type Scope } from '@fog/contract';
import fc from 'fast-check';
import { bearerAuthentication, requireScope } from '../../src/access/bearer.ts';
import { ensureAdminToken, TokenStore } from '../../src/access/tokens.ts';
import { storeFolder } from './store-folder.ts';

const FINGERPRINT = 'ab'.repeat(32);
const unauthenticated = { code: 'unauthenticated', status: 401 };

test('a token authenticates as its scope and principal, and only its hash is stored', async () => {
  await using folder = await storeFolder();
  const tokens = new TokenStore({ database: folder.database, fingerprint: FINGERPRINT });
  const { token, ...shown } = await tokens.create({ scope: 'submit', principal: 'alice' });
  assert.ok(token.endsWith(`.${FINGERPRINT}`));
  assert.deepEqual(await tokens.authenticate(token), { scope: 'submit', principal: 'alice' });
  assert.equal((await tokens.create({ scope: 'node' })).principal, 'admin');
  const stranger = await tokens.create({ scope: 'submit' });
  assert.equal(stranger.principal, stranger.id, 'nobody is trusted as admin by default');
  const dump = JSON.stringify(await folder.database.read.selectFrom('tokens').selectAll().execute());
  assert.ok(!dump.includes(parseToken(token).secret));
  assert.deepEqual((await tokens.list({ limit: 10 })).items.at(-1), shown);
});

test('forged, altered and unknown tokens are refused alike', async () => {
  await using folder = await storeFolder();
  const tokens = new TokenStore({ database: folder.database, fingerprint: null });
  const { token } = await tokens.create({ scope: 'read' });
  const parts = parseToken(token);
  const messages = new Set<string>();
  const forged = [
    token.replace('fog_read_', 'fog_admin_'),
    token.replace(parts.secret, 'A'.repeat(43)),
    token.replace(parts.id, 't000000000000000000'),
  ];
  for (const text of forged) {
    await assert.rejects(tokens.authenticate(text), (error: Error & { code: string }) => {
      messages.add(error.message);
      return error.code === 'unauthenticated';
    });
  }
  assert.equal(messages.size, 1, 'the answer must not tell which part was right');
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: token.length - 1 }),
      fc.integer({ min: 1, max: 60 }),
      async (at, shift) => {
        const changed = String.fromCharCode(33 + ((token.charCodeAt(at) - 33 + shift) % 94));
        if (changed === token[at]) return;
        await assert.rejects(tokens.authenticate(token.slice(0, at) + changed + token.slice(at + 1)), unauthenticated);
      },
    ),
    { numRuns: 200 },
  );
});

test('a token ends with its time, and its revocation holds at once', async () => {
  await using folder = await storeFolder();
  let now = 1_000_000;
  const tokens = new TokenStore({ database: folder.database, fingerprint: null, now: () => now });
  const brief = await tokens.create({ scope: 'submit', lifeMilliseconds: 1000 });
  await tokens.authenticate(brief.token);
  now += 1000;
  await assert.rejects(tokens.authenticate(brief.token), { ...unauthenticated, message: 'the token has expired' });

  const other = await tokens.create({ scope: 'submit' });
  await tokens.authenticate(other.token);
  const revoked = await tokens.revoke(other.id);
  assert.equal(revoked.revokedAt, now);
  await assert.rejects(tokens.authenticate(other.token), { ...unauthenticated, message: 'the token was revoked' });
  assert.equal((await tokens.revoke(other.id)).revokedAt, now, 'revoking twice changes nothing');
  await assert.rejects(tokens.revoke('t000000000000000000'), { code: 'not-found' });
});

test('another coordinator sees a revocation within five seconds', async () => {
  await using folder = await storeFolder();
  let now = 1_000_000;
  const options = { database: folder.database, fingerprint: null, now: () => now };
  const here = new TokenStore(options);
  const there = new TokenStore(options);
  const { token, id } = await here.create({ scope: 'submit' });
  await there.authenticate(token);
  await here.revoke(id);
  await there.authenticate(token);
  now += 5000;
  await assert.rejects(there.authenticate(token), unauthenticated);
});

test('pages of tokens are complete and without repetition, and bad cursors are refused', async () => {
  await using folder = await storeFolder();
  const tokens = new TokenStore({ database: folder.database, fingerprint: null });
  const ids = new Set<string>();
  for (let index = 0; index < 7; index += 1) ids.add((await tokens.create({ scope: 'read' })).id);
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await tokens.list({ limit: 3, cursor });
    seen.push(...page.items.map((token) => token.id));
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  assert.deepEqual(new Set(seen), ids);
  assert.equal(seen.length, 7);
  assert.deepEqual(seen, [...seen].sort().reverse());
  for (const bad of ['x', "' OR 1=1", Buffer.from('j1').toString('base64url')]) {
    await assert.rejects(tokens.list({ limit: 3, cursor: bad }), { code: 'invalid-request' });
  }
});

test('the admin token is made once, kept private, and replaced when the database does not know it', async () => {
  await using folder = await storeFolder();
  const { directory: dataDirectory } = folder;
  const path = join(dataDirectory, 'admin.token');
  const tokens = new TokenStore({ database: folder.database, fingerprint: null });
  const first = await ensureAdminToken(tokens, { dataDirectory, fingerprint: null });
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await tokens.authenticate(first), { scope: 'admin', principal: 'admin' });
  await chmod(path, 0o644);
  assert.equal(await ensureAdminToken(tokens, { dataDirectory, fingerprint: null }), first);
  assert.equal((await stat(path)).mode & 0o777, 0o600);

  const pinned = await ensureAdminToken(tokens, { dataDirectory, fingerprint: FINGERPRINT });
  assert.equal(pinned, `${first}.${FINGERPRINT}`);
  assert.equal((await readFile(path, 'utf8')).trim(), pinned);

  await tokens.revoke(parseToken(pinned).id);
  const second = await ensureAdminToken(tokens, { dataDirectory, fingerprint: null });
  assert.notEqual(parseToken(second).id, parseToken(first).id);
  await writeFile(path, 'garbage');
  await tokens.authenticate(await ensureAdminToken(tokens, { dataDirectory, fingerprint: null }));
});

test('the Authorization header is read strictly, and blob tokens go their own way', async () => {
  const authenticate = bearerAuthentication({
    tokens: { authenticate: async () => ({ scope: 'submit', principal: 'alice' }) },
    authenticateBlobToken: async (text) => ({ scope: 'node', principal: text }),
  });
  assert.equal((await authenticate('bearer anything')).principal, 'alice');
  assert.equal((await authenticate('Bearer fogblob_1')).principal, 'fogblob_1');
  for (const header of [undefined, '', 'Basic YTpi', 'Bearer', 'Bearer a b', `Bearer ${'x'.repeat(600)}`]) {
    await assert.rejects(authenticate(header), unauthenticated);
  }
  const withoutNodes = bearerAuthentication({ tokens: { authenticate: async () => assert.fail() } });
  await assert.rejects(withoutNodes('Bearer fogblob_1'), unauthenticated);
});

test('admin may everything, others what their scope says', () => {
  const caller = (scope: Scope) => ({ scope, principal: 'alice' });
  requireScope(caller('admin'), []);
  requireScope(caller('submit'), ['submit', 'read']);
  assert.throws(() => requireScope(caller('read'), ['submit']), {
    code: 'forbidden',
    details: { needed: ['admin', 'submit'], scope: 'read' },
  });
  assert.throws(() => requireScope(caller('node'), []), { code: 'forbidden' });
});
