/** Ctrl-C, once and twice. */
import { CLI_LIMITS } from './limits.ts';

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/**
 * Calls `onSignal` for each SIGINT, SIGTERM and SIGHUP with its number, from 1. A terminal sends Ctrl-C to every
 * process of a group, and a parent passes it on once more: what comes within `sameSignalMilliseconds` is the same one.
 * The loss of the Node that started this one (see bin/fog.js) counts as SIGTERM.
 */
export function onStopSignals(onSignal: (signal: StopSignal, count: number) => void): Disposable {
  let count = 0;
  let lastAt = Number.NEGATIVE_INFINITY;
  const handle = (signal: StopSignal) => {
    const now = performance.now();
    if (now - lastAt < CLI_LIMITS.sameSignalMilliseconds) return;
    lastAt = now;
    count += 1;
    onSignal(signal, count);
  };
  const handlers = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => [signal, () => handle(signal)] as const);
  for (const [signal, handler] of handlers) process.on(signal, handler);
  const onDisconnect = () => handle('SIGTERM');
  process.on('disconnect', onDisconnect);
  process.channel?.unref(); // the channel alone is no reason to go on
  return {
    [Symbol.dispose]() {
      for (const [signal, handler] of handlers) process.off(signal, handler);
      process.off('disconnect', onDisconnect);
    },
  };
}
