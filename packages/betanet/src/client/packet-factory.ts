/** What the client needs of the packet format. Its sizes are the network's: all packets have one geometry. */
import type { PathHop } from './epoch-keys.ts';
import type { PayloadSizes } from './service-messages.ts';

/** Is told the group element of the packet at each hop, see `PacketOptions` of @fog/sphinx. */
export type TellElements = (elements: readonly Uint8Array[]) => void;

export interface PacketFactory {
  /** Of a packet to a service, beside its own room for one reply block. */
  readonly request: PayloadSizes;
  /** Of a packet made from a reply block. */
  readonly reply: PayloadSizes;
  /** `replyBlock` goes into the packet's own room. */
  createPacket(options: {
    path: readonly PathHop[];
    recipient: Uint8Array;
    payload: Uint8Array;
    replyBlock: Uint8Array | null;
    elements?: TellElements | undefined;
  }): Uint8Array;
  createReplyBlock(options: {
    path: readonly PathHop[];
    recipient: Uint8Array;
    replyId: Uint8Array;
    elements?: TellElements | undefined;
  }): {
    block: Uint8Array;
    keys: Uint8Array;
  };
  /** What leaves from the node before the block's first hop. The payload has the size of a reply's. */
  packetFromReplyBlock(block: Uint8Array, payload: Uint8Array): Uint8Array;
  /** Null when the body was changed on its way. Wipes the keys. */
  openReply(keys: Uint8Array, body: Uint8Array): Uint8Array | null;
}
