/**
 * Makes the workload of this folder: a day of jobs on a machine of 64 processors, as a log in the Standard Workload Format.
 * Invented, and of no real machine: more jobs come by day than by night, most are short and narrow, a few are neither, and
 * owners ask for more time than they need. The same seed gives the same log.
 *
 *     npx node examples/workload/generate.ts > examples/workload/day.swf
 */
import { RandomNumbers } from '@fog/scheduler/random-numbers';

const PROCESSORS = 64;
const JOBS = 240;
const DAY_SECONDS = 86_400;
const SEED = 1;

/** The text of the log. */
export function dayOfJobs(seed: number = SEED): string {
  const random = new RandomNumbers(seed);
  const submits = Array.from({ length: JOBS }, () => submitSeconds(random)).sort((one, other) => one - other);
  const lines = submits.map((submit, index) => {
    const processors = 2 ** Math.min(6, Math.floor(random.unit() ** 2 * 7));
    // From seconds to hours, evenly on a logarithmic scale.
    const runSeconds = Math.round(20 * 10 ** (random.unit() * 2.7));
    const requestedSeconds = Math.ceil((runSeconds * (1 + 3 * random.unit())) / 60) * 60;
    const user = 1 + random.below(12);
    // Number, submitted, waited, ran, processors, (two unknown), asked for, time, memory, status, user, and six unknown.
    return [index + 1, submit, -1, runSeconds, processors, -1, -1, processors, requestedSeconds, -1, 1, user]
      .concat([-1, -1, -1, -1, -1, -1])
      .join(' ');
  });
  const header = [
    '; Version: 2.2',
    '; Computer: none, the jobs are invented',
    `; MaxProcs: ${PROCESSORS}`,
    `; Note: made by examples/workload/generate.ts with seed ${seed}`,
  ];
  return `${[...header, ...lines].join('\n')}\n`;
}

/** Twice as likely at noon as on average, and hardly at midnight. */
function submitSeconds(random: RandomNumbers): number {
  for (;;) {
    const share = random.unit();
    if (random.unit() < (1 - Math.cos(2 * Math.PI * share)) / 2) return Math.floor(share * DAY_SECONDS);
  }
}

if (import.meta.main) process.stdout.write(dayOfJobs());
