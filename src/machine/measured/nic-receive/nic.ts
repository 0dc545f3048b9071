/** The NIC: what has come from the network waits for its turn on the port, and each packet goes where its ring says. */

import type { OrderedPort } from '../../../../hardware/path/index.ts';
import { type Engine, Ring } from '../../../../hardware/sim/index.ts';
import type { Place, ReceiveRing } from './ring.ts';

/** One TCP connection. */
export interface Flow {
  readonly core: number;
  /** Packets that were sent and that nobody has read. */
  outstanding: number;
}

/** A packet in memory. */
export interface Received {
  readonly flow: Flow;
  readonly place: Place;
  /** When its turn had come. */
  readonly since: number;
}

export interface NicEnds {
  /** A packet is in memory. */
  received(packet: Received): void;
  /** There is room for another packet. */
  room(): void;
}

export class ReceiveNic {
  /** Packets for which no descriptor was posted. */
  starved = 0;
  /** Packets that have begun their way into memory. */
  begun = 0;
  readonly #engine: Engine;
  readonly #port: OrderedPort;
  readonly #rings: readonly ReceiveRing[];
  readonly #most: number;
  readonly #ends: NicEnds;
  readonly #waiting = new Ring<{ readonly flow: Flow; readonly since: number }>();

  /** `most`: packets that may wait. */
  constructor(engine: Engine, port: OrderedPort, rings: readonly ReceiveRing[], most: number, ends: NicEnds) {
    this.#engine = engine;
    this.#port = port;
    this.#rings = rings;
    this.#most = most;
    this.#ends = ends;
    port.free = () => this.#pump();
  }

  get hasRoom(): boolean {
    return this.#waiting.length < this.#most;
  }

  arrive(flow: Flow): void {
    this.#waiting.push({ flow, since: this.#engine.now });
    this.#pump();
  }

  #pump(): void {
    while (this.#port.isFree && this.#waiting.length > 0) {
      const { flow, since } = this.#waiting.shift();
      const place = this.#rings[flow.core]!.take();
      if (place === undefined) {
        this.starved++;
        flow.outstanding--;
      } else {
        const packet = { flow, place, since: this.#engine.now };
        this.begun++;
        this.#port.write({ pieces: place.pieces, done: () => this.#ends.received(packet) }, since);
      }
      this.#ends.room();
    }
  }
}
