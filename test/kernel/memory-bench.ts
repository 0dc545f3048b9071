/** Memory and a page allocator for address spaces, without a machine around them, and a walk of x86-64 tables of its own. */
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import { FaultPoints } from '../../src/kernel/fault-points.ts';
import { type CpuMemory, DEFAULT_COSTS } from '../../src/kernel/index.ts';
import { AddressSpace } from '../../src/kernel/memory/address-space.ts';
import { UserPages } from '../../src/kernel/memory/user-pages.ts';
import { PageAllocator } from '../../src/kernel/page-allocator.ts';

export const PAGE = 4096;
export const MIB = 2 ** 20;

/** Where a walk leads, and what the last entry permits. */
export interface Walked {
  readonly frame: number;
  readonly write: boolean;
}

export class MemoryBench {
  /** Accesses of the kernel to memory. */
  accesses = 0;
  readonly memory: PhysicalMemory;
  readonly faultPoints = new FaultPoints();
  readonly allocator: PageAllocator;
  readonly pages: UserPages;
  readonly #cpu: CpuMemory;

  constructor(ramBytes = 64 * MIB) {
    this.memory = new PhysicalMemory([[0, ramBytes]]);
    const { memory } = this;
    const count = <T>(value: T): T => {
      this.accesses++;
      return value;
    };
    this.#cpu = {
      read: (address, length) => count(memory.read(address, length)!),
      write: (address, bytes) => void count(memory.write(address, bytes)),
      read64: (address) => count(memory.read64(address)),
      write64: (address, value) => void count(memory.write64(address, value)),
    };
    this.allocator = new PageAllocator(this.#cpu, [[MIB, ramBytes - MIB]], this.faultPoints);
    this.pages = new UserPages(this.allocator);
  }

  space(lockLimit = 2 ** 20): AddressSpace {
    const { allocator, pages, faultPoints } = this;
    return new AddressSpace({ allocator, pages, faultPoints, memory: this.#cpu, cost: DEFAULT_COSTS }, lockLimit);
  }

  /** Where a CPU gets with the tables at `root`, `undefined` for a page fault. */
  walk(root: number, page: number): Walked | undefined {
    let table = root * PAGE;
    for (const shift of [27, 18, 9, 0]) {
      const entry = this.memory.read64(table + (Math.floor(page / 2 ** shift) % 512) * 8);
      if ((entry & 1n) === 0n) return undefined;
      const address = Number(entry & 0x000f_ffff_ffff_f000n);
      if (shift === 0 || (entry & 0x80n) !== 0n) {
        return { frame: address / PAGE + (page % 2 ** shift), write: (entry & 2n) !== 0n };
      }
      table = address;
    }
    return undefined;
  }
}

/** Runs a script that waits for nothing but time. */
export function finish<T>(script: Script<T>): T {
  for (;;) {
    const step = script.next();
    if (step.done === true) return step.value;
  }
}

export function addressOf(page: number, offset = 0): bigint {
  return BigInt(page) * 4096n + BigInt(offset);
}

/** The first byte of a page, -1 where there is none. */
export function load(space: AddressSpace, page: number): number {
  return space.copyFromUser(addressOf(page), 1)?.[0] ?? -1;
}

export function store(space: AddressSpace, page: number, value: number): number {
  return space.copyToUser(addressOf(page), Uint8Array.of(value));
}
