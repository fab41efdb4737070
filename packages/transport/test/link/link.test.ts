/** Failures of properties print their seed. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LINK_LIMITS, type LinkEnd } from '@fog/transport';
import fc from 'fast-check';
import { encodeRecord } from '../../src/link/records.ts';
import { readExactly } from '../../src/link/stream-reader.ts';
import { collect, frame, linkPair, manualClock, PACKET_BYTES, rawPeer, settled, tappedPair } from './link-stage.ts';

const packetOf = (byte: number) => Buffer.alloc(PACKET_BYTES, byte);

function faultOf(end: LinkEnd): string {
  return end.by === 'fault' ? end.fault : `${end.by} ${end.code}`;
}

test('whatever is sent arrives whole and in order, over whatever chunks the stream makes', async () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.nat(255) },
    { weight: 1, arbitrary: fc.record({ control: fc.string({ maxLength: 30 }) }) },
    { weight: 1, arbitrary: fc.constantFrom('flush' as const, 'wait' as const, 'pause' as const) },
  );
  const sizes = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 5 });
  const run = async (steps: (number | { control: string } | 'flush' | 'wait' | 'pause')[], pieces: number[]) => {
    let turn = 0;
    const streams = tappedPair(function* (chunk) {
      for (let at = 0; at < chunk.length; ) {
        const size = pieces[turn++ % pieces.length] ?? 1;
        yield chunk.subarray(at, at + size);
        at += size;
      }
    });
    const [near, far] = await linkPair({ streams });
    const [sent, received] = [collect(near), collect(far)];
    const expected: unknown[] = [];
    for (const what of steps) {
      if (typeof what === 'number') {
        assert.equal(near.sendPacket(packetOf(what)), 'sent');
        expected.push(packetOf(what));
      } else if (what === 'flush') near.flush();
      else if (what === 'wait') await settled(2);
      else if (what === 'pause') {
        far.pause();
        setImmediate(() => far.resume());
      } else {
        assert.equal(near.sendControl(what), 'sent');
        expected.push({ control: { ...what } });
      }
    }
    near.close();
    const ends = await Promise.all([sent.ended, received.ended]);
    assert.deepEqual(ends.map(faultOf), ['us done', 'peer done']);
    assert.deepEqual(received.all, expected);
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), sizes, run), { numRuns: 40 });
});

test('packets that are sent together share a message and are handed over as one run', async () => {
  const [near, far] = await linkPair();
  const runs: unknown[] = [];
  collect(near);
  collect(far, { onPackets: (_message, run) => runs.push(run) });
  for (let index = 0; index < 5; index += 1) near.sendPacket(packetOf(index));
  near.sendControl({ between: true });
  near.sendPacket(packetOf(9));
  await settled();
  const stride = PACKET_BYTES + 4;
  assert.deepEqual(runs, [
    { offset: 4, stride, count: 5 },
    { offset: 5 * stride + 4 + 16 + 4, stride, count: 1 },
  ]);
  const { messagesSent, packetsSent, bytesSent } = near.counters;
  assert.deepEqual([messagesSent, packetsSent], [1, 6]);
  assert.deepEqual([far.counters.packetsReceived, far.counters.bytesReceived], [6, bytesSent]);
  for (const link of [near, far]) link.destroy();
});

test('more than a message can hold goes in several, without a record across them', async () => {
  const [near, far] = await linkPair({ both: { packetBytes: 30_000 } });
  const received = collect(far);
  const packets = Array.from({ length: 7 }, () => randomBytes(30_000));
  for (const packet of packets) assert.equal(near.sendPacket(packet), 'sent');
  await settled(60);
  assert.deepEqual(received.packets, packets);
  assert.equal(near.counters.messagesSent, 4);
  for (const link of [near, far]) link.destroy();
});

test('both ends change their keys after the same message, in each direction', async () => {
  const [near, far] = await linkPair();
  const [back, there] = [collect(near), collect(far)];
  const count = LINK_LIMITS.rekeyMessages + 5;
  for (let index = 0; index < count; index += 1) {
    near.sendPacket(packetOf(index));
    near.flush();
    if (index % 2 === 0) far.sendPacket(packetOf(index));
    if (index % 2 === 0) far.flush();
    if (index % 200 === 0) await settled(8);
  }
  await settled(100);
  assert.equal(there.packets.length, count);
  assert.equal(back.packets.length, Math.ceil(count / 2));
  assert.deepEqual(there.packets.at(-1), packetOf(count - 1));
  assert.equal(near.counters.messagesSent, count);
  for (const link of [near, far]) link.destroy();
});

test('a link of somebody who forgot to change the key ends at that message', async () => {
  const { link, say, stream } = await rawPeer();
  stream.resume();
  const { ended, packets } = collect(link);
  const record = encodeRecord('packet', packetOf(1));
  stream.cork(); // many messages in one chunk, to be quick
  for (let index = 0; index < LINK_LIMITS.rekeyMessages; index += 1) {
    say(record);
    if (index % 500 === 0) stream.uncork();
    if (index % 500 === 0) await settled(2);
    if (index % 500 === 0) stream.cork();
  }
  stream.uncork();
  await settled(40);
  assert.equal(packets.length, LINK_LIMITS.rekeyMessages);
  say(record);
  stream.end();
  assert.equal(faultOf(await ended), 'not-authentic');
});

test('a peer that stops reading fills its own bound and no more', async () => {
  const sendBufferBytes = 200_000;
  const [near, far] = await linkPair({ both: { sendBufferBytes } });
  let drained = 0;
  collect(near, { onDrain: () => (drained += 1) });
  const received = collect(far);
  far.pause();
  await settled();
  let sent = 0;
  let refused = 0;
  for (let index = 0; refused < 2000; index += 1) {
    if (near.sendPacket(packetOf(index)) === 'sent') sent += 1;
    else refused += 1;
    assert.ok(near.writableLength <= sendBufferBytes);
    if (index % 100 === 0) await settled(1);
  }
  assert.equal(near.counters.packetsRefused, refused);
  for (let index = 0; index < 100; index += 1) near.sendControl({ text: 'x'.repeat(4000) });
  assert.ok(near.writableLength <= sendBufferBytes + LINK_LIMITS.controlReserveBytes);
  assert.equal(near.sendControl({ text: 'x'.repeat(4000) }), 'full');
  assert.equal(drained, 0);
  far.resume();
  await settled(60);
  assert.equal(received.packets.length, sent);
  assert.equal(drained, 1);
  assert.equal(near.sendPacket(packetOf(1)), 'sent');
  for (const link of [near, far]) link.destroy();
});

test('pings are answered once a message, and not at all while the peer does not read', async () => {
  const { link, say } = await rawPeer({ sendBufferBytes: 10_000 });
  collect(link);
  const pings = Buffer.concat(Array.from({ length: 500 }, () => encodeRecord('ping')));
  say(pings);
  await settled();
  const { messagesSent, bytesSent } = link.counters;
  assert.deepEqual([messagesSent, bytesSent], [2, 2 * (2 + 4 + 16)], 'a welcome and a pong');
  while (link.writableLength < 9000) {
    while (link.sendPacket(packetOf(1)) === 'sent');
    await settled(1);
  }
  while (link.sendPacket(packetOf(1)) === 'sent');
  await settled();
  const before = link.counters.messagesSent;
  for (let index = 0; index < 300; index += 1) say(pings);
  await settled();
  assert.equal(link.counters.messagesReceived, 301);
  assert.ok(link.writableLength <= 10_000, `${link.writableLength}`);
  assert.ok(link.counters.messagesSent <= before + 5, 'what room was left');
  link.destroy();
});

test('what breaks the protocol ends the link with its cause, and is told so', async () => {
  const cases: [string, (peer: Awaited<ReturnType<typeof rawPeer>>) => void][] = [
    ['unknown-record', ({ say }) => say(Buffer.from([99, 0, 0, 0]))],
    ['unknown-record', ({ say }) => say(encodeRecord('welcome'))],
    ['wrong-packet-size', ({ say }) => say(encodeRecord('packet', Buffer.alloc(PACKET_BYTES + 1)))],
    ['bad-frame', ({ say }) => say(Buffer.alloc(0))],
    ['bad-frame', ({ stream }) => stream.write(Buffer.from([0, 19]))],
    ['bad-frame', ({ say }) => say(encodeRecord('packet', packetOf(1)).subarray(0, 50))],
    ['bad-record', ({ say }) => say(encodeRecord('control', Buffer.from('{"a":')))],
    ['not-authentic', ({ stream }) => stream.write(frame(randomBytes(60)))],
    ['not-authentic', ({ stream }) => stream.write(frame(randomBytes(65_535)))],
  ];
  for (const [fault, act] of cases) {
    const peer = await rawPeer();
    const { ended, packets } = collect(peer.link);
    act(peer);
    await settled();
    assert.equal(peer.link.isOpen, false, fault);
    assert.equal(peer.link.sendPacket(packetOf(1)), 'closed');
    const length = (await readExactly(peer.stream, 2)).readUInt16BE();
    const goodbye = peer.ciphers.receive.decrypt(await readExactly(peer.stream, length));
    assert.deepEqual(goodbye, encodeRecord('goodbye', Buffer.from(`\u0002${fault}`)));
    peer.stream.end();
    peer.stream.resume();
    assert.equal(faultOf(await ended), fault);
    assert.equal(packets.length, 0);
  }
});

test('a flipped bit anywhere in a message ends the link before anything of it is handed over', async () => {
  const run = async (position: number) => {
    let isOpen = false;
    const streams = tappedPair((chunk, direction) => {
      if (!isOpen || direction === 'back') return [chunk];
      const changed = Buffer.from(chunk);
      const at = position % chunk.length;
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      return [changed];
    });
    const [near, far] = await linkPair({ streams });
    collect(near);
    const { ended, packets } = collect(far);
    isOpen = true;
    near.sendPacket(packetOf(1));
    await settled();
    near.close(); // a length that was made longer is noticed with the next message
    assert.ok(['not-authentic', 'bad-frame', 'cut'].includes(faultOf(await ended)));
    assert.equal(packets.length, 0);
  };
  await fc.assert(fc.asyncProperty(fc.nat(), run), { numRuns: 30 });
});

test('a message that was seen before is not taken again', async () => {
  const { link, stream, ciphers } = await rawPeer();
  stream.resume();
  const { ended, packets } = collect(link);
  const message = frame(ciphers.send.encrypt(encodeRecord('packet', packetOf(1))));
  stream.write(message);
  stream.write(message);
  await settled();
  stream.end();
  assert.equal(faultOf(await ended), 'not-authentic');
  assert.equal(packets.length, 1);
});

test('a stream that ends within a frame, or without a goodbye, is told as cut', async () => {
  for (const bytes of [Buffer.alloc(0), Buffer.from([200]), Buffer.alloc(200, 1)]) {
    const { link, stream } = await rawPeer();
    stream.resume();
    const { ended } = collect(link);
    stream.end(bytes);
    const end = await ended;
    assert.equal(faultOf(end), 'cut');
    assert.ok(end.by === 'fault' && end.error.code === 'unavailable' && end.error.retryable);
  }
  const { link, stream } = await rawPeer();
  stream.destroy();
  await sleep(5);
  assert.equal(faultOf(await collect(link).ended), 'cut', 'also one that was over before it was started');
});

test('a goodbye arrives after what was sent before it, and with its code', async () => {
  const [near, far] = await linkPair();
  const [here, there] = [collect(near), collect(far)];
  near.sendPacket(packetOf(3));
  near.close('superseded', 'a newer link\u001b[0m');
  near.close('done', 'too late');
  assert.equal(near.sendPacket(packetOf(4)), 'closed');
  assert.equal(near.sendControl({}), 'closed');
  assert.deepEqual(await there.ended, { by: 'peer', code: 'superseded', reason: 'a newer link [0m' });
  assert.deepEqual(await here.ended, { by: 'us', code: 'superseded', reason: 'a newer link\u001b[0m' });
  assert.deepEqual(there.packets, [packetOf(3)]);
});

test('a peer that does not take the goodbye is cut', async () => {
  const clock = manualClock();
  const { link, stream } = await rawPeer({ clock });
  const { ended } = collect(link);
  for (let index = 0; index < 2000; index += 1) link.sendPacket(packetOf(index));
  link.close('shutting-down');
  await settled();
  assert.equal(stream.destroyed, false);
  await clock.advance(LINK_LIMITS.closeMilliseconds);
  assert.equal(faultOf(await ended), 'us shutting-down');
  assert.ok(stream.destroyed);
});

test('a quiet link is asked for signs of life, and given up without any', async () => {
  const clock = manualClock();
  const { link, stream, ciphers, say } = await rawPeer({ clock });
  const { ended } = collect(link);
  const said: string[] = [];
  const listen = async () => {
    for (;;) {
      const length = (await readExactly(stream, 2)).readUInt16BE();
      said.push(ciphers.receive.decrypt(await readExactly(stream, length)).toString('hex'));
    }
  };
  listen().catch(() => {});
  const ping = encodeRecord('ping').toString('hex');
  await clock.advance(20_000);
  await clock.advance(20_000);
  assert.deepEqual(said, [ping, ping]);
  say(encodeRecord('pong'));
  await settled();
  await clock.advance(79_000);
  assert.equal(link.isOpen, true, 'an answer counts');
  await clock.advance(21_000);
  assert.equal(link.isOpen, false);
  await clock.advance(LINK_LIMITS.closeMilliseconds);
  assert.equal(faultOf(await ended), 'silent');
  assert.equal(said.at(-1), encodeRecord('goodbye', Buffer.from([3])).toString('hex'));
});

test('two quiet links keep each other alive, and half a message is no sign of life', async () => {
  const clock = manualClock();
  const [near, far] = await linkPair({ both: { clock } });
  collect(near);
  collect(far);
  await clock.advance(3_600_000);
  assert.deepEqual([near.isOpen, far.isOpen], [true, true]);
  const { link, stream } = await rawPeer({ clock });
  stream.resume();
  collect(link);
  for (let seconds = 0; seconds < 110; seconds += 10) {
    stream.write(Buffer.from([1]));
    await clock.advance(10_000);
  }
  assert.equal(link.isOpen, false);
  for (const open of [near, far]) open.destroy();
});

test('pausing within a call stops after that message; what came meanwhile is kept', async () => {
  const { link, stream, ciphers } = await rawPeer();
  stream.resume();
  let handed = 0;
  collect(link, {
    onPackets: (_message, { count }) => {
      handed += count;
      link.pause();
    },
  });
  const message = (count: number) =>
    frame(
      ciphers.send.encrypt(Buffer.concat(Array.from({ length: count }, () => encodeRecord('packet', packetOf(1))))),
    );
  stream.write(Buffer.concat([message(2), message(3), message(4).subarray(0, 40)]));
  await settled();
  assert.equal(handed, 2);
  link.resume();
  await settled();
  assert.equal(handed, 5);
  link.destroy();
});

test('after a close within a call nothing more is handed over', async () => {
  const { link, stream, say } = await rawPeer();
  stream.resume();
  let handed = 0;
  const { controls, ended } = collect(link, {
    onPackets: (_message, { count }) => {
      handed += count;
      link.close();
    },
  });
  say(Buffer.concat([encodeRecord('packet', packetOf(1)), encodeRecord('control', Buffer.from('{}'))]));
  say(encodeRecord('packet', packetOf(2)));
  await settled();
  assert.deepEqual([handed, controls.length], [1, 0]);
  stream.end();
  link.destroy();
  assert.equal(
    faultOf(await (link.isOpen ? ended : Promise.resolve({ by: 'us', code: 'done', reason: '' }))),
    'us done',
  );
});

test('mistakes of the caller are told', async () => {
  const [near, far] = await linkPair();
  collect(near);
  assert.throws(() => near.sendPacket(Buffer.alloc(1)), { code: 'internal' });
  assert.throws(() => near.sendControl('x'.repeat(5000)), { code: 'body-too-large' });
  assert.throws(() => collect(near), { code: 'internal' });
  for (const link of [near, far]) link.destroy();
});
