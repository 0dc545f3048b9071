/**
 * What a story may look at beside what its processes see: host memory, the tables for a device, what lies behind an address of
 * a process. Looking changes nothing and takes no time.
 */
import type { Machine, Program } from '../machine/index.ts';
import { InputError } from '../machine/index.ts';
import { type TableWalk, walkTables } from './table-walk.ts';

/** Bits of an x86-64 paging entry (SDM 3A 4.5.4): present, page size, and the address of a frame or table. */
const PRESENT = 1n;
const PAGE_SIZE_BIT = 1n << 7n;
const ADDRESS = 0x000f_ffff_ffff_f000n;
const LEVELS = [39n, 30n, 21n, 12n] as const;

/** Of a process's memory: where its own page tables begin (CR3, the number of a frame), and pages that are locked. */
interface Space {
  readonly root: number;
  readonly locked: number;
}

export class Look {
  readonly #machine: Machine;
  readonly #spaces = new WeakMap<Program, Space>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Learns what memory a program has. */
  learn(program: Program, space: Space): void {
    this.#spaces.set(program, space);
  }

  /** Pages of a process that are charged to its limit of locked memory. */
  locked(program: Program): number {
    return this.#spaces.get(program)!.locked;
  }

  /** What the kernel holds because of DMA, for all processes together: pages that are pinned, and pages of I/O page tables. */
  held(): { pinned: number; tables: number } {
    const { pages, allocator } = this.#machine.kernel;
    return { pinned: pages.pinned, tables: allocator.inUse['I/O page table'] ?? 0 };
  }

  /** The 64-bit word at a host address. */
  word(address: number): bigint {
    return this.#machine.word(address);
  }

  /**
   * What the tables in memory say of an address of a device, whatever is cached. Without `pasid`: of requests without, for which
   * kernels use PASID 0 in tables that have PASIDs.
   */
  tables(device: string, address: bigint, pasid = 0): TableWalk {
    const requester = this.#machine.requesters.get(device);
    if (requester === undefined) throw new InputError(`There is no device "${device}".`);
    return walkTables(this.#machine.inspect().tables(requester, pasid), address, (at) => this.word(at));
  }

  /** The host address behind an address of a process, by the process's own tables; `undefined` where it has no page. */
  physical(program: Program, vaddr: bigint): bigint | undefined {
    let table = BigInt(this.#spaces.get(program)!.root) << 12n;
    for (const shift of LEVELS) {
      const entry = this.word(Number(table + ((vaddr >> shift) & 0x1ffn) * 8n));
      if ((entry & PRESENT) === 0n) return undefined;
      const offset = vaddr & ((1n << shift) - 1n);
      if (shift === 12n || (shift < 39n && (entry & PAGE_SIZE_BIT) !== 0n)) {
        return (entry & ADDRESS & ~((1n << shift) - 1n)) + offset;
      }
      table = entry & ADDRESS;
    }
    return undefined;
  }
}
