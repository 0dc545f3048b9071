/** What commands of every version refuse: ranges that cannot be mapped, and structures that are not whole. */
import { expect } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { E2BIG, EFAULT, EINVAL } from '../../src/uapi/index.ts';
import type { Program } from '../../src/user/index.ts';
import { PAGE, RW } from './machine-bench.ts';

const K4 = BigInt(PAGE);

/** What is wrong, I/O virtual address, distance from the start of the memory, size, rights. */
export const BAD_RANGES: readonly (readonly [string, bigint, bigint, bigint, number])[] = [
  ['no right', 0n, 0n, K4, 0],
  ['an unknown right', 0n, 0n, K4, 7],
  ['size 0', 0n, 0n, 0n, RW],
  ['a size that is not whole pages', 0n, 0n, K4 + 1n, RW],
  ['an iova inside a page', 16n, 0n, K4, RW],
  ['an address inside a page', 0n, 16n, K4, RW],
  ['an iova range that wraps', 2n ** 64n - K4, 0n, 2n * K4, RW],
  ['an address range that wraps', 0n, 2n ** 64n - K4 - 0x4000_0000n, 2n * K4, RW],
  ['an iova beyond 48 bits', 2n ** 48n, 0n, K4, RW],
  ['an iova range that ends beyond 48 bits', 2n ** 48n - K4, 0n, 2n * K4, RW],
  ['the interrupt range', 0xfee0_0000n, 0n, K4, RW],
  ['a range that ends in the interrupt range', 0xfedf_f000n, 0n, 2n * K4, RW],
  ['a range around the end of the interrupt range', 0xfeef_f000n, 0n, 2n * K4, RW],
];

interface StructureCommand {
  readonly number: number;
  readonly argument: { readonly bytes: number; encode(value: object): Uint8Array };
}

export interface Malformed {
  /** What the structure says beside what is wrong. */
  readonly values: object;
  /** Bits of `flags` that mean nothing. */
  readonly unknownFlags: readonly number[];
}

/** Expects a command to refuse its structure wherever it is cut, whatever stands behind it, and unknown flags. */
export function* refusesMalformed(
  program: Program,
  fd: number,
  { number, argument: struct }: StructureCommand,
  { values, unknownFlags }: Malformed,
): Script {
  for (const address of [0n, 2n ** 63n, 2n ** 64n - 1n]) {
    expect(yield* program.system.ioctl(fd, number, address)).toBe(-EFAULT);
  }
  const at = yield* program.mmap(PAGE);
  const call = (argsz: number, change: (bytes: Uint8Array) => void = () => {}) => {
    const bytes = new Uint8Array(PAGE);
    bytes.set(struct.encode({ argsz, ...values }));
    change(bytes);
    program.write(at, bytes);
    return program.system.ioctl(fd, number, at);
  };
  expect(yield* call(0)).toBe(-EINVAL);
  expect(yield* call(struct.bytes - 1)).toBe(-EINVAL);
  expect(yield* call(struct.bytes + 1, (bytes) => bytes.fill(1, struct.bytes))).toBe(-E2BIG);
  expect(yield* call(PAGE, (bytes) => bytes.fill(1, PAGE - 1))).toBe(-E2BIG);
  expect(yield* call(PAGE + 1)).toBe(-E2BIG);
  for (const bit of unknownFlags) {
    expect(yield* call(struct.bytes, (bytes) => bytes.set([2 ** (bit & 7)], 4 + (bit >> 3)))).toBe(-EINVAL);
  }
  // The last bytes before the end of what is mapped.
  program.write(at + K4 - 4n, Uint8Array.of(struct.bytes, 0, 0, 0));
  expect(yield* program.system.ioctl(fd, number, at + K4 - 4n)).toBe(-EFAULT);
}
