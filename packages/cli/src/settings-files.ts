/** Settings of this machine: `config.toml` in the data folder, FOG_* variables, flags. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FogError, loadSettings, type SettingsSources, type SettingsTable } from '@fog/contract';
import type { Terminal } from './terminal.ts';

export const CONFIG_FILE = 'config.toml';

/** Reads one table with the origin of every value. Throws `invalid-configuration`. */
export async function readSettings<Table extends SettingsTable>(
  table: Table,
  terminal: Terminal,
  configFile: string,
  flags: Record<string, unknown>,
) {
  const text = await readConfig(configFile);
  const sources: SettingsSources = { environment: terminal.environment, flags };
  return loadSettings(table, text === null ? sources : { ...sources, file: { path: configFile, text } });
}

export function configFileOf(dataDirectory: string): string {
  return join(dataDirectory, CONFIG_FILE);
}

async function readConfig(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new FogError('invalid-configuration', `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}
