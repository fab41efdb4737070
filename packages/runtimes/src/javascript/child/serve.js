/**
 * The loop of a child: wait for a request, run it in a fresh realm, answer. The engine comes as a parameter.
 *
 *     runtime: request (JSON, in pieces), standard input (bytes, in pieces), go
 *     child:   ready, then per attempt: started, logs and progress, result (in pieces), end (JSON)
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { createFrameSource, sendContent, sendFrame, sendJson } from './blocking-frames.js';
import { needsRewriting, rewritePowers } from './power-operator.js';

/** As in protocol.ts. */
const TO_CHILD = { request: 1, standardInput: 2, go: 3 };
const FROM_CHILD = { ready: 0, started: 1, stdout: 2, stderr: 3, progress: 4, result: 5, end: 6 };

const STANDARD_INPUT_INDEX = -1;

/** The functions that the realm may call, for every engine the same. They throw nothing. */
function createHost(request, standardInput, ending) {
  const decoders = {
    true: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }),
    false: new TextDecoder('utf-8', { ignoreBOM: true }),
  };
  return {
    log(stream, bytes) {
      sendContent(stream === 2 ? FROM_CHILD.stderr : FROM_CHILD.stdout, bytes);
    },
    progress(fraction, message) {
      sendJson(FROM_CHILD.progress, { fraction, message: message.slice(0, request.messageBytes) });
    },
    /** Bytes of an input, or null. */
    readFile(index) {
      try {
        if (index !== STANDARD_INPUT_INDEX) return readFileSync(request.inputs[index].hostPath);
        return request.standardInputPath === null
          ? Buffer.concat(standardInput)
          : readFileSync(request.standardInputPath);
      } catch {
        return null;
      }
    },
    decode(bytes, fatal) {
      try {
        return decoders[fatal].decode(bytes);
      } catch {
        return undefined;
      }
    },
    succeed(bytes) {
      ending.set({ status: 'succeeded', hasResult: bytes !== null }, bytes);
    },
    fail(reason, message) {
      ending.set({ status: 'failed', reason, message }, null);
    },
    isOutOfMemory: (text) => /^InternalError: out of memory|^RangeError: Array buffer allocation failed/.test(text),
  };
}

/** The first ending stands. */
function createEnding() {
  let ending = null;
  let result = null;
  return {
    set(value, bytes) {
      if (ending !== null) return;
      ending = value;
      result = bytes;
    },
    get: () => ({
      ending: ending ?? { status: 'failed', reason: 'script-error', message: 'The script ended without a result' },
      result,
    }),
  };
}

/** Not by `import()`: in the V8 child that belongs to the scripts. */
function loadParser(acornUrl) {
  return createRequire(import.meta.url)(fileURLToPath(acornUrl)).parse;
}

function loadSource(path, acornUrl, cache) {
  if (cache.path === path) return cache.source;
  let source = readFileSync(path, 'utf8');
  if (needsRewriting(source)) source = rewritePowers(source, loadParser(acornUrl));
  cache.path = path;
  cache.source = source;
  return source;
}

function realmHeader(request) {
  const { args, env, partition, seedWords, submittedAtMilliseconds, diskBytes, resultIsDeclared } = request;
  const inputs = request.inputs.map(({ sandboxPath, bytes }) => ({ path: sandboxPath, bytes }));
  const hasStdin = request.hasStandardInput;
  return JSON.stringify({
    args,
    env,
    partition,
    seedWords,
    submittedAtMilliseconds,
    diskBytes,
    resultIsDeclared,
    inputs,
    hasStdin,
  });
}

/** V8 does not tell where a syntax error lies to who asks from outside; the parser does. */
function syntaxErrorLine(path, acornUrl) {
  try {
    const parse = loadParser(acornUrl);
    parse(readFileSync(path, 'utf8'), { ecmaVersion: 2024, sourceType: 'module' });
  } catch (error) {
    return error?.loc?.line;
  }
  return undefined;
}

function errorText(error, { scriptPath, acornUrl }) {
  try {
    if (error.name === 'SyntaxError' && error.loc === undefined) {
      const line = syntaxErrorLine(scriptPath, acornUrl);
      return `${error.name}: ${error.message}${line === undefined ? '' : ` (line ${line})`}`;
    }
    const line = /^script\.js:(\d+)/.exec(`${error.stack}`)?.[1];
    return `${error.name}: ${error.message}${line === undefined ? '' : ` (line ${line})`}`;
  } catch {
    return 'The script failed';
  }
}

async function runOne(engine, request, standardInput, cache) {
  const ending = createEnding();
  const host = createHost(request, standardInput, ending);
  try {
    const source = loadSource(request.scriptPath, request.acornUrl, cache);
    await engine({
      source,
      host,
      header: realmHeader(request),
      memoryBytes: request.memoryBytes,
      deadlineMilliseconds: request.runMilliseconds,
      started: () => sendFrame(FROM_CHILD.started, Buffer.alloc(0)),
    });
  } catch (error) {
    const text = errorText(error, request);
    host.fail(host.isOutOfMemory(text) ? 'oom' : 'script-error', text);
  }
  return ending.get();
}

/** `engine(attempt)` runs one attempt and resolves when nothing of it can run any more. */
export async function serve(engine) {
  const nextFrame = createFrameSource();
  const cache = { path: null, source: '' };
  let request = [];
  let standardInput = [];
  sendFrame(FROM_CHILD.ready, Buffer.alloc(0));
  for (;;) {
    const frame = nextFrame();
    // The runtime is gone.
    if (frame === null) return;
    if (frame.kind === TO_CHILD.request) request.push(frame.body);
    else if (frame.kind === TO_CHILD.standardInput) standardInput.push(frame.body);
    else if (frame.kind === TO_CHILD.go) {
      const before = process.cpuUsage();
      const parsed = JSON.parse(Buffer.concat(request).toString('utf8'));
      const { ending, result } = await runOne(engine, parsed, standardInput, cache);
      request = [];
      standardInput = [];
      if (result !== null) sendContent(FROM_CHILD.result, result);
      const { user, system } = process.cpuUsage(before);
      const { rss } = process.memoryUsage;
      sendJson(FROM_CHILD.end, {
        ...ending,
        cpuMilliseconds: (user + system) / 1000,
        peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
        residentBytes: rss(),
      });
    }
  }
}
