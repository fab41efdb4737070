/** Links over a transport: dialled, and taken from whoever comes. */
import type { Duplex } from 'node:stream';
import { FogError } from '@fog/contract';
import { LINK_LIMITS } from '../limits.ts';
import { sourcePrefixOf } from '../source-prefix.ts';
import type { Transport } from '../transport.ts';
import { type Caller, type GateLimits, HandshakeGate } from './handshake-gate.ts';
import type { Link } from './link.ts';
import { type HandshakeFault, handshakeError, handshakeFaultOf } from './link-faults.ts';
import {
  type Admit,
  acceptLink,
  type LinkOptions,
  type OpenLinkOptions,
  openLink,
  refuseBusy,
} from './link-handshake.ts';

export interface DialLinkOptions extends OpenLinkOptions {
  transport: Transport;
  address: string;
  /** Of the connection alone. Default: `TRANSPORT_LIMITS.dialMilliseconds`. */
  dialMilliseconds?: number | undefined;
}

/** Connects and opens a link. Rejects as `Transport.dial` and `openLink` do. Call `start` on what it gives. */
export async function dialLink(options: DialLinkOptions): Promise<Link> {
  const { transport, address, dialMilliseconds, signal } = options;
  const stream = await transport.dial(address, { signal, timeoutMilliseconds: dialMilliseconds });
  return openLink(stream, options);
}

/**
 * The same at the first of several addresses of one node that answers, tried in turn. Rejects with what the last of
 * them said; with `invalid-configuration` when there is none.
 */
export async function dialLinkAtAny(
  addresses: readonly string[],
  options: Omit<DialLinkOptions, 'address'>,
): Promise<Link> {
  let last: unknown = new FogError('invalid-configuration', 'a node that is to be dialled has no address');
  for (const address of addresses) {
    try {
      return await dialLink({ ...options, address });
    } catch (error) {
      last = error;
      if (options.signal?.aborted) break;
    }
  }
  throw last;
}

export interface LinkListenerOptions<Context> extends LinkOptions {
  transport: Transport;
  address: string;
  admit: Admit<Context>;
  /** Gets each link that was admitted, and is to `start` it at once. */
  onLink: (link: Link<Context>, remoteAddress: string) => void;
  /** Strangers that came to nothing, to be counted by cause. */
  onFailure?: ((fault: HandshakeFault, error: FogError, remoteAddress: string) => void) | undefined;
  /** Default: those of `LINK_LIMITS`. */
  limits?: Partial<GateLimits> | undefined;
  /** Whom a connection from that address is counted as. Default: its source prefix, not expected. */
  callerOf?: ((remoteAddress: string) => Caller) | undefined;
  /** Whether one more handshake of that caller may begin now, where there is a place. Default: always. */
  mayBegin?: ((caller: Caller) => boolean) | undefined;
}

export interface LinkListener {
  /** Where others reach it. */
  readonly address: string;
  readonly handshakes: number;
  readonly links: number;
  /** Takes no more links and ends handshakes. Links that stand stay open: they are their owner's. */
  close(): Promise<void>;
}

/** Listens until `close` or the signal's abort. Rejects as `Transport.listen` does. */
export async function listenForLinks<Context>(options: LinkListenerOptions<Context>): Promise<LinkListener> {
  const { transport, address, signal, limits = {} } = options;
  const gate = new HandshakeGate({ ...LINK_LIMITS, ...limits });
  const stopped = new AbortController();
  const onStream = (stream: Duplex, remoteAddress: string) => {
    void takeLink(stream, remoteAddress, gate, { ...options, signal: stopped.signal });
  };
  const listener = await transport.listen(address, onStream, { signal });
  const onAbort = () => stopped.abort();
  signal?.addEventListener('abort', onAbort, { once: true });
  return {
    address: listener.address,
    get handshakes() {
      return gate.handshakes;
    },
    get links() {
      return gate.links;
    },
    async close() {
      signal?.removeEventListener('abort', onAbort);
      stopped.abort();
      await listener.close();
    },
  };
}

async function takeLink<Context>(
  stream: Duplex,
  remoteAddress: string,
  gate: HandshakeGate,
  options: LinkListenerOptions<Context>,
): Promise<void> {
  const { callerOf, mayBegin = () => true } = options;
  const caller = callerOf?.(remoteAddress) ?? { name: sourcePrefixOf(remoteAddress), isExpected: false };
  const hasPlace = gate.enter(caller);
  if (!hasPlace || !mayBegin(caller)) {
    if (hasPlace) gate.leave(caller);
    refuseBusy(stream, options.clock);
    const message = `too many handshakes or links, or too many from ${caller.name}`;
    options.onFailure?.('busy', handshakeError('busy', 'too-many-requests', message), remoteAddress);
    return;
  }
  let link: Link<Context>;
  try {
    link = await acceptLink(stream, { ...options, remoteAddress });
  } catch (error) {
    options.onFailure?.(handshakeFaultOf(error), error as FogError, remoteAddress);
    return;
  } finally {
    gate.leave(caller);
  }
  gate.linkOpened(caller);
  stream.once('close', () => gate.linkClosed(caller));
  options.onLink(link, remoteAddress);
}
