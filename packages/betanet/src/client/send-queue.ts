/**
 * What waits for a slot of the Poisson stream. Nothing is ever sent but in a slot, so that when a packet leaves tells
 * nothing of what is in it.
 *
 * The destinations take turns, one packet each. So a destination with much to send, or that never answers, or that makes
 * us answer all the time, takes no more than its share from the others. Within a destination come first
 * acknowledgements and reply blocks (`control`: the other side waits for them), then retransmissions, then what is fresh.
 */
import { CLIENT_LIMITS } from './limits.ts';

export const SEND_PRIORITIES = ['control', 'retransmission', 'fresh'] as const;
export type SendPriority = (typeof SEND_PRIORITIES)[number];

export interface QueuedPacket<Content> {
  destination: string;
  priority: SendPriority;
  content: Content;
}

type Lane<Content> = Record<SendPriority, Content[]>;

export interface SendQueueLimits {
  packets: number;
  packetsPerDestination: number;
}

const LIMITS: SendQueueLimits = {
  packets: CLIENT_LIMITS.queuedPackets,
  packetsPerDestination: CLIENT_LIMITS.queuedPacketsPerDestination,
};

export class SendQueue<Content> {
  readonly #limits: SendQueueLimits;
  /** Only lanes with something in them, the one whose turn it is first. */
  readonly #lanes = new Map<string, Lane<Content>>();
  #length = 0;

  constructor(limits = LIMITS) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#length;
  }

  /** How many packets `push` would take for this destination. */
  roomFor(destination: string): number {
    const waiting = lengthOf(this.#lanes.get(destination));
    return Math.max(0, Math.min(this.#limits.packets - this.#length, this.#limits.packetsPerDestination - waiting));
  }

  /** At most one control entry waits for a destination: a later one takes its place. */
  push({ destination, priority, content }: QueuedPacket<Content>): 'queued' | 'full' {
    const lane = this.#lanes.get(destination) ?? { control: [], retransmission: [], fresh: [] };
    if (priority === 'control' && lane.control.length > 0) {
      lane.control = [content];
      return 'queued';
    }
    if (this.roomFor(destination) === 0) return 'full';
    lane[priority].push(content);
    this.#lanes.set(destination, lane);
    this.#length += 1;
    return 'queued';
  }

  /** Takes what the next slot is for, or null. */
  next(): QueuedPacket<Content> | null {
    const [first] = this.#lanes;
    if (first === undefined) return null;
    const [destination, lane] = first;
    const priority = SEND_PRIORITIES.find((name) => lane[name].length > 0) ?? 'fresh';
    const content = lane[priority].shift() as Content;
    this.#length -= 1;
    this.#lanes.delete(destination);
    // Behind all others.
    if (lengthOf(lane) > 0) this.#lanes.set(destination, lane);
    return { destination, priority, content };
  }

  /** What the control entry stood for went along with another packet. */
  dropControl(destination: string): void {
    const lane = this.#lanes.get(destination);
    if (lane === undefined) return;
    this.#length -= lane.control.length;
    lane.control = [];
    if (lengthOf(lane) === 0) this.#lanes.delete(destination);
  }

  dropDestination(destination: string): void {
    this.#length -= lengthOf(this.#lanes.get(destination));
    this.#lanes.delete(destination);
  }
}

function lengthOf(lane: Lane<unknown> | undefined): number {
  if (lane === undefined) return 0;
  return SEND_PRIORITIES.reduce((sum, priority) => sum + lane[priority].length, 0);
}
