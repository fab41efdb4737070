/** The parts of the contract that need Node: everything else of it runs in browsers too. */
export * from './pinned-connection.ts';
