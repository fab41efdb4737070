/** An `Unwrapper` over the reference, for the backends that bring their own primitives. */
import { FogError } from '@fog/contract';
import type { Unwrapper, UnwrapperOptions } from '../backend.ts';
import { copyOf } from '../bytes.ts';
import { SPHINX_LIMITS } from '../limits.ts';
import { OUTCOME_BYTES, writeOutcome } from '../outcome.ts';
import type { Primitives } from '../primitives.ts';
import { unwrap } from '../unwrap.ts';

export function createUnwrapper(primitives: Primitives, options: UnwrapperOptions): Unwrapper {
  const { geometry } = options;
  const privateKey = copyOf(options.privateKey);
  const tagKey = copyOf(options.tagKey);
  let isDisposed = false;
  return {
    unwrapBatch(packets, outcomes, count) {
      if (isDisposed) throw new FogError('internal', 'the keys of this unwrapper are wiped');
      assertBatch(geometry.packetBytes, packets, outcomes, count);
      for (let index = 0; index < count; index += 1) {
        const at = index * geometry.packetBytes;
        // A copy: what shared memory holds could change between the check of the MAC and its use.
        const packet = copyOf(packets.subarray(at, at + geometry.packetBytes));
        const unwrapped = unwrap({ geometry, privateKey, tagKey, primitives }, packet);
        const { status, delayMilliseconds, replayTag, id, replyId } = unwrapped;
        if (unwrapped.packet !== null) packets.set(unwrapped.packet, at);
        writeOutcome(outcomes, index * OUTCOME_BYTES, {
          status,
          delayMilliseconds,
          replayTag,
          ...(id === null ? {} : { id }),
          ...(replyId === null ? {} : { replyId }),
        });
      }
    },
    [Symbol.dispose]() {
      privateKey.fill(0);
      tagKey.fill(0);
      isDisposed = true;
    },
  };
}

/** Throws a `TypeError` when the batch is too large, or does not fit into its memory. */
export function assertBatch(packetBytes: number, packets: Uint8Array, outcomes: Uint8Array, count: number): void {
  const isCount = Number.isInteger(count) && count >= 0 && count <= SPHINX_LIMITS.batchPackets;
  if (!isCount) throw new TypeError(`a batch has 0 to ${SPHINX_LIMITS.batchPackets} packets, not ${count}`);
  if (packets.length < count * packetBytes) throw new TypeError(`${count} packets need ${count * packetBytes} bytes`);
  if (outcomes.length < count * OUTCOME_BYTES)
    throw new TypeError(`${count} outcomes need ${count * OUTCOME_BYTES} bytes`);
}
