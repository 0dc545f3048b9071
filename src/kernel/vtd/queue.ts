/**
 * The invalidation queue (VT-d 6.5.2): descriptors in a ring of one page, each batch closed by a wait descriptor that
 * writes a number into memory.
 *
 * One batch at a time. Each wait writes a number of its own, so that a late completion is never taken for a newer one.
 * After a timeout the queue is not used any more: nobody knows what hardware still does with it.
 */
import type { Values } from '../../../hardware/bits/index.ts';
import { encode, joinHalves, PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import { type Engine, ns, type Script, Semaphore } from '../../../hardware/sim/index.ts';
import {
  CONTEXT_CACHE_INVALIDATE,
  DescriptorType,
  FSTS,
  GCMD,
  Granularity,
  GSTS,
  INVALIDATION_WAIT,
  IOTLB_INVALIDATE,
  IQA,
  IQERCD,
  IQH,
  IQT,
} from '../../../hardware/vtd/spec/index.ts';
import { EIO } from '../../uapi/index.ts';
import type { Bus } from '../bus.ts';
import type { KernelLog } from '../log.ts';
import type { PageAllocator } from '../page-allocator.ts';
import type { Draining, Invalidation, Invalidator } from './invalidation.ts';
import type { Registers } from './registers.ts';

const DESCRIPTOR_BYTES = 16;
const SLOTS = PAGE_SIZE / DESCRIPTOR_BYTES;
/** A batch leaves one slot free, because a full ring would look empty, and one for its wait descriptor. */
const LONGEST_BATCH = SLOTS - 2;
const ERRORS = [FSTS.IQE, FSTS.ITE, FSTS.ICE];
/** A device that does not answer is given up after so many rounds. */
const DEVICE_RETRIES = 3;

interface Services {
  readonly engine: Engine;
  readonly bus: Bus;
  readonly log: KernelLog;
  readonly allocator: PageAllocator;
  /** While an error of the queue is pending a new fault raises no event, so faults are looked for afterwards. */
  readonly readFaults: () => Script;
}

export class InvalidationQueue implements Invalidator {
  readonly #services: Services;
  readonly #registers: Registers;
  readonly #name: string;
  readonly #drain: { DR: number; DW: number };
  readonly #ring: PageNumber;
  /** One 4-byte status per slot. */
  readonly #status: PageNumber;
  readonly #lock: Semaphore;
  #tail = 0;
  #sequence = 0;
  #dead = false;

  private constructor(services: Services, registers: Registers, name: string, draining: Draining, pages: PageNumber[]) {
    this.#services = services;
    this.#registers = registers;
    this.#name = name;
    this.#drain = { DR: draining.reads ? 1 : 0, DW: draining.writes ? 1 : 0 };
    this.#ring = pages[0]!;
    this.#status = pages[1]!;
    this.#lock = new Semaphore(services.engine, 1, `${name} invalidation queue`);
  }

  /** Allocates the ring and turns the queue on, or gives the errno and has taken nothing. */
  static *enable(
    services: Services,
    registers: Registers,
    name: string,
    draining: Draining,
  ): Script<InvalidationQueue | number> {
    const { allocator } = services;
    const ring = allocator.allocate('invalidation queue');
    if (ring < 0) return ring;
    const status = allocator.allocate('invalidation queue');
    if (status < 0) {
      allocator.release(ring);
      return status;
    }
    // Whoever ran before may have left its queue on.
    if (GSTS.QIES.isSet(yield* registers.read(GSTS))) yield* registers.command(GCMD.QIE, false, GSTS.QIES, false);
    const queue = new InvalidationQueue(services, registers, name, draining, [ring, status]);
    yield* registers.write(IQT, { QT: 0 });
    yield* registers.write(IQA, { IQA: ring, QS: 0, DW: 0 });
    const result = yield* registers.command(GCMD.QIE, true, GSTS.QIES, true);
    return result < 0 ? result : queue;
  }

  *run(invalidations: readonly Invalidation[]): Script<number> {
    for (let i = 0; i < invalidations.length; i += LONGEST_BATCH) {
      const batch = invalidations.slice(i, i + LONGEST_BATCH).map((one) => this.#describe(one));
      const result = yield* this.#submit(batch);
      if (result < 0) return result;
    }
    return 0;
  }

  *#submit(descriptors: readonly Uint32Array[]): Script<number> {
    yield this.#lock.acquire();
    try {
      if (this.#dead) return -EIO;
      this.#sequence = (this.#sequence % 0xffff_ffff) + 1;
      for (const descriptor of descriptors) this.#put(descriptor);
      const status = this.#status * PAGE_SIZE + this.#tail * 4;
      this.#setStatus(status);
      this.#put(wait(status, this.#sequence));
      const { bus } = this.#services;
      yield ns(bus.cost.writeEntry * (descriptors.length + 1));
      yield* this.#registers.write(IQT, { QT: this.#tail });
      return yield* this.#finish(status);
    } finally {
      this.#lock.release();
    }
  }

  /** Waits for the status to be written, and deals with the errors that keep it from happening. */
  *#finish(status: number): Script<number> {
    let result = 0;
    let retries = 0;
    let hopeless = false;
    const queue = this;
    const done = yield* this.#registers.waitUntil(function* () {
      if (queue.#readStatus(status) === queue.#sequence) return true;
      const faults = yield* queue.#registers.read(FSTS);
      if (FSTS.IQE.isSet(faults)) {
        yield* queue.#skipBadDescriptor(status);
        result = -EIO;
      }
      if (FSTS.ITE.isSet(faults)) {
        queue.#services.log.write(`${queue.#name}: a device does not answer invalidations`);
        result = -EIO;
        hopeless = ++retries > DEVICE_RETRIES;
        if (!hopeless) yield* queue.#registers.write(FSTS, { ITE: 1 });
      }
      if (FSTS.ICE.isSet(faults)) yield* queue.#registers.write(FSTS, { ICE: 1 });
      if (ERRORS.some((field) => field.isSet(faults))) yield* queue.#services.readFaults();
      return hopeless;
    });
    if (done && !hopeless) return result;
    this.#dead = true;
    this.#services.log.write(`${this.#name}: the invalidation queue does not finish; it is given up`);
    return -EIO;
  }

  /** The queue stands still at a descriptor that hardware refuses: a harmless one takes its place. */
  *#skipBadDescriptor(status: number): Script {
    const cause = yield* this.#registers.read(IQERCD);
    const head = IQH.QH.get(yield* this.#registers.read(IQH));
    const name = IQERCD.IQEI.valueName(cause) ?? String(IQERCD.IQEI.get(cause));
    this.#services.log.write(`${this.#name}: descriptor ${head} of the invalidation queue is refused: ${name}`);
    if (head !== this.#tail) this.#write(head % SLOTS, wait(status, 0));
    yield* this.#registers.write(FSTS, { IQE: 1 });
  }

  #put(descriptor: Uint32Array): void {
    this.#write(this.#tail, descriptor);
    this.#tail = (this.#tail + 1) % SLOTS;
  }

  #write(slot: number, descriptor: Uint32Array): void {
    const { memory } = this.#services.bus;
    const address = this.#ring * PAGE_SIZE + slot * DESCRIPTOR_BYTES;
    memory.write64(address, joinHalves(descriptor[1]!, descriptor[0]!));
    memory.write64(address + 8, joinHalves(descriptor[3]!, descriptor[2]!));
  }

  #readStatus(address: number): number {
    const bytes = this.#services.bus.memory.read(address, 4);
    return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  }

  #setStatus(address: number): void {
    this.#services.bus.memory.write(address, new Uint8Array(4));
  }

  #describe(what: Invalidation): Uint32Array {
    if (what.cache === 'context') {
      const TYPE = DescriptorType.CONTEXT_CACHE_INVALIDATE;
      const G = Granularity.CONTEXT_CACHE;
      return what.scope === 'global'
        ? encode(CONTEXT_CACHE_INVALIDATE, { TYPE, G: G.GLOBAL })
        : encode(CONTEXT_CACHE_INVALIDATE, { TYPE, G: G.DEVICE, DID: what.did, SID: what.sid });
    }
    const G = Granularity.IOTLB;
    const common = { TYPE: DescriptorType.IOTLB_INVALIDATE, ...this.#drain } satisfies Values<typeof IOTLB_INVALIDATE>;
    if (what.scope === 'global') return encode(IOTLB_INVALIDATE, { ...common, G: G.GLOBAL });
    if (what.scope === 'domain') return encode(IOTLB_INVALIDATE, { ...common, G: G.DOMAIN, DID: what.did });
    const { did: DID, page: ADDR, mask: AM, leafOnly } = what;
    return encode(IOTLB_INVALIDATE, { ...common, G: G.PAGE, DID, ADDR, AM, IH: leafOnly ? 1 : 0 });
  }
}

function wait(address: number, data: number): Uint32Array {
  const TYPE = DescriptorType.INVALIDATION_WAIT;
  return encode(INVALIDATION_WAIT, { TYPE, SW: 1, STATUS_DATA: data, STATUS_ADDRESS: address / 4 });
}
