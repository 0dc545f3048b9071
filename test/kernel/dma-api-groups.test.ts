/** Devices that share a group share a default domain: behind a bridge to conventional PCI they even look like one. */
import { describe, expect, it } from 'vitest';
import type { Script } from '../../hardware/sim/index.ts';
import { buildMachine } from '../../src/machine/index.ts';
import { address, byteAt, marked, taken } from './dma-bench.ts';

const FABRICS = ['intel-fabric', 'amd-fabric'] as const;

function up(preset: string, kernel: object = {}) {
  const machine = buildMachine({ preset, kernel });
  const run = <T>(script: Script<T>): T => {
    const result = machine.engine.runUntilDone(machine.engine.spawn(script));
    machine.engine.run();
    return result;
  };
  run(machine.boot());
  const take = (name: string) => {
    const { driver, dma } = taken(machine.kernel, name);
    run(driver.setBusMaster(true));
    return { driver, dma };
  };
  const { allocator } = machine.kernel;
  return { machine, run, take, held: () => ({ free: allocator.free, inUse: allocator.inUse }) };
}

describe.each(FABRICS)('Two drivers of one group on %s', (preset) => {
  it.each(['strict', 'lazy'])(
    'share addresses, and what one has lent ends with it while the other goes on (%s).',
    (dmaPolicy) => {
      const { machine, run, take, held } = up(preset, { dmaPolicy });
      const before = held();
      const [one, other] = [take('pci0'), take('pci1')];
      const { iommu } = machine.kernel;
      expect(iommu.groupOf(one.driver.device)).toBe(iommu.groupOf(other.driver.device));
      expect(one.driver.device.requester).toBe(other.driver.device.requester);
      run(
        (function* () {
          const first = yield* address(one.driver.dma.map(marked(one.driver, 1, 0x10), 'to device'));
          const gone = yield* address(one.driver.dma.map(marked(one.driver, 1, 0x11), 'to device'));
          const second = yield* address(other.driver.dma.map(marked(other.driver, 1, 0x20), 'to device'));
          expect(new Set([first, gone, second]).size).toBe(3);
          expect([yield* byteAt(one.dma, second), yield* byteAt(other.dma, first)]).toEqual([0x20, 0x10]);
          expect(yield* one.driver.dma.unmap(gone)).toBe(0);
          expect(yield* one.driver.release()).toBe(0);
          expect([yield* byteAt(other.dma, first), yield* byteAt(other.dma, gone)]).toEqual([null, null]);
          expect(yield* byteAt(other.dma, second)).toBe(0x20);
          expect(other.driver.dma.domainType).toBe('dma');
          expect(yield* other.driver.release()).toBe(0);
          expect(other.driver.dma.domainType).toBe('blocked');
        })(),
      );
      expect(held()).toEqual(before);
    },
  );

  it('that begin at the same time make one domain.', () => {
    const { machine, run, take, held } = up(preset);
    const before = held();
    const drivers = [take('pci0').driver, take('pci1').driver];
    const tasks = drivers.map((driver) => machine.engine.spawn(driver.dma.map(marked(driver, 1, 0), 'both')));
    machine.engine.run();
    expect(tasks.map(({ result }) => result)).toEqual([0xffff_f000n, 0xffff_e000n]);
    for (const driver of drivers) expect(run(driver.release())).toBe(0);
    expect(held()).toEqual(before);
  });

  it('may even drive one device, which is blocked when the last of them has gone.', () => {
    const { run, take, held } = up(preset);
    const before = held();
    const [one, other] = [take('dma0'), take('dma0')];
    run(
      (function* () {
        const first = yield* address(one.driver.dma.map(marked(one.driver, 1, 0x10), 'to device'));
        const second = yield* address(other.driver.dma.map(marked(other.driver, 1, 0x20), 'to device'));
        expect(yield* one.driver.release()).toBe(0);
        yield* other.driver.setBusMaster(true);
        expect([yield* byteAt(other.dma, first), yield* byteAt(other.dma, second)]).toEqual([null, 0x20]);
        expect(yield* other.driver.release()).toBe(0);
      })(),
    );
    expect(held()).toEqual(before);
  });
});
