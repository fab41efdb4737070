/** The `fog` command: its tree, and how a run of it ends. */
import { FogError } from '@fog/contract';
import { Command, CommanderError } from 'commander';
import packageDescription from '../package.json' with { type: 'json' };
import { addBlobCommands } from './commands/blob.ts';
import { addCompletionCommand } from './commands/completion.ts';
import { addConfigCommand } from './commands/config.ts';
import { addDaoCommands } from './commands/dao.ts';
import { addDeployCommands } from './commands/deploy.ts';
import { addForwardCommand } from './commands/forward.ts';
import { addJobCommands } from './commands/job.ts';
import { addLedgerCommands } from './commands/ledger.ts';
import { addMixCommands } from './commands/mix.ts';
import { addNodeCommands } from './commands/node.ts';
import { addPlanCommand } from './commands/plan.ts';
import { addQuotaCommands } from './commands/quota.ts';
import { addRolloutCommands } from './commands/rollout.ts';
import { addRunCommand } from './commands/run.ts';
import { addSecretCommands } from './commands/secret.ts';
import { addSimCommand } from './commands/sim.ts';
import { addSlaCommand } from './commands/sla.ts';
import { addStakeCommands } from './commands/stake.ts';
import { addStatusCommand } from './commands/status.ts';
import { addTokenCommands } from './commands/token.ts';
import { addUpCommand } from './commands/up.ts';
import { addMarketCommand, addWalletCommands } from './commands/wallet.ts';
import { EXIT, errorExitCode } from './exit-code.ts';
import { writeError } from './output/errors.ts';
import type { Terminal } from './terminal.ts';

const HELP = `
The coordinator is found by --url, FOG_URL, or the data folder of "fog up"; the token by FOG_TOKEN or that folder.
Every command takes --json. Exit codes: see "fog run --help".

Examples:
  $ fog up                               a whole fog on this machine
  $ fog run examples/hello/job.yaml      submit a job and wait for it
  $ fog job ls                           what was submitted
  $ fog deploy web.yaml                  keep a service running
  $ fog node ls                          where it runs
  $ fog mix up                           a mix network on this machine
  $ fog sim examples/workload/day.swf    compare policies on recorded work`;

export function buildProgram(terminal: Terminal): Command {
  const program = new Command('fog')
    .description('A fog of idle computers that runs your jobs.')
    .version(packageDescription.version, '-V, --version', 'print the version')
    .addHelpText('after', HELP)
    .showSuggestionAfterError();
  addUpCommand(program, terminal);
  addRunCommand(program, terminal);
  addStatusCommand(program, terminal);
  addPlanCommand(program, terminal);
  addJobCommands(program, terminal);
  addDeployCommands(program, terminal);
  addRolloutCommands(program, terminal);
  addForwardCommand(program, terminal);
  addNodeCommands(program, terminal);
  addLedgerCommands(program, terminal);
  addMixCommands(program, terminal);
  addSimCommand(program, terminal);
  addBlobCommands(program, terminal);
  addTokenCommands(program, terminal);
  addSecretCommands(program, terminal);
  addQuotaCommands(program, terminal);
  addSlaCommand(program, terminal);
  addWalletCommands(program, terminal);
  addMarketCommand(program, terminal);
  addStakeCommands(program, terminal);
  addDaoCommands(program, terminal);
  addConfigCommand(program, terminal);
  addCompletionCommand(program, terminal);
  return program;
}

/** Runs one command line (without `node fog`) and answers its exit code. Never throws. */
export async function runCommandLine(args: readonly string[], terminal: Terminal): Promise<number> {
  const asJson = args.includes('--json');
  const program = buildProgram(terminal);
  const usage: string[] = [];
  let failing = program;
  forEachCommand(program, (command) => {
    const exit = (error: CommanderError) => {
      failing = command;
      throw error;
    };
    command.exitOverride(exit).configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void usage.push(text),
    });
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return terminal.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      return usageExit(terminal, error, { usage: usage.join(''), command: commandLine(failing) }, asJson);
    }
    const fault = FogError.from(error);
    await writeError(terminal, fault, asJson);
    if (fault.code === 'internal' && terminal.environment.FOG_DEBUG && error instanceof Error) {
      terminal.stderr.write(`${error.stack}\n`);
    }
    return errorExitCode(fault);
  }
}

/** Asked for help or the version: fine. Anything else is wrong usage, in one sentence. */
async function usageExit(
  terminal: Terminal,
  error: CommanderError,
  { usage, command }: { usage: string; command: string },
  asJson: boolean,
): Promise<number> {
  if (error.exitCode === 0) return EXIT.ok;
  if (error.code === 'commander.help') {
    terminal.stderr.write(usage);
    return EXIT.usage;
  }
  const message = (usage || error.message).replace(/^error: /, '').trim();
  const [sentence, ...hints] = message.split('\n').map((line) => line.trim());
  const hint = hints.join(' ').replace(/^\((.*)\)$/, '$1') || `see "${command} --help"`;
  await writeError(terminal, new FogError('invalid-request', sentence ?? message, { hint }), asJson);
  return EXIT.usage;
}

/** `fog job logs`. */
function commandLine(command: Command): string {
  return command.parent === null ? command.name() : `${commandLine(command.parent)} ${command.name()}`;
}

function forEachCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const child of command.commands) forEachCommand(child, visit);
}
