/** Ids of jobs as numbers, so that an escrow account can say whose it is. */

/** Its 18 digits of base 36 fit 94 bits. */
export function numberOfJob(job: string): bigint {
  let number = 0n;
  for (const digit of job.slice(1)) number = number * 36n + BigInt(Number.parseInt(digit, 36));
  return number;
}

export function jobOfNumber(number: bigint): string {
  return `j${number.toString(36).padStart(18, '0')}`;
}
