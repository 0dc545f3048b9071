/** Host permission tables (VT-d 4.2.4, 6.5.3.4, 9.12) as the kernel's driver keeps them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import { EIO, ENOMEM } from '../../src/uapi/index.ts';
import { batchesOf } from './batches.ts';
import { held } from './bench.ts';
import { checked, DENIED, FRAME, KEPT, READ_ONLY, READ_WRITE, verdict } from './host-permission-bench.ts';
import { sure, tapMemory } from './scalable-bench.ts';

describe('A host permission table', () => {
  it.each(['first', 'second'] as const)('permits what a %s stage maps, as it maps it.', (stage) => {
    const { bench, device, open, map, unmap } = checked();
    const domain = open({ stage });
    const of = (frame: number) => verdict(bench, device.rid, frame);
    expect(of(FRAME)).toBe(DENIED);
    map(domain, 0x100, [FRAME, FRAME + 1]);
    map(domain, 0x200, [FRAME + 31], READ_ONLY);
    expect([0, 1, 2, 31, 32].map((i) => of(FRAME + i))).toEqual(['rw', 'rw', DENIED, 'rHPT.5', DENIED]);
    unmap(domain, 0x100, 2);
    expect([0, 1, 31].map((i) => of(FRAME + i))).toEqual([DENIED, DENIED, 'rHPT.5']);
  });

  it('has four levels, of which the entries lead down by AV and ADDRESS to four bits for each page.', () => {
    const { bench, open, map } = checked();
    const domain = open();
    map(domain, 0x100, [FRAME, FRAME + 17]);
    map(domain, 0x200, [FRAME + 2], READ_ONLY);
    const read = (at: number) => bench.memory.read64(at);
    const { root } = (domain as unknown as { target: { permissions: { root: number } } }).target.permissions;
    let table = root * PAGE_SIZE;
    // FRAME is page 0x1240: entry 0 of the tables of 2 TiB, 8 GiB and 32 MiB, entry 0x92 of those of 128 KiB.
    for (const index of [0, 0, 0]) {
      expect(read(table + index * 16)).toBe(0n);
      const upper = read(table + index * 16 + 8);
      expect(upper & 0xfffn).toBe(1n);
      table = Number(upper & ~0xfffn);
    }
    expect(read(table + 0x92 * 16)).toBe(0x103n);
    expect(read(table + 0x92 * 16 + 8)).toBe(0x30n);
  });

  it('goes on permitting a page that is mapped elsewhere too.', () => {
    const { bench, device, open, map, unmap } = checked();
    const domain = open();
    const of = () => verdict(bench, device.rid, FRAME);
    map(domain, 0x100, [FRAME], READ_ONLY);
    map(domain, 0x200, [FRAME]);
    expect(of()).toBe('rw');
    unmap(domain, 0x200);
    expect(of()).toBe('rHPT.5');
    unmap(domain, 0x100);
    expect(of()).toBe(DENIED);
  });

  it('changes in the order that the specification asks for: before a page is mapped, after devices have forgotten it.', () => {
    const { bench, open, map, unmap } = checked();
    bench.unit.devices.taker = () => {};
    const domain = open();
    const batches = batchesOf(bench);
    map(domain, 0x100, [FRAME]);
    const order: string[] = [];
    const places = new Map<number, string>();
    tapMemory(bench, (address, value) => {
      if (value === 0x3n) places.set(address, 'permission');
      if (value >> 12n === BigInt(FRAME + 32) && (value & 0xfffn) !== 0n) places.set(address, 'mapping');
      const what = places.get(address);
      if (what !== undefined)
        order.push(`${what} ${value === 0n ? 'gone' : 'written'} after ${batches.length} batches`);
    });
    map(domain, 0x200, [FRAME + 32]);
    unmap(domain, 0x200);
    expect(order).toEqual([
      'permission written after 1 batches',
      'mapping written after 2 batches',
      'mapping gone after 2 batches',
      'permission gone after 3 batches',
    ]);
    expect(batches).toEqual([
      ['HPT_CACHE_INVALIDATE', 'INVALIDATION_WAIT'],
      ['HPT_CACHE_INVALIDATE', 'INVALIDATION_WAIT'],
      ['IOTLB_INVALIDATE', 'DEVICE_TLB_INVALIDATE', 'INVALIDATION_WAIT'],
      ['HPT_CACHE_INVALIDATE', 'INVALIDATION_WAIT'],
    ]);
  });

  it('is forgotten last when its device leaves, and everything is given back.', () => {
    const { bench, driver, device } = checked();
    const before = held(bench);
    const batches = batchesOf(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain(KEPT));
        yield* domain.attach(device);
        expect(yield* domain.detach(device)).toBe(0);
        yield* domain.destroy();
      })(),
    );
    expect(batches[0]).toEqual([
      'PASID_CACHE_INVALIDATE',
      'IOTLB_INVALIDATE',
      'DEVICE_TLB_INVALIDATE',
      'HPT_CACHE_INVALIDATE',
      'INVALIDATION_WAIT',
    ]);
    expect(held(bench)).toEqual(before);
  });

  it.each([
    ['two lowest tables', FRAME + 0x2000, 4],
    ['one after the other', FRAME + 1, 3],
  ])('permits nothing that was not mapped when memory runs out at any place: pages of %s.', (_, second, tables) => {
    const { bench, device, open, map, unmap } = checked();
    const domain = open();
    const { 'host permission table': before } = held(bench).inUse;
    const frames = [FRAME, second];
    const verdicts = () => frames.map((frame) => verdict(bench, device.rid, frame));
    let failures = 0;
    for (let result = -ENOMEM; result !== 0; failures++) {
      let left = failures;
      bench.kernel.faultPoints.refuse = () => left-- <= 0;
      // They need two page tables.
      result = map(domain, 0x1ff, frames);
      bench.kernel.faultPoints.refuse = null;
      expect([0, -ENOMEM]).toContain(result);
      expect(verdicts()).toEqual(result === 0 ? ['rw', 'rw'] : [DENIED, DENIED]);
    }
    expect(failures).toBeGreaterThan(3);
    unmap(domain, 0x1ff, 2);
    expect(verdicts()).toEqual([DENIED, DENIED]);
    // Lower tables stay until the domain goes.
    expect(held(bench).inUse['host permission table']).toBe(before! + tables);
  });

  it('goes on permitting what a device has not forgotten, until it has.', () => {
    const { bench, device, open, map, unmap } = checked();
    bench.unit.devices.taker = () => {};
    const domain = open();
    map(domain, 0x100, [FRAME]);
    bench.unit.devices.awaitsCompletions = true;
    expect(unmap(domain, 0x100)).toBe(-EIO);
    expect(verdict(bench, device.rid, FRAME)).toBe('rw');
    bench.unit.devices.awaitsCompletions = false;
    expect(unmap(domain, 0x200)).toBe(0);
    expect(verdict(bench, device.rid, FRAME), 'another page says nothing of this one').toBe('rw');
    expect(unmap(domain, 0x100)).toBe(0);
    expect(verdict(bench, device.rid, FRAME)).toBe(DENIED);
  });

  it('permits, after whatever was mapped and unmapped, exactly what is mapped.', () => {
    const PAGES = 12;
    const step = fc.record({
      page: fc.nat(PAGES - 1),
      frame: fc.nat(PAGES - 1),
      pages: fc.integer({ min: 1, max: 5 }),
      rights: fc.constantFrom(READ_WRITE, READ_ONLY, { read: false, write: true }),
      unmaps: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.constantFrom('first', 'second' as const), (steps, stage) => {
        const { bench, device, open, map, unmap } = checked();
        const domain = open({ stage });
        const mapped = new Map<number, { frame: number; read: boolean; write: boolean }>();
        for (const { page, frame, pages, rights, unmaps } of steps) {
          const wanted = Array.from({ length: Math.min(pages, PAGES - page) }, (_, i) => page + i);
          if (unmaps) {
            unmap(domain, page, wanted.length);
            for (const one of wanted) mapped.delete(one);
          } else if (!wanted.some((one) => mapped.has(one))) {
            const frames = wanted.map((_, i) => FRAME + 28 + frame + i);
            expect(map(domain, page, frames, rights)).toBe(0);
            // An entry of the first stage that is present can be read.
            const read = rights.read || stage === 'first';
            for (const [i, one] of wanted.entries()) mapped.set(one, { ...rights, read, frame: frames[i]! });
          }
        }
        for (let frame = FRAME + 28; frame < FRAME + 28 + PAGES + 5; frame++) {
          const all = [...mapped.values()].filter((one) => one.frame === frame);
          const expected = `${all.some(({ read }) => read) ? 'r' : 'HPT.6'}${all.some(({ write }) => write) ? 'w' : 'HPT.5'}`;
          expect(verdict(bench, device.rid, frame)).toBe(expected);
        }
      }),
      { numRuns: 40 },
    );
  });
});
