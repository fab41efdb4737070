/** `fog secret`: values that jobs get in their environment and nobody can read back. */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { Command } from 'commander';
import { readGivenFile } from '../given-files.ts';
import { agoText } from '../output/moments.ts';
import { renderTable } from '../output/table.ts';
import { note, readAll, type Terminal, write, writeJson, writeLine } from '../terminal.ts';
import { allPages, type CommonOptions, connect, stdoutColours, withConnection } from './command-context.ts';

const HELP = `
The value is read from standard input or a file, never from the command line, where others could see it.
A job uses it as an environment variable: env: { KEY: { secret: NAME } }

Examples:
  $ fog secret set api-key < key.txt
  $ fog secret set api-key --file key.txt`;

export function addSecretCommands(program: Command, terminal: Terminal): void {
  const secret = program.command('secret').description('set, list and delete secrets');
  const set = secret
    .command('set <name>')
    .description('set a secret')
    .option('--file <path>', 'read the value from this file, as it is')
    .addHelpText('after', HELP);
  withConnection(set).action(async (name: string, options: CommonOptions & { file?: string }) => {
    const { client } = await connect(terminal, options);
    const value = await readValue(terminal, name, options.file);
    const stored = await client.call('setSecret', { params: { name }, body: { value } });
    if (options.json) await writeJson(terminal, stored);
    else await note(terminal, `secret ${name} is set for ${stored.principal}`);
  });
  withConnection(secret.command('ls').description('list the names of your secrets')).action(
    async (options: CommonOptions) => {
      const { client } = await connect(terminal, options);
      const items = await Array.fromAsync(
        allPages((cursor) => client.call('listSecrets', { query: cursor === undefined ? {} : { cursor } })),
      );
      if (options.json) await writeJson(terminal, { items });
      else {
        const rows = items.map((item) => [item.name, item.principal, agoText(item.updatedAt, Date.now())]);
        await writeLine(terminal, renderTable(['name', 'of', 'set'], rows, stdoutColours(terminal)));
      }
    },
  );
  withConnection(secret.command('rm <name>').description('delete a secret')).action(
    async (name: string, options: CommonOptions) => {
      const { client } = await connect(terminal, options);
      await client.call('deleteSecret', { params: { name } });
      if (options.json) await writeJson(terminal, { name });
      else await note(terminal, `secret ${name} is deleted`);
    },
  );
}

/** A file as it is; typed or piped text without the line break at its end. */
async function readValue(terminal: Terminal, name: string, file: string | undefined): Promise<string> {
  if (file !== undefined) return readGivenFile(terminal, file);
  if (!terminal.stdin.isTTY) return new TextDecoder().decode(await readAll(terminal.stdin)).replace(/\r?\n$/, '');
  await write(terminal.stderr, `value of ${name} (not shown): `);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input: terminal.stdin, output: silent, terminal: true });
  try {
    return await reader.question('');
  } finally {
    reader.close();
    await write(terminal.stderr, '\n');
  }
}
