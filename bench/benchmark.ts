/** What a benchmark is, and what it is given to run. */

export interface BenchmarkOption {
  default: number;
  description: string;
}

export interface Benchmark {
  name: string;
  summary: string;
  /** Whole numbers that can be set on the command line, by name. */
  options: Readonly<Record<string, BenchmarkOption>>;
  /** Figures by name; the runner adds machine, commit and command. */
  run(context: BenchmarkContext): Promise<Record<string, unknown>>;
}

export interface BenchmarkContext {
  /** Value of one of the benchmark's options. */
  option(name: string): number;
  /** Tells on stderr what is under way. */
  progress(text: string): void;
  /** Taken down at the end and on Ctrl-C; disposing of something earlier does no harm. */
  cleanup: AsyncDisposableStack;
  /** Folder for CPU profiles of the coordinator; null when none are wanted. */
  profileFolder: string | null;
}
