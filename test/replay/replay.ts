/** A kind of recorded work that `npm run replay` can run. */
export interface Replay {
  /** What people type. */
  name: string;
  summary: string;
  /** Figures by name; what is printed. Throws when the file is not of this kind. */
  run(file: string): Promise<Record<string, unknown>>;
}
