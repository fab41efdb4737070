/** `fog completion`: a script for the shell. */
import { Argument, type Command } from 'commander';
import { commandWords } from '../completion/command-tree.ts';
import { completionScript, SHELLS, type Shell } from '../completion/shell-scripts.ts';
import { type Terminal, write } from '../terminal.ts';

const HELP = `
Examples:
  bash  eval "$(fog completion bash)"            in ~/.bashrc
  zsh   source <(fog completion zsh)             in ~/.zshrc, after compinit
  fish  fog completion fish > ~/.config/fish/completions/fog.fish`;

export function addCompletionCommand(program: Command, terminal: Terminal): void {
  program
    .command('completion')
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>', 'which shell').choices([...SHELLS]))
    .addHelpText('after', HELP)
    .action((shell: Shell) => write(terminal.stdout, completionScript(shell, commandWords(program))));
}
