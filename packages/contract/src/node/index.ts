/** The parts of the contract that need Node: everything else of it runs in browsers too. */
export * from './folder-lock.ts';
export * from './http-fetch.ts';
export * from './loopback.ts';
export * from './make-folder.ts';
export * from './network-prefix.ts';
export * from './pinned-connection.ts';
export * from './relay.ts';
export * from './tunnel-stream.ts';
