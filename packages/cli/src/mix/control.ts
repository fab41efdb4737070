/**
 * What other commands ask a running test network: HTTP with JSON over a Unix socket that is its owner's alone.
 *
 *     GET  /status   what everything does
 *     POST /trace    [[id of a node, hash of a group element], ...]   times of these packets at these nodes
 */
import { chmod, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AuthorityStatus, MixNodeStatus, TracedTimes } from '@fog/betanet';
import { FogError } from '@fog/contract';
import { CLI_LIMITS } from '../limits.ts';

export interface MixStatus {
  pid: number;
  network: string;
  layers: number;
  genesis: string;
  nodes: MixNodeStatus[];
  authorities: AuthorityStatus[];
}

export type TraceQuestion = readonly (readonly [node: string, hash: string])[];
export type TraceAnswer = (TracedTimes | null)[];

export interface ControlHandlers {
  status(): MixStatus;
  find(node: string, hash: string): TracedTimes | null;
}

/** The folder of the socket must be closed to others. Throws `data-directory`. */
export async function serveControl(path: string, handlers: ControlHandlers): Promise<AsyncDisposable> {
  if (Buffer.byteLength(path) > CLI_LIMITS.socketPathBytes) {
    throw new FogError('data-directory', `the path of the control socket is too long for a Unix socket: ${path}`, {
      hint: 'choose a data folder with a shorter path with --data',
    });
  }
  await rm(path, { force: true });
  const server = createServer((incoming, response) => {
    answer(incoming, handlers).then(
      (document) => response.setHeader('content-type', 'application/json').end(JSON.stringify(document)),
      (error: unknown) => {
        const problem = FogError.from(error).toProblem();
        response.writeHead(problem.status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
      },
    );
  });
  await listen(server, path);
  await chmod(path, 0o600);
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Throws `unavailable` when no network runs there. */
export function askStatus(path: string): Promise<MixStatus> {
  return ask<MixStatus>(path, 'GET', '/status', null);
}

export function askTrace(path: string, question: TraceQuestion): Promise<TraceAnswer> {
  return ask<TraceAnswer>(path, 'POST', '/trace', question);
}

async function answer(incoming: IncomingMessage, { status, find }: ControlHandlers): Promise<unknown> {
  const route = `${incoming.method} ${incoming.url}`;
  if (route === 'GET /status') return status();
  if (route !== 'POST /trace') throw new FogError('not-found', `there is no ${route}`);
  return questionOf(await readText(incoming)).map(([node, hash]) => find(node, hash));
}

function questionOf(text: string): TraceQuestion {
  const isPair = (value: unknown) => Array.isArray(value) && value.length === 2 && value.every(isText);
  const isText = (value: unknown) => typeof value === 'string';
  const value: unknown = JSON.parse(text);
  if (Array.isArray(value) && value.every(isPair)) return value;
  throw new FogError('invalid-request', 'a trace is asked for by pairs of a node and a hash');
}

async function readText(stream: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += (chunk as Buffer).length;
    if (bytes > CLI_LIMITS.controlBytes) throw new FogError('body-too-large', 'more than a control message may have');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function ask<Answer>(socketPath: string, method: string, path: string, body: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const gone = (cause: unknown) => {
      const where = `no test network runs here: nobody answers at ${socketPath}`;
      reject(new FogError('unavailable', where, { cause, hint: 'start one with "fog mix up"' }));
    };
    const asking = request({ socketPath, method, path, timeout: CLI_LIMITS.controlMilliseconds }, (response) => {
      readText(response).then((text) => {
        if (response.statusCode === 200) resolve(JSON.parse(text) as Answer);
        else reject(FogError.fromProblem(JSON.parse(text), 'the test network answered no document'));
      }, gone);
    });
    asking.on('timeout', () => asking.destroy(new Error('no answer in time')));
    asking.on('error', gone);
    asking.end(body === null ? undefined : JSON.stringify(body));
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new FogError('data-directory', `cannot listen at ${path}: ${cause.message}`, { cause }));
    });
    server.listen(path, resolve);
  });
}
