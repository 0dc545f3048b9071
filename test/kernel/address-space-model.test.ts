/** Address spaces against a twin that is a plain map from pages to cells: what two processes or a pin share is one cell. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AddressSpace, Pinned } from '../../src/kernel/memory/address-space.ts';
import { EFAULT, EINVAL, ENOMEM } from '../../src/uapi/index.ts';
import { finish, load, MemoryBench, MIB, PAGE, store } from './memory-bench.ts';

const LOCK_LIMIT = 600;
const MOST_PROCESSES = 4;

interface Cell {
  value: number;
}

/** One process, as it should be. */
interface Twin {
  readonly space: AddressSpace;
  readonly cells: Map<number, Cell>;
  readonly constant: Set<number>;
  /** First pages of what was mapped: places where something may be. */
  readonly places: number[];
  locked: number;
}

interface Pin {
  readonly twin: Twin;
  readonly pinned: Pinned;
  readonly cells: readonly Cell[];
  /** Of its first page: what nobody may write is never pinned for writing, and stays shared by those who have it. */
  readonly writable: boolean;
}

const pages = fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max: 5 }) }, fc.constantFrom(511, 512, 513, 600));
/** Mostly the first pages of a mapping, so that steps meet. */
const offset = fc.oneof(
  { weight: 8, arbitrary: fc.nat(3) },
  { weight: 1, arbitrary: fc.integer({ min: -2, max: 600 }) },
);
const where = { process: fc.nat(3), place: fc.nat(5), offset };
const value = fc.integer({ min: 1, max: 255 });

const step = fc.oneof(
  fc.record({ what: fc.constant('mmap' as const), ...where, pages, writable: fc.boolean(), populate: fc.boolean() }),
  fc.record({ what: fc.constant('munmap' as const), ...where, pages }),
  fc.record({ what: fc.constant('fork' as const), ...where }),
  fc.record({ what: fc.constant('load' as const), ...where }),
  fc.record({ what: fc.constant('store' as const), ...where, value }),
  fc.record({ what: fc.constant('fault' as const), ...where, write: fc.boolean() }),
  fc.record({ what: fc.constant('pin' as const), ...where, pages, write: fc.boolean() }),
  fc.record({ what: fc.constant('unpin' as const), ...where }),
  fc.record({ what: fc.constant('device' as const), ...where, value }),
  fc.record({ what: fc.constant('exit' as const), ...where }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Both {
  readonly bench = new MemoryBench(256 * MIB);
  readonly twins: Twin[] = [];
  readonly pins: Pin[] = [];

  /** One process with a large mapping and a small one. */
  constructor() {
    this.#add(this.bench.space(LOCK_LIMIT));
    this.#map(this.twins[0]!, 600, true, false);
    this.#map(this.twins[0]!, 4, true, true);
  }

  run(one: Step): void {
    const twin = this.twins[one.process % this.twins.length]!;
    const { space, cells } = twin;
    const page = Math.max(0, (twin.places[one.place % twin.places.length] ?? 0) + one.offset);
    const cell = cells.get(page);
    if (one.what === 'mmap') this.#map(twin, one.pages, one.writable, one.populate);
    else if (one.what === 'munmap') {
      const isWithin = page + one.pages <= 2 ** 35;
      expect(finish(space.unmap(page, one.pages))).toBe(isWithin ? 0 : -EINVAL);
      for (let i = 0; isWithin && i < one.pages; i++) cells.delete(page + i);
    } else if (one.what === 'fork') this.#fork(twin);
    else if (one.what === 'load') expect(load(space, page)).toBe(cell?.value ?? -1);
    else if (one.what === 'store') {
      const may = cell !== undefined && !twin.constant.has(page);
      expect(store(space, page, one.value)).toBe(may ? 0 : -EFAULT);
      if (may) cell.value = one.value;
    } else if (one.what === 'fault') {
      const may = cell !== undefined && !(one.write && twin.constant.has(page));
      expect(finish(space.fault(page, one.write))).toBe(may ? 0 : -EFAULT);
      if (may) expect(this.bench.walk(space.root, page)).toMatchObject(one.write ? { write: true } : {});
    } else if (one.what === 'pin') this.#pin(twin, page, one.pages, one.write);
    else if (one.what === 'unpin') this.#unpin(one.place);
    else if (one.what === 'device') this.#writeByDevice(one.place, one.value);
    else this.#exit(one.process);
  }

  /** Pages hold what they should, and no two processes may write the same frame. */
  check(ofPage: (page: number) => boolean): void {
    const writers = new Set<number>();
    for (const { space, cells, locked } of this.twins) {
      expect(space.locked).toBe(locked);
      for (const [page, cell] of cells) {
        if (!ofPage(page)) continue;
        const walked = this.bench.walk(space.root, page);
        const found = walked === undefined ? 0 : this.bench.memory.read(walked.frame * PAGE, 1)![0];
        if (found !== cell.value) expect.fail(`page ${page} has ${found}, not ${cell.value}`);
        if (walked?.write !== true) continue;
        if (writers.has(walked.frame)) expect.fail(`two processes may write frame ${walked.frame}`);
        writers.add(walked.frame);
      }
    }
  }

  end(): void {
    this.check(() => true);
    while (this.pins.length > 0) this.#unpin(0);
    for (const { space } of this.twins) finish(space.clear());
    expect(this.bench.pages.pinned).toBe(0);
    expect(this.bench.allocator.inUse).toEqual({});
    expect(this.bench.allocator.free).toBe(this.bench.allocator.total);
  }

  #add(space: AddressSpace, of?: Twin): void {
    const cells = new Map([...(of?.cells ?? [])].map(([page, cell]) => [page, { ...cell }]));
    this.twins.push({ space, cells, constant: new Set(of?.constant), places: [...(of?.places ?? [])], locked: 0 });
  }

  #map({ space, cells, constant, places }: Twin, count: number, writable: boolean, populate: boolean): void {
    const first = space.map(count, writable, places.length % 3 === 2 ? 'stack' : 'heap', populate);
    expect(first).toBeGreaterThan(0);
    places.push(first);
    for (let i = 0; i < count; i++) {
      expect(cells.has(first + i)).toBe(false);
      cells.set(first + i, { value: 0 });
      if (!writable) constant.add(first + i);
    }
  }

  #fork(twin: Twin): void {
    if (this.twins.length === MOST_PROCESSES) return;
    const child = finish(twin.space.fork());
    if (typeof child === 'number') throw new Error(`no child: ${child}`);
    this.#add(child, twin);
  }

  #pin(twin: Twin, first: number, count: number, write: boolean): void {
    const range = Array.from({ length: count }, (_, i) => first + i);
    const may = range.every((page) => twin.cells.has(page) && !(write && twin.constant.has(page)));
    const pinned = twin.space.pin(first, count, write);
    if (!may) expect(pinned).toBe(-EFAULT);
    else if (twin.locked + count > LOCK_LIMIT) expect(pinned).toBe(-ENOMEM);
    else {
      if (typeof pinned === 'number') throw new Error(`not pinned: ${pinned}`);
      const writable = !twin.constant.has(first);
      this.pins.push({ twin, pinned, cells: range.map((page) => twin.cells.get(page)!), writable });
      twin.locked += count;
    }
  }

  #unpin(which: number): void {
    const [pin] = this.pins.splice(which % Math.max(1, this.pins.length), 1);
    if (pin === undefined) return;
    pin.twin.space.unpin(pin.pinned);
    pin.twin.locked -= pin.cells.length;
  }

  /** A device writes to a page that it may, and finds what is there in the others. */
  #writeByDevice(which: number, byte: number): void {
    const pin = this.pins[which % Math.max(1, this.pins.length)];
    if (pin === undefined) return;
    const { frames } = pin.pinned;
    pin.cells.forEach((cell, i) => {
      if (this.bench.memory.read(frames[i]! * PAGE, 1)![0] !== cell.value) expect.fail(`pinned frame ${frames[i]}`);
    });
    if (!pin.writable) return;
    this.bench.memory.write(frames[0]! * PAGE, Uint8Array.of(byte));
    pin.cells[0]!.value = byte;
  }

  #exit(which: number): void {
    if (this.twins.length === 1) return;
    const [twin] = this.twins.splice(which % this.twins.length, 1);
    finish(twin!.space.clear());
  }
}

describe('address spaces', () => {
  it('hold what a plain map holds, whatever processes and devices do, and leave nothing behind', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const both = new Both();
        for (const one of steps) {
          both.run(one);
          both.check((page) => page % 512 < 6);
        }
        both.end();
      }),
      { numRuns: 150 },
    );
  });

  it('take any number for an address or a length, and answer with an errno, at once', () => {
    const odd = fc.oneof(
      fc.constantFrom(-1, 0, 0.5, 2 ** 35 - 1, 2 ** 35, 2 ** 52 - 1, 2 ** 53, Number.NaN, Infinity, -Infinity),
      fc.double(),
      fc.nat(2000),
    );
    const address = fc.oneof(
      fc.constantFrom(-1n, 0n, 0x4000_0fffn, (1n << 47n) - 1n, 1n << 47n, 2n ** 64n - 1n, 2n ** 70n + 0x4000_0000n),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    );
    const bench = new MemoryBench();
    const space = bench.space();
    store(space, space.map(3, true, 'heap'), 1);
    fc.assert(
      fc.property(odd, odd, address, (a, b, at) => {
        expect(finish(space.unmap(a, b))).toBeOneOf([0, -EINVAL]);
        expect(finish(space.fault(a, true))).toBeOneOf([0, -EFAULT]);
        const bytes = space.copyFromUser(at, b);
        if (bytes !== undefined) expect(bytes).toHaveLength(b);
        expect(space.copyToUser(at, new Uint8Array(5000))).toBeOneOf([0, -EFAULT]);
        const pinned = space.pin(a, b, true);
        if (typeof pinned === 'number') expect(pinned).toBeOneOf([-EFAULT, -ENOMEM]);
        else space.unpin(pinned);
        const mapped = space.map(b, true, 'heap');
        if (mapped < 0) expect(mapped).toBeOneOf([-EINVAL, -ENOMEM]);
      }),
      { numRuns: 500 },
    );
    finish(space.clear());
    expect(bench.allocator.inUse).toEqual({});
  });

  it('are as before when any one allocation fails, and nothing leaks', () => {
    const outcomes = new Set<string>();
    for (let failing = 0; ; failing++) {
      const bench = new MemoryBench();
      const space = bench.space();
      const first = space.map(1030, true, 'heap');
      let count = 0;
      const attempt = <T>(name: string, call: () => T, failed: (result: T) => boolean): T => {
        const before = bench.allocator.inUse;
        bench.faultPoints.refuse = () => count++ === failing;
        const result = call();
        bench.faultPoints.refuse = null;
        if (failed(result)) {
          outcomes.add(name);
          expect(bench.allocator.inUse).toEqual(before);
        }
        return result;
      };
      const isErrno = (result: unknown): boolean => result === -ENOMEM;
      attempt('populate', () => space.map(5, true, 'stack', true), isErrno);
      attempt(
        'touch',
        () => store(space, first + 1029, 1),
        (result) => result === -EFAULT,
      );
      attempt(
        'large touch',
        () => store(space, first, 2),
        (result) => result === -EFAULT,
      );
      attempt('fault', () => finish(space.fault(first + 1028, true)), isErrno);
      const pinned = attempt('pin', () => space.pin(first, 1028, true), isErrno);
      expect(space.locked).toBe(typeof pinned === 'number' ? 0 : 1028);
      const child = attempt('fork', () => finish(space.fork()), isErrno);
      attempt(
        'copy',
        () => store(space, first + 1029, 3),
        (result) => result === -EFAULT,
      );
      attempt('munmap', () => finish(space.unmap(first + 5, 1)), isErrno);
      if (typeof pinned !== 'number') space.unpin(pinned);
      if (typeof child !== 'number') finish(child.clear());
      finish(space.clear());
      expect(bench.allocator.inUse).toEqual({});
      expect(bench.pages.pinned).toBe(0);
      if (count <= failing) break;
    }
    // Where there is no large page, a small one does.
    expect([...outcomes].sort()).toEqual(['copy', 'fault', 'fork', 'munmap', 'pin', 'populate', 'touch']);
  });
});
