/**
 * What a container or a native sandbox needs to know of the forwarder, the one way in and out of its network namespace.
 *
 * A runtime mounts `hostDirectory` read-only at `sandboxDirectory`, adds `env` to the environment of the program, and
 * starts `forwarderCommand` inside of the sandbox once it runs. After a restart of the agent the network of an adopted
 * attempt is made again; it must come back in the same `hostDirectory`, since that is what the sandbox has mounted.
 */
import type { Duplex } from 'node:stream';

export interface SandboxNetwork {
  /** Holds the forwarder's program and the Unix socket of the attempt. */
  readonly hostDirectory: string;
  readonly sandboxDirectory: string;
  /** The proxy's address, for programs that ask the environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly forwarderCommand: readonly string[];
  /** A connection to a port on the loopback of the sandbox. Rejects with `unavailable` while nobody listens there. */
  connect(port: number): Promise<Duplex>;
  /** Bytes from and to the outside since the attempt started. */
  usage(): { receivedBytes: number; sentBytes: number };
  /** Ends every connection and removes `hostDirectory`. */
  close(): Promise<void>;
}
