import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { EpochKeyStore } from '../../src/node/epoch-key-store.ts';

const BOOT = randomBytes(16);

async function inFolder(run: (folder: string, open: () => Promise<EpochKeyStore>) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fog-epoch-keys-'));
  const open = () =>
    EpochKeyStore.open({
      folder,
      bootId: BOOT,
      retired: (epoch, reason) => assert.fail(`the key of epoch ${epoch} was retired: ${reason}`),
    });
  try {
    await run(folder, open);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('two who want the key of an epoch at once get the same, which a restart finds again', () =>
  inFolder(async (_, open) => {
    const store = await open();
    const asked = await Promise.all([store.require([5, 6]), store.require([5, 6]), store.require([6, 7])]);
    const [one, two, three] = asked.map((keys) => keys.map(({ publicKey }) => Buffer.from(publicKey).toString('hex')));
    assert.deepEqual(one, two);
    assert.equal(one?.[1], three?.[0]);
    store[Symbol.dispose]();
    const again = await open();
    const [six, seven] = await again.require([6, 7]);
    assert.equal(Buffer.from(six?.publicKey ?? []).toString('hex'), three?.[0]);
    assert.equal(Buffer.from(seven?.publicKey ?? []).toString('hex'), three?.[1]);
    again[Symbol.dispose]();
  }));

test('a last key is kept as long as it is asked for, never made, and gone from memory and disk at once', () =>
  inFolder(async (folder, open) => {
    const store = await open();
    assert.deepEqual(
      (await store.require([5, 6], 4)).map(({ epoch }) => epoch),
      [5, 6],
    );
    const last = (await store.require([6, 7], 5))[0];
    assert.equal(last?.epoch, 5);
    const tag = randomBytes(8);
    assert.equal(store.claim(5, tag, 0), 'new');
    await store.require([6, 7]);
    assert.deepEqual((await readdir(folder)).sort(), ['6.key', '6.tags', '7.key', '7.tags']);
    assert.ok(last?.privateKey.every((byte) => byte === 0) && last.tagKey.every((byte) => byte === 0));
    assert.deepEqual([store.find(5), store.claim(5, tag, 0)], [null, 'full']);
    assert.deepEqual(
      store.replaySets().map(({ epoch }) => epoch),
      [6, 7],
    );
    store[Symbol.dispose]();
  }));

test('of a key that was being made or deleted when the node was killed nothing is left behind', () =>
  inFolder(async (folder, open) => {
    await writeFile(join(folder, '9.key.new'), randomBytes(64));
    await writeFile(join(folder, '8.tags'), randomBytes(64));
    (await open())[Symbol.dispose]();
    assert.deepEqual(await readdir(folder), []);
  }));

test('keys that were made while the clock was ahead do not stand for those of the present', () =>
  inFolder(async (folder, open) => {
    const ahead = await open();
    await ahead.require([5 + 256, 6 + 256]);
    ahead[Symbol.dispose]();
    const store = await open();
    await store.require([5, 6]);
    assert.equal(store.find(5)?.epoch, 5);
    assert.deepEqual((await readdir(folder)).sort(), ['5.key', '5.tags', '6.key', '6.tags']);
    const tag = randomBytes(8);
    assert.deepEqual(
      [store.claim(5, tag, 0), store.claim(5, tag, 0), store.claim(261, tag, 0)],
      ['new', 'replay', 'full'],
    );
    store[Symbol.dispose]();
  }));

test('a write that the disk breaks off goes on at the same byte, so that no tag is torn', () =>
  inFolder(async (folder, open) => {
    const store = await open();
    await store.require([5]);
    const tags = Array.from({ length: 3 }, () => randomBytes(8));
    for (const tag of tags) store.claim(5, tag, 0);
    const write = fs.writeSync;
    let calls = 0;
    mock.method(fs, 'writeSync', (descriptor: number, data: Uint8Array, at: number) => {
      calls += 1;
      if (calls > 1) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      return write(descriptor, data, at, 11);
    });
    syncBuiltinESMExports();
    assert.throws(() => store.flush(), { code: 'ENOSPC' });
    assert.throws(() => store.flush(), { code: 'ENOSPC' }, 'no packet leaves while some of its tags are pending');
    mock.restoreAll();
    syncBuiltinESMExports();
    store.flush();
    const log = await readFile(join(folder, '5.tags'));
    assert.deepEqual(log.subarray(64), Buffer.concat(tags));
    store[Symbol.dispose]();
  }));

test('the first tags of a key are synced to the disk, also after a restart, and no others', () =>
  inFolder(async (_, open) => {
    let synced = 0;
    mock.method(fs, 'fdatasyncSync', () => {
      synced += 1;
    });
    syncBuiltinESMExports();
    const use = (store: EpochKeyStore, epoch: number) => {
      store.claim(epoch, randomBytes(8), 0);
      store.flush();
      return synced;
    };
    try {
      const store = await open();
      await store.require([5, 6]);
      assert.deepEqual([use(store, 5), use(store, 5), use(store, 5)], [1, 1, 1]);
      store[Symbol.dispose]();
      const again = await open();
      assert.deepEqual([use(again, 5), use(again, 6), use(again, 6)], [1, 2, 2]);
      again[Symbol.dispose]();
    } finally {
      mock.restoreAll();
      syncBuiltinESMExports();
    }
  }));
