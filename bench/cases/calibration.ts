/** A loop of fixed integer work: the speed of the host at the moment, to which every other figure is a ratio. */
const OPERATIONS = 1_000_000;

/** Nanoseconds of one round are about one dependent chain of three shifts and three exclusive ors. */
export const calibration = {
  name: 'calibration',
  operation: 'xorshift32 round',
  operations: OPERATIONS,
  make(): () => number {
    return () => {
      let x = 2463534242 | 0;
      for (let i = 0; i < OPERATIONS; i++) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
      }
      return x;
    };
  },
};
