/** `fog job suspend` and `fog job resume`. */
import type { Command } from 'commander';
import { countsText } from '../output/job-text.ts';
import { note, type Terminal, writeJson } from '../terminal.ts';
import { type CommonOptions, connect, wholeNumber, withConnection } from './command-context.ts';

export function addSuspendAndResume(job: Command, terminal: Terminal): void {
  add(job, terminal, 'suspend', 'place none of its tasks from now on, and freeze those that run');
  add(job, terminal, 'resume', 'let a suspended job go on');
}

function add(job: Command, terminal: Terminal, name: 'suspend' | 'resume', description: string): void {
  const command = job
    .command(`${name} <job>`)
    .description(description)
    .option('--partition <n>', 'only this task', wholeNumber(0));
  withConnection(command).action(async (id: string, options: CommonOptions & { partition?: number }) => {
    const fog = await connect(terminal, options);
    const { partition } = options;
    const changed = await fog.job(id)[name](partition);
    if (options.json) return await writeJson(terminal, changed);
    const what = partition === undefined ? `job ${id}` : `task ${partition} of job ${id}`;
    const state = name === 'suspend' ? 'is suspended' : 'goes on';
    await note(terminal, `${what} ${state}: ${countsText(changed.tasks)}`);
  });
}
