/** The process behind `fog`. */
import { EXIT } from './exit-code.ts';
import { runCommandLine } from './program.ts';
import { processTerminal } from './terminal.ts';

// `fog job ls | head`: the reader has seen enough, which is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
}

// Under an older Node another process passes signals on (see bin/fog.js). When that one is killed this one would be
// left behind, unless a command sees to it itself.
process.on('disconnect', () => {
  if (process.listenerCount('disconnect') === 1) process.exit(EXIT.cancelled);
});
process.channel?.unref();

const terminal = processTerminal();
const exitCode = await runCommandLine(process.argv.slice(2), terminal);
// What was written to a pipe may still be on its way; open connections are no reason to wait.
await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write('', done))));
process.exit(exitCode);
