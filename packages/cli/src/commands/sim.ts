/** `fog sim FILE`: how scheduling policies do with recorded work. */
import { writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { FogError } from '@fog/contract';
import type { Simulation } from '@fog/scheduler/simulation';
import type { Command } from 'commander';
import type { SimFlags } from '../sim/simulation-choice.ts';
import { note, type Terminal, writeJson, writeLine } from '../terminal.ts';
import { decimal, stdoutColours, wholeNumber, withJson } from './command-context.ts';

const HELP = `
Runs the code that decides in this product on recorded work, in simulated time, and reports the same figures for each
policy. The same file and options give the same figures. Nothing is sent anywhere. What the file holds is recognised by
its content; it may be compressed (gzip):

  log        Standard Workload Format (.swf): rigid jobs on one machine
             policies: fog, and fcfs, sjf, smallest-area, least-slowdown, f1, wfp3, unicep, each also with -easy
             (EASY backfilling), -aged (nobody waits longer than --aging-bound before going first), -easy-aged
             --nodes, --cores: the machine, otherwise that of the log's header; --start, --jobs, --load
  workflow   WfFormat 1.5 (JSON) or DAX (XML): tasks that need each other; on 4 nodes of 48 cores
             policies: heft, peft, search, anneal; --nodes, --cores
  GPU tasks  openb (CSV): tasks on nodes whose GPUs may be shared. With times they run in time; without, or with
             --load, they come until the cluster is full
             policies: random, dot-product, gpu-clustering, gpu-packing, best-fit, fgd, remnant
             --node-list: the cluster, otherwise openb_node_list_gpu_node.csv beside the file; --nodes: some of it

Policies are compared side by side; without --policy the usual ones, with "all" every one. Figures that the file does
not tell are left out, with the reason; --json has a reason for each.

Exit code: 0, or 2 for wrong usage or a file that cannot be read.

Examples:
  $ fog sim examples/workload/day.swf
  $ fog sim examples/workload/day.swf --policy fcfs,fcfs-easy,fog --load 0.9 --gantt day.svg
  $ fog sim workflow.json --nodes 2 --cores 16 --policy all
  $ fog sim openb_pod_list_default.csv.gz --load 1.3 --policy fgd,remnant --json`;

export function addSimCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('sim <file>')
    .description('compare scheduling policies on recorded work, in simulated time')
    .option('--policy <names>', 'policies to compare, separated by commas', nameList)
    .option('--nodes <n>', 'nodes of the machine', wholeNumber(1))
    .option('--cores <n>', 'cores of each node', wholeNumber(1))
    .option('--node-list <file>', 'nodes of a GPU cluster')
    .option('--seed <n>', 'of all that is random', wholeNumber(0), 1)
    .option('--start <n>', 'of a log: the first job, counted from 0', wholeNumber(0))
    .option('--jobs <n>', 'of a log: how many jobs', wholeNumber(1))
    .option('--load <ratio>', 'what is asked for, in parts of what there is', decimal)
    .option('--aging-bound <duration>', 'for policies with -aged', '1d')
    .option('--power <name>', 'what nodes draw: proliant-ml110-g4, proliant-ml110-g5 (default), raspberry-pi-3b')
    .option('--gpu-watts <idle:busy>', 'what a GPU draws')
    .option('--slice-price <n>', 'micro-FOG for one core and five minutes', wholeNumber(0), 1000)
    .option('--gantt <file>', 'draw each run as SVG; of several policies a file each')
    .addHelpText('after', HELP);
  withJson(command).action((file: string, { json, ...flags }: SimFlags & { json?: boolean }) =>
    simulate(terminal, file, flags, json === true),
  );
}

async function simulate(terminal: Terminal, file: string, flags: SimFlags, asJson: boolean): Promise<void> {
  const { readNodeList, readTraceFile } = await import('../sim/trace-files.ts');
  const { simulationSettings } = await import('../sim/simulation-choice.ts');
  const { simulateTrace } = await import('@fog/scheduler/simulation');
  const { schedulingText } = await import('../output/scheduling-text.ts');
  const trace = await readTraceFile(terminal, file);
  const nodeList = await readNodeList(terminal, { trace, file, named: flags.nodeList });
  const simulation = simulateTrace(trace, simulationSettings(flags, nodeList));
  const drawings =
    flags.gantt === undefined ? [] : await draw(terminal, simulation, { file, gantt: flags.gantt, flags });
  if (asJson) {
    const { outcomes, ...rest } = simulation;
    await writeJson(terminal, {
      file: basename(file),
      ...rest,
      reports: outcomes.map(({ report }) => report),
      drawings,
    });
    return;
  }
  await writeLine(terminal, schedulingText(basename(file), simulation, stdoutColours(terminal)));
  for (const drawing of drawings) await note(terminal, `drawn: ${drawing}`);
}

/** Names of the files that were written, as given. */
async function draw(
  terminal: Terminal,
  { outcomes }: Simulation,
  { file, gantt, flags }: { file: string; gantt: string; flags: SimFlags },
): Promise<string[]> {
  const { drawGantt, ganttChart } = await import('@fog/scheduler/simulation/gantt');
  const { drawingFile } = await import('../sim/simulation-choice.ts');
  const { reportLine } = await import('../output/scheduling-text.ts');
  const drawings: string[] = [];
  for (const { run, report } of outcomes) {
    if (run === null) {
      throw new FogError('invalid-request', 'a cluster that fills has no times to draw', {
        hint: 'leave out --gantt, or --load for tasks with times',
      });
    }
    const chart = ganttChart(run, {
      title: `${basename(file)}, ${report.policy}`,
      subtitle: reportLine(report),
      coresPerNode: flags.cores ?? null,
    });
    const drawing = drawingFile(gantt, report.policy, outcomes.length > 1);
    await writeGivenFile(terminal, drawing, drawGantt(chart));
    drawings.push(drawing);
  }
  return drawings;
}

async function writeGivenFile(terminal: Terminal, name: string, text: string): Promise<void> {
  try {
    await writeFile(resolve(terminal.workingDirectory, name), text);
  } catch (cause) {
    throw new FogError('invalid-request', `cannot write ${name}: ${(cause as Error).message}`, {
      cause,
      hint: 'name a file in a folder that exists and that you may write to',
    });
  }
}

function nameList(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
