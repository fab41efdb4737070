/**
 * Builds the native addon: native/build/sphinx.node. Runs at the installation of this package, under any Node since 18,
 * and writes one line. Without a C compiler, or when it fails, there is no addon, and the line says so: the package
 * works without.
 *
 * Each file is compiled for the instructions that it alone uses; which of them run is decided when the addon is loaded.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const SOURCES = join(HERE, 'src');
const BUILD = join(HERE, 'build');
const ADDON = join(BUILD, 'sphinx.node');
const STAMP = join(BUILD, 'sphinx.stamp');

const COMMON_FLAGS = ['-std=gnu11', '-O3', '-fPIC', '-fvisibility=hidden', '-Wall', '-Wextra'];
/** Of processors of the x86-64 kind; other machines compile the same files, which are empty there. */
const INSTRUCTIONS = {
  'aes-ni.c': ['-maes', '-mavx'],
  'ladder-avx2.c': ['-mavx2'],
  'ladder-ifma.c': ['-mavx2', '-mavx512f', '-mavx512dq', '-mavx512ifma'],
  'sha256-ni.c': ['-msha', '-mssse3', '-msse4.1'],
};
const LINK_FLAGS = {
  linux: ['-shared', '-Wl,-z,relro,-z,now'],
  darwin: ['-bundle', '-undefined', 'dynamic_lookup'],
};
/** Of the compiler's complaints, how much goes into the one line. */
const REASON_CHARACTERS = 200;

/** Resolves when the program ended well, and rejects with the first error that it wrote. */
function run(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let written = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      written += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) return resolve();
      const lines = written.split('\n').filter((line) => line !== '');
      const reason = lines.find((line) => line.includes('error')) ?? lines[0] ?? `exit code ${code}`;
      reject(new Error(`${program}: ${reason}`.slice(0, REASON_CHARACTERS)));
    });
  });
}

/** The first compiler that answers; `CC` may hold flags too, as Make has it. */
async function findCompiler() {
  const wanted = (process.env.CC ?? '').split(/\s+/).filter((word) => word !== '');
  const candidates = wanted.length > 0 ? [wanted] : [['cc'], ['gcc'], ['clang']];
  for (const [program, ...flags] of candidates) {
    try {
      await run(program, [...flags, '--version']);
      return { program, flags };
    } catch {
      // The next one may be there.
    }
  }
  throw new Error(`no C compiler (${candidates.map(([program]) => program).join(', ')}) runs`);
}

function includeFolder() {
  const { include_dir: folder } = createRequire(import.meta.url)('node-api-headers');
  return folder;
}

/** Names everything that the addon is made of. */
function stampOf(files) {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  for (const path of [fileURLToPath(import.meta.url), ...files.map((name) => join(SOURCES, name))]) {
    hash.update(`\n${basename(path)}\n`).update(readFileSync(path));
  }
  return hash.digest('hex');
}

function isBuilt(stamp) {
  try {
    readFileSync(ADDON);
    return readFileSync(STAMP, 'utf8') === stamp;
  } catch {
    return false;
  }
}

async function compile(compiler, names, folder) {
  const include = includeFolder();
  const objects = await Promise.all(
    names.map(async (name) => {
      const object = join(folder, `${name}.o`);
      const special = process.arch === 'x64' ? (INSTRUCTIONS[name] ?? []) : [];
      const flags = [...compiler.flags, ...COMMON_FLAGS, ...special, '-isystem', include];
      await run(compiler.program, [...flags, '-c', join(SOURCES, name), '-o', object]);
      return object;
    }),
  );
  const addon = join(folder, 'sphinx.node');
  await run(compiler.program, [...compiler.flags, ...LINK_FLAGS[process.platform], ...objects, '-o', addon]);
  return addon;
}

async function build() {
  if (LINK_FLAGS[process.platform] === undefined) throw new Error(`${process.platform} is not supported`);
  const files = readdirSync(SOURCES).sort();
  const stamp = stampOf(files);
  if (isBuilt(stamp)) return 'up to date';
  // What was made of other sources must not be loaded, even if nothing takes its place.
  rmSync(ADDON, { force: true });
  const compiler = await findCompiler();
  mkdirSync(BUILD, { recursive: true });
  const folder = mkdtempSync(join(BUILD, 'making-'));
  try {
    const addon = await compile(
      compiler,
      files.filter((name) => name.endsWith('.c')),
      folder,
    );
    // A process may have the old one loaded: it keeps its file, under no name.
    renameSync(addon, ADDON);
    writeFileSync(STAMP, stamp);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return 'built';
}

try {
  process.stdout.write(`@fog/sphinx: native addon ${await build()}\n`);
} catch (error) {
  process.stdout.write(`@fog/sphinx: no native addon, the slower backends will serve: ${error.message}\n`);
}
