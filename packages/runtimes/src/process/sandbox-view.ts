/**
 * What a program sees of files that are not its own: which paths of a root file system, or of the host, appear where.
 * Decisions only; the folders are read through `list`.
 *
 * The root of a sandbox is an empty writable folder of the attempt. Into it go read-only binds of the entries of the
 * given root, as few as possible: an entry is bound whole unless something of the attempt lies below it, and is then a
 * folder of its own with its entries bound one level deeper. No bind may pass a symbolic link of the root, for
 * bubblewrap would follow that while it still sees the host.
 */
import { posix } from 'node:path';
import { PROCESS_LIMITS } from '../limits.ts';

export interface RootEntry {
  name: string;
  type: 'file' | 'folder' | 'symlink' | 'other';
}

export interface SandboxView {
  readOnlyBinds: { hostPath: string; sandboxPath: string }[];
  symlinks: { target: string; sandboxPath: string }[];
  /** To be made in the attempt's root before it starts. */
  folders: string[];
}

export interface ViewSource {
  /** Entries of a folder of the root, by its absolute path inside. No part of that may be a link. */
  list(sandboxPath: string): RootEntry[];
  readLink(sandboxPath: string): string;
  /** Null where there is nothing. */
  typeOf(sandboxPath: string): RootEntry['type'] | null;
  hostPath(sandboxPath: string): string;
}

/** Made by bubblewrap or by the attempt, whatever the root has there. */
const OWN_FOLDERS = new Set(['/proc', '/dev', '/sys', '/tmp', '/.fog', '/checkpoint']);

/** A place of the job that the root leaves no room for. The message completes a sentence for the user. */
export class ViewConflict extends Error {
  override readonly name = 'ViewConflict';
}

/**
 * `places` are the absolute paths that inputs, outputs and the working directory need in the sandbox; the folders in
 * `partly` are never bound whole.
 */
export function planView(
  source: ViewSource,
  places: readonly string[],
  partly: ReadonlySet<string> = new Set(),
): SandboxView {
  const view: SandboxView = { readOnlyBinds: [], symlinks: [], folders: [] };
  const visit = (folder: string): void => {
    for (const { name, type } of source.list(folder)) {
      const path = posix.join(folder, name);
      if (OWN_FOLDERS.has(path) || type === 'other') continue;
      const holds = places.some((place) => place.startsWith(`${path}/`));
      if (type === 'folder' && (holds || partly.has(path))) {
        view.folders.push(path);
        visit(path);
      } else if (holds) {
        throw new ViewConflict(
          `nothing can be put below ${path}, which is a ${type === 'file' ? 'file' : 'link'} here`,
        );
      } else if (places.includes(path)) {
        if (type === 'symlink') throw new ViewConflict(`${path} is a link here`);
      } else if (type === 'symlink') view.symlinks.push({ target: source.readLink(path), sandboxPath: path });
      else view.readOnlyBinds.push({ hostPath: source.hostPath(path), sandboxPath: path });
      if (view.readOnlyBinds.length + view.symlinks.length > PROCESS_LIMITS.viewEntries) {
        throw new ViewConflict(`there are more than ${PROCESS_LIMITS.viewEntries} entries beside them in ${folder}`);
      }
    }
  };
  visit('/');
  return view;
}

/** Symbolic links that Linux follows on the way to one path. */
const MOST_LINKS = 40;

/** Whether there is something at this path as a program sees it: links lead nowhere but into the root. */
export function existsIn(source: ViewSource, sandboxPath: string): boolean {
  const left = sandboxPath.split('/');
  let here = '/';
  let links = 0;
  for (let name = left.shift(); name !== undefined; name = left.shift()) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      here = posix.dirname(here);
      continue;
    }
    const path = posix.join(here, name);
    const type = source.typeOf(path);
    if (type === null || (type !== 'folder' && type !== 'symlink' && left.length > 0)) return false;
    if (type !== 'symlink') {
      here = path;
      continue;
    }
    links += 1;
    if (links > MOST_LINKS) return false;
    const target = source.readLink(path);
    left.unshift(...target.split('/'));
    if (target.startsWith('/')) here = '/';
  }
  return true;
}

/** Of the host: programs, libraries and what they need to start and to trust certificates. No user's data. */
const HOST_FOLDERS = new Set(['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/nix/store']);
const HOST_SETTINGS = new Set([
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/alternatives',
  '/etc/localtime',
  '/etc/protocols',
  '/etc/services',
  '/etc/mime.types',
  '/etc/ca-certificates',
  '/etc/pki/tls/certs',
  '/etc/pki/ca-trust/extracted',
  '/etc/ssl/certs',
  '/etc/ssl/openssl.cnf',
]);
const HOST_VISIBLE = new Set([...HOST_FOLDERS, ...HOST_SETTINGS]);
/** The folders above them, of which nothing else is seen. */
export const HOST_PARENTS: ReadonlySet<string> = new Set(
  [...HOST_VISIBLE].flatMap((path) => {
    const parts = path.split('/').slice(1, -1);
    return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
  }),
);

/** Whether a path of the host is seen in its own place. */
export function isHostVisible(path: string): boolean {
  return [...HOST_VISIBLE].some((visible) => path === visible || path.startsWith(`${visible}/`));
}

/** Of the host's root, only what the lists above allow; `places` then work as in any other root. */
export function hostSource(host: ViewSource): ViewSource {
  return {
    ...host,
    list: (folder) => {
      const entries = host.list(folder);
      if (isHostVisible(folder)) return entries;
      return entries.filter(({ name }) => {
        const path = posix.join(folder, name);
        return HOST_VISIBLE.has(path) || HOST_PARENTS.has(path);
      });
    },
  };
}

/** Files that name the one user of the sandbox, for a view of the host, whose own stay hidden. */
export const OWN_SETTINGS: Readonly<Record<string, string>> = {
  passwd: 'nobody:x:65534:65534:nobody:/tmp:/bin/sh\n',
  group: 'nogroup:x:65534:\n',
  hosts: '127.0.0.1 localhost\n::1 localhost\n127.0.0.1 fog\n',
  'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
};
