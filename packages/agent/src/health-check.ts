/** Carries out one health check. What it reaches is the loopback of the sandbox, and what answers may be anything. */
import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import type { HealthSpec } from '@fog/contract';
import type { RunningAttempt } from '@fog/runtimes';
import type { CheckResult } from './health.ts';
import { AGENT_LIMITS } from './limits.ts';

export type Checked = Pick<RunningAttempt, 'connect' | 'exec'>;

/** Ends within the time limit and a moment. Never rejects. */
export async function checkHealth(spec: HealthSpec, run: Checked, timeoutMilliseconds: number): Promise<CheckResult> {
  const abort = new AbortController();
  const late = Promise.withResolvers<CheckResult>();
  const timer = setTimeout(() => {
    late.resolve({ isHealthy: false, message: `no result within ${timeoutMilliseconds} ms` });
    abort.abort();
  }, timeoutMilliseconds);
  const failed = (error: unknown): CheckResult => ({ isHealthy: false, message: messageOf(error) });
  try {
    return await Promise.race([carryOut(spec, run, timeoutMilliseconds, abort.signal).catch(failed), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function carryOut(
  { http, tcp, command }: HealthSpec,
  run: Checked,
  timeoutMilliseconds: number,
  signal: AbortSignal,
): Promise<CheckResult> {
  if (command !== undefined) return await checkCommand(command, run, timeoutMilliseconds);
  const port = http?.port ?? tcp?.port ?? 0;
  const connection = await connect(run, port, signal);
  try {
    if (http === undefined) return { isHealthy: true, message: `port ${port} answers` };
    return await checkHttp(connection, http, signal);
  } finally {
    connection.destroy();
  }
}

/** A connection that comes too late is closed. */
async function connect(run: Checked, port: number, signal: AbortSignal): Promise<Duplex> {
  if (run.connect === undefined) throw new Error('this runtime has no way into its sandboxes');
  const connection = await run.connect(port);
  connection.on('error', () => {});
  if (signal.aborted) connection.destroy();
  else signal.addEventListener('abort', () => connection.destroy(), { once: true });
  return connection;
}

async function checkCommand(
  command: readonly string[],
  run: Checked,
  timeoutMilliseconds: number,
): Promise<CheckResult> {
  if (run.exec === undefined) throw new Error('this runtime runs no commands in its sandboxes');
  const { exitCode, output } = await run.exec(command, timeoutMilliseconds);
  const said = output.trim();
  const ended = exitCode === null ? 'the command was killed' : `exit code ${exitCode}`;
  return { isHealthy: exitCode === 0, message: said === '' ? ended : `${ended}: ${said}` };
}

/** 200 to 399 is healthy. No redirect is followed, and of the body only the beginning is looked at. */
function checkHttp(
  connection: Duplex,
  { port, path }: NonNullable<HealthSpec['http']>,
  signal: AbortSignal,
): Promise<CheckResult> {
  return new Promise((resolve, reject) => {
    const asked = request({
      createConnection: () => connection,
      method: 'GET',
      path,
      headers: { host: `127.0.0.1:${port}`, 'user-agent': 'fog-health', connection: 'close' },
      setHost: false,
      maxHeaderSize: AGENT_LIMITS.healthAnswerBytes,
      signal,
    });
    asked.on('error', reject);
    asked.once('response', (answer) => {
      const status = answer.statusCode ?? 0;
      const isHealthy = status >= 200 && status <= 399;
      if (isHealthy) {
        resolve({ isHealthy, message: `status ${status}` });
        asked.destroy();
        return;
      }
      // What an unhealthy program has to say helps the one who reads it.
      let text = '';
      const tell = (): void => {
        resolve({ isHealthy, message: `status ${status}${text === '' ? '' : `: ${text.trim()}`}` });
        asked.destroy();
      };
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        text = (text + chunk).slice(0, AGENT_LIMITS.healthMessageCharacters);
        if (text.length === AGENT_LIMITS.healthMessageCharacters) tell();
      });
      answer.once('end', tell);
      answer.once('error', tell);
    });
    asked.end();
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
