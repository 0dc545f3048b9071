/**
 * The invalidation queue (VT-d 6.5.2): 256 descriptors in a ring, each batch closed by a wait descriptor that writes a
 * number into memory. Descriptors have 128 bits, or 256 for scalable mode.
 *
 * One batch at a time. Each wait writes a number of its own, so that a late completion is never taken for a newer one.
 * When a device has let its time for an invalidation pass, the batch is submitted again. When the unit itself does not
 * finish, the queue is not used any more: nobody knows what hardware still does with it.
 */
import { joinHalves, PAGE_SIZE, type PageNumber, wordsOf } from '../../../hardware/bits/index.ts';
import { asTask, type Engine, ns, type Script, Semaphore } from '../../../hardware/sim/index.ts';
import { FSTS, GCMD, GSTS, IQA, IQERCD, IQH, IQT } from '../../../hardware/vtd/spec/index.ts';
import { EAGAIN, EIO } from '../../uapi/index.ts';
import type { Bus } from '../bus.ts';
import type { KernelLog } from '../log.ts';
import type { PageAllocator } from '../page-allocator.ts';
import { formatRid } from '../pci/index.ts';
import { type DescriptorRules, describe, describeWait } from './descriptors.ts';
import type { Command, Draining, Invalidator, RunOptions } from './invalidation.ts';
import type { Registers } from './registers.ts';

const SLOTS = 256;
const NARROW_BYTES = 16;
/** IQT and IQH count in this unit whatever the width. */
const QUEUE_UNIT = 16;
/** A batch leaves one slot free, because a full ring would look empty, and one for its wait descriptor. */
const LONGEST_BATCH = SLOTS - 2;
const ERRORS = [FSTS.IQE, FSTS.ITE, FSTS.ICE];
/** A batch that a device has not answered is submitted again so many times. */
const DEVICE_RETRIES = 3;

/** Software waits for it to end. */
const INVALIDATION = { kind: 'invalidation', who: 'kernel', own: 'invalidation' } as const;

interface Services {
  readonly engine: Engine;
  readonly bus: Bus;
  readonly log: KernelLog;
  readonly allocator: PageAllocator;
  readonly isGone: (rid: number) => boolean;
  /** While an error of the queue is pending a new fault raises no event, so faults are looked for afterwards. */
  readonly readFaults: () => Script;
}

/** What depends on the unit. */
export interface QueueShape {
  /** 256-bit descriptors. */
  readonly wide: boolean;
  readonly draining: Draining;
  /** ECAP.DIT */
  readonly throttles: boolean;
}

export class InvalidationQueue implements Invalidator {
  readonly #services: Services;
  readonly #registers: Registers;
  readonly #name: string;
  readonly #rules: DescriptorRules;
  readonly #descriptorBytes: number;
  /** log2 of the ring's pages. */
  readonly #order: number;
  readonly #ring: PageNumber;
  /** One 4-byte status per slot. */
  readonly #status: PageNumber;
  readonly #lock: Semaphore;
  #tail = 0;
  #sequence = 0;
  #dead = false;
  /** The unit knows the ring. */
  #isTold = false;

  private constructor(services: Services, registers: Registers, name: string, shape: QueueShape, pages: PageNumber[]) {
    const { draining, throttles, wide } = shape;
    this.#services = services;
    this.#registers = registers;
    this.#name = name;
    this.#rules = { drain: { DR: draining.reads ? 1 : 0, DW: draining.writes ? 1 : 0 }, throttles };
    this.#order = wide ? 1 : 0;
    this.#descriptorBytes = wide ? 2 * NARROW_BYTES : NARROW_BYTES;
    this.#ring = pages[0]!;
    this.#status = pages[1]!;
    this.#lock = new Semaphore(services.engine, 1, `${name} invalidation queue`);
  }

  /** Allocates the ring, of which the unit knows nothing yet, or gives -ENOMEM and has taken nothing. */
  static create(services: Services, registers: Registers, name: string, shape: QueueShape): InvalidationQueue | number {
    const { allocator } = services;
    const ring = allocator.allocate('invalidation queue', shape.wide ? 1 : 0);
    if (ring < 0) return ring;
    const status = allocator.allocate('invalidation queue');
    if (status < 0) {
      allocator.release(ring);
      return status;
    }
    return new InvalidationQueue(services, registers, name, shape, [ring, status]);
  }

  /** Turns the queue on: 0, -EIO. */
  *enable(): Script<number> {
    const registers = this.#registers;
    // Whoever ran before may have left its queue on.
    if (GSTS.QIES.isSet(yield* registers.read(GSTS))) yield* registers.command(GCMD.QIE, false, GSTS.QIES, false);
    yield* registers.write(IQT, { QT: 0 });
    this.#isTold = true;
    yield* registers.write(IQA, { IQA: this.#ring, QS: this.#order, DW: this.#order });
    return yield* registers.command(GCMD.QIE, true, GSTS.QIES, true);
  }

  release(): void {
    if (this.#isTold) return;
    for (const frame of [this.#ring, this.#status]) this.#services.allocator.release(frame);
  }

  run(commands: readonly Command[], { drainPageRequests = false }: RunOptions = {}): Script<number> {
    return asTask(this.#services.engine, INVALIDATION, this.#run(commands, drainPageRequests));
  }

  *#run(commands: readonly Command[], drainPageRequests: boolean): Script<number> {
    for (let i = 0; i < commands.length; i += LONGEST_BATCH) {
      const result = yield* this.#submit(commands.slice(i, i + LONGEST_BATCH), drainPageRequests);
      if (result < 0) return result;
    }
    return 0;
  }

  *#submit(commands: readonly Command[], drainPageRequests: boolean): Script<number> {
    yield this.#lock.acquire();
    try {
      for (let attempt = 0; attempt <= DEVICE_RETRIES; attempt++) {
        if (this.#dead) return -EIO;
        // Who has left in the meantime is not asked again.
        const left = commands.filter((one) => one.cache !== 'device-tlb' || !this.#services.isGone(one.sid));
        const descriptors = left.map((one) => describe(one, this.#rules));
        const result = yield* this.#attempt(descriptors, drainPageRequests);
        if (result !== -EAGAIN) return result;
      }
      return -EIO;
    } finally {
      this.#lock.release();
    }
  }

  *#attempt(descriptors: readonly Uint32Array[], drainPageRequests: boolean): Script<number> {
    this.#sequence = (this.#sequence % 0xffff_ffff) + 1;
    for (const descriptor of descriptors) this.#put(descriptor);
    const status = this.#status * PAGE_SIZE + this.#tail * 4;
    this.#setStatus(status);
    this.#put(describeWait(status, this.#sequence, drainPageRequests));
    const { bus } = this.#services;
    yield ns(bus.cost.writeEntry * (descriptors.length + 1));
    yield* this.#registers.write(IQT, { QT: (this.#tail * this.#descriptorBytes) / QUEUE_UNIT });
    return yield* this.#finish(status);
  }

  /** Waits for the status to be written, and deals with the errors that keep it from happening; -EAGAIN: once more. */
  *#finish(status: number): Script<number> {
    let result = 0;
    const queue = this;
    const done = yield* this.#registers.waitUntil(function* () {
      // Hardware drops the wait descriptors that a late device holds up, and takes what stands behind them.
      if (result === -EAGAIN ? yield* queue.#isEmpty() : queue.#readStatus(status) === queue.#sequence) return true;
      const faults = yield* queue.#registers.read(FSTS);
      if (FSTS.IQE.isSet(faults)) {
        yield* queue.#skipBadDescriptor(status);
        result = -EIO;
      }
      if (FSTS.ITE.isSet(faults)) {
        const cause = IQERCD.ITESID.get(yield* queue.#registers.read(IQERCD));
        const which = cause === 0 ? 'a device' : formatRid(cause);
        queue.#services.log.write(`${queue.#name}: ${which} does not answer invalidations`);
        result = -EAGAIN;
        yield* queue.#registers.write(FSTS, { ITE: 1 });
      }
      if (FSTS.ICE.isSet(faults)) yield* queue.#registers.write(FSTS, { ICE: 1 });
      if (ERRORS.some((field) => field.isSet(faults))) yield* queue.#services.readFaults();
      return false;
    });
    if (done) return result;
    this.#dead = true;
    this.#services.log.write(`${this.#name}: the invalidation queue does not finish; it is given up`);
    return -EIO;
  }

  /** Hardware has taken everything. */
  *#isEmpty(): Script<boolean> {
    const head = IQH.QH.get(yield* this.#registers.read(IQH));
    return head === IQT.QT.get(yield* this.#registers.read(IQT));
  }

  /** The queue stands still at a descriptor that hardware refuses: a harmless one takes its place. */
  *#skipBadDescriptor(status: number): Script {
    const cause = yield* this.#registers.read(IQERCD);
    const at = IQH.QH.get(yield* this.#registers.read(IQH));
    const head = Math.floor((at * QUEUE_UNIT) / this.#descriptorBytes);
    const name = IQERCD.IQEI.valueName(cause) ?? String(IQERCD.IQEI.get(cause));
    this.#services.log.write(`${this.#name}: descriptor ${head} of the invalidation queue is refused: ${name}`);
    if (head !== this.#tail) this.#write(head % SLOTS, describeWait(status, 0));
    yield* this.#registers.write(FSTS, { IQE: 1 });
  }

  #put(descriptor: Uint32Array): void {
    this.#write(this.#tail, descriptor);
    this.#tail = (this.#tail + 1) % SLOTS;
  }

  #write(slot: number, descriptor: Uint32Array): void {
    const { memory } = this.#services.bus;
    const address = this.#ring * PAGE_SIZE + slot * this.#descriptorBytes;
    for (let word = 0; word < this.#descriptorBytes / 4; word += 2) {
      memory.write64(address + word * 4, joinHalves(descriptor[word + 1] ?? 0, descriptor[word] ?? 0));
    }
  }

  #readStatus(address: number): number {
    return wordsOf(this.#services.bus.memory.read(address, 4))[0]!;
  }

  #setStatus(address: number): void {
    this.#services.bus.memory.write(address, new Uint8Array(4));
  }
}
