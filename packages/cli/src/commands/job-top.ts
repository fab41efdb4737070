/** `fog job top`: what the attempts of a job use. */
import type { AttemptSample } from '@fog/contract';
import { inParallel } from '@fog/sdk';
import type { Command } from 'commander';
import { CLI_LIMITS } from '../limits.ts';
import { usageRows, usageText } from '../output/usage-text.ts';
import { type Terminal, writeJson, writeLine } from '../terminal.ts';
import { type CommonOptions, connect, stdoutColours, wholeNumber, withConnection } from './command-context.ts';

export function addTop(job: Command, terminal: Terminal): void {
  const command = job
    .command('top <job>')
    .description('show what the running tasks use: processor, memory, network, disk')
    .option('--task <n>', 'this task over time, whether it runs or has ended', wholeNumber(0));
  withConnection(command).action(async (id: string, options: CommonOptions & { task?: number }) => {
    const fog = await connect(terminal, options);
    const handle = fog.job(id);
    const partitions: number[] = [];
    if (options.task !== undefined) partitions.push(options.task);
    else for await (const task of handle.tasks({ state: 'running' })) partitions.push(task.partition);
    const measured = await inParallel(partitions, CLI_LIMITS.concurrentOutputs, async (partition) => {
      const samples: AttemptSample[] = [];
      for await (const sample of handle.samples(partition)) samples.push(sample);
      const rows = usageRows(partition, samples);
      return options.task === undefined ? rows.slice(-1) : rows;
    });
    const rows = measured.flat();
    if (options.json) {
      await writeJson(terminal, { items: rows.map(({ partition, sample }) => ({ partition, ...sample })) });
    } else await writeLine(terminal, usageText(rows, Date.now(), stdoutColours(terminal)));
  });
}
