/** `fog token`: who may do what. */
import { FogError, parseDuration, SCOPES, type Scope } from '@fog/contract';
import { type Command, Option } from 'commander';
import { agoText, momentText } from '../output/moments.ts';
import { renderTable } from '../output/table.ts';
import { note, type Terminal, writeJson, writeLine } from '../terminal.ts';
import { allPages, type CommonOptions, connect, stdoutColours, withConnection } from './command-context.ts';

const HELP = `
Scopes: submit (jobs, blobs, secrets of its principal), node (join nodes), read (look), admin (everything).
Of verified tasks, no two replicas run on nodes of one principal: give each owner of nodes one of its own.
The text of the token is shown this once.

Example:
  $ fog token create --scope submit --principal alice --expires 30d`;

interface CreateOptions extends CommonOptions {
  scope: Scope;
  principal?: string;
  expires?: string;
  trusted?: boolean;
}

export function addTokenCommands(program: Command, terminal: Terminal): void {
  const token = program.command('token').description('create, list and revoke tokens');
  const create = token
    .command('create')
    .description('create a token and print it')
    .addOption(new Option('--scope <scope>', 'what it allows').choices([...SCOPES]).makeOptionMandatory())
    .option('--principal <name>', 'whose token it is; default: for submit a new one, for the others admin')
    .option('--expires <duration>', 'valid for so long, such as 30d; default: until revoked')
    .option('--trusted', 'with scope node: results of the nodes that join with it are accepted as they are')
    .addHelpText('after', HELP);
  withConnection(create).action(async ({ scope, principal, expires, trusted, ...options }: CreateOptions) => {
    if (trusted && scope !== 'node') {
      throw new FogError('invalid-request', '--trusted is for --scope node: only nodes have results to trust');
    }
    if (expires !== undefined) parseDuration(expires);
    const { client } = await connect(terminal, options);
    const body = {
      scope,
      ...(principal === undefined ? {} : { principal }),
      ...(expires === undefined ? {} : { expires }),
      ...(trusted === undefined ? {} : { trusted }),
    };
    const created = await client.call('createToken', { body });
    if (options.json) await writeJson(terminal, created);
    else {
      await writeLine(terminal, created.token);
      const end =
        created.expiresAt === null ? 'until it is revoked' : `until ${momentText(created.expiresAt, Date.now())}`;
      await note(terminal, `token ${created.id} of ${created.principal}, scope ${created.scope}, valid ${end}`);
    }
  });
  withConnection(token.command('ls').description('list tokens without their text')).action(
    async (options: CommonOptions) => {
      const { client } = await connect(terminal, options);
      const items = await Array.fromAsync(
        allPages((cursor) => client.call('listTokens', { query: cursor === undefined ? {} : { cursor } })),
      );
      if (options.json) await writeJson(terminal, { items });
      else {
        const now = Date.now();
        const rows = items.map((item) => [
          item.id,
          item.scope,
          item.principal,
          agoText(item.createdAt, now),
          item.revokedAt !== null
            ? `revoked ${agoText(item.revokedAt, now)}`
            : item.expiresAt === null
              ? 'valid'
              : `${item.expiresAt > now ? 'expires' : 'expired'} ${agoText(item.expiresAt, now)}`,
        ]);
        await writeLine(
          terminal,
          renderTable(['id', 'scope', 'principal', 'created', 'state'], rows, stdoutColours(terminal)),
        );
      }
    },
  );
  withConnection(token.command('revoke <id>').description('revoke a token at once')).action(
    async (id: string, options: CommonOptions) => {
      const { client } = await connect(terminal, options);
      const revoked = await client.call('revokeToken', { params: { token: id } });
      if (options.json) await writeJson(terminal, revoked);
      else await note(terminal, `token ${id} is revoked`);
    },
  );
}
