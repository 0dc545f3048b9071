/**
 * Page tables that a device shares with the CPU (CVE-2025-71202): the unit keeps the way to their lowest tables, so
 * that a table that is freed without telling it is walked as what its next owner writes there. Whoever shares a
 * process's tables hears of it in time, and these lead to nothing of the kernel's.
 */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import { x86Paging } from '../../hardware/formats/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import type { NestedDomain } from '../../src/kernel/iommu/driver.ts';
import type { Process } from '../../src/kernel/process.ts';
import type { MachineBench } from '../kernel/machine-bench.ts';
import { behind, sure } from '../kernel/scalable-bench.ts';
import { drive, ok, SECRET, SUBJECTS, victimOf } from './careless.ts';

const RW = { read: true, write: true };
const PASID = 5;
const RAM_FROM = 0x100;
const RAM_PAGES = 0x3f00;
const ADDRESS = 0xf_ffff_ffff_f000n;
const FORMAT = x86Paging({ levels: 4, superpages: [] });

/** A first stage that is a process's own tables, over a second one that leaves every address of RAM as it is. */
function* sharedWith(bench: MachineBench, { space }: Process): Script<NestedDomain> {
  const { driver } = behind(bench);
  const parent = yield* sure(driver.allocateDomain({ stage: 'second' }));
  ok(yield* parent.map(RAM_FROM, RAM_FROM, RAM_PAGES, RW));
  return yield* sure(driver.allocateNested({ parent, table: space.root, levels: 4 }));
}

/** The frame of the lowest table on the way to a page. */
function lowestTable({ memory }: MachineBench, root: number, page: number): number {
  let table = root;
  for (const shift of [27, 18, 9]) {
    const index = Math.floor(page / 2 ** shift) % 512;
    table = Number((memory.read64(table * PAGE_SIZE + index * 8) & ADDRESS) / BigInt(PAGE_SIZE));
  }
  return table;
}

/** What the device reads beside a page that the process has given back, where somebody else has the table since. */
function readBeside(bench: MachineBench, tells: boolean): number | 'refused' {
  return bench.run(
    (function* () {
      const device = yield* drive(bench);
      const program = bench.program();
      const process = program.system as Process;
      const vaddr = yield* program.mmap(PAGE_SIZE, { populate: true });
      const nested = yield* sharedWith(bench, process);
      if (tells) {
        process.space.subscribe({
          invalidate: (first, pages) => nested.forget({ first, pages }),
          release: () => nested.forget(),
        });
      }
      ok(yield* device.driver.attach(nested, { pasid: PASID }));
      expect(yield* device.dma.read(vaddr, 1, { pasid: PASID })).toMatchObject({ ok: true });
      const table = lowestTable(bench, process.space.root, Number(vaddr) / PAGE_SIZE);
      expect(yield* program.munmap(vaddr, PAGE_SIZE)).toBe(0);
      victimOf(bench, table);
      const secret = ok(bench.kernel.allocator.allocate('secret'));
      bench.memory.write(secret * PAGE_SIZE, Uint8Array.of(SECRET));
      bench.memory.write64(table * PAGE_SIZE + 8, FORMAT.leaf(1, secret * PAGE_SIZE, RW));
      const read = yield* device.dma.read(vaddr + BigInt(PAGE_SIZE), 1, { pasid: PASID });
      return read.ok ? read.data[0]! : 'refused';
    })(),
  );
}

const NESTING = SUBJECTS.filter(({ ats }) => ats);

describe.each(NESTING)('On $name a device that works in the tables of a process', ({ make }) => {
  it('reads what the next owner of a freed table leads it to, where nobody tells the unit; not where it is told', () => {
    expect([readBeside(make().boot(), false), readBeside(make().boot(), true)]).toEqual([SECRET, 'refused']);
  });

  it('finds no way to tables of the kernel: in the upper half there are none', () => {
    const bench = make().boot();
    bench.run(
      (function* () {
        const program = bench.program();
        yield* program.mmap(PAGE_SIZE, { populate: true });
        const { root } = (program.system as Process).space;
        const entries = Array.from({ length: 512 }, (_, i) => bench.memory.read64(root * PAGE_SIZE + i * 8));
        expect(entries.findIndex((entry) => entry !== 0n)).toBe(0);
        expect(entries.slice(256).every((entry) => entry === 0n)).toBe(true);
      })(),
    );
  });
});
