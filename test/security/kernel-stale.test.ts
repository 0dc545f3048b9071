/**
 * What hardware remembers after tables have changed (XSA-346, XSA-442, XSA-275, XSA-399, XSA-386, pKVM-IA#84): a
 * kernel that leaves out one kind of invalidation, and the memory of others that a device reaches then; the same
 * without leaving anything out.
 */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { PageTableFormat } from '../../hardware/formats/index.ts';
import { type Script, us } from '../../hardware/sim/index.ts';
import type { MachineBench } from '../kernel/machine-bench.ts';
import {
  both,
  byteOf,
  type Deed,
  type Drive,
  domainOf,
  drive,
  keeper,
  makeNext,
  ok,
  POISON,
  poisons,
  reads,
  SECRET,
  SUBJECTS,
  victimOf,
} from './careless.ts';

const RW = { read: true, write: true };
/** In the first 2 MiB: the same index 0 leads there through every table but the lowest. */
const [PAGE, BESIDE] = [0x10, 0x11];
const [AT, AT_BESIDE] = [PAGE * PAGE_SIZE, BESIDE * PAGE_SIZE];

/** A domain with one page mapped, which the device has read: everything about it is cached. */
function* lent(device: Drive) {
  const { driver } = device;
  const domain = yield* domainOf(device);
  const buffer = ok(driver.memory.allocate(1));
  ok(yield* driver.map(domain, PAGE, buffer, RW));
  ok(yield* driver.attach(domain));
  yield* device.dma.write(BigInt(AT), Uint8Array.of(0));
  expect(yield* reads(device, AT)).toBe(0);
  return { domain, buffer, frame: buffer.frames[0]! };
}

function* unmapAndFree(bench: MachineBench, device: Drive, careless: () => void): Script<number> {
  const { domain, buffer, frame } = yield* lent(device);
  careless();
  ok(yield* device.driver.unmap(domain, PAGE, 1));
  device.driver.memory.free(buffer);
  victimOf(bench, frame);
  return frame;
}

/** Writes entries into a frame that lead from the first index to the frame itself, as a table, and from `index` to `target`. */
function forge(bench: MachineBench, frame: number, format: PageTableFormat, index: number, target: number): void {
  bench.memory.write64(frame * PAGE_SIZE, format.table(2, frame * PAGE_SIZE));
  bench.memory.write64(frame * PAGE_SIZE + index * 8, format.leaf(1, target * PAGE_SIZE, RW));
}

describe.each(SUBJECTS)('On $name a kernel that forgets to have hardware forget', (subject) => {
  it('translations at an unmap has given a page away that the device still writes; ours has not', () => {
    const found = both(subject, ['translations'], function* (bench, careless) {
      const device = yield* drive(bench);
      const frame = yield* unmapAndFree(bench, device, careless);
      yield* poisons(device, AT);
      yield us(5);
      return byteOf(bench, frame);
    });
    expect(found).toEqual({ careless: POISON, ours: SECRET });
  });

  it('translations at a detach lets the next domain with the same id use them; ours does not', () => {
    const found = both(subject, ['translations'], function* (bench, careless) {
      const device = yield* drive(bench);
      const { domain, buffer, frame } = yield* lent(device);
      careless();
      ok(yield* device.driver.detach(domain));
      yield* domain.destroy();
      device.driver.memory.free(buffer);
      victimOf(bench, frame);
      // An AMD-Vi unit need not mix translations of different tables, whatever the id: this is the same page again.
      makeNext(bench, domain.table.root);
      const next = yield* domainOf(device);
      expect([next.did, next.table.root]).toEqual([domain.did, domain.table.root]);
      ok(yield* device.driver.attach(next));
      yield* poisons(device, AT);
      yield us(5);
      return byteOf(bench, frame);
    });
    expect(found).toEqual({ careless: POISON, ours: SECRET });
  });

  it('what leads to a domain lets the device walk tables that are somebody else’s memory; ours does not', () => {
    const found = both(subject, ['device entries'], function* (bench, careless) {
      const device = yield* drive(bench);
      const { domain, buffer } = yield* lent(device);
      const { root, format } = domain.table;
      careless();
      ok(yield* device.driver.detach(domain));
      yield* domain.destroy();
      device.driver.memory.free(buffer);
      // Whoever has the page now writes what is an entry to the unit: it leads to a secret of a third.
      victimOf(bench, root);
      const secret = ok(bench.kernel.allocator.allocate('secret'));
      bench.memory.write(secret * PAGE_SIZE, Uint8Array.of(SECRET));
      forge(bench, root, format, BESIDE, secret);
      return yield* reads(device, AT_BESIDE);
    });
    expect(found).toEqual({ careless: SECRET, ours: 'refused' });
  });

  it('the way to a table that it frees lets the device walk what its next owner writes; ours does not', () => {
    const found = both(subject, ['translations'], function* (bench, careless) {
      const device = yield* drive(bench);
      const { domain } = yield* lent(device);
      const { table } = domain;
      const lowest = Math.floor(table.path(PAGE).at(-1)! / PAGE_SIZE);
      careless();
      ok(yield* device.driver.unmap(domain, PAGE, 1));
      victimOf(bench, lowest);
      const secret = ok(bench.kernel.allocator.allocate('secret'));
      bench.memory.write(secret * PAGE_SIZE, Uint8Array.of(SECRET));
      forge(bench, lowest, table.format, BESIDE, secret);
      return yield* reads(device, AT_BESIDE);
    });
    expect(found).toEqual({ careless: SECRET, ours: 'refused' });
  });
});

describe.each(SUBJECTS.filter(({ ats }) => ats))('On $name a kernel that never flushes device-TLBs', (subject) => {
  it('has given a page away that the device writes by an address that it has translated; ours has not', () => {
    const deed: Deed<number> = function* (bench, careless) {
      const device = yield* drive(bench, 'keeper');
      ok(yield* device.driver.permit({ ats: true }));
      const frame = yield* unmapAndFree(bench, device, careless);
      yield* poisons(device, AT);
      yield us(5);
      return byteOf(bench, frame);
    };
    expect(both(subject, ['device TLBs'], deed, keeper)).toEqual({ careless: POISON, ours: SECRET });
  });
});
