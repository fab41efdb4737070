/** The build at installation: never more than one line, and never a failed installation. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';

const NATIVE = join(import.meta.dirname, '..', 'native');

/** Runs the build in a copy of native/ that has a compiler which answers to --version and does nothing else. */
function buildIn(check: (build: (compiler: string) => string, folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'sphinx-build-'));
  try {
    cpSync(NATIVE, folder, { recursive: true });
    rmSync(join(folder, 'build'), { recursive: true, force: true });
    const headers = dirname(createRequire(import.meta.url).resolve('node-api-headers/package.json'));
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(headers, join(folder, 'node_modules', 'node-api-headers'));
    const build = (compiler: string) =>
      execFileSync(process.execPath, [join(folder, 'build.mjs')], {
        env: { ...process.env, CC: compiler },
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      });
    check(build, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('the build of the native addon', { skip: process.platform === 'win32' }, () => {
  it('says in one line that there is no compiler', () => {
    buildIn((build, folder) => {
      const line = build('no-such-compiler');
      assert.equal(
        line,
        '@fog/sphinx: no native addon, the slower backends will serve: no C compiler (no-such-compiler) runs\n',
      );
      assert.ok(!existsSync(join(folder, 'build', 'sphinx.node')));
    });
  });

  it('says in one line why compiling failed, leaves nothing half made and nothing of other sources', () => {
    buildIn((build, folder) => {
      const compiler = join(folder, 'broken-compiler');
      writeFileSync(
        compiler,
        '#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "a.c:1: error: no such thing" >&2\nexit 1\n',
      );
      chmodSync(compiler, 0o755);
      mkdirSync(join(folder, 'build'));
      writeFileSync(join(folder, 'build', 'sphinx.node'), 'an older one');
      assert.match(build(compiler), /^@fog\/sphinx: no native addon, [^\n]*error: no such thing\n$/);
      assert.ok(!existsSync(join(folder, 'build', 'sphinx.node')));
    });
  });

  it('does nothing when it is up to date', () => {
    buildIn((build, folder) => {
      const compiler = join(folder, 'compiler');
      // Makes an empty file of whatever it is told to make.
      writeFileSync(compiler, '#!/bin/sh\nfor last; do :; done\n[ "$1" = --version ] || : > "$last"\n');
      chmodSync(compiler, 0o755);
      assert.equal(build(compiler), '@fog/sphinx: native addon built\n');
      assert.equal(build('no-such-compiler'), '@fog/sphinx: native addon up to date\n');
      writeFileSync(join(folder, 'src', 'cpu.h'), '/* another */\n');
      assert.match(build('no-such-compiler'), /no C compiler/);
    });
  });
});
