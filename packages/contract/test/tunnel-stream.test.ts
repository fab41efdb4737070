/** Tunnels over WebSockets in memory: bytes, half-closes, back-pressure, and peers that send anything. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { Duplex, Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { LIMITS } from '../src/index.ts';
import { relay, type TunnelSocket, TunnelStream } from '../src/node/index.ts';

type Message = { data: Buffer; isBinary: boolean };

/** One end of a WebSocket, as far as a tunnel uses it. A message has left when the other end has taken it. */
class FakeSocket extends EventEmitter implements TunnelSocket {
  peer: FakeSocket | null = null;
  isPaused = false;
  isTerminated = false;
  closed: { code: number; reason: string } | null = null;
  readonly waiting: { message: Message; taken: () => void }[] = [];

  send(data: string | Uint8Array, sent: (error?: Error | null) => void): void {
    if (this.closed !== null) return sent(new Error('closed'));
    const message = { data: Buffer.from(data as Uint8Array), isBinary: typeof data !== 'string' };
    this.peer?.waiting.push({ message, taken: () => setImmediate(sent) });
    this.peer?.deliver();
  }

  deliver(): void {
    while (!this.isPaused) {
      const next = this.waiting.shift();
      if (next === undefined) return;
      next.taken();
      this.emit('message', next.message.data, next.message.isBinary);
    }
  }

  close(code: number, reason: string): void {
    if (this.closed !== null) return;
    this.closed = { code, reason };
    for (const end of [this, this.peer]) setImmediate(() => end?.emit('close', code, Buffer.from(reason)));
    if (this.peer !== null) this.peer.closed ??= { code, reason };
  }

  terminate(): void {
    this.isTerminated = true;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.deliver();
  }
}

function pair(idleMilliseconds = 60_000) {
  const [here, there] = [new FakeSocket(), new FakeSocket()];
  here.peer = there;
  there.peer = here;
  const maker = new TunnelStream(here, { idleMilliseconds });
  const asker = new TunnelStream(there, { idleMilliseconds });
  for (const stream of [maker, asker]) stream.on('error', () => {});
  return { here, there, maker, asker };
}

async function opened(idleMilliseconds?: number) {
  const ends = pair(idleMilliseconds);
  ends.maker.open();
  await ends.asker.opened;
  return ends;
}

/** Up to the end of this direction; an iterator would close the other one, too. */
async function bytesOf(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  return Buffer.concat(chunks);
}

describe('a tunnel', () => {
  test('carries bytes both ways, in messages that are not too large, and ends when both have ended', async () => {
    const { maker, asker, here, there } = await opened();
    const sizes: number[] = [];
    there.on('message', (data: Buffer) => sizes.push(data.length));
    const bytes = Buffer.alloc(300_000, 'ab');
    maker.end(bytes);
    assert.ok((await bytesOf(asker)).equals(bytes));
    assert.ok(sizes.every((size) => size <= LIMITS.tunnelFrameBytes));
    assert.equal(here.closed, null, 'half-closed');
    asker.end('and back');
    assert.equal(String(await bytesOf(maker)), 'and back');
    await Promise.all([maker, asker].map((stream) => stream.closed || once(stream, 'close')));
    assert.deepEqual(here.closed, { code: 1000, reason: '' });
  });

  test('holds the other side back while nobody reads', async () => {
    const { maker, asker, there } = await opened();
    const piece = Buffer.alloc(LIMITS.tunnelFrameBytes);
    const source = Readable.from(Array.from({ length: 50 }, () => piece));
    source.pipe(maker);
    for (let turns = 0; turns < 200; turns += 1) await turn();
    assert.equal(there.isPaused, true);
    assert.ok(maker.writableLength + asker.readableLength <= 4 * piece.length);
    assert.equal((await bytesOf(asker)).length, 50 * piece.length);
  });

  test('tells why it could not be opened', async () => {
    const { maker, asker } = pair();
    maker.destroy(new Error('nobody listens there'));
    await assert.rejects(asker.opened, { code: 'unavailable', message: 'nobody listens there' });
    assert.equal(asker.destroyed, true);
  });

  test('that breaks fails at the other end, with what was read before', async () => {
    const { maker, asker } = await opened();
    maker.write('half');
    assert.equal(String((await once(asker, 'data'))[0]), 'half');
    maker.destroy(new Error('é'.repeat(100)));
    const [error] = await once(asker, 'error');
    assert.match((error as Error).message, /^é+/);
  });

  test('on which nothing moves is given up', async () => {
    const { asker } = await opened(30);
    const [error] = await once(asker, 'error');
    assert.match((error as Error).message, /nothing moved for 30 ms/);
  });

  test('does not take what does not belong into it', async () => {
    const wrong: [string, ((socket: FakeSocket) => void)[]][] = [
      ['bytes before it is open', [(socket) => socket.send(Buffer.from('x'), () => {})]],
      ['another text', [(socket) => socket.send('open', () => {}), (socket) => socket.send('hello', () => {})]],
      ['a second opening', [(socket) => socket.send('open', () => {}), (socket) => socket.send('open', () => {})]],
      [
        'bytes after the end',
        ['open', 'end', Buffer.from('x')].map((it) => (socket: FakeSocket) => socket.send(it, () => {})),
      ],
    ];
    for (const [what, sends] of wrong) {
      const { here, there, asker } = pair();
      const failed = once(asker, 'error');
      for (const send of sends) send(here);
      const [error] = await failed;
      assert.equal((error as { code?: string }).code, 'protocol-violation', what);
      assert.equal(there.closed?.code, 4000, what);
    }
  });

  test('property: a peer that sends anything gets bytes through in order, or ends the tunnel; nothing throws', async () => {
    const message = fc.oneof(
      fc.constantFrom('open', 'end', 'END', ''),
      fc.string(),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 8 }), fc.boolean(), async (messages, closes) => {
        const { here, asker } = pair();
        const received: Buffer[] = [];
        asker.on('data', (chunk: Buffer) => received.push(chunk));
        for (const it of ['open', ...messages]) here.send(it, () => {});
        if (closes) here.close(1000, '');
        await turn();
        await turn();
        const firstText = messages.findIndex((it) => typeof it === 'string');
        const sent = Buffer.concat(
          messages.slice(0, firstText === -1 ? messages.length : firstText).filter((it) => typeof it !== 'string'),
        );
        assert.ok(Buffer.concat(received).equals(sent));
        const isSound = firstText === -1 || (messages[firstText] === 'end' && firstText === messages.length - 1);
        if (!isSound) assert.ok(asker.destroyed);
        asker.destroy();
      }),
      { numRuns: 300 },
    );
  });
});

describe('relay', () => {
  test('joins two connections and ends with both', async () => {
    const left = await opened();
    const right = await opened();
    const joined = relay(left.asker, right.asker);
    left.maker.end('there');
    assert.equal(String(await bytesOf(right.maker)), 'there');
    right.maker.end('back');
    assert.equal(String(await bytesOf(left.maker)), 'back');
    await joined;
  });

  test('passes a break on', async () => {
    const left = await opened();
    const right = await opened();
    const joined = relay(left.asker, right.asker);
    left.maker.destroy();
    await joined;
    assert.ok(right.maker.destroyed || (await once(right.maker, 'error')));
  });

  test('does not wait for what is closed already', async () => {
    const gone = new Duplex({ read: () => {} });
    gone.on('error', () => {});
    gone.destroy();
    await pause(1);
    const { asker } = await opened();
    await relay(gone, asker);
    assert.ok(asker.destroyed);
  });
});
