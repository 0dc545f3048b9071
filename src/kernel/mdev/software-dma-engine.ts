/**
 * A mediated device that is all software: a DMA engine with the registers of the data sheet in
 * `hardware/devices/dma-engine/spec.ts`, whose driver is this and whose DMA is copied by the CPU. Programs drive it as they drive
 * the one in hardware.
 *
 * It is attached to spaces in SW TABLE mode: page by page it asks where a page is, pins it, copies, lets go of it. What is not
 * mapped, or not for this, ends the transfer with NO_TRANSLATION and is told among the program's faults; what the kernel has no
 * memory for ends it with COMPLETER_ABORT, and can be tried again. With
 * COMMAND.REQUEST_PAGES the program is asked for a page that is missing instead, and the transfer waits.
 *
 * It has no interrupts and no PASIDs: a transfer under one, or one that claims to be translated, is an unsupported request.
 */
import { addressOf, PAGE_SIZE, pageOf, RegisterFile } from '../../../hardware/bits/index.ts';
import {
  ADDRESS,
  BUFFER_BYTES,
  BUFFER_OFFSET,
  COMMAND,
  DMA_ENGINE_BAR,
  DMA_ENGINE_BAR_BYTES,
  DMA_ENGINE_REGISTERS,
  ErrorCode,
  FAULT_ADDRESS,
  ID,
  LENGTH,
  MAGIC,
  PASID,
  REGISTER_BYTES,
  REVISION,
  STATUS,
  TRANSFERRED,
} from '../../../hardware/devices/dma-engine/spec.ts';
import { type Engine, Gate, ns, type Script } from '../../../hardware/sim/index.ts';
import { EINVAL, ENOENT, ENOMEM, EOPNOTSUPP, IoasidFaultReason } from '../../uapi/index.ts';
import type { AccessSize, Bus } from '../bus.ts';
import { copying } from '../costs.ts';
import type { IoasidContext } from '../ioasid/context.ts';
import type { SoftwareAccess, SoftwarePin, SoftwareUser } from '../ioasid/software-access.ts';
import type { SoftwareDevice } from '../ioasid/software-device.ts';
import { NO_PASID } from '../iommu/attachments.ts';
import type { PageRun } from '../page-run.ts';
import { readRange, writeRange } from '../register-range.ts';
import type { RegionPart, VfioDriver } from '../vfio/driver.ts';

const UNTRANSLATED = 0;

/** What a transfer is, as the registers said when it began. */
interface Transfer {
  readonly address: bigint;
  readonly length: number;
  readonly write: boolean;
  readonly asks: boolean;
}

/** A page in use. */
interface Use {
  readonly access: SoftwareAccess;
  readonly pin: SoftwarePin;
}

interface Held {
  readonly context: IoasidContext;
  readonly device: SoftwareDevice;
}

export class SoftwareDmaEngine implements VfioDriver, SoftwareUser {
  readonly name: string;
  readonly hasPasidTable = false;
  readonly info = { isPci: false, hasPasids: false };
  readonly #engine: Engine;
  readonly #bus: Pick<Bus, 'memory' | 'cost'>;
  readonly #registers = new RegisterFile(REGISTER_BYTES, DMA_ENGINE_REGISTERS);
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  /** Happens when a page is let go of. */
  readonly #unpinned: Gate;
  #held: Held | null = null;
  /** The page that is being copied: one at a time. */
  #use: Use | null = null;
  /** Changes when the device is given back: a transfer of an earlier life must not go on. */
  #life = 0;

  constructor(name: string, engine: Engine, bus: Pick<Bus, 'memory' | 'cost'>) {
    this.name = name;
    this.#engine = engine;
    this.#bus = bus;
    this.#unpinned = new Gate(engine, `${name} lets go of a page`);
    this.#registers.initial(ID, { MAGIC, REVISION });
    this.#registers.onWrite(COMMAND.$.offset!, (written) => this.#command(written));
  }

  claim(context: IoasidContext, cookie: bigint): number {
    const device = context.bindSoftware(this, cookie);
    if (typeof device === 'number') return device;
    this.#held = { context, device };
    return 0;
  }

  *begin(): Script {}

  /** Whoever has it next finds nothing of what it was told. */
  *end(): Script {
    this.#life++;
    while (this.#use !== null) yield this.#unpinned.wait();
    this.#registers.reset();
    this.#buffer.fill(0);
  }

  // biome-ignore lint/correctness/useYield: other devices have to be waited for
  *attach(id: number, pasid: number): Script<number> {
    const { context, device } = this.#holder;
    const ioasid = context.get(id);
    if (ioasid === undefined) return -EINVAL;
    return pasid === NO_PASID ? device.attach(ioasid) : -EOPNOTSUPP;
  }

  *detach(id: number): Script<number> {
    const { context, device } = this.#holder;
    const ioasid = context.get(id);
    return ioasid === undefined ? -EINVAL : yield* device.detach(ioasid);
  }

  *release(): Script<number> {
    const { context, device } = this.#holder;
    this.#held = null;
    yield* context.unbindSoftware(device);
    return 0;
  }

  /** A page that is being copied is let go of when its bytes are there; the next one is looked for anew. */
  *unmapped({ first, pages }: PageRun): Script {
    const isIn = ({ pin }: Use): boolean => pin.first >= first && pin.first < first + pages;
    while (this.#use !== null && isIn(this.#use)) yield this.#unpinned.wait();
  }

  regionBytes(region: number): number {
    return region === DMA_ENGINE_BAR ? DMA_ENGINE_BAR_BYTES : 0;
  }

  read({ start, length }: RegionPart): Script<Uint8Array> {
    return readRange({ mmioRead: (at, size) => this.#load(at, size) }, start, length);
  }

  write({ start }: RegionPart, bytes: Uint8Array): Script {
    return writeRange({ mmioWrite: (at, size, value) => this.#store(at, size, value) }, start, bytes);
  }

  /** It has no portals. */
  // biome-ignore lint/correctness/useYield: other devices have to be waited for
  *enqueue(): Script<number> {
    return -EINVAL;
  }

  get #holder(): Held {
    if (this.#held === null) throw new Error(`${this.name}: no context has it`);
    return this.#held;
  }

  // biome-ignore lint/correctness/useYield: registers of software answer at once
  *#load(offset: number, size: AccessSize): Script<bigint> {
    const bytes = new Uint8Array(8);
    const from = offset - BUFFER_OFFSET;
    if (from < 0) this.#registers.readAligned(offset, bytes, size);
    else bytes.set(this.#buffer.subarray(from, from + size));
    return new DataView(bytes.buffer).getBigUint64(0, true);
  }

  // biome-ignore lint/correctness/useYield: registers of software answer at once
  *#store(offset: number, size: AccessSize, value: bigint): Script {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value, true);
    const to = offset - BUFFER_OFFSET;
    if (to < 0) this.#registers.writeAligned(offset, bytes, size);
    else if (to < BUFFER_BYTES) this.#buffer.set(bytes.subarray(0, size), to);
  }

  #command(written: number): void {
    const { words } = this.#registers;
    if ((written & COMMAND.START.mask) === 0 || STATUS.BUSY.isSet(words)) return;
    words[STATUS.$.offset! / 4] = STATUS.BUSY.mask;
    TRANSFERRED.BYTES.set(words, 0);
    this.#engine.spawn(this.#run(this.#life), `${this.name} transfer`);
  }

  *#run(life: number): Script {
    const { words } = this.#registers;
    const isPlain = !PASID.VALID.isSet(words) && COMMAND.ADDRESS_TYPE.get(words) === UNTRANSLATED;
    const length = LENGTH.LENGTH.get(words);
    let error: number = isPlain ? ErrorCode.NONE : ErrorCode.UNSUPPORTED_REQUEST;
    if (length > BUFFER_BYTES) error = ErrorCode.BAD_LENGTH;
    const address = ADDRESS.ADDRESS.big(words);
    const transfer = { address, length, write: COMMAND.WRITE.isSet(words), asks: COMMAND.REQUEST_PAGES.isSet(words) };
    if (error === ErrorCode.NONE) error = yield* this.#move(transfer, life);
    if (life !== this.#life) return;
    STATUS.BUSY.set(words, 0);
    STATUS.DONE.set(words, 1);
    STATUS.ERROR.set(words, error === ErrorCode.NONE ? 0 : 1);
    STATUS.ERROR_CODE.set(words, error);
  }

  /** Page by page; without bytes it is only looked whether the device may. The error code. */
  *#move(transfer: Transfer, life: number): Script<number> {
    const { words } = this.#registers;
    for (let done = 0; done === 0 || done < transfer.length; ) {
      const at = BigInt.asUintN(64, transfer.address + BigInt(done));
      const offset = Number(BigInt.asUintN(12, at));
      const bytes = Math.min(transfer.length - done, PAGE_SIZE - offset);
      const use = yield* this.#take(transfer, at, life);
      if (typeof use === 'number') {
        if (use === ErrorCode.NO_TRANSLATION && life === this.#life) FAULT_ADDRESS.ADDRESS.setBig(words, at);
        return use;
      }
      yield ns(copying(this.#bus.cost, bytes));
      const frame = use.pin.frames[0]! * PAGE_SIZE;
      this.#copy(transfer.write, frame + offset, this.#buffer.subarray(done, done + bytes));
      use.access.unpin(use.pin);
      this.#use = null;
      this.#unpinned.notify();
      if (life !== this.#life) break;
      done += bytes;
      TRANSFERRED.BYTES.set(words, done);
      if (bytes === 0) break;
    }
    return ErrorCode.NONE;
  }

  /** The page at an address, pinned; the error code when the device may not have it, or is given back. */
  *#take({ write, asks }: Transfer, at: bigint, life: number): Script<Use | number> {
    const page = pageOf(at);
    for (;;) {
      const access = life === this.#life ? this.#held?.device.access : undefined;
      const pin = access?.pin({ first: page, pages: 1 }, { read: !write, write });
      if (access === undefined || pin === undefined) return ErrorCode.NO_TRANSLATION;
      if (typeof pin !== 'number') {
        this.#use = { access, pin };
        return this.#use;
      }
      if (pin === -ENOMEM) return ErrorCode.COMPLETER_ABORT;
      if (pin !== -ENOENT || !asks) {
        access.report({
          reason: pin === -ENOENT ? IoasidFaultReason.PTE_FETCH : IoasidFaultReason.PERMISSION,
          pasid: NO_PASID,
          address: addressOf(page),
          access: write ? 'write' : 'read',
        });
        return ErrorCode.NO_TRANSLATION;
      }
      const answer = yield* access.ask({ page, read: !write, write, execute: false, privileged: false });
      if (answer !== 'success') return ErrorCode.NO_TRANSLATION;
    }
  }

  #copy(write: boolean, physical: number, bytes: Uint8Array): void {
    if (write) this.#bus.memory.write(physical, bytes);
    else bytes.set(this.#bus.memory.read(physical, bytes.length));
  }
}
