/** Milliseconds of the machine's monotonic clock: processes on one machine read the same one, so times compare. */
export function clockMilliseconds(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Resolves when the clock shows `untilMilliseconds`; timers are a millisecond coarse. */
export async function sleepUntil(untilMilliseconds: number): Promise<void> {
  const left = untilMilliseconds - clockMilliseconds();
  if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
}
