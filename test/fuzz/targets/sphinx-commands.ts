import assert from 'node:assert/strict';
import { type Commands, delayCommand, nextHopCommand, readCommands, recipientCommand, replyCommand } from '@fog/sphinx';
import { randomSlot } from '../../../packages/sphinx/test/damaged-packets.ts';
import type { FuzzRandom } from '../fuzz-random.ts';
import { oneByOne } from '../fuzz-target.ts';

/** Invariants: nothing is thrown; what is read says where to go, and written again reads the same. */
export const SPHINX_COMMANDS = oneByOne(
  { summary: 'commands of a slot: of all kinds, in any order, cut off, with rests, noise', share: 1 },
  () => (random) => {
    const slot = slotOf(random);
    const commands = readCommands(slot);
    if (commands === null) return 'malformed';
    const { nextHop, recipient, replyId } = commands;
    assert.ok((nextHop === null) !== (recipient === null), 'either a next hop or a recipient');
    assert.ok(replyId === null || recipient !== null, 'a reply has a recipient');
    const again = written(commands);
    assert.ok(again.length <= slot.length, 'nothing comes from beyond the slot');
    if (random.once(16)) assert.deepEqual(readCommands(again), commands);
    return nextHop !== null ? 'next hop' : replyId !== null ? 'reply' : 'recipient';
  },
);

function slotOf(random: FuzzRandom): Uint8Array {
  const kind = random.below(8);
  if (kind > 4) return damagedSlot(random);
  if (kind === 0) return random.bytes(random.below(83));
  const slot = randomSlot(random.bytes);
  if (kind === 1) return slot.subarray(0, random.below(slot.length + 1));
  if (kind === 2) random.flip(slot);
  return slot;
}

/** Commands that make sense, half of them with a bit flipped or bytes moved. */
function damagedSlot(random: FuzzRandom): Uint8Array {
  const isNext = random.once(2);
  const [id, mac] = [random.bytes(32), random.bytes(32)];
  const slot = new Uint8Array(82);
  slot.set(
    written({
      nextHop: isNext ? { id, mac } : null,
      recipient: isNext ? null : id,
      replyId: isNext || random.once(2) ? null : mac.subarray(0, 16),
      delayMilliseconds: random.once(2) ? 0 : random.uint32(),
    }),
  );
  const kind = random.below(4);
  if (kind === 0) random.flip(slot);
  if (kind === 1) slot.copyWithin(random.below(82), random.below(82));
  return slot;
}

function written({ nextHop, recipient, replyId, delayMilliseconds }: Commands): Uint8Array {
  return Buffer.concat([
    ...(delayMilliseconds === 0 ? [] : [delayCommand(delayMilliseconds)]),
    ...(nextHop === null ? [] : [nextHopCommand(nextHop.id, nextHop.mac)]),
    ...(recipient === null ? [] : [recipientCommand(recipient)]),
    ...(replyId === null ? [] : [replyCommand(replyId)]),
  ]);
}
