/**
 * A program: system calls with objects instead of addresses. Structures go through the process's own memory, as a C
 * program's do, so that the kernel copies them from there.
 *
 * Several scripts may use one program at once; each call under way has a page of its own.
 */
import {
  type Argument,
  type Blocking,
  type Command,
  ENOMEM,
  type Members,
  type ObjectOf,
  type Passed,
  Struct,
  type SystemCalls,
} from '../uapi/index.ts';

const PAGE_BYTES = 4096;

/** What an ioctl returned and the structure as the kernel left it. */
export interface Exchange<T> {
  readonly result: number;
  readonly value: T;
}

export class Program {
  readonly system: SystemCalls;
  /** Pages for arguments that no call uses at the moment. */
  readonly #scratch: bigint[] = [];

  constructor(system: SystemCalls) {
    this.system = system;
  }

  get name(): string {
    return this.system.name;
  }

  open(path: string): Blocking<number> {
    return this.system.open(path);
  }

  close(fd: number): Blocking<number> {
    return this.system.close(fd);
  }

  /** Issues a command: its result, or a negative errno. Members that are left out are 0. */
  *ioctl<A extends Argument>(fd: number, command: Command<A>, argument?: Passed<A>): Blocking<number> {
    const struct: Argument = command.argument;
    if (struct instanceof Struct) {
      const { result } = yield* this.exchange(fd, { ...command, argument: struct }, (argument ?? {}) as object);
      return result;
    }
    return yield* this.system.ioctl(fd, command.number, BigInt((argument as number | bigint | undefined) ?? 0));
  }

  /** Issues a command whose structure the kernel also writes. */
  *exchange<M extends Members>(
    fd: number,
    { number, argument: struct }: Command<Struct<M>>,
    argument: Partial<ObjectOf<M>>,
  ): Blocking<Exchange<ObjectOf<M>>> {
    const bytes = struct.encode(argument);
    const address = yield* this.#take();
    if (address < 0n) return { result: Number(address), value: struct.decode(bytes) };
    this.write(address, bytes);
    const result = yield* this.system.ioctl(fd, number, address);
    const value = struct.decode(this.read(address, bytes.length));
    this.#scratch.push(address);
    return { result, value };
  }

  /** Up to 4 KiB of a file, or a negative errno. */
  pread(fd: number, length: number, offset: bigint): Blocking<Uint8Array | number> {
    return this.#receive(length, (address, part) => this.system.pread(fd, address, part, offset));
  }

  /** Writes up to 4 KiB to a file: the number of bytes, or a negative errno. */
  pwrite(fd: number, bytes: Uint8Array, offset: bigint): Blocking<number> {
    return this.#send(bytes, (address, part) => this.system.pwrite(fd, address, part, offset));
  }

  /** What comes next of a file without places, up to 4 KiB, or a negative errno. */
  readFile(fd: number, length: number): Blocking<Uint8Array | number> {
    return this.#receive(length, (address, part) => this.system.read(fd, address, part));
  }

  /** Writes up to 4 KiB to such a file: the number of bytes, or a negative errno. */
  writeFile(fd: number, bytes: Uint8Array): Blocking<number> {
    return this.#send(bytes, (address, part) => this.system.write(fd, address, part));
  }

  /** 1 as soon as there is something to read, 0 when there is nothing for so long, or a negative errno. */
  poll(fd: number, nanoseconds: number): Blocking<number> {
    return this.system.poll(fd, nanoseconds);
  }

  /**
   * Hands 64 bytes to a device that may put them off (ENQCMD), under the program's PASID: 0, -EAGAIN when it does, or another
   * negative errno.
   */
  enqcmd(fd: number, bytes: Uint8Array, offset: bigint): Blocking<number> {
    return this.#send(bytes, (address) => this.system.enqcmd(fd, address, offset));
  }

  /** The address of fresh memory, or -EINVAL, -ENOMEM. */
  mmap(length: number, options?: { readonly writable?: boolean; readonly populate?: boolean }): Blocking<bigint> {
    return this.system.mmap(length, options);
  }

  munmap(address: bigint, length: number): Blocking<number> {
    return this.system.munmap(address, length);
  }

  /** A child with a copy of the memory and the same open files, or a negative errno. */
  *fork(name: string): Blocking<Program | number> {
    const child = yield* this.system.fork(name);
    if (typeof child === 'number') return child;
    const program = new Program(child);
    program.#scratch.push(...this.#scratch);
    return program;
  }

  sleep(nanoseconds: number): Blocking<number> {
    return this.system.nanosleep(nanoseconds);
  }

  /** Ends the process: everything it holds is given up. */
  exit(): Blocking<number> {
    return this.system.exit();
  }

  /** Reads the program's memory. Throws where it has none: a bug in the program. */
  read(address: bigint, length: number): Uint8Array {
    const bytes = this.system.load(address, length);
    if (bytes === undefined) throw this.#segmentationFault('reads', address, length);
    return bytes;
  }

  /** Writes the program's memory. Throws where it has none, or may only read. */
  write(address: bigint, bytes: Uint8Array): void {
    if (!this.system.store(address, bytes)) throw this.#segmentationFault('writes', address, bytes.length);
  }

  /** What a call leaves in a page, up to 4 KiB, or its errno. */
  *#receive(
    length: number,
    call: (address: bigint, length: number) => Blocking<number>,
  ): Blocking<Uint8Array | number> {
    const address = yield* this.#take();
    if (address < 0n) return Number(address);
    const count = yield* call(address, Math.min(length, PAGE_BYTES));
    const bytes = count < 0 ? count : this.read(address, count);
    this.#scratch.push(address);
    return bytes;
  }

  /** Gives up to 4 KiB to a call. */
  *#send(bytes: Uint8Array, call: (address: bigint, length: number) => Blocking<number>): Blocking<number> {
    const address = yield* this.#take();
    if (address < 0n) return Number(address);
    const part = bytes.subarray(0, PAGE_BYTES);
    this.write(address, part);
    const result = yield* call(address, part.length);
    this.#scratch.push(address);
    return result;
  }

  /** A page for one call's argument, or -ENOMEM: it has its frame from the start, so that writing the argument cannot fail. */
  *#take(): Blocking<bigint> {
    const options = { placement: 'stack', populate: true } as const;
    const address = this.#scratch.pop() ?? (yield* this.system.mmap(PAGE_BYTES, options));
    return address < 0n ? BigInt(-ENOMEM) : address;
  }

  #segmentationFault(what: string, address: bigint, length: number): Error {
    return new Error(`segmentation fault: ${this.name} ${what} ${length} bytes at 0x${address.toString(16)}`);
  }
}
