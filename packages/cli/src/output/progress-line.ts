/** One line at the bottom of a terminal that is drawn over and over; nothing where stderr is no terminal. */
import { CLI_LIMITS } from '../limits.ts';
import type { Terminal } from '../terminal.ts';
import { safeText } from './table.ts';

export class ProgressLine {
  readonly #terminal: Terminal;
  readonly #text: () => string;
  readonly #isShown: boolean;
  #timer: NodeJS.Timeout | null = null;
  #isDrawn = false;

  /** `text` is asked for at each drawing, so that times in it go on. */
  constructor(terminal: Terminal, text: () => string) {
    this.#terminal = terminal;
    this.#text = text;
    this.#isShown = terminal.stderr.isTTY === true && terminal.environment.TERM !== 'dumb';
  }

  start(): void {
    if (!this.#isShown || this.#timer !== null) return;
    this.#draw();
    this.#timer = setInterval(() => this.#draw(), CLI_LIMITS.drawMilliseconds);
    this.#timer.unref();
  }

  /** Writes a line of its own above it. */
  say(text: string): void {
    const clear = this.#isDrawn ? '\r\u001b[K' : '';
    this.#terminal.stderr.write(`${clear}${safeText(text)}\n`);
    if (this.#isDrawn) this.#draw();
  }

  /** Takes the line away. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    if (this.#isDrawn) this.#terminal.stderr.write('\r\u001b[K');
    this.#isDrawn = false;
  }

  #draw(): void {
    const columns = this.#terminal.stderr.columns ?? 80;
    this.#terminal.stderr.write(`\r\u001b[K${safeText(this.#text()).slice(0, columns - 1)}`);
    this.#isDrawn = true;
  }
}
