/** `fog quota`: what principals may have at a time. */
import { formatBytes, parseBytes, parseCpu, type Quota } from '@fog/contract';
import type { Command } from 'commander';
import { renderTable } from '../output/table.ts';
import { note, type Terminal, writeJson, writeLine } from '../terminal.ts';
import {
  allPages,
  type CommonOptions,
  connect,
  stdoutColours,
  wholeNumber,
  withConnection,
} from './command-context.ts';

const HELP = `
Each set replaces what was set before: what is not named is not limited.
A submit beyond --queued is refused. Tasks beyond the other limits wait; "fog job why" tells it.

Example:
  $ fog quota set alice --cpu 8 --memory 16Gi --running 100 --queued 10000`;

interface SetOptions extends CommonOptions {
  cpu?: string;
  memory?: string;
  running?: number;
  queued?: number;
}

export function addQuotaCommands(program: Command, terminal: Terminal): void {
  const quota = program.command('quota').description('limit what a principal may have at a time');
  const set = quota
    .command('set <principal>')
    .description('limit a principal')
    .option('--cpu <amount>', 'processors of what runs, such as 8 or 500m')
    .option('--memory <bytes>', 'memory of what runs, such as 16Gi')
    .option('--running <n>', 'tasks that run; replicas count one by one', wholeNumber(0))
    .option('--queued <n>', 'tasks that wait', wholeNumber(0))
    .addHelpText('after', HELP);
  withConnection(set).action(async (principal: string, { cpu, memory, running, queued, ...options }: SetOptions) => {
    const body = {
      milliCpu: cpu === undefined ? null : parseCpu(cpu),
      memoryBytes: memory === undefined ? null : parseBytes(memory),
      running: running ?? null,
      queued: queued ?? null,
    };
    const { client } = await connect(terminal, options);
    const stored = await client.call('setQuota', { params: { principal }, body });
    if (options.json) await writeJson(terminal, stored);
    else await writeLine(terminal, quotaTable([stored], terminal));
  });
  withConnection(quota.command('ls').description('list quotas, and what is used of them')).action(
    async (options: CommonOptions) => {
      const { client } = await connect(terminal, options);
      const items = await Array.fromAsync(
        allPages((cursor) => client.call('listQuotas', { query: cursor === undefined ? {} : { cursor } })),
      );
      if (options.json) await writeJson(terminal, { items });
      else await writeLine(terminal, quotaTable(items, terminal));
    },
  );
  withConnection(quota.command('rm <principal>').description('limit a principal no more')).action(
    async (principal: string, options: CommonOptions) => {
      const { client } = await connect(terminal, options);
      await client.call('removeQuota', { params: { principal } });
      if (options.json) await writeJson(terminal, { principal, removed: true });
      else await note(terminal, `${principal} has no quota any more`);
    },
  );
}

function quotaTable(quotas: readonly Quota[], terminal: Terminal): string {
  const rows = quotas.map(({ principal, used, ...limits }) => [
    principal,
    ofText(used.milliCpu, limits.milliCpu, (value) => String(value / 1000)),
    ofText(used.memoryBytes, limits.memoryBytes, formatBytes),
    ofText(used.running, limits.running, String),
    ofText(used.queued, limits.queued, String),
  ]);
  return renderTable(['principal', 'cpu', 'memory', 'running', 'queued'], rows, stdoutColours(terminal));
}

/** `3 of 8`; without a limit what is used alone. */
function ofText(used: number, limit: number | null, text: (value: number) => string): string {
  return limit === null ? text(used) : `${text(used)} of ${text(limit)}`;
}
