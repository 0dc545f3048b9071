/**
 * The network interface's cable. Frames are bytes from the destination address on, without check sequence; on the wire they
 * take time for preamble, check sequence and gap as well.
 *
 * Offers: `arrive` lets frames come in one after the other at line rate, `deliver` one now; `onFrame` takes what was sent.
 */
import { between, type Engine, LinkClock, ps, Rate, type Script } from '../../sim/index.ts';
import { WIRE_OVERHEAD } from './spec.ts';

export class Wire {
  /** Set by whoever is at the other end. The frame is no longer touched here. */
  onFrame: (frame: Uint8Array) => void = ignore;
  /** Set by the device: a frame has arrived whole. It must stay as it is. */
  deliver: (frame: Uint8Array) => void = ignore;
  readonly #engine: Engine;
  readonly #incoming: LinkClock;
  readonly #outgoing: LinkClock;

  /** `rate` is in gigabits per second. */
  constructor(engine: Engine, rate: number) {
    // A gigabit per second is a bit in 1000 ps.
    const line = new Rate(rate, ps(8_000));
    this.#engine = engine;
    this.#incoming = new LinkClock(line);
    this.#outgoing = new LinkClock(line);
  }

  /** Frames arrive at line rate, without a gap that need not be. Ends when the last one has arrived. */
  *arrive(frames: Iterable<Uint8Array>): Script {
    for (const frame of frames) {
      yield* this.#occupy(this.#incoming, frame);
      this.deliver(frame);
    }
  }

  /** Ends when the frame has left; it is then given to `onFrame`, unless the device was reset meanwhile. */
  *leave(frame: Uint8Array): Script {
    yield* this.#occupy(this.#outgoing, frame);
  }

  reset(): void {
    this.#incoming.reset();
    this.#outgoing.reset();
  }

  *#occupy(clock: LinkClock, frame: Uint8Array): Script {
    const { now } = this.#engine;
    yield between(now, clock.reserve(now, frame.length + WIRE_OVERHEAD));
  }
}

function ignore(): void {}
