import { join } from 'node:path';
import { readOrMakeKey } from '@fog/betanet';

/** The signing key of an authority, in its folder; made when it is not there. Throws `data-directory`. */
export function authorityKey(folder: string): Promise<Uint8Array> {
  const hint = 'bring the file back from where it was copied: the genesis names this key';
  return readOrMakeKey(join(folder, 'authority.key'), hint);
}
