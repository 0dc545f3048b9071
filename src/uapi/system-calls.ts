/**
 * What a program can ask its kernel for. A program has no other way to let time pass: it never waits by itself.
 *
 * Calls return a number, or a negative errno.
 */

/** A call under way: a script of the simulation. What it waits for is the kernel's business. */
// biome-ignore lint/suspicious/noExplicitAny: this room does not know time; a caller's own script gives the type of waits
export type Blocking<T> = Generator<any, T, any>;

export interface SystemCalls {
  readonly name: string;
  open(path: string): Blocking<number>;
  close(fd: number): Blocking<number>;
  ioctl(fd: number, request: number, argument: bigint): Blocking<number>;
  pread(fd: number, address: bigint, length: number, offset: bigint): Blocking<number>;
  pwrite(fd: number, address: bigint, length: number, offset: bigint): Blocking<number>;
  /** What comes next of a file without places: bytes, 0 when there is nothing now. */
  read(fd: number, address: bigint, length: number): Blocking<number>;
  write(fd: number, address: bigint, length: number): Blocking<number>;
  /** Waits until there is something to read: 1, or 0 after so many nanoseconds, an hour at most. */
  poll(fd: number, nanoseconds: number): Blocking<number>;
  /** The instruction ENQCMD with 64 bytes at `address`, to `offset` of a device's file: it needs a PASID. */
  enqcmd(fd: number, address: bigint, offset: bigint): Blocking<number>;
  /** Memory that reads 0. Its frames come at the first touch, or at once with `populate`. */
  mmap(
    length: number,
    options?: { readonly writable?: boolean; readonly placement?: 'heap' | 'stack'; readonly populate?: boolean },
  ): Blocking<bigint>;
  /** Gives up whatever there is in a range: parts of several mmaps, or nothing. */
  munmap(address: bigint, length: number): Blocking<number>;
  /** A child with a copy of the memory and the same open files, or a negative errno. */
  fork(name: string): Blocking<SystemCalls | number>;
  nanosleep(nanoseconds: number): Blocking<number>;
  exit(): Blocking<number>;
  /** The program's own loads: `undefined` where it has no memory. */
  load(address: bigint, length: number): Uint8Array | undefined;
  /** The program's own stores: false where it has no memory. */
  store(address: bigint, bytes: Uint8Array): boolean;
}
