/** What the log needs of a disk: files of one folder. Real ones are in file-storage.ts, a simulated disk is in simulation/. */

/** Reading happens at the start, when nobody waits for anything else: it answers at once. */
export interface ReadableFile {
  readonly name: string;
  readonly bytes: number;
  /** Fills `into` from there and answers how many bytes there were. */
  read(offset: number, into: Uint8Array): number;
  close(): void;
}

export interface WritableFile {
  readonly name: string;
  /** Makes it so long, of zeros, with room on the disk for all of it. Where that takes long, waits for `pace` in between. */
  reserve(bytes: number, pace: () => Promise<void>): Promise<void>;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Cuts off what lies behind. */
  truncate(bytes: number): Promise<void>;
  /** What was written before the call is on the disk when it answers. A failed one may never be tried again. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Errors are those of the operating system; `storageFault` turns them into ours. */
export interface LogStorage {
  /** Where it is, for messages. */
  readonly place: string;
  list(): string[];
  openToRead(name: string): ReadableFile;
  /** An empty file, whatever was there. */
  create(name: string): Promise<WritableFile>;
  openToWrite(name: string): Promise<WritableFile>;
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Names that were made, changed or removed before the call are so on the disk when it answers. */
  syncFolder(): Promise<void>;
}
