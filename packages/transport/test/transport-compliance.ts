/** What every transport must do, whatever carries its bytes. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { describe, test } from 'node:test';
import type { Listener, Transport } from '@fog/transport';

export interface TransportUnderTest {
  /** Who listens, and who dials; may be one and the same. */
  listening: Transport;
  dialling: Transport;
  /** Asks for any free address. */
  anyAddress: string;
  /** Where nobody listens. */
  deadAddress: string;
  /** Where a dial gets no answer at all, if there is a way to have that without a network. */
  silentAddress?: string;
  /** What is no address, if there is such a thing. */
  badAddress?: string;
}

interface Connection extends AsyncDisposable {
  client: Duplex;
  server: Duplex;
  listener: Listener;
  remoteAddress: string;
}

async function connect({ listening, dialling, anyAddress }: TransportUnderTest): Promise<Connection> {
  const taken = Promise.withResolvers<[Duplex, string]>();
  const listener = await listening.listen(anyAddress, (...args) => taken.resolve(args));
  const client = await dialling.dial(listener.address, { timeoutMilliseconds: 2000 });
  const [server, remoteAddress] = await taken.promise;
  const dispose = async () => {
    client.destroy();
    server.destroy();
    await listener.close();
  };
  return { client, server, listener, remoteAddress, [Symbol.asyncDispose]: dispose };
}

/** Resolves when the stream is gone, however it went. */
export function gone(stream: Duplex): Promise<void> {
  return new Promise((resolve) => (stream.closed ? resolve() : stream.once('close', resolve)));
}

/** All bytes to the end of the stream; unlike an iterator it does not destroy what can still be written to. */
function buffer(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve, reject) => {
    stream.once('end', () => resolve(Buffer.concat(chunks)));
    stream.once('error', reject);
  });
}

export function testTransport(name: string, under: TransportUnderTest): void {
  describe(`transport ${name}`, () => {
    testStreams(under);
    testDialling(under);
    testListening(under);
  });
}

function testStreams(under: TransportUnderTest): void {
  test('bytes cross both ways, whole and in order, also many', async () => {
    await using connection = await connect(under);
    const { client, server } = connection;
    const [request, answer] = [randomBytes(5_000_000), randomBytes(3_000_000)];
    const received = [buffer(server), buffer(client)];
    for (let at = 0; at < request.length; at += 77_777) client.write(request.subarray(at, at + 77_777));
    client.end();
    server.end(answer);
    const hash = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');
    assert.deepEqual((await Promise.all(received)).map(hash), [request, answer].map(hash));
    await Promise.all([gone(client), gone(server)]);
  });

  test('a side that has ended still receives', async () => {
    await using connection = await connect(under);
    const { client, server } = connection;
    client.end('question');
    assert.equal((await buffer(server)).toString(), 'question');
    server.write('answer ');
    await new Promise((resolve) => setImmediate(resolve));
    server.end('in two parts');
    assert.equal((await buffer(client)).toString(), 'answer in two parts');
    await Promise.all([gone(client), gone(server)]);
  });

  test('a reader that does not read holds the writer up', async () => {
    await using connection = await connect(under);
    const { client, server } = connection;
    const chunk = randomBytes(1 << 16);
    const most = 64 << 20;
    let written = 0;
    // Whatever lies between may hold some MiB, but the writer is told to wait at last.
    while (written < most) {
      written += chunk.length;
      if (!client.write(chunk) && (await Promise.race([once(client, 'drain'), pause(150)])) === 'paused') break;
    }
    assert.ok(written < most, 'the writer was never held up');
    assert.ok(client.writableLength <= 4 * chunk.length + client.writableHighWaterMark);
    const total = buffer(server);
    client.end();
    assert.equal((await total).length, written);
  });

  test('a side that is destroyed takes the other with it', async () => {
    for (const by of ['client', 'server'] as const) {
      await using connection = await connect(under);
      const { client, server } = connection;
      const [cause, other] = by === 'client' ? [client, server] : [server, client];
      other.write('still under way');
      other.resume();
      const closed = gone(other);
      await pause(5);
      cause.destroy();
      // TCP may tell it by an end; then nothing is left to write to.
      other.on('end', () => other.end());
      await closed;
    }
  });

  test('the end of a stream can be awaited after an error that nobody listened to', async () => {
    await using connection = await connect(under);
    connection.client.destroy(new Error('on purpose'));
    await assert.rejects(finished(connection.client), /on purpose/);
  });
}

function testDialling(under: TransportUnderTest): void {
  const { dialling, deadAddress, silentAddress, badAddress } = under;

  test('a dial where nobody listens is refused', async () => {
    await assert.rejects(dialling.dial(deadAddress), { code: 'unavailable' });
  });

  test('a dial that was aborted is cancelled', async () => {
    await assert.rejects(dialling.dial(deadAddress, { signal: AbortSignal.abort() }), { code: 'cancelled' });
  });

  test('an abort after the dial does nothing to the stream', async () => {
    await using connection = await connect(under);
    const abort = new AbortController();
    const stream = await dialling.dial(connection.listener.address, { signal: abort.signal });
    abort.abort();
    await pause(5);
    assert.equal(stream.destroyed, false);
    stream.destroy();
  });

  if (silentAddress !== undefined) {
    test('a dial without an answer ends with its time, or when it is aborted', async () => {
      await assert.rejects(dialling.dial(silentAddress, { timeoutMilliseconds: 20 }), { code: 'timed-out' });
      await assert.rejects(dialling.dial(silentAddress, { signal: AbortSignal.timeout(20) }), { code: 'cancelled' });
    });
  }

  if (badAddress !== undefined) {
    test('what is no address is told', async () => {
      const refused = { code: 'invalid-configuration' };
      await assert.rejects(dialling.dial(badAddress), refused);
      await assert.rejects(
        under.listening.listen(badAddress, () => {}),
        refused,
      );
    });
  }
}

function testListening(under: TransportUnderTest): void {
  const { listening, dialling } = under;

  test('an address in use is told, and free again after close', async () => {
    const first = await listening.listen(under.anyAddress, () => {});
    await assert.rejects(
      listening.listen(first.address, () => {}),
      { code: 'port-taken' },
    );
    await first.close();
    await first.close();
    const second = await listening.listen(first.address, () => {});
    assert.equal(second.address, first.address);
    await second.close();
  });

  test('a listener that has closed takes nothing, and leaves its streams alone', async () => {
    await using connection = await connect(under);
    const { client, server, listener } = connection;
    await listener.close();
    await assert.rejects(dialling.dial(listener.address), { code: 'unavailable' });
    client.end('still here');
    assert.equal((await buffer(server)).toString(), 'still here');
  });

  test('an abort closes the listener', async () => {
    const abort = new AbortController();
    const { address } = await listening.listen(under.anyAddress, () => {}, { signal: abort.signal });
    abort.abort();
    await pause(5);
    await assert.rejects(dialling.dial(address), { code: 'unavailable' });
    await assert.rejects(
      listening.listen(under.anyAddress, () => {}, { signal: abort.signal }),
      { code: 'cancelled' },
    );
  });

  test('the listener learns who dials', async () => {
    await using connection = await connect(under);
    assert.notEqual(connection.remoteAddress, '');
  });
}

function pause(milliseconds: number): Promise<'paused'> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds, 'paused'));
}
