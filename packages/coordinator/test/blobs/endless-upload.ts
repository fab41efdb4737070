/** A program that uploads to a store and never finishes: the test kills it. Arguments: folder, digest. */
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { openBlobStore } from '../../src/blobs/blob-store.ts';
import { openDatabase } from '../../src/store/open-database.ts';

const [directory = '', digest = ''] = process.argv.slice(2);
const store = await openBlobStore({
  directory: join(directory, 'blobs'),
  database: await openDatabase({ dataDirectory: directory }),
  logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
  blobBytes: 8 << 20,
  blobSpaceBytes: 8 << 20,
  keepMilliseconds: 1000,
});
const body = new Readable({ read: () => undefined });
body.push(Buffer.alloc(2 << 20, 7));
setInterval(() => undefined, 1000);
await store.receive(digest, { offset: 0, length: 4 << 20, body });
