/** `fog status`: the coordinator at a glance. */
import { formatBytes, type Status } from '@fog/contract';
import type { Command } from 'commander';
import { momentText } from '../output/moments.ts';
import { renderFields } from '../output/table.ts';
import { type Terminal, writeJson, writeLine } from '../terminal.ts';
import { type CommonOptions, connect, stdoutColours, withConnection } from './command-context.ts';

export function addStatusCommand(program: Command, terminal: Terminal): void {
  const command = program.command('status').description('show the coordinator: version, nodes, tasks, disk');
  withConnection(command).action(async (options: CommonOptions) => {
    const { client } = await connect(terminal, options);
    const status = await client.call('status');
    if (options.json) await writeJson(terminal, status);
    else await writeLine(terminal, renderFields(statusFields(status, Date.now()), stdoutColours(terminal)));
  });
}

function statusFields(status: Status, nowMilliseconds: number): [string, string | null][] {
  const { nodes, tasks, disk } = status;
  const databaseBytes = disk.databaseBytes === null ? 'unknown' : formatBytes(disk.databaseBytes);
  return [
    ['coordinator', status.url],
    ['version', status.version],
    ['since', momentText(status.startedAt, nowMilliseconds)],
    ['nodes', `${nodes.connected} connected, ${nodes.unknown} unknown, ${nodes.lost} lost`],
    ['tasks', `${tasks.queued} queued, ${tasks.leased} leased`],
    ['database', `${status.database}, ${databaseBytes} of ${formatBytes(disk.databaseLimitBytes)}`],
    ['blobs', `${disk.blobs}, ${formatBytes(disk.blobBytes)} of ${formatBytes(disk.blobLimitBytes)}`],
  ];
}
