/** `fog job why`: why a task waits, or runs where it does. */
import type { Command } from 'commander';
import { explanationText } from '../output/explanation-text.ts';
import { type Terminal, writeJson, writeLine } from '../terminal.ts';
import { type CommonOptions, connect, stdoutColours, wholeNumber, withConnection } from './command-context.ts';

export function addWhy(job: Command, terminal: Terminal): void {
  const command = job
    .command('why <job>')
    .description('tell why a task waits, and why it was placed where it is')
    .option('--task <n>', 'this task; otherwise the first that waits, or task 0', wholeNumber(0));
  withConnection(command).action(async (id: string, options: CommonOptions & { task?: number }) => {
    const fog = await connect(terminal, options);
    const { partition, ...explanation } = await fog.job(id).explain(options.task);
    if (options.json) await writeJson(terminal, { job: id, partition, ...explanation });
    else {
      await writeLine(terminal, `Task ${partition} of ${id}:`);
      await writeLine(terminal, explanationText(explanation, stdoutColours(terminal)));
    }
  });
}
