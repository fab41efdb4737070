/**
 * Work that several wait for and that is done once.
 *
 *     none -> flying (one, however many wait) -> landed, or failed
 *                 \___ all have left: aborted
 */
import { FogError } from '@fog/contract';

interface Flight<Result> {
  waiting: number;
  state: 'flying' | 'landed';
  readonly abort: AbortController;
  readonly landed: Promise<Result>;
}

export interface FlightPlan<Result> {
  /** The work itself. Its signal is aborted when nobody waits any more. */
  fly(signal: AbortSignal): Promise<Result>;
  /** In the moment of its end, before those who wait are told; so many of them there are. */
  landed(result: Result, waiting: number): void;
  /** One of them left in that very moment, and does not get it. */
  unclaimed(result: Result): void;
}

export class Flights<Result> {
  readonly #flights = new Map<string, Flight<Result>>();

  /** Work of this key that nobody waits for any more and that is being cleaned up: to be waited for before another. */
  ending(key: string): Promise<void> | null {
    const flight = this.#flights.get(key);
    if (flight?.abort.signal.aborted !== true) return null;
    return flight.landed.then(
      () => {},
      () => {},
    );
  }

  /** Waits for the work of this key, which is begun if need be. Who leaves by `signal` does not stop it for others. */
  async join(key: string, plan: FlightPlan<Result>, signal: AbortSignal): Promise<Result> {
    signal.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#depart(key, plan);
    flight.waiting += 1;
    const aborted = Promise.withResolvers<never>();
    let hasLeft = false;
    const leave = (): void => {
      hasLeft = true;
      aborted.reject(signal.reason);
    };
    signal.addEventListener('abort', leave);
    try {
      return await Promise.race([flight.landed, aborted.promise]);
    } catch (error) {
      if (hasLeft && flight.state === 'landed') plan.unclaimed(await flight.landed);
      flight.waiting -= 1;
      if (flight.waiting === 0) flight.abort.abort(new FogError('cancelled', 'nobody waits for it'));
      throw error;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  #depart(key: string, plan: FlightPlan<Result>): Flight<Result> {
    const abort = new AbortController();
    const landed = plan.fly(abort.signal).then(
      (result) => {
        this.#flights.delete(key);
        flight.state = 'landed';
        plan.landed(result, flight.waiting);
        return result;
      },
      (error: unknown) => {
        this.#flights.delete(key);
        throw error;
      },
    );
    landed.catch(() => {}); // those who wait are told; that nobody may wait any more is no fault
    const flight: Flight<Result> = { waiting: 0, state: 'flying', abort, landed };
    this.#flights.set(key, flight);
    return flight;
  }
}
