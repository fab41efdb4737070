/** A node in a process of its own, so that it can be killed; run as a program, that process. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { MixNode, type MixNodeOptions } from '@fog/betanet';
import { tcpTransport } from '@fog/transport';

export type NodeProcessOptions = Pick<MixNodeOptions, 'genesis' | 'role' | 'operator' | 'folder' | 'listen'>;

/** What the child tells every few milliseconds. */
interface Report {
  isServing: boolean;
  held: number;
  replays: number;
}

const REPORT_MILLISECONDS = 5;
const PROGRAM = fileURLToPath(import.meta.url);

export class NodeProcess implements Disposable {
  readonly #child: ChildProcess;
  last: Report | null = null;

  constructor(options: NodeProcessOptions) {
    this.#child = fork(PROGRAM, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', (report) => {
      this.last = report as Report;
    });
    this.#child.send(options);
  }

  /** Answers the signal that it died of. */
  async kill(): Promise<NodeJS.Signals | null> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    const [, signal] = await ended;
    return signal;
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}

async function run(options: NodeProcessOptions): Promise<void> {
  const node = await MixNode.start({
    ...options,
    transport: tcpTransport,
    log: () => {},
    failed: (error) => {
      throw error;
    },
  });
  setInterval(() => {
    const { isInConsensus, links, packets } = node.status();
    const isServing = isInConsensus && links.wanted > 0 && links.out === links.wanted;
    process.send?.({ isServing, held: packets.held, replays: node.drops.count('replay') } satisfies Report);
  }, REPORT_MILLISECONDS);
}

if (process.argv[1] === PROGRAM) {
  process.once('message', (options) => void run(options as NodeProcessOptions));
  process.once('disconnect', () => process.exit());
}
