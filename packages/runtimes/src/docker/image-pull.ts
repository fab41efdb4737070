/** Gets the image of an attempt onto the machine, by its pull policy. */
import type { IncomingMessage } from 'node:http';
import { DOCKER_LIMITS } from '../limits.ts';
import type { DockerProgram } from '../runtime.ts';
import type { Engine, ImageDescription } from './engine.ts';
import { EngineError } from './engine-client.ts';
import { AttemptFailed, pullFailure } from './failure.ts';
import { parseImageReference, registryAuthorization } from './image-reference.ts';

type Wanted = Pick<DockerProgram, 'image' | 'pull' | 'credentials'>;

/** Throws AttemptFailed with image-missing or image-pull, and the engine's errors. */
export async function obtainImage(
  engine: Engine,
  wanted: Wanted,
  architecture: string,
  signal: AbortSignal,
): Promise<ImageDescription> {
  const present = wanted.pull === 'always' ? null : await findImage(engine, wanted.image, signal);
  if (present !== null) return requireArchitecture(present, wanted.image, architecture);
  if (wanted.pull === 'never') {
    throw new AttemptFailed('image-missing', `The image ${wanted.image} is not on the node, and is not to be pulled.`);
  }
  await pull(engine, wanted, signal);
  const pulled = await findImage(engine, wanted.image, signal);
  if (pulled === null) throw new AttemptFailed('image-pull', `The image ${wanted.image} was pulled and is not there.`);
  return requireArchitecture(pulled, wanted.image, architecture);
}

async function findImage(engine: Engine, image: string, signal: AbortSignal): Promise<ImageDescription | null> {
  try {
    return await engine.inspectImage(image, signal);
  } catch (error) {
    if (error instanceof EngineError && error.status === 404) return null;
    if (error instanceof EngineError && error.status === 400)
      throw pullFailure(image, `invalid reference (${error.message})`);
    throw error;
  }
}

function requireArchitecture(image: ImageDescription, name: string, architecture: string): ImageDescription {
  const { Architecture: own } = image;
  if (own === undefined || own === '' || runsOn(own, architecture)) return image;
  throw new AttemptFailed('image-missing', `The image ${name} is for ${own}, and the node is ${architecture}.`);
}

/** 64-bit processors run the programs of their 32-bit ancestors. */
function runsOn(image: string, machine: string): boolean {
  return image === machine || (image === '386' && machine === 'amd64') || (image === 'arm' && machine === 'arm64');
}

async function pull(engine: Engine, { image, credentials }: Wanted, signal: AbortSignal): Promise<void> {
  const stalled = new AbortController();
  const watch = setTimeout(() => stalled.abort(), DOCKER_LIMITS.pullStallMilliseconds);
  try {
    const either = AbortSignal.any([signal, stalled.signal]);
    const authorization = registryAuthorization(image, credentials);
    const report = await engine.pullImage(parseImageReference(image), authorization, either);
    const error = await readReport(report, () => watch.refresh());
    if (error !== null) throw pullFailure(image, error);
  } catch (error) {
    if (stalled.signal.aborted)
      throw new AttemptFailed('image-pull', `The pull of the image ${image} made no progress.`);
    // Docker answers with the registry's word as its own error; one that is away itself is no matter of the image.
    if (error instanceof EngineError) throw pullFailure(image, error.message);
    throw error;
  } finally {
    clearTimeout(watch);
  }
}

/** The error in a report of JSON lines, or null. A report that is not understood is skipped; inspection tells. */
async function readReport(report: IncomingMessage, progressed: () => void): Promise<string | null> {
  let rest = '';
  let failure: string | null = null;
  const readLine = (line: string): void => {
    try {
      const { error, errorDetail } = JSON.parse(line) as { error?: string; errorDetail?: { message?: string } };
      failure = errorDetail?.message ?? error ?? failure;
    } catch {
      // Half a line, or words of a proxy in between.
    }
  };
  report.setEncoding('utf8');
  for await (const chunk of report as AsyncIterable<string>) {
    progressed();
    const lines = (rest + chunk).split('\n');
    rest = (lines.pop() ?? '').slice(0, DOCKER_LIMITS.pullLineBytes);
    for (const line of lines) readLine(line);
  }
  readLine(rest);
  return failure;
}
