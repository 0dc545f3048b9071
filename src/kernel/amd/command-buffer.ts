/**
 * The command buffer (fact sheet 4, 10.2): 512 commands in a ring, each batch closed by a COMPLETION_WAIT that stores a
 * number into memory.
 *
 * One batch at a time. Each wait stores a number of its own, so that a late completion is never taken for a newer one.
 * When a device has let its time for an invalidation pass, the batch is submitted again. When the unit itself does not
 * finish, the buffer is not used any more: nobody knows what hardware still does with it.
 */
import {
  COMMAND_BUFFER_BASE,
  COMMAND_HEAD,
  COMMAND_HEADER,
  COMMAND_TAIL,
  STATUS,
} from '../../../hardware/amdvi/spec/index.ts';
import { joinHalves, PAGE_SIZE, type PageNumber } from '../../../hardware/bits/index.ts';
import { asTask, ns, type Script, Semaphore } from '../../../hardware/sim/index.ts';
import { EAGAIN, EIO } from '../../uapi/index.ts';
import type { RegisterPage } from '../iommu/register-page.ts';
import type { IommuServices } from '../iommu/services.ts';
import { formatRid } from '../pci/index.ts';
import { type Command, describe, describeWait, NOTHING } from './commands.ts';
import type { Control } from './control.ts';

const ENTRY_WORDS = COMMAND_HEADER.$.words;
const ENTRY_BYTES = ENTRY_WORDS * 4;
/** log2 of the entries, which fill 2 pages. */
const LENGTH = 9;
const ORDER = 1;
const SLOTS = 2 ** LENGTH;
/** A batch leaves one slot free, because a full ring would look empty, and one for its wait. */
const LONGEST_BATCH = SLOTS - 2;
/** A batch that a device has not answered is submitted again so many times. */
const DEVICE_RETRIES = 3;

/** Software waits for it to end. */
const INVALIDATION = { kind: 'invalidation', who: 'kernel', own: 'invalidation' } as const;

export interface CommandBufferSurroundings extends IommuServices {
  readonly name: string;
  readonly registers: RegisterPage;
  readonly control: Control;
  /** Reads the event log: who did not answer an invalidation stands there. */
  readonly readEvents: () => Script;
}

export class CommandBuffer {
  readonly #unit: CommandBufferSurroundings;
  readonly #ring: PageNumber;
  /** Address of the number that waits store. */
  readonly #semaphore: number;
  readonly #lock: Semaphore;
  /** Devices that did not answer in time. */
  readonly #late = new Set<number>();
  #tail = 0;
  #sequence = 0;
  #dead = false;

  private constructor(unit: CommandBufferSurroundings, ring: PageNumber, semaphore: PageNumber) {
    this.#unit = unit;
    this.#ring = ring;
    this.#semaphore = semaphore * PAGE_SIZE;
    this.#lock = new Semaphore(unit.engine, 1, `${unit.name} command buffer`);
  }

  /** Allocates the ring, of which the unit knows nothing yet, or gives -ENOMEM and has taken nothing. */
  static create(unit: CommandBufferSurroundings): CommandBuffer | number {
    const { allocator } = unit;
    const ring = allocator.allocate('command buffer', ORDER);
    if (ring < 0) return ring;
    const semaphore = allocator.allocate('command buffer');
    if (semaphore < 0) {
      allocator.release(ring);
      return semaphore;
    }
    return new CommandBuffer(unit, ring, semaphore);
  }

  /** Gives the ring to the unit. */
  *enable(): Script {
    const { registers, control } = this.#unit;
    yield* registers.write(COMMAND_BUFFER_BASE, { ComBase: this.#ring, ComLen: LENGTH });
    yield* registers.write(COMMAND_HEAD, { CmdHdptr: 0 });
    yield* registers.write(COMMAND_TAIL, { CmdTailptr: 0 });
    yield* control.set({ CmdBufEn: 1 });
  }

  /** Frees the ring, which the unit has not been told of. */
  release(): void {
    const { allocator } = this.#unit;
    for (const frame of [this.#ring, this.#semaphore / PAGE_SIZE]) allocator.release(frame);
  }

  /** Does all of it, in order, and waits: 0, or -EIO when hardware did not. */
  run(commands: readonly Command[]): Script<number> {
    return asTask(this.#unit.engine, INVALIDATION, this.#run(commands));
  }

  *#run(commands: readonly Command[]): Script<number> {
    for (let i = 0; i < commands.length; i += LONGEST_BATCH) {
      const result = yield* this.#submit(commands.slice(i, i + LONGEST_BATCH));
      if (result < 0) return result;
    }
    return 0;
  }

  /** The event log says that a device has not answered an invalidation. */
  noteLate(deviceId: number): void {
    this.#late.add(deviceId);
  }

  *#submit(commands: readonly Command[]): Script<number> {
    yield this.#lock.acquire();
    try {
      for (let attempt = 0; attempt <= DEVICE_RETRIES; attempt++) {
        if (this.#dead) return -EIO;
        this.#late.clear();
        // Who has left in the meantime is not asked again.
        const left = commands.filter((one) => one.kind !== 'device tlb' || !this.#unit.isGone(one.deviceId));
        let result = yield* this.#attempt(left.map(describe));
        if (result === 0 && left.some(({ kind }) => kind === 'device tlb')) result = yield* this.#judgeDevices();
        if (result !== -EAGAIN) return result;
      }
      return -EIO;
    } finally {
      this.#lock.release();
    }
  }

  *#attempt(commands: readonly Uint32Array[]): Script<number> {
    const { bus, registers } = this.#unit;
    this.#sequence++;
    for (const command of commands) this.#put(command);
    this.#put(describeWait(this.#semaphore, this.#sequence));
    yield ns(bus.cost.writeEntry * (commands.length + 1));
    yield* registers.write(COMMAND_TAIL, { CmdTailptr: this.#tail });
    return yield* this.#finish();
  }

  /** Waits for the number to be stored, and deals with a unit that has stopped at a command. */
  *#finish(): Script<number> {
    const { name, log, registers, bus } = this.#unit;
    let result = 0;
    let skipped = -1;
    const buffer = this;
    const done = yield* registers.waitUntil(function* () {
      if (bus.memory.read64(buffer.#semaphore) >= BigInt(buffer.#sequence)) return true;
      if (STATUS.CmdBufRun.isSet(yield* registers.read(STATUS))) return false;
      const head = COMMAND_HEAD.CmdHdptr.get(yield* registers.read(COMMAND_HEAD)) % SLOTS;
      // It stands where it stood: to start it again once more would not help.
      if (head === skipped) return false;
      skipped = head;
      result = -EIO;
      yield* buffer.#skip(head);
      return false;
    });
    if (done) return result;
    this.#dead = true;
    log.write(`${name}: the command buffer does not finish; it is given up`);
    return -EIO;
  }

  /** The unit has stopped at a command that it refuses: a harmless one takes its place. */
  *#skip(head: number): Script {
    const { name, log, control } = this.#unit;
    log.write(`${name}: command ${head} of the command buffer is refused`);
    if (head !== this.#tail) this.#write(head, NOTHING);
    yield* control.set({ CmdBufEn: 0 });
    yield* control.set({ CmdBufEn: 1 });
  }

  *#judgeDevices(): Script<number> {
    const { name, log, readEvents } = this.#unit;
    yield* readEvents();
    for (const deviceId of this.#late) log.write(`${name}: ${formatRid(deviceId)} does not answer invalidations`);
    return this.#late.size > 0 ? -EAGAIN : 0;
  }

  #put(command: Uint32Array): void {
    this.#write(this.#tail, command);
    this.#tail = (this.#tail + 1) % SLOTS;
  }

  #write(slot: number, command: Uint32Array): void {
    const { memory } = this.#unit.bus;
    const address = this.#ring * PAGE_SIZE + slot * ENTRY_BYTES;
    for (let word = 0; word < ENTRY_WORDS; word += 2) {
      memory.write64(address + word * 4, joinHalves(command[word + 1]!, command[word]!));
    }
  }
}
