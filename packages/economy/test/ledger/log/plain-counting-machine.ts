/** The counting machine, for a thread. */
import { CountingMachine } from './counting-machine.ts';

export const createCountingMachine = () => new CountingMachine();
