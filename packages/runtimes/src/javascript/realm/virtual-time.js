/** The clock, the timers and the random source of one attempt. None of them looks at the machine. */

/**
 * Starts at the time of submission and advances one millisecond a read; a timer moves it to the time it is due.
 * Time never goes back.
 */
export function createClock(startMilliseconds) {
  let now = startMilliseconds;
  return {
    read() {
      const value = now;
      now += 1;
      return value;
    },
    moveTo(milliseconds) {
      if (milliseconds > now) now = milliseconds;
    },
    peek: () => now,
  };
}

/**
 * xoshiro128** 1.1 (Blackman and Vigna, public domain), seeded with four 32-bit words. A number takes two draws:
 * 27 and 26 bits, as in java.util.Random, so that every multiple of 2^-53 in [0, 1) can come.
 */
export function createRandom(words) {
  let [a, b, c, d] = words;
  const draw = () => {
    const product = Math.imul(b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9);
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return result >>> 0;
  };
  return () => {
    const high = draw() >>> 5;
    return (high * 67108864 + (draw() >>> 6)) / 9007199254740992;
  };
}

/**
 * setTimeout and its kin without waiting: when nothing else can run, the timer that is due next runs, and the clock
 * moves to it. Timers due at the same time run in the order they were set.
 */
export function createTimers(clock) {
  const pending = new Map();
  let lastIdentifier = 0;
  const add = (callback, delay, values, repeats) => {
    if (typeof callback !== 'function') throw new TypeError('The callback must be a function');
    const number = Number(delay);
    const wait = number >= 1 ? Math.min(Math.floor(number), 2147483647) : 1;
    lastIdentifier += 1;
    pending.set(lastIdentifier, { callback, values, wait, repeats, due: clock.peek() + wait });
    return lastIdentifier;
  };
  return {
    functions: {
      setTimeout(callback, delay = 0, ...values) {
        return add(callback, delay, values, false);
      },
      setInterval(callback, delay = 0, ...values) {
        return add(callback, delay, values, true);
      },
      clearTimeout(identifier) {
        pending.delete(identifier);
      },
      clearInterval(identifier) {
        pending.delete(identifier);
      },
    },
    /** Runs the next timer. False when there is none. */
    runNext() {
      let next = 0;
      let nextTimer;
      for (const [identifier, timer] of pending) {
        if (nextTimer !== undefined && timer.due >= nextTimer.due) continue;
        next = identifier;
        nextTimer = timer;
      }
      if (nextTimer === undefined) return false;
      clock.moveTo(nextTimer.due);
      if (nextTimer.repeats) {
        pending.delete(next);
        pending.set(next, { ...nextTimer, due: nextTimer.due + nextTimer.wait });
      } else {
        pending.delete(next);
      }
      nextTimer.callback(...nextTimer.values);
      return true;
    },
  };
}
