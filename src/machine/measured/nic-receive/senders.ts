/**
 * Who sends: as fast as the network carries, in bursts of one flow after the other, as long as the NIC has room and the flows' windows allow.
 *
 * TCP is not simulated packet by packet: where the receiver is what holds senders back, its buffer never runs empty, and the losses that
 * keep it so follow from the window, by the square root of the inverse.
 */
import { type Duration, type Engine, Gate, ms, ns, type Random, type Script } from '../../../../hardware/sim/index.ts';
import type { Flow, ReceiveNic } from './nic.ts';
import type { PacketGeometry, ReceiveValues } from './values.ts';

/** A sender hands this much at once to its NIC, which cuts it into packets. */
const SEGMENT_BYTES = 65_536;
/** From one look at the windows to the next. */
const INTERVAL: Duration = ms(1);
/** Share of a new stay in the mean of them. */
const SHARE = 1 / 2000;
/** Losses in a cycle of additive increase and halving: p = 3 / (2 w²). */
const CYCLE = 1.5;

export class Senders {
  /** Packets that were sent, and how many of them were lost. */
  sent = 0;
  lost = 0;
  /** Someone can perhaps go on. */
  readonly wake: Gate;
  /** A flow acknowledges once more, because a packet is missing. */
  onLoss: (flow: Flow) => void = () => {};
  readonly #engine: Engine;
  readonly #values: ReceiveValues;
  readonly #geometry: PacketGeometry;
  readonly #flows: readonly Flow[];
  readonly #random: Random;
  readonly #window: number;
  /** By core: acknowledgements of what is missing that have not come to one yet. */
  readonly #owed: number[];
  #deck: Flow[] = [];
  #flow: Flow | null = null;
  #left = 0;
  /** Nanoseconds from the NIC's turn to the acknowledgement. */
  #stay = 0;
  /** The receiver has held senders back in this interval. */
  #isHeld = false;
  #loss = 0;

  constructor(engine: Engine, values: ReceiveValues, geometry: PacketGeometry, flows: readonly Flow[], random: Random) {
    this.#engine = engine;
    this.#values = values;
    this.#geometry = geometry;
    this.#flows = flows;
    this.#random = random;
    this.#window = Math.max(Math.floor(values.socket / geometry.payload), 2);
    this.#owed = Array.from({ length: values.cores }, () => 0);
    this.wake = new Gate(engine, 'room for a packet');
  }

  /** A packet was acknowledged whose turn in the NIC came at `since`. */
  acknowledged(since: number): void {
    this.#stay += ((this.#engine.now - since) / 1000 - this.#stay) * SHARE;
  }

  *send(nic: ReceiveNic): Script {
    const { network, sharedSenders, cores } = this.#values;
    const share = this.#flows.length > cores ? sharedSenders : 1;
    const packet = ns((this.#geometry.wire * 8) / (network * share));
    for (;;) {
      if (!nic.hasRoom) this.#isHeld = true;
      const flow = nic.hasRoom ? this.#next() : null;
      if (flow === null) {
        yield this.wake.wait();
        continue;
      }
      flow.outstanding++;
      yield packet;
      this.#lose(flow);
      nic.arrive(flow);
    }
  }

  /** Sees from time to time how large windows are. */
  *watch(nic: ReceiveNic): Script {
    for (let before = nic.begun; ; before = nic.begun) {
      this.#isHeld = false;
      yield INTERVAL;
      this.#loss = this.#isHeld ? this.#lossAt((nic.begun - before) / (INTERVAL / 1000)) : 0;
    }
  }

  /** The share of packets that are lost at `rate` packets per nanosecond. */
  #lossAt(rate: number): number {
    const { roundTrip, nicBuffer, lostPerEvent } = this.#values;
    // Of a buffer that fills until something is lost, half is full on the average.
    const buffered = nicBuffer / 2 / this.#geometry.frame;
    const window = (rate * (this.#stay + roundTrip * 1000) + buffered) / this.#flows.length;
    const together = Math.max(Math.min(lostPerEvent, window / 2), 1);
    const perPacket = (together * CYCLE) / (window * window);
    // What is lost is sent again.
    return perPacket / (1 + perPacket);
  }

  #lose(flow: Flow): void {
    const { core } = flow;
    this.sent++;
    this.lost += this.#loss;
    this.#owed[core]! += this.#loss * this.#values.duplicates;
    for (; this.#owed[core]! >= 1; this.#owed[core]!--) this.onLoss(flow);
  }

  /** Whose packet is next; nobody's while all windows are full. */
  #next(): Flow | null {
    const flows = this.#flows.length;
    for (let tried = 0; tried <= 2 * flows; tried++) {
      if (this.#left > 0 && this.#flow!.outstanding < this.#window) {
        this.#left--;
        return this.#flow;
      }
      if (this.#deck.length === 0) this.#deck = this.#random.shuffle([...this.#flows]);
      this.#flow = this.#deck.pop()!;
      this.#left = Math.max(Math.floor(SEGMENT_BYTES / this.#geometry.payload), 1);
    }
    return null;
  }
}
