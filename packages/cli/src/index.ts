/** @fog/cli: the `fog` command. */
export { EXIT, jobExitCode } from './exit-code.ts';
export { buildProgram, runCommandLine } from './program.ts';
export { processTerminal, type Terminal } from './terminal.ts';
