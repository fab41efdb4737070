/** What a client of the mix network is made with, and asked for. */
import type { FogError } from '@fog/contract';
import type { Transport } from '@fog/transport';
import type { Genesis } from '../directory/genesis.ts';
import type { LoopWatch } from './loop-watch.ts';
import type { PathDepth, PrivacyLevel } from './path-selection.ts';

export interface MixClientProgramOptions {
  genesis: Genesis;
  transport: Transport;
  /** Level of cover packets, and of messages unless they say otherwise. */
  level: PrivacyLevel;
  /** Of cover packets, instead of that level: for probers, which send no messages. */
  coverDepth?: PathDepth;
  /** What may be sent in an hour; default: no limit. Cover is lowered first, see `plan`. */
  bytesPerHour?: number | null;
  /** Id of the gateway (hex). Default: one that is drawn, by weight. */
  gateway?: string;
  /** Answers which of the gateways (hex, at least one) to connect to, each time before it does. Default: draws one. */
  chooseGateway?(gateways: readonly string[]): string;
  /** Is told what becomes of its loops. */
  loops?: LoopWatch;
  /** Remembers which packets carried a message, see `traced`; for networks marked `test` alone. */
  keepsJourneys?: boolean;
  log?(level: 'info' | 'warn', message: string, details: Record<string, unknown>): void;
  /** The client cannot go on, e.g. since this machine's clock is wrong: no request is answered any more. */
  failed?(error: FogError): void;
}

export interface Request {
  /** Id of the service node (hex). Default: one that is drawn of those that the consensus lists, by weight. */
  node?: string;
  service: string;
  bytes: Uint8Array;
  level?: PrivacyLevel;
  /** Exchanges of different isolation cannot be told to be of one sender. */
  isolation?: string;
  answerWithinMilliseconds?: number;
}
