/**
 * A core that receives: it polls its channel, after an interrupt at the earliest some time after the last one, and its readers copy, one
 * after the other for a turn each. Polls come before readers, and what either costs passes on this core.
 *
 * Acknowledgements are sent while polling, one for every second aggregate of a flow and one for what is left of a flow at the end of a
 * poll; one more says of each lost packet that it is missing. Their pages are taken back by the next poll.
 *
 * Inaccuracies: a reader whose turn it is keeps the core while it has nothing to do; threads do not move.
 */
import type { PageNumber } from '../../../../hardware/bits/index.ts';
import type { OrderedPort } from '../../../../hardware/path/index.ts';
import { Access } from '../../../../hardware/pcie/index.ts';
import { Alarm, type Engine, Gate, type Instant, ns, Ring, type Script, us } from '../../../../hardware/sim/index.ts';
import type { IoSpace } from './io-space.ts';
import type { Flow, Received } from './nic.ts';
import type { ReceiveRing } from './ring.ts';
import type { PacketGeometry, ReceiveValues } from './values.ts';

export interface CoreParts {
  readonly engine: Engine;
  readonly values: ReceiveValues;
  readonly geometry: PacketGeometry;
  readonly space: IoSpace;
  readonly ring: ReceiveRing;
  readonly port: OrderedPort;
  readonly flows: readonly Flow[];
  /** Pages of the channel. */
  readonly control: readonly PageNumber[];
}

export interface CoreEnds {
  acknowledged(packet: Received): void;
  /** A window has moved. */
  moved(): void;
}

interface Reader {
  readonly flow: Flow;
  readonly socket: Ring<Received>;
}

export class ReceivingCore {
  /** Packets that were read, acknowledgements, and picoseconds of rest. */
  read = 0;
  acknowledgements = 0;
  idle = 0;
  readonly #parts: CoreParts;
  readonly #ends: CoreEnds;
  readonly #readers: readonly Reader[];
  readonly #completed = new Ring<Received>();
  readonly #wake: Gate;
  readonly #alarm: Alarm;
  readonly #acknowledged: number;
  /** Pages of acknowledgements that the NIC has read. */
  #sent: PageNumber[] = [];
  #missing = 0;
  /** The last poll was as long as one may be: the next one needs no interrupt. */
  #goesOn = false;
  #nextPoll: number;
  #turn = 0;
  #turnEnd: number;

  /** `phase`: share of its intervals by which this core is behind others. */
  constructor(parts: CoreParts, phase: number, ends: CoreEnds) {
    const { engine, values, geometry, flows } = parts;
    this.#parts = parts;
    this.#ends = ends;
    this.#readers = flows.map((flow) => ({ flow, socket: new Ring<Received>() }));
    this.#wake = new Gate(engine, 'work for a core');
    this.#alarm = new Alarm(engine, 'a core', () => this.#wake.notify());
    this.#acknowledged = 2 * Math.max(Math.floor(values.aggregate / geometry.payload), 1);
    this.#nextPoll = us(values.moderation * (1 + phase));
    this.#turnEnd = us(values.turn * (1 + phase));
  }

  complete(packet: Received): void {
    this.#completed.push(packet);
    this.#wake.notify();
  }

  /** One of its packets was lost. */
  miss(): void {
    this.#missing++;
    this.#wake.notify();
  }

  *run(): Script {
    const { engine } = this.#parts;
    for (;;) {
      const { now } = engine;
      if (this.#hasWork && now >= this.#nextPoll) yield* this.#poll();
      else if (now >= this.#turnEnd && this.#readers.length > 1) this.#takeTurn();
      else if (this.#readers[this.#turn]!.socket.length > 0) yield* this.#copy(this.#readers[this.#turn]!);
      else {
        const at = this.#nextCause();
        if (at < Infinity) this.#alarm.set(at as Instant);
        yield this.#wake.wait();
        this.#alarm.off();
        this.idle += engine.now - now;
      }
    }
  }

  get #hasWork(): boolean {
    return this.#completed.length > 0 || this.#missing > 0;
  }

  /** When there is something to do without anybody else's doing. */
  #nextCause(): number {
    const poll = this.#hasWork ? this.#nextPoll : Infinity;
    const waits = this.#readers.length > 1 && this.#readers.some(({ socket }) => socket.length > 0);
    return Math.min(poll, waits ? this.#turnEnd : Infinity);
  }

  #takeTurn(): void {
    for (; this.#turnEnd <= this.#parts.engine.now; this.#turnEnd += us(this.#parts.values.turn)) {
      this.#turn = (this.#turn + 1) % this.#readers.length;
    }
  }

  *#copy({ flow, socket }: Reader): Script {
    const { values, geometry, ring } = this.#parts;
    const { place } = socket.shift();
    yield ns((values.copy * geometry.frame) / 4096);
    ring.read(place.frames);
    flow.outstanding--;
    this.read++;
    this.#ends.moved();
  }

  *#poll(): Script {
    const { engine, values, space, ring, control } = this.#parts;
    const from = engine.now;
    const got = Math.min(this.#completed.length, values.budget);
    for (const page of this.#sent.splice(0)) yield* space.unmap(page);
    if (!this.#goesOn) for (const page of control) this.#touch(page, Access.WRITE);
    for (; this.#missing > 0; this.#missing--) yield* this.#acknowledge([]);
    const open = new Map<Flow, Received[]>();
    for (let i = 0; i < got; i++) {
      const packet = this.#completed.shift();
      yield ns(values.packet);
      const batch = open.get(packet.flow) ?? [];
      batch.push(packet);
      open.set(packet.flow, batch);
      this.#readers.find(({ flow }) => flow === packet.flow)!.socket.push(packet);
      if (batch.length >= this.#acknowledged) yield* this.#acknowledge(batch);
      if (packet.place.isLast) yield* ring.useUp(packet.place.descriptor);
    }
    for (const batch of open.values()) if (batch.length > 0) yield* this.#acknowledge(batch);
    yield* ring.refill();
    this.#goesOn = got === values.budget;
    this.#nextPoll = this.#goesOn ? from : from + us(values.moderation);
  }

  /** One acknowledgement for these packets, whose list is empty then. */
  *#acknowledge(batch: Received[]): Script {
    const { space } = this.#parts;
    this.acknowledgements++;
    for (const packet of batch.splice(0)) this.#ends.acknowledged(packet);
    if (space.keeps) return;
    const page = yield* space.map();
    this.#touch(page, Access.READ, () => this.#sent.push(page));
  }

  #touch(page: PageNumber, access: number, done?: () => void): void {
    this.#parts.port.access(Math.floor(page / 2 ** 20), (page * 4096) | 0, access, done);
  }
}
