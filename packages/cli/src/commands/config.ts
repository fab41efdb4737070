/** `fog config`: which settings are in force, and where they come from. */
import type { EffectiveSetting } from '@fog/contract';
import type { Command } from 'commander';
import { renderTable } from '../output/table.ts';
import { configFileOf, readSettings } from '../settings-files.ts';
import { type Terminal, writeJson, writeLine } from '../terminal.ts';
import { type CommonOptions, dataDirectoryOf, stdoutColours, withJson } from './command-context.ts';

const HELP = `
A flag beats a variable, a variable beats config.toml, config.toml beats the default.`;

export function addConfigCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('config')
    .description('print the settings in force with their origin and the variable that sets each')
    .option('--data <dir>', 'data folder whose config.toml is read (FOG_DATA)')
    .addHelpText('after', HELP);
  withJson(command).action(async (options: CommonOptions) => {
    const dataDirectory = dataDirectoryOf(terminal, options);
    const configFile = configFileOf(dataDirectory);
    const tables = [
      (await readSettings('coordinator', terminal, configFile, {})).effective,
      (await readSettings('agent', terminal, configFile, {})).effective,
    ].flat();
    const settings = [...clientSettings(terminal, options, dataDirectory), ...tables].map(withoutPasswords);
    if (options.json) {
      await writeJson(terminal, { configFile, settings });
      return;
    }
    const rows = settings.map(({ key, value, origin, variable }) => [key, valueText(value), origin, variable]);
    await writeLine(terminal, `config file: ${configFile}\n`);
    await writeLine(terminal, renderTable(['setting', 'value', 'from', 'variable'], rows, stdoutColours(terminal)));
  });
}

/** What decides which fog the commands talk to. A token is never shown. */
function clientSettings(terminal: Terminal, options: CommonOptions, dataDirectory: string): EffectiveSetting[] {
  const { FOG_DATA, FOG_URL, FOG_TOKEN } = terminal.environment;
  const dataOrigin = options.data !== undefined ? 'flag' : FOG_DATA ? 'environment' : 'default';
  return [
    {
      key: 'data',
      value: dataDirectory,
      origin: dataOrigin,
      variable: 'FOG_DATA',
      description: 'Data folder of "fog up"',
    },
    {
      key: 'url',
      value: FOG_URL || undefined,
      origin: FOG_URL ? 'environment' : 'default',
      variable: 'FOG_URL',
      description: 'Coordinator to talk to; default: the one of the data folder',
    },
    {
      key: 'token',
      value: FOG_TOKEN ? '(set)' : undefined,
      origin: FOG_TOKEN ? 'environment' : 'default',
      variable: 'FOG_TOKEN',
      description: 'Token to talk with; default: admin.token of the data folder',
    },
  ];
}

function withoutPasswords(setting: EffectiveSetting): EffectiveSetting {
  const value =
    typeof setting.value === 'string' ? setting.value.replace(/:\/\/([^:/@]+):[^@]*@/, '://$1:***@') : setting.value;
  return { ...setting, value: value ?? null };
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return '-';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
