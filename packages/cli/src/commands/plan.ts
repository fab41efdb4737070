/** `fog plan FILE`: where would it run? */
import { standInForSpecFiles } from '@fog/sdk';
import type { Command } from 'commander';
import { EXIT } from '../exit-code.ts';
import { planText } from '../output/plan-text.ts';
import { type Terminal, writeJson, writeLine } from '../terminal.ts';
import { type CommonOptions, connect, stdoutColours, withConnection } from './command-context.ts';
import { readJobSource } from './job-source.ts';

const HELP = `
Nothing is uploaded or submitted. A node is counted at the first constraint that excludes it.

Exit code: 0 when a node can run it, 1 when none can, 2 wrong usage or specification.

Example:
  $ fog plan examples/hello/job.yaml`;

export function addPlanCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('plan <file>')
    .description('tell where a job would run, or which constraint excludes how many nodes')
    .addHelpText('after', HELP);
  withConnection(command).action(async (file: string, options: CommonOptions) => {
    const { document } = await readJobSource(terminal, file, []);
    const fog = await connect(terminal, options);
    const plan = await fog.client.call('plan', { body: { spec: await standInForSpecFiles(document) } });
    if (plan.nodes.length === 0) terminal.exitCode = EXIT.taskFailed;
    if (options.json) await writeJson(terminal, plan);
    else await writeLine(terminal, planText(plan, stdoutColours(terminal)));
  });
}
