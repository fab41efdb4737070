import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { delayCommand, nextHopCommand, readCommands, recipientCommand, replyCommand } from '@fog/sphinx';
import fc from 'fast-check';
import { seededBytes } from './small-network.ts';

const SLOT_BYTES = 82;
const id = seededBytes(1, 'id', 32);
const mac = seededBytes(1, 'mac', 32);
const replyId = seededBytes(1, 'reply', 16);

function slotOf(...parts: Uint8Array[]): Uint8Array {
  const slot = new Uint8Array(SLOT_BYTES);
  slot.set(Buffer.concat(parts));
  return slot;
}

describe('the commands of a slot', () => {
  it('are read in any order', () => {
    const expected = { delayMilliseconds: 1234, nextHop: { id, mac }, recipient: null, replyId: null };
    assert.deepEqual(readCommands(slotOf(delayCommand(1234), nextHopCommand(id, mac))), expected);
    assert.deepEqual(readCommands(slotOf(nextHopCommand(id, mac), delayCommand(1234))), expected);
    const last = { delayMilliseconds: 0, nextHop: null, recipient: id, replyId };
    assert.deepEqual(readCommands(slotOf(replyCommand(replyId), recipientCommand(id))), last);
  });

  it('make no sense otherwise', () => {
    const next = nextHopCommand(id, mac);
    const wrong: Record<string, Uint8Array> = {
      'nothing at all': slotOf(),
      'a delay alone': slotOf(delayCommand(5)),
      'a reply without recipient': slotOf(replyCommand(replyId)),
      'a next hop and a recipient': Buffer.concat([next, recipientCommand(id)]),
      'the same twice': slotOf(recipientCommand(id), recipientCommand(id)),
      'an unknown tag': slotOf(recipientCommand(id), Uint8Array.of(0x04)),
      'bytes after the end': slotOf(recipientCommand(id), Uint8Array.of(0, 0, 1)),
      'a command that is cut off': Buffer.concat([delayCommand(5), next]).subarray(0, 69),
      'a slot that ends within its first command': next.subarray(0, 64),
    };
    for (const [what, slot] of Object.entries(wrong)) assert.equal(readCommands(slot), null, what);
  });

  it('are read from any bytes without throwing, and never from beyond the slot', () => {
    const property = fc.property(fc.uint8Array({ maxLength: SLOT_BYTES }), (slot) => {
      const commands = readCommands(slot);
      if (commands === null) return;
      assert.equal((commands.nextHop === null) !== (commands.recipient === null), true);
    });
    fc.assert(property, { seed: 1, numRuns: 10_000 });
  });
});
