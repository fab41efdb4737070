/** The commands and options that a shell may complete, read from the program itself. */
import type { Command } from 'commander';

export interface CommandWords {
  /** `''` for the program, `job get` for a command in a group. */
  path: string;
  commands: { name: string; description: string }[];
  options: { flags: string[]; description: string; takesValue: boolean; choices: readonly string[] }[];
  takesFiles: boolean;
}

/** Arguments that are files; those of other commands are ids and names. */
const FILE_ARGUMENTS = ['file', 'path', 'args'];

export function commandWords(program: Command): CommandWords[] {
  const visit = (command: Command, path: string): CommandWords[] => [
    {
      path,
      commands: command.commands.map((child) => ({ name: child.name(), description: child.description() })),
      options: [
        ...command.options.map((option) => ({
          flags: [option.long, option.short].filter((flag) => flag !== undefined && flag !== null),
          description: option.description,
          takesValue: option.required || option.optional,
          choices: option.argChoices ?? [],
        })),
        { flags: ['--help', '-h'], description: 'display help for command', takesValue: false, choices: [] },
      ],
      takesFiles: command.registeredArguments.some((argument) => FILE_ARGUMENTS.includes(argument.name())),
    },
    ...command.commands.flatMap((child) => visit(child, path === '' ? child.name() : `${path} ${child.name()}`)),
  ];
  return visit(program, '');
}
