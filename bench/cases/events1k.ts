/** Events per second of the engine alone: the hold model, 1,000 events pending, each scheduling its successor when it fires. */
import { type Duration, Engine, type Handler, Random } from '../../hardware/sim/index.ts';

/** Schedule-and-fire operations per call of the timed function. */
export const OPS = 100_000;

const PENDING = 1000;
const DELAYS = 1 << 16;

/** 70 % U(1, 2000), 25 % U(1, 40000), 5 % U(1, 400000) ps: cycles, link times, memory and beyond. */
function delayMix(random: Random): Int32Array {
  return Int32Array.from({ length: DELAYS }, () => {
    const kind = random.below(100);
    return random.between(1, kind < 70 ? 2000 : kind < 95 ? 40_000 : 400_000);
  });
}

class Successor implements Handler {
  checksum = 0;
  #next = 0;
  readonly #engine: Engine;
  readonly #delays: Int32Array;

  constructor(engine: Engine, delays: Int32Array) {
    this.#engine = engine;
    this.#delays = delays;
  }

  handle(argument: number): void {
    this.checksum = (this.checksum + argument) | 0;
    this.#next = (this.#next + 1) & (DELAYS - 1);
    this.#engine.schedule(this.#delays[this.#next] as Duration, this, argument);
  }
}

export const events1k = {
  name: 'events1k',
  goalNsPerOp: 50,
  make(): () => number {
    const engine = new Engine();
    const successor = new Successor(engine, delayMix(new Random(1)));
    for (let i = 0; i < PENDING; i++) successor.handle(i);
    return () => {
      for (let i = 0; i < OPS; i++) engine.step();
      return successor.checksum;
    };
  },
};

export default events1k;
