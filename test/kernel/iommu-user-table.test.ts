/**
 * A process builds an I/O page table in its own memory, and hardware walks it through the parent space (flows 4.4 and 4.5 of the
 * proposal): what it has changed there holds after IOMMU_INVALIDATE_CACHE, not before.
 */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { IOMMU_INVALIDATE_CACHE, VFIO_ATTACH_IOASID_2 } from '../../src/uapi/index.ts';
import type { DmaEngineDriver } from '../../src/user/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { named } from './bench.ts';
import { type MachineBench, PAGE } from './machine-bench.ts';
import { scalableBench } from './scalable-bench.ts';
import { Version2 } from './v2-bench.ts';

const K4 = BigInt(PAGE);
const MACHINES: readonly (readonly [name: string, up: () => MachineBench])[] = [
  ['VT-d in scalable mode', () => scalableBench()],
  ['AMD-Vi', () => AmdBench.up({ efr: GUEST_EFR })],
];
/** Formats with their levels and address bits. */
const FORMATS = [
  ['four levels', 1, 4, 48],
  ['five levels', 2, 5, 57],
] as const;
/** Guest memory: where the parent space has it. The tables are its first pages, the top one first; data comes behind. */
const GPA = 0x4000_0000n;
const DATA = 8;
const PAGES = 12;
/** Present, writable, user. */
const OPEN = 7n;
const [IOTLB, DOMAIN, ADDR] = [1, 0, 2];

class Guest extends Version2 {
  memoryAt = 0n;
  parent = -1;
  child = -1;
  #lowest = 0;

  /** Device 0 in a space that the tables in guest memory describe, which lead pages 0 to 3 to data pages 0 to 3. */
  *start(format: number, levels: number, addr_width: number): Script<this> {
    yield* this.begin(0);
    this.memoryAt = yield* this.program.mmap(PAGES * PAGE);
    for (let i = 0; i < 4; i++) this.program.write(this.#at(DATA + i), new Uint8Array(4).fill(0x10 + i));
    for (let level = 0; level < levels - 1; level++) this.#write(level, 0, level + 1);
    this.#lowest = levels - 1;
    for (let i = 0; i < 4; i++) this.lead(i, i);
    this.parent = yield* this.alloc();
    expect(yield* this.map(this.parent, GPA, this.memoryAt, BigInt(PAGES) * K4)).toBe(0);
    const user = { flags: 1, type: 0, format, addr_width, addr: GPA, parent_ioasid: this.parent };
    this.child = yield* this.alloc(user);
    expect(this.child).toBeGreaterThan(0);
    expect(yield* this.attach(0, this.parent)).toBe(0);
    return this;
  }

  /** Leads a page to a data page; `null`: to nothing. */
  lead(page: number, data: number | null): void {
    this.#write(this.#lowest, page, data === null ? null : DATA + data);
  }

  forget(values: object): Script<number> {
    const argument = { child_ioasid: this.child, cache: IOTLB, ...values };
    return this.program.ioctl(this.iommuFd, IOMMU_INVALIDATE_CACHE, argument);
  }

  forgetPage(page: number): Script<number> {
    return this.forget({ granularity: ADDR, addr: BigInt(page) * K4, granule_size: K4, nb_granules: 1n });
  }

  #at(page: number): bigint {
    return this.memoryAt + BigInt(page) * K4;
  }

  #write(table: number, index: number, page: number | null): void {
    const bytes = new Uint8Array(8);
    if (page !== null) new DataView(bytes.buffer).setBigUint64(0, (GPA + BigInt(page) * K4) | OPEN, true);
    this.program.write(this.#at(table) + BigInt(index * 8), bytes);
  }
}

/** The first byte of a page, or `null` when the request is refused. */
function* byteAt(engine: DmaEngineDriver, address: bigint, pasid?: number): Script<number | null> {
  const result = yield* engine.read(address, 4, pasid === undefined ? {} : { pasid });
  return result.ok ? result.data[0]! : null;
}

const CASES = MACHINES.flatMap(([name, up]) =>
  FORMATS.map(([format, ...numbers]) => [name, format, up, numbers] as const),
);

describe.each(CASES)('On %s, a table of user space with %s', (_, __, up, [format, levels, width]) => {
  function withGuest(body: (s: Guest, engine: DmaEngineDriver, bench: MachineBench) => Script): void {
    const bench = up();
    bench.run(
      (function* () {
        const s = yield* new Guest(bench).start(format, levels, width);
        yield* body(s, yield* s.engine(0), bench);
        yield* s.program.exit();
      })(),
    );
    expect(bench.kernel.pages.pinned).toBe(0);
    expect(Object.keys(bench.kernel.allocator.inUse)).not.toContain('user');
  }

  it('translates together with its parent, and gives way to the parent when it is detached', () => {
    withGuest(function* (s, engine) {
      expect(yield* byteAt(engine, 0n)).toBe(null);
      expect(yield* byteAt(engine, GPA + BigInt(DATA) * K4)).toBe(0x10);
      expect(yield* s.attach(0, s.child)).toBe(0);
      for (const page of [0, 1, 2, 3]) expect(yield* byteAt(engine, BigInt(page) * K4)).toBe(0x10 + page);
      expect(yield* byteAt(engine, 4n * K4), 'not present').toBe(null);
      expect(yield* byteAt(engine, GPA + BigInt(DATA) * K4), 'an address of the parent').toBe(null);
      expect(yield* engine.write(K4, Uint8Array.of(0x77))).toMatchObject({ ok: true });
      expect(s.program.read(s.memoryAt + BigInt(DATA + 1) * K4, 1)).toEqual(Uint8Array.of(0x77));
      expect(yield* named(s.detach(0, s.parent))).toBe('-EBUSY');
      expect(yield* s.detach(0, s.child)).toBe(0);
      expect(yield* byteAt(engine, GPA + BigInt(DATA) * K4)).toBe(0x10);
      expect(yield* byteAt(engine, 0n)).toBe(null);
    });
  });

  it('keeps its old entries in hardware until they are invalidated, each page for itself, then all together', () => {
    withGuest(function* (s, engine) {
      expect(yield* s.attach(0, s.child)).toBe(0);
      const all = function* (): Script<(number | null)[]> {
        const bytes: (number | null)[] = [];
        for (const page of [0, 1, 2, 3]) bytes.push(yield* byteAt(engine, BigInt(page) * K4));
        return bytes;
      };
      expect(yield* all()).toEqual([0x10, 0x11, 0x12, 0x13]);
      s.lead(0, 3);
      s.lead(1, 2);
      s.lead(2, null);
      expect(yield* all(), 'stale').toEqual([0x10, 0x11, 0x12, 0x13]);
      expect(yield* s.forgetPage(0)).toBe(0);
      expect(yield* all()).toEqual([0x13, 0x11, 0x12, 0x13]);
      expect(yield* s.forgetPage(2)).toBe(0);
      expect(yield* all()).toEqual([0x13, 0x11, null, 0x13]);
      expect(yield* named(s.forget({ granularity: DOMAIN, child_ioasid: s.parent })), 'not its table').toBe('-EINVAL');
      expect(yield* all()).toEqual([0x13, 0x11, null, 0x13]);
      expect(yield* s.forget({ granularity: DOMAIN })).toBe(0);
      expect(yield* all()).toEqual([0x13, 0x12, null, 0x13]);
    });
  });

  it('forgets an entry with the widest range that can be asked for', () => {
    withGuest(function* (s, engine, { kernel }) {
      expect(yield* s.attach(0, s.child)).toBe(0);
      expect(yield* byteAt(engine, 0n)).toBe(0x10);
      s.lead(0, 1);
      const widest = { addr: 0n, granule_size: K4, nb_granules: 2n ** 52n };
      expect(yield* s.forget({ granularity: ADDR, ...widest })).toBe(0);
      expect(yield* byteAt(engine, 0n)).toBe(0x11);
      expect(kernel.faults).toEqual([]);
    });
  });

  it('loses with its parent what the parent unmaps, without being asked', () => {
    withGuest(function* (s, engine) {
      expect(yield* s.attach(0, s.child)).toBe(0);
      expect(yield* byteAt(engine, 0n)).toBe(0x10);
      expect(yield* s.unmap(s.parent, GPA, BigInt(PAGES) * K4)).toBe(0);
      expect(s.locked).toBe(0);
      expect(yield* byteAt(engine, 0n)).toBe(null);
      expect(yield* s.map(s.parent, GPA, s.memoryAt, BigInt(PAGES) * K4)).toBe(0);
      expect(yield* byteAt(engine, 0n)).toBe(0x10);
    });
  });

  it('serves requests with a vPASID while those without go through the parent', () => {
    withGuest(function* (s, engine) {
      const vpasid = { iommu_fd: s.iommuFd, ioasid: s.child, flags: 1, vpasid: 7 };
      expect(yield* named(s.program.ioctl(s.deviceFds[0]!, VFIO_ATTACH_IOASID_2, vpasid))).toBe('0');
      expect(yield* byteAt(engine, K4, 7)).toBe(0x11);
      expect(yield* byteAt(engine, K4)).toBe(null);
      expect(yield* byteAt(engine, GPA + BigInt(DATA) * K4)).toBe(0x10);
      s.lead(1, 0);
      expect(yield* byteAt(engine, K4, 7)).toBe(0x11);
      expect(yield* s.forgetPage(1)).toBe(0);
      expect(yield* byteAt(engine, K4, 7)).toBe(0x10);
      expect(yield* s.detach(0, s.child)).toBe(0);
      expect(yield* byteAt(engine, K4, 7)).toBe(null);
    });
  });
});
