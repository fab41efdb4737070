/**
 * How byte streams between two programs are made, whatever carries them. Each transport passes the one suite in
 * test/transport-compliance.ts:
 *
 *     listening --close or abort--> closed      streams that were taken stay open: they are their owner's
 *     dialling  --connected--> stream           or it rejects, with nothing left behind
 *
 * A stream is an ordinary `Duplex` that can be half closed. Whoever has one reads its end from `close`; an `error` that
 * nobody listens to does no harm.
 */
import type { Duplex } from 'node:stream';
import { FogError } from '@fog/contract';

export interface Transport {
  readonly name: string;
  /**
   * Listens at an address of the transport's own form until `close` or the signal's abort. Rejects with `port-taken` if
   * somebody else does, with `invalid-configuration` for what is no address, with `cancelled` when aborted already.
   */
  listen(address: string, onStream: OnStream, options?: ListenOptions): Promise<Listener>;
  /**
   * Rejects with `unavailable` when nobody listens there, `timed-out`, `cancelled` when aborted, and
   * `invalid-configuration` for what is no address. After the stream was handed over, the signal means nothing to it.
   */
  dial(address: string, options?: DialOptions): Promise<Duplex>;
}

export type OnStream = (stream: Duplex, remoteAddress: string) => void;

export interface ListenOptions {
  signal?: AbortSignal | undefined;
}

export interface DialOptions {
  signal?: AbortSignal | undefined;
  /** Default: `TRANSPORT_LIMITS.dialMilliseconds`. */
  timeoutMilliseconds?: number | undefined;
}

export interface Listener {
  /** Where others reach it; the port that was given for port 0. */
  readonly address: string;
  /** Takes no more streams. The address is free again when it resolves. */
  close(): Promise<void>;
}

/** What `listen` and `dial` reject with when their signal is aborted. */
export function aborted(what: string, signal: AbortSignal): FogError {
  return new FogError('cancelled', `${what} was cancelled`, { cause: signal.reason });
}

/** What `dial` rejects with when its time is over. */
export function dialTimedOut(address: string, milliseconds: number): FogError {
  return new FogError('timed-out', `${address} did not take the connection within ${milliseconds} ms`, {
    details: { address },
    hint: 'see whether the node runs and a firewall lets the connection through',
  });
}

/** What `dial` rejects with when nobody listens. */
export function unreachable(address: string, why: string, cause?: unknown): FogError {
  return new FogError('unavailable', `cannot connect to ${address}: ${why}`, {
    details: { address },
    hint: 'see whether the node runs and whether its address is right',
    cause,
  });
}

/** What `listen` rejects with when another listener has the address. */
export function addressTaken(address: string, cause?: unknown): FogError {
  return new FogError('port-taken', `${address} is already in use`, {
    details: { address },
    hint: 'stop the other program, or choose another address',
    cause,
  });
}
