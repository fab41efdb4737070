/** Whose nodes get no work: owners that are jailed, or put out. Each coordinator looks for itself. */
import type { Sweep } from '../../dispatch/sweeps.ts';
import type { Database } from '../../store/database.ts';
import { STAKE_HOME_LIMITS } from './limits.ts';

export class Jailed {
  readonly #read: Database['read'];
  /** Called with all of them at each look. */
  onChange: (owners: ReadonlySet<string>) => void = () => undefined;

  constructor({ read }: Pick<Database, 'read'>) {
    this.#read = read;
  }

  get sweep(): Sweep {
    return {
      name: 'jailed owners',
      everyMilliseconds: STAKE_HOME_LIMITS.jailedMilliseconds,
      run: () => this.look(),
    };
  }

  async look(): Promise<void> {
    const rows = await this.#read
      .selectFrom('stake_validators')
      .select('validator')
      .where('status', 'in', ['jailed', 'tombstoned'])
      .execute();
    this.onChange(new Set(rows.map(({ validator }) => validator)));
  }
}
