/**
 * Where blobs stand on disk:
 *
 *     DIR/sha256/ab/<62 hex>         complete and verified
 *     DIR/partial/<64 hex>           an upload that broke off; the next one goes on from its length
 *     DIR/partial/<64 hex>~<claim>   an upload in progress; the claim names its process
 *
 * An upload writes to a file nobody else writes to, so two of them can never mix their bytes. A claimed file is given
 * back by renaming it; when its process died it is copied, because a process believed dead may still write.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';

const DIGEST = /^sha256:([0-9a-f]{2})([0-9a-f]{62})$/;
const PARTIAL_NAME = /^([0-9a-f]{64})(?:~([A-Za-z0-9.-]+)~(\d+)~([0-9a-f]{12})~(\d+))?$/;

export interface Claim {
  host: string;
  pid: number;
  /** Tells the stores of one process, and processes that had the same pid, apart. */
  store: string;
}

export interface PartialName {
  digest: string;
  claim: Claim | null;
}

export class BlobPaths {
  readonly root: string;
  readonly complete: string;
  readonly partial: string;

  constructor(root: string) {
    this.root = root;
    this.complete = join(root, 'sha256');
    this.partial = join(root, 'partial');
  }

  shard(digest: string): string {
    return join(this.complete, hexOf(digest).slice(0, 2));
  }

  blob(digest: string): string {
    const hex = hexOf(digest);
    return join(this.complete, hex.slice(0, 2), hex.slice(2));
  }

  released(digest: string): string {
    return join(this.partial, hexOf(digest));
  }

  claimed(digest: string, claim: Claim, number: number): string {
    return join(this.partial, `${hexOf(digest)}~${claim.host}~${claim.pid}~${claim.store}~${number}`);
  }
}

export function newClaim(store: string): Claim {
  return { host: hostname().replace(/[^A-Za-z0-9.-]/g, '-') || 'host', pid: process.pid, store };
}

export function parsePartialName(name: string): PartialName | null {
  const match = PARTIAL_NAME.exec(name);
  if (match === null) return null;
  const [, hex, host, pid, store] = match;
  const claim = host === undefined || store === undefined ? null : { host, pid: Number(pid), store };
  return { digest: `sha256:${hex}`, claim };
}

/** The only way from a digest to a file name; the caller has validated it, and this makes sure. */
function hexOf(digest: string): string {
  const match = DIGEST.exec(digest);
  if (match === null) throw new TypeError('not a digest');
  return `${match[1]}${match[2]}`;
}
