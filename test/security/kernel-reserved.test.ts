/**
 * Memory that firmware goes on using with a device (XSA-378, XSA-386, XSA-400, XSA-460): firmware that reads it all
 * the time, and what it notices of a kernel that is careless with the order of things, and of ours.
 */
import { describe, expect, it } from 'vitest';
import { ns, type Script, us } from '../../hardware/sim/index.ts';
import { attachDirect } from '../../src/kernel/iommu/iommu.ts';
import { PLATFORMS } from '../kernel/dma-bench.ts';
import type { MachineBench } from '../kernel/machine-bench.ts';
import { dmaRead } from '../kernel/scalable-bench.ts';
import { SHARED, SHARED_AT } from '../kernel/shared-memory.ts';
import { drive, ok, SECRET } from './careless.ts';

/** Firmware lets its device read its memory again and again, whatever the kernel does: how often that was refused. */
function firmware(bench: MachineBench): { readonly reads: number; readonly refusals: number; stop(): void } {
  const seen = { reads: 0, refusals: 0, isOn: true, stop };
  function stop(): void {
    seen.isOn = false;
  }
  bench.memory.write(SHARED_AT, Uint8Array.of(SECRET));
  bench.engine.spawn(
    (function* () {
      while (seen.isOn) {
        const [device] = bench.kernel.devices;
        if (device !== undefined) {
          seen.reads++;
          if ((yield* dmaRead(bench, device, { address: SHARED_AT })) !== SECRET) seen.refusals++;
        }
        yield ns(200);
      }
    })(),
    'firmware',
  );
  return seen;
}

/** Boots, and does something: what firmware has noticed. */
function noticed(bench: MachineBench, deed: (() => Script) | null = null): { refused: boolean } {
  const seen = firmware(bench);
  bench.run(
    (function* () {
      yield* bench.kernel.boot();
      yield us(20);
      if (deed !== null) yield* deed();
      yield us(20);
      seen.stop();
    })(),
  );
  expect(seen.reads).toBeGreaterThan(10);
  return { refused: seen.refusals > 0 };
}

/** Entries that lead to the reserved pages are written only some time after everything else. */
function mapLate({ bus, engine }: MachineBench): void {
  const memory = bus.memory as { write64: (address: number, value: bigint) => void };
  const write = memory.write64;
  memory.write64 = (address, value) => {
    const page = Number((value >> 12n) & 0xff_ffff_ffffn);
    if (page !== SHARED_AT / 4096 && page !== SHARED_AT / 4096 + 1) return write(address, value);
    engine.spawn(
      (function* () {
        yield us(40);
        write(address, value);
      })(),
    );
  };
}

describe.each(SHARED)('On %s firmware that uses its memory all the time', (name, tables) => {
  const make = (options = { tables }) => PLATFORMS[name]!.make(options);

  it('loses it to a kernel that does not know of it, or maps it only after the device’s entry; ours keeps it', () => {
    const ignorant = PLATFORMS[name]!.make();
    const late = make();
    mapLate(late);
    expect([noticed(ignorant), noticed(late), noticed(make())]).toEqual([
      { refused: true },
      { refused: true },
      { refused: false },
    ]);
  });

  it('loses it for a moment when the device is moved in two steps, although both domains have the memory', () => {
    const bench = make();
    const found = noticed(bench, function* () {
      const group = bench.kernel.iommu.groups.find(({ isFirmware }) => isFirmware)!;
      const [device, { domain, memory }] = [...group.kept][0]!;
      ok(yield* domain!.detach(device));
      yield us(5);
      ok(yield* attachDirect(group.driver, device, memory));
    });
    expect(found).toEqual({ refused: true });
  });

  it('notices nothing of a driver of our kernel that comes, lends the device memory and goes', () => {
    const bench = make();
    const found = noticed(bench, function* () {
      const { driver } = yield* drive(bench);
      const buffer = ok(driver.memory.allocate(4));
      for (let round = 0; round < 3; round++) {
        const iova = yield* driver.dma.map(buffer, 'both');
        yield us(5);
        ok(yield* driver.dma.unmap(iova as bigint));
      }
      ok(yield* driver.release());
    });
    expect(found).toEqual({ refused: false });
  });

  it('notices nothing of an allocation that fails under a driver, wherever it fails', () => {
    for (let place = 0; place < 3; place++) {
      const bench = make();
      const found = noticed(bench, function* () {
        const { driver } = yield* drive(bench);
        const buffer = ok(driver.memory.allocate(1));
        let left = place;
        bench.kernel.faultPoints.refuse = () => left-- === 0;
        yield* driver.dma.map(buffer, 'both');
        bench.kernel.faultPoints.refuse = null;
        yield us(5);
        ok(yield* driver.release());
      });
      expect([place, found]).toEqual([place, { refused: false }]);
    }
  });
});
