/** A terminal that remembers what was written to it. */
import { PassThrough, Readable, Writable } from 'node:stream';
import { runCommandLine } from '../src/program.ts';
import type { Terminal } from '../src/terminal.ts';

export interface CommandRun {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs `fog ...args` in this process. */
export async function fog(
  args: readonly string[],
  options: { environment?: Record<string, string>; stdin?: string; workingDirectory?: string } = {},
): Promise<CommandRun> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') =>
    new Writable({
      write(chunk, _encoding, done) {
        written[name] += String(chunk);
        done();
      },
    });
  const terminal: Terminal = {
    stdin: options.stdin === undefined ? new PassThrough().end() : Readable.from([Buffer.from(options.stdin)]),
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    environment: options.environment ?? {},
    workingDirectory: options.workingDirectory ?? process.cwd(),
    exitCode: 0,
  };
  const code = await runCommandLine(args, terminal);
  return { code, ...written };
}
