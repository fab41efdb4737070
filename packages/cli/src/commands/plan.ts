/** `fog plan FILE`: where would it run, and at which price? */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import {
  counted,
  FogError,
  type Front,
  OBJECTIVES,
  type ObjectiveName,
  parseDuration,
  parseJobSpec,
} from '@fog/contract';
import { drawFront } from '@fog/scheduler/placement';
import { standInForSpecFiles } from '@fog/sdk';
import type { Command } from 'commander';
import { EXIT } from '../exit-code.ts';
import { frontText, tradeOffsOf } from '../output/front-text.ts';
import { planText } from '../output/plan-text.ts';
import { note, type Terminal, writeJson, writeLine } from '../terminal.ts';
import { type CommonOptions, connect, stdoutColours, withConnection } from './command-context.ts';
import { readJobSource } from './job-source.ts';

const HELP = `
Nothing is uploaded or submitted. A node is counted at the first constraint that excludes it.

With --front: placements of its tasks none of which is better than another in every objective that the job names
(without any: completionTime, cost and failureRisk), found by NSGA-II within --time; the one that its weights pick is
marked. Without a file: the newest that the coordinator keeps.

Exit code: 0 when a node can run it, 1 when none can, 2 wrong usage or specification.

Examples:
  $ fog plan examples/hello/job.yaml
  $ fog plan job.yaml --front --svg front.svg --axes cost,completionTime`;

interface PlanOptions extends CommonOptions {
  front?: boolean;
  time?: string;
  svg?: string;
  axes?: string;
}

export function addPlanCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('plan [file]')
    .description('tell where a job would run, or which constraint excludes how many nodes')
    .option('--front', 'show the trade-offs between objectives')
    .option('--time <duration>', 'how long to look for them, at most 10s; default 1s')
    .option('--svg <file>', 'draw them into this file')
    .option('--axes <a,b>', 'the two objectives that are drawn; default: the first two')
    .addHelpText('after', HELP);
  withConnection(command).action(async (file: string | undefined, options: PlanOptions) => {
    if (options.front) return await showFront(terminal, file, options);
    if (file === undefined) throw new FogError('invalid-request', 'fog plan needs a file', { hint: 'fog plan FILE' });
    const { document } = await readJobSource(terminal, file, []);
    const fog = await connect(terminal, options);
    const plan = await fog.client.call('plan', { body: { spec: await standInForSpecFiles(document) } });
    if (plan.nodes.length === 0) terminal.exitCode = EXIT.taskFailed;
    if (options.json) await writeJson(terminal, plan);
    else await writeLine(terminal, planText(plan, stdoutColours(terminal)));
  });
}

async function showFront(terminal: Terminal, file: string | undefined, options: PlanOptions): Promise<void> {
  const axes = options.axes === undefined ? null : parseAxes(options.axes);
  const { front, tasks } = await readFront(terminal, file, options);
  if (options.json) await writeJson(terminal, front);
  else await writeLine(terminal, frontText(front, stdoutColours(terminal)));
  if (!options.json && tasks > front.tasks) {
    await note(
      terminal,
      `${counted(tasks - front.tasks, 'other task')} of the job would wait: there is no room for more now`,
    );
  }
  if (options.svg === undefined) return;
  const [horizontal, vertical] = axes ?? [front.objectives[0], front.objectives[1] ?? front.objectives[0]];
  if (horizontal === undefined || vertical === undefined) return;
  const svg = drawFront(tradeOffsOf(front), {
    horizontal,
    vertical,
    picked: front.picked === -1 ? null : front.picked,
  });
  await writeFile(resolve(terminal.workingDirectory, options.svg), svg);
  if (!options.json) await note(terminal, `drawn into ${options.svg}`);
}

/** With the number of tasks that it was asked for. */
async function readFront(
  terminal: Terminal,
  file: string | undefined,
  options: PlanOptions,
): Promise<{ front: Front; tasks: number }> {
  if (file === undefined) {
    const fog = await connect(terminal, options);
    const kept = await fog.client.call('getFront', { params: { index: 0 } });
    return { front: kept, tasks: kept.tasks };
  }
  const { document } = await readJobSource(terminal, file, []);
  const fog = await connect(terminal, options);
  const milliseconds = options.time === undefined ? undefined : parseDuration(options.time);
  const spec = await standInForSpecFiles(document);
  const front = await fog.client.call('planFront', { body: { spec, milliseconds } });
  // It was taken, so it is well-formed.
  return { front, tasks: parseJobSpec(spec).spec.count };
}

function parseAxes(text: string): [ObjectiveName, ObjectiveName] {
  const [horizontal, vertical, ...more] = text.split(',').map((name) => OBJECTIVES.find((known) => known === name));
  if (horizontal !== undefined && vertical !== undefined && more.length === 0) return [horizontal, vertical];
  throw new FogError('invalid-request', `--axes: "${text}" does not name two objectives`, {
    hint: `such as cost,completionTime; there are ${OBJECTIVES.join(', ')}`,
  });
}
