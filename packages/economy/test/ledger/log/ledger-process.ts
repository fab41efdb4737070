/** A process of its own that opens the folder named by its argument, says so, acknowledges requests, and never ends. */
import { MachineLog, openFolder } from '../../../src/ledger/log/index.ts';
import { CountingMachine } from './counting-machine.ts';
import { request } from './log-fixtures.ts';

const storage = openFolder(process.argv[2] ?? '');
const log = await MachineLog.open({
  storage,
  createMachine: () => new CountingMachine(),
  now: () => BigInt(Date.now()),
  segmentBytes: 1 << 20,
});
process.stdout.write('open\n');
for (let number = 1; ; number += 1) {
  await log.submit(request(number));
  process.stdout.write(`${number}\n`);
}
