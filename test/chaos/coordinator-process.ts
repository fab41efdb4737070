/** A coordinator in a process of its own, to be killed, with a clock that can be stepped. */

import { flushCompileCache } from 'node:module';
import { loadSettings } from '../../packages/contract/src/index.ts';
import { startCoordinator } from '../../packages/coordinator/src/index.ts';

export interface CoordinatorOrder {
  dataDirectory: string;
  blobDirectory: string;
  databaseUrl: string | null;
  heartbeat: string;
  clockOffsetMilliseconds: number;
}

export interface CoordinatorReady {
  kind: 'ready';
  url: string;
  adminToken: string;
}

export interface ClockStep {
  kind: 'clock';
  offsetMilliseconds: number;
}

process.on('disconnect', () => process.exit(0)); // the harness is gone
const order = JSON.parse(process.argv[2] ?? '') as CoordinatorOrder;
let offsetMilliseconds = order.clockOffsetMilliseconds;
process.on('message', (message: ClockStep) => {
  offsetMilliseconds = message.offsetMilliseconds;
});
const { settings } = loadSettings('coordinator', {
  environment: {},
  flags: {
    listen: '127.0.0.1:0',
    heartbeat: order.heartbeat,
    blobDirectory: order.blobDirectory,
    databaseUrl: order.databaseUrl ?? undefined,
  },
});
const coordinator = await startCoordinator({
  dataDirectory: order.dataDirectory,
  settings,
  now: () => Date.now() + offsetMilliseconds,
  log: (level, message, data) =>
    process.stdout.write(`${Date.now()} ${level} ${message} ${JSON.stringify(data ?? {})}\n`),
});
const ready: CoordinatorReady = { kind: 'ready', url: coordinator.url, adminToken: coordinator.adminToken };
flushCompileCache(); // a killed process leaves no cache behind
process.send?.(ready);
