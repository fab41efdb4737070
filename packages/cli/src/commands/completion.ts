/** `fog completion`: a script for the shell. */
import { Argument, type Command } from 'commander';
import { commandWords } from '../completion/command-tree.ts';
import { completionScript, SHELLS, type Shell } from '../completion/shell-scripts.ts';
import { type Terminal, write, writeJson } from '../terminal.ts';
import { withJson } from './command-context.ts';

const HELP = `
Examples:
  bash  eval "$(fog completion bash)"            in ~/.bashrc
  zsh   source <(fog completion zsh)             in ~/.zshrc, after compinit
  fish  fog completion fish > ~/.config/fish/completions/fog.fish`;

export function addCompletionCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('completion')
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>', 'which shell').choices([...SHELLS]))
    .addHelpText('after', HELP);
  withJson(command).action(async (shell: Shell, options: { json?: boolean }) => {
    const script = completionScript(shell, commandWords(program));
    if (options.json) await writeJson(terminal, { shell, script });
    else await write(terminal.stdout, script);
  });
}
