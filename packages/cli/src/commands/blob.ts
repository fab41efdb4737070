/** `fog blob`: bytes by their digest. */
import { resolve } from 'node:path';
import { digestSchema, FogError, formatBytes } from '@fog/contract';
import type { Command } from 'commander';
import { note, readAll, type Terminal, write, writeJson, writeLine } from '../terminal.ts';
import { type CommonOptions, connect, withConnection } from './command-context.ts';

export function addBlobCommands(program: Command, terminal: Terminal): void {
  const blob = program.command('blob').description('store and fetch blobs');
  const put = blob
    .command('put <path>')
    .description('store a file, a folder, or "-": standard input; prints the digest');
  withConnection(put).action(async (path: string, options: CommonOptions) => {
    const fog = await connect(terminal, options);
    const source = path === '-' ? await readAll(terminal.stdin) : resolve(terminal.workingDirectory, path);
    const stored = await fog.blobs.put(source);
    if (options.json) await writeJson(terminal, stored);
    else {
      await writeLine(terminal, stored.digest);
      await note(terminal, `${stored.type} of ${formatBytes(stored.bytes)}`);
    }
  });
  const get = blob
    .command('get <digest>')
    .description('fetch and verify a blob; without --to it is written to standard output')
    .option('--to <path>', 'write to this file, or with --folder to this folder')
    .option('--folder', 'the blob is a folder manifest: fetch the files it names');
  withConnection(get).action(async (digest: string, options: CommonOptions & { to?: string; folder?: boolean }) => {
    if (!digestSchema.safeParse(digest).success) {
      throw new FogError('invalid-request', `"${digest}" is not a digest`, { hint: 'write sha256: and 64 hex digits' });
    }
    if (options.to === undefined && (options.folder || options.json)) {
      throw new FogError('invalid-request', `--${options.folder ? 'folder' : 'json'} needs --to`);
    }
    const fog = await connect(terminal, options);
    if (options.to === undefined) {
      await write(terminal.stdout, await fog.blobs.get(digest));
      return;
    }
    const target = resolve(terminal.workingDirectory, options.to);
    const files = options.folder
      ? await fog.blobs.getFolder(digest, target)
      : [await fog.blobs.getFile(digest, target)];
    if (options.json) await writeJson(terminal, { files });
    else await note(terminal, `${files.length === 1 ? target : `${files.length} files in ${target}`}, verified`);
  });
}
