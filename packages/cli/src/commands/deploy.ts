/** `fog deploy FILE`, `fog scale`, `fog rollback`: what changes a deployment, and the wait for it. */
import { type Deployment, parseDuration } from '@fog/contract';
import type { Fog, RolloutResult } from '@fog/sdk';
import type { Command } from 'commander';
import { EXIT } from '../exit-code.ts';
import { replicasText, rolloutProgressText } from '../output/deployment-text.ts';
import { ProgressLine } from '../output/progress-line.ts';
import { safeText } from '../output/table.ts';
import { coloursOf, note, type Terminal, writeJson, writeLine } from '../terminal.ts';
import { type CommonOptions, connect, wholeNumber, withConnection } from './command-context.ts';
import { readJobSource } from './job-source.ts';
import { Interrupt, tellWaiting } from './run.ts';

export interface OwnerOptions extends CommonOptions {
  principal?: string;
}

interface WaitOptions extends OwnerOptions {
  detach?: boolean;
  timeout?: string;
}

const HELP = `
FILE is a job of type: service or daemon, in YAML or JSON ("-" reads it from standard input). Its metadata.name is the
name of the deployment. Files that it names are uploaded; their paths are relative to FILE. Another specification than
the one that runs becomes a new revision, which replaces the replicas of the old one step by step.

Exit code: 0 when the revision is up, 1 when it failed or was given up, 124 timed out, 130 no longer waited for;
2 and 125 as in "fog run --help". Ctrl-C ends the wait; the update goes on.

Examples:
  $ fog deploy web.yaml
  $ fog deploy web.yaml --detach
  $ fog rollout status web`;

/** Options of every command on a deployment. */
export function withOwner(command: Command): Command {
  return withConnection(command).option('--principal <name>', 'whose deployment it is; for admins');
}

function withWait(command: Command): Command {
  return withOwner(command)
    .option('-d, --detach', 'do not wait until it is up')
    .option('--timeout <duration>', 'wait no longer than this, such as 10m; the update goes on');
}

export function addDeployCommands(program: Command, terminal: Terminal): void {
  const deploy = program
    .command('deploy <file>')
    .description('keep a service or daemon running, or update it')
    .addHelpText('after', HELP);
  withWait(deploy).action(async (file: string, options: WaitOptions) => {
    const { document, baseDirectory } = await readJobSource(terminal, file, [], { isDeployed: true });
    const fog = await connect(terminal, options);
    using interrupt = new Interrupt();
    const deployed = await fog.deploy(document as Record<string, unknown>, {
      baseDirectory,
      principal: options.principal,
    });
    await follow(terminal, fog, deployed, interrupt, options);
  });
  const rollback = program
    .command('rollback <name>')
    .description('deploy an earlier revision of a deployment again, and wait until it is up')
    .option('--to <revision>', 'this revision; otherwise the last one that was stable', wholeNumber(1));
  withWait(rollback).action(async (name: string, options: WaitOptions & { to?: number }) => {
    const fog = await connect(terminal, options);
    using interrupt = new Interrupt();
    const back = await fog.deployment(name, options.principal).rollBack(options.to);
    await follow(terminal, fog, back, interrupt, options);
  });
  const scale = program
    .command('scale <name> <replicas>')
    .description(
      'keep this many replicas of a service running, until a deploy names another count; exits as "fog deploy"',
    );
  withWait(scale).action(async (name: string, replicas: string, options: WaitOptions) => {
    const wanted = wholeNumber(0)(replicas);
    const fog = await connect(terminal, options);
    using interrupt = new Interrupt();
    const scaled = await fog.deployment(name, options.principal).scale(wanted);
    await follow(terminal, fog, scaled, interrupt, options);
  });
}

/** Waits for the current revision, and tells how it came out. */
async function follow(
  terminal: Terminal,
  fog: Fog,
  deployed: Deployment,
  interrupt: Interrupt,
  options: WaitOptions,
): Promise<void> {
  const timeoutMilliseconds = options.timeout === undefined ? undefined : parseDuration(options.timeout);
  const { name, revision } = deployed;
  if (options.detach) {
    await (options.json ? writeJson(terminal, deployed) : writeLine(terminal, `${name} ${revision}`));
    return;
  }
  if (!options.json) await note(terminal, `deployment ${name}: revision ${revision}`);
  const stop = new AbortController();
  interrupt.onSignal(() => stop.abort());
  let seen = deployed;
  const line = new ProgressLine(terminal, () => rolloutProgressText(seen, Date.now()));
  const waiting = new AbortController();
  if (!options.json) line.start();
  const told = options.json ? null : tellWaitingReplica(fog, () => seen, line, waiting.signal);
  try {
    const result = await fog.deployment(name, options.principal).wait(revision, {
      signal: stop.signal,
      timeoutMilliseconds,
      onProgress: (deployment) => {
        seen = deployment;
      },
    });
    line.stop();
    await showResult(terminal, result, revision, options);
  } finally {
    waiting.abort();
    await told;
    line.stop();
  }
}

/** Only for the eye: why the first replica of the current revision that waits does so. */
async function tellWaitingReplica(
  fog: Fog,
  seen: () => Deployment,
  line: ProgressLine,
  signal: AbortSignal,
): Promise<void> {
  await tellWaiting(signal, async (waits) => {
    const { revision, revisions } = seen();
    const job = revisions.find((each) => each.revision === revision)?.job;
    if (job === undefined) return;
    const { partition, waiting } = await fog.job(job).explain(undefined, signal);
    const message = waits.take(waiting, Date.now());
    if (message !== null) line.say(`replica ${partition} waits: ${message}; fog job why ${job} --task ${partition}`);
  });
}

async function showResult(
  terminal: Terminal,
  result: RolloutResult,
  revision: number,
  options: CommonOptions,
): Promise<void> {
  const { deployment, outcome } = result;
  terminal.exitCode = outcome === 'stable' ? EXIT.ok : EXIT.taskFailed;
  if (options.json) {
    await writeJson(terminal, { ...result, exitCode: terminal.exitCode });
    return;
  }
  const colours = coloursOf(terminal, 'stderr');
  const { name } = deployment;
  if (result.outcome === 'stable') {
    await note(terminal, colours.green(`deployment ${name} is up: ${replicasText(deployment)}`));
    return;
  }
  await note(terminal, `${colours.red(`revision ${revision} of ${name} ${outcome}`)}: ${safeText(result.reason)}`);
  if (outcome === 'failed') await note(terminal, `  its replicas are tried on: "fog scale ${name} 0" ends that`);
  await note(terminal, `  see "fog rollout status ${name}" and "fog rollout history ${name}"`);
}
