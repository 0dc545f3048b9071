/**
 * A process: an address space, descriptors, and the system calls. Each call is a script that returns a number, or a
 * negative errno; whatever a program passes, it never throws.
 */
import { addressOf, hex, PAGE_SIZE, pageOf } from '../../hardware/bits/index.ts';
import { asTask, type Engine, ns, type Script, Signal } from '../../hardware/sim/index.ts';
import { EBADF, EINVAL, ENOMEM, ENOTTY, EPERM } from '../uapi/index.ts';
import type { KernelCosts } from './costs.ts';
import type { FaultPoints } from './fault-points.ts';
import { type FileOperations, FileTable, OpenFile } from './files.ts';
import type { AddressSpace, Placement } from './memory/address-space.ts';

/** Sees system calls: for traces. */
export interface CallProbe {
  enter(process: Process, call: string): void;
  leave(process: Process, call: string, result: number | bigint): void;
}

export interface ProcessServices {
  readonly engine: Engine;
  readonly cost: KernelCosts;
  readonly faultPoints: FaultPoints;
  /** Opens what a path names; -ENOENT, -ENOMEM. */
  readonly open: (path: string) => FileOperations | number;
  readonly probe: () => CallProbe | null;
  /** RLIMIT_NOFILE */
  readonly fileLimit: number;
}

export interface MapOptions {
  /** False: the program may only read; devices cannot be given write access. */
  readonly writable?: boolean;
  readonly placement?: Placement;
  /** Frames come at once, as MAP_POPULATE has it, and not at the first touch. */
  readonly populate?: boolean;
}

/** One pread or pwrite moves at most this much. */
const LONGEST_TRANSFER = 1 << 20;
/** An hour, in nanoseconds. */
const LONGEST_SLEEP = 3600e9;

export class Process {
  readonly name: string;
  readonly space: AddressSpace;
  readonly files: FileTable;
  /** IA32_PASID: under which PASID devices work for the process's address space; none before it is bound to one. */
  pasid: number | undefined;
  readonly #services: ProcessServices;
  /** What interrupts calls that wait. */
  readonly #waits = new Set<Signal>();

  constructor(name: string, space: AddressSpace, services: ProcessServices) {
    this.name = name;
    this.space = space;
    this.files = new FileTable(services.fileLimit, services.faultPoints);
    this.#services = services;
  }

  get cost(): KernelCosts {
    return this.#services.cost;
  }

  /** A descriptor, or -ENOENT, -ENOMEM, -EMFILE. */
  open(path: string): Script<number> {
    return this.#call(`open(${path})`, () => this.#open(path));
  }

  close(fd: number): Script<number> {
    return this.#call(`close(${fd})`, () => this.#close(fd));
  }

  ioctl(fd: number, request: number, argument: bigint): Script<number> {
    const call = this.#services.probe() === null ? '' : this.#describe(fd, request, argument);
    return this.#call(call, () =>
      this.#use(fd, (file) =>
        file.ioctl === undefined ? atOnce(-ENOTTY) : file.ioctl(this, request >>> 0, BigInt.asUintN(64, argument)),
      ),
    );
  }

  pread(fd: number, address: bigint, length: number, offset: bigint): Script<number> {
    return this.#transfer(`pread(${fd}, ${length} bytes at ${hex(offset)})`, fd, length, (file, most) =>
      offset < 0n ? undefined : file.pread?.(this, BigInt.asUintN(64, address), most, offset),
    );
  }

  pwrite(fd: number, address: bigint, length: number, offset: bigint): Script<number> {
    return this.#transfer(`pwrite(${fd}, ${length} bytes at ${hex(offset)})`, fd, length, (file, most) =>
      offset < 0n ? undefined : file.pwrite?.(this, BigInt.asUintN(64, address), most, offset),
    );
  }

  /** What comes next of a file that has no places: bytes, or -EINVAL, -EFAULT. */
  read(fd: number, address: bigint, length: number): Script<number> {
    return this.#transfer(`read(${fd}, ${length} bytes)`, fd, length, (file, most) =>
      file.read?.(this, BigInt.asUintN(64, address), most),
    );
  }

  write(fd: number, address: bigint, length: number): Script<number> {
    return this.#transfer(`write(${fd}, ${length} bytes)`, fd, length, (file, most) =>
      file.write?.(this, BigInt.asUintN(64, address), most),
    );
  }

  /** 1 as soon as there is something to read, 0 when there is nothing for `nanoseconds`, an hour at most; -EINVAL, -EINTR. */
  poll(fd: number, nanoseconds: number): Script<number> {
    return this.#call(`poll(${fd}, ${nanoseconds} ns)`, () =>
      this.#use(fd, (file) =>
        file.poll === undefined || !isPause(nanoseconds) ? atOnce(-EINVAL) : this.#poll(file, nanoseconds),
      ),
    );
  }

  /**
   * ENQCMD: no system call, but an instruction on a mapping of the file, which the descriptor stands for. 0, or -EAGAIN when
   * it is to be tried again; -EIO when nobody takes it, -EPERM without a PASID.
   */
  *enqcmd(fd: number, address: bigint, offset: bigint): Script<number> {
    yield* this.space.settle();
    const { pasid } = this;
    if (pasid === undefined) return -EPERM;
    return yield* this.#use(fd, (file) =>
      file.enqcmd === undefined || offset < 0n
        ? atOnce(-EINVAL)
        : file.enqcmd(this, pasid, BigInt.asUintN(64, address), offset),
    );
  }

  /** The address of `length` bytes of cleared memory, whole pages, or a negative errno: -EINVAL, -ENOMEM. */
  mmap(length: number, options: MapOptions = {}): Script<bigint> {
    return this.#call(`mmap(${length} bytes)`, () => this.#mmap(length, options));
  }

  /** Gives up whatever there is in a range of addresses: 0, -EINVAL, -ENOMEM when something would be cut and cannot be. */
  munmap(address: bigint, length: number): Script<number> {
    return this.#call(`munmap(${hex(address)}, ${length} bytes)`, () => this.#munmap(address, length));
  }

  /** Lets `nanoseconds` pass. */
  *nanosleep(nanoseconds: number): Script<number> {
    if (!isPause(nanoseconds)) return -EINVAL;
    yield ns(nanoseconds);
    return 0;
  }

  /**
   * A child with the same open files under the same descriptors and a copy of the memory: -ENOMEM, -EIO. It has no PASID, no
   * locked memory and none of the parent's pins.
   */
  *fork(name: string): Script<Process | number> {
    let child: Process | undefined;
    const result = yield* this.#call(`fork(${name})`, () =>
      this.#fork(name, (made) => {
        child = made;
      }),
    );
    return child ?? result;
  }

  /** Closes every descriptor, then gives up the memory. */
  exit(): Script<number> {
    return this.#call('exit()', () => this.#exit());
  }

  /** Loads of the program itself: `undefined` where it has no memory. */
  load(address: bigint, length: number): Uint8Array | undefined {
    return this.space.copyFromUser(address, length);
  }

  /** Stores of the program itself: false where it has no memory. */
  store(address: bigint, bytes: Uint8Array): boolean {
    return this.space.copyToUser(address, bytes) === 0;
  }

  *#open(path: string): Script<number> {
    if (this.#services.faultPoints.refuses('open file')) return -ENOMEM;
    const operations = this.#services.open(path);
    if (typeof operations === 'number') return operations;
    const file = new OpenFile(path, operations);
    const fd = this.files.install(file);
    if (fd < 0) yield* file.drop();
    return fd;
  }

  *#close(fd: number): Script<number> {
    const file = this.files.remove(fd);
    if (file === undefined) return -EBADF;
    yield* file.drop();
    return 0;
  }

  *#poll(file: FileOperations, nanoseconds: number): Script<number> {
    const interrupted = new Signal(this.#services.engine, `the exit of ${this.name}`);
    this.#waits.add(interrupted);
    const result = yield* file.poll!(nanoseconds, interrupted);
    this.#waits.delete(interrupted);
    return result;
  }

  *#mmap(length: number, options: MapOptions): Script<bigint> {
    const { writable = true, placement = 'heap', populate = false } = options;
    const first = this.space.map(Math.ceil(length / PAGE_SIZE), writable, placement, populate);
    if (first < 0) return BigInt(first);
    yield ns(this.cost.allocate);
    return addressOf(first);
  }

  *#munmap(address: bigint, length: number): Script<number> {
    yield ns(this.cost.allocate);
    if (BigInt.asUintN(12, address) !== 0n) return -EINVAL;
    return yield* this.space.unmap(pageOf(address), Math.ceil(length / PAGE_SIZE));
  }

  *#exit(): Script<number> {
    this.files.close();
    // Threads that wait for something would keep what they wait on.
    for (const wait of this.#waits) wait.fire();
    this.#waits.clear();
    for (const fd of this.files.descriptors) yield* this.#close(fd);
    yield* this.space.clear();
    return 0;
  }

  *#fork(name: string, made: (child: Process) => void): Script<number> {
    if (this.#services.faultPoints.refuses('process')) return -ENOMEM;
    const space = yield* this.space.fork();
    if (typeof space === 'number') return space;
    const child = new Process(name, space, this.#services);
    this.files.shareWith(child.files);
    made(child);
    return 0;
  }

  /** What all system calls have in common; the program's own loads and stores cost their time here, before the next call. */
  *#call<R extends number | bigint>(call: string, body: () => Script<R>): Script<R> {
    yield* this.space.settle();
    const task = { kind: 'system call', who: this.name, own: 'software', detail: call } as const;
    return yield* asTask(this.#services.engine, task, this.#carryOut(call, body));
  }

  *#carryOut<R extends number | bigint>(call: string, body: () => Script<R>): Script<R> {
    this.#services.probe()?.enter(this, call);
    yield ns(this.cost.systemCall);
    const result = yield* body();
    yield* this.space.settle();
    this.#services.probe()?.leave(this, call, result);
    return result;
  }

  /** A call that moves bytes, so many at most: -EINVAL where the file has none such. */
  #transfer(
    call: string,
    fd: number,
    length: number,
    body: (file: FileOperations, most: number) => Script<number> | undefined,
  ): Script<number> {
    return this.#call(call, () =>
      this.#use(
        fd,
        (file) => (isLength(length) ? body(file, Math.min(length, LONGEST_TRANSFER)) : undefined) ?? atOnce(-EINVAL),
      ),
    );
  }

  /** Runs something on an open file, which stays open meanwhile. */
  *#use(fd: number, body: (file: FileOperations) => Script<number>): Script<number> {
    const file = this.files.get(fd);
    if (file === undefined) return -EBADF;
    file.hold();
    const result = yield* body(file.operations);
    yield* file.drop();
    return result;
  }

  /** A call as it is written in a trace, with the structure it passes. */
  #describe(fd: number, request: number, argument: bigint): string {
    const command = this.files.get(fd)?.operations.command?.(request >>> 0, this, BigInt.asUintN(64, argument));
    if (command === undefined) return `ioctl(${fd}, ${hex(request >>> 0)})`;
    const { name, argument: struct } = command;
    if (struct === 'none') return `ioctl(${fd}, ${name})`;
    if (struct === 'value') return `ioctl(${fd}, ${name}, ${argument})`;
    const bytes = this.space.peek(argument, struct.bytes);
    return `ioctl(${fd}, ${name}, ${bytes === undefined ? hex(BigInt.asUintN(64, argument)) : struct.describe(bytes)})`;
  }
}

// biome-ignore lint/correctness/useYield: a script like any other, that has nothing to wait for
function* atOnce(result: number): Script<number> {
  return result;
}

function isPause(nanoseconds: number): boolean {
  return nanoseconds >= 0 && nanoseconds <= LONGEST_SLEEP;
}

function isLength(length: number): boolean {
  return Number.isSafeInteger(length) && length >= 0;
}
