/** `fog sla`: how long tasks waited for their first node, against what their tier promises. */
import { formatDuration, parseDuration, type ServiceLevelRecord } from '@fog/contract';
import type { Command } from 'commander';
import { momentText } from '../output/moments.ts';
import { renderTable } from '../output/table.ts';
import { type Terminal, writeJson, writeLine } from '../terminal.ts';
import { allPages, type CommonOptions, connect, stdoutColours, withConnection } from './command-context.ts';

const HELP = `
A wait counts from when a task could be placed until its first node. 95 of 100 shall wait no longer than the
tier promises: bronze 2.5 s, silver 1.2 s, gold 400 ms. Each hour is settled by itself. The credit is the share of the
price that a miss gives back. What is paid back is counted for each job by itself: fog wallet job JOB.

Example:
  $ fog sla --since 7d`;

export function addSlaCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('sla')
    .description('tell how long tasks waited, against what their tier promises')
    .option('--since <duration>', 'hours that ended within this time', '24h')
    .addHelpText('after', HELP);
  withConnection(command).action(async ({ since, ...options }: CommonOptions & { since: string }) => {
    const from = Math.max(0, Date.now() - parseDuration(since));
    const { client } = await connect(terminal, options);
    const items = await Array.fromAsync(
      allPages((cursor) =>
        client.call('listServiceLevels', { query: { since: from, ...(cursor === undefined ? {} : { cursor }) } }),
      ),
    );
    if (options.json) await writeJson(terminal, { items });
    else {
      const header = ['hour from', 'principal', 'tier', 'tasks', 'late', 'p95', 'promised', 'met', 'credit'];
      const rows = items.map((item) => rowOf(item, Date.now()));
      await writeLine(terminal, renderTable(header, rows, stdoutColours(terminal)));
    }
  });
}

function rowOf(item: ServiceLevelRecord, now: number): string[] {
  const { principal, tier, count, missed, p95WaitMilliseconds, promisedMilliseconds } = item;
  return [
    momentText(item.periodStart, now),
    principal,
    tier,
    String(count),
    String(missed),
    `≤ ${formatDuration(p95WaitMilliseconds)}`,
    formatDuration(promisedMilliseconds),
    `${item.isMet ? 'yes' : 'no'}${item.settled ? '' : ' so far'}`,
    item.creditPermille === 0 ? '' : `${item.creditPermille / 10} %`,
  ];
}
