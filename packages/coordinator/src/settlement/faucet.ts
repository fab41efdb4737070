/**
 * Whether the fog gives at a submit what is missing. By itself it does as long as there is nobody else to be paid: only
 * programs of this machine reach the coordinator, or all nodes are the operator's. So whoever has jobs and a few machines
 * never meets money; with the first node of somebody else, jobs are paid in FOG from the next submit on.
 */
import type { CoordinatorSettings } from '@fog/contract';
import type { Database } from '../store/database.ts';
import { OPERATOR } from './genesis.ts';

export class Faucet {
  readonly #database: Database;
  readonly #setting: CoordinatorSettings['faucet'];
  readonly #isAlone: boolean;
  #isOn: boolean;

  constructor(database: Database, { setting, isAlone }: { setting: CoordinatorSettings['faucet']; isAlone: boolean }) {
    [this.#database, this.#setting, this.#isAlone] = [database, setting, isAlone];
    this.#isOn = setting === 'on' || (setting === 'auto' && isAlone);
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** Looks whose nodes there are, where that decides. */
  async look(): Promise<void> {
    if (this.#setting !== 'auto' || this.#isAlone) return;
    const other = await this.#database.read
      .selectFrom('nodes')
      .select('id')
      .where('owner', '<>', OPERATOR)
      .limit(1)
      .executeTakeFirst();
    this.#isOn = other === undefined;
  }
}
