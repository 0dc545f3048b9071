/** What the driver of AMD-Vi units does when its unit, or a device, does not do its part. */
import { describe, expect, it } from 'vitest';
import { EIO, ENOMEM } from '../../src/uapi/index.ts';
import { AmdBench, entryOf } from './amd-bench.ts';
import { engineOf, held, map, PAGE, RIDS, setUp, unmap } from './machine-bench.ts';
import { behind, mapPage, sure } from './scalable-bench.ts';

const K4 = BigInt(PAGE);
const CONTROL = 0x0018;
const COMMAND_BASE = 0x0008;
const COMMAND_TAIL = 0x2008;
const STATUS = 0x2020;
const COMMAND_BYTES = 16;
const EVENT_INT_EN = 1n << 3n;
const EVENT_OVERFLOW = 1n;

/** A bench whose driver is up, and that lets the command at this place before the next tail be anything. */
function spoiling(): { bench: AmdBench; spoil: (back: number) => void } {
  const bench = AmdBench.up();
  let place = 0;
  bench.tap = (offset, value) => {
    if (offset === COMMAND_TAIL && place > 0) {
      const ring = Number(BigInt.asUintN(52, bench.unit.read(COMMAND_BASE, 8)));
      bench.memory.write(ring + Number(value) - place * COMMAND_BYTES, new Uint8Array(COMMAND_BYTES).fill(0xff));
      place = 0;
    }
    return true;
  };
  const spoil = (back: number): void => {
    place = back;
  };
  return { bench, spoil };
}

describe('An AMD-Vi unit', () => {
  it('that never completes a command: the unmap ends with EIO, and the pages are never used again.', () => {
    const bench = AmdBench.up();
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        yield* map(s, 0n, s.memory, K4);
        bench.tap = (offset) => offset !== COMMAND_TAIL;
        expect(yield* unmap(s, 0n, K4)).toMatchObject({ result: -EIO });
        bench.tap = null;
        expect(yield* unmap(s, 0n, K4), 'once more').toMatchObject({ result: -EIO });
        expect(bench.kernel.pages.pinned).toBe(1);
        yield* s.program.exit();
      })(),
    );
    expect(bench.kernel.pages.pinned).toBe(1);
    expect(bench.kernel.log.toString()).toContain('amdvi0: the command buffer does not finish; it is given up');
    expect(bench.kernel.log.toString()).toContain('may still reach 4096 bytes');
  });

  it.each<[string, Pick<AmdBench, 'tap' | 'readTap'>]>([
    ['that takes no writes', { tap: () => false, readTap: null }],
    [
      'that vanishes after its features were read',
      { tap: () => false, readTap: (offset, value) => (offset < 0x200 ? value : 2n ** 64n - 1n) },
    ],
  ])('%s is given up at boot after a bounded time.', (_, taps) => {
    const bench = Object.assign(new AmdBench(), taps);
    bench.boot();
    expect(bench.kernel.iommu.groups).toEqual([]);
    expect(bench.kernel.log.toString()).toContain('amdvi0: could not be taken into service');
  });

  it.each([
    ['a command', 2],
    ['a completion wait', 1],
  ])('that refuses %s is started again behind it, and the call ends with EIO.', (_, back) => {
    const { bench, spoil } = spoiling();
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        yield* map(s, 0n, s.memory, K4);
        spoil(back);
        expect(yield* unmap(s, 0n, K4)).toMatchObject({ result: -EIO });
        if (back === 1) return;
        expect(yield* unmap(s, 0n, K4)).toEqual({ result: 0, size: K4 });
        yield* s.program.exit();
        expect(bench.kernel.pages.pinned).toBe(0);
      })(),
    );
    expect(bench.kernel.log.toString()).toMatch(/amdvi0: command \d+ of the command buffer is refused/);
    expect(bench.kernel.log.toString()).toContain('amdvi0: ILLEGAL_COMMAND_ERROR');
  });

  it('whose event log was full goes on logging after its driver has read it.', () => {
    const bench = AmdBench.up();
    bench.run(
      (function* () {
        const s = yield* setUp(bench);
        const engine = yield* engineOf(s);
        // The processor is busy for a while: no interrupt comes.
        bench.unit.write(CONTROL, 8, bench.unit.read(CONTROL, 8) & ~EVENT_INT_EN);
        for (let i = 0; i < 520; i++) yield* engine.write(K4, Uint8Array.of(1));
        expect(bench.kernel.faults).toHaveLength(0);
        expect(bench.unit.read(STATUS, 8) & EVENT_OVERFLOW).toBe(1n);
        // An interrupt comes after all, from elsewhere.
        bench.kernel.interrupt(0xfee0_0000, Number(bench.unit.pci.dataOf(0)));
        yield* engine.read(K4, 1);
      })(),
    );
    expect(bench.kernel.faults.length).toBeGreaterThanOrEqual(511);
    expect(bench.kernel.log.toString()).toContain('amdvi0: events were lost, the event log was full');
    expect(bench.unit.read(STATUS, 8), 'Status').toBe(0x18n);
    const before = bench.kernel.faults.length;
    bench.run(
      (function* () {
        const s = yield* setUp(bench, PAGE, '/dev/vfio/devices/dev1');
        yield* (yield* engineOf(s)).write(K4, Uint8Array.of(1));
      })(),
    );
    expect(bench.kernel.faults.length).toBe(before + 1);
  });

  it('that did not confirm an attachment blocks the device, which counts as attached until a detach succeeds.', () => {
    const { bench, spoil } = spoiling();
    const { driver, devices } = behind(bench);
    bench.run(
      (function* () {
        const domain = yield* sure(driver.allocateDomain());
        spoil(2);
        expect(yield* domain.attach(devices[0]!)).toBe(-EIO);
        expect(entryOf(bench, RIDS[0])).toEqual([3n, 0n, 0n, 0n]);
        spoil(2);
        expect(yield* domain.detach(devices[0]!)).toBe(-EIO);
        expect(yield* domain.detach(devices[0]!)).toBe(0);
        yield* domain.destroy();
      })(),
    );
  });
});

describe('When memory runs out', () => {
  it('for any of its tables and rings, the unit is not used.', () => {
    const purposes = ['device table', 'event log', 'command buffer', 'PPR log'];
    for (const purpose of purposes) {
      const bench = new AmdBench({ efr: { GTSup: 1, GIoSup: 1, PPRSup: 1, EPHSup: 1 } });
      bench.kernel.faultPoints.refuse = (what) => what === purpose;
      bench.boot();
      expect(bench.kernel.iommu.groups, purpose).toEqual([]);
      expect(bench.kernel.log.toString()).toContain('amdvi0: could not be taken into service');
    }
  });

  it('for a page table, nothing is mapped and nothing is kept.', () => {
    const bench = AmdBench.up();
    const { driver } = behind(bench);
    bench.run(
      (function* () {
        const before = held(bench);
        const domain = yield* sure(driver.allocateDomain());
        let left = 2;
        bench.kernel.faultPoints.refuse = (what) => what === 'I/O page table' && left-- === 0;
        const frames = Float64Array.of(1);
        expect(yield* bench.kernel.iommu.map(domain, 4, frames, { read: true, write: true })).toBe(-ENOMEM);
        bench.kernel.faultPoints.refuse = null;
        yield* domain.destroy();
        expect(held(bench)).toEqual(before);
        const other = yield* sure(driver.allocateDomain());
        yield* mapPage(bench, other, 4, 1);
      })(),
    );
  });
});
