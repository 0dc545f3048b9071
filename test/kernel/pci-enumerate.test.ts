/** How the kernel finds functions and places them: base addresses, windows, and configuration spaces that lie. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PciDevice } from '../../src/kernel/pci/index.ts';
import { NOBODY, WordsBus, type WordsFunction } from './pci-words.ts';

const MIB = 2 ** 20;
const ROOT_PORT = 4;

describe('Enumeration', () => {
  it('places the largest first, and opens a window that holds all that is below.', () => {
    const bus = new WordsBus();
    const port = bus.add(null, 0x08).bridge(1, 1).express(ROOT_PORT);
    const first = bus
      .add(port, 0x00)
      .multi()
      .bar(0, 4096)
      .bar(1, 2 * MIB);
    bus.add(port, 0x01).bar(0, 64 * 1024);
    const { devices, pci } = bus.enumerate();
    expect(devices.map(({ address }) => address)).toEqual(['0000:01:00.0', '0000:01:00.1']);
    expect([...devices[0]!.bars.values()]).toEqual([
      { index: 1, address: 0xe000_0000, bytes: 2 * MIB },
      { index: 0, address: 0xe021_0000, bytes: 4096 },
    ]);
    expect([...devices[1]!.bars.values()]).toEqual([{ index: 0, address: 0xe020_0000, bytes: 64 * 1024 }]);
    expect(port.window).toEqual([0xe000_0000, 0xe030_0000]);
    expect(first.command & 2, 'Memory Space Enable').toBe(2);
    expect(pci.buses).toEqual([0, 1]);
  });

  it('leaves a function silent that has a register without a place, and the window of a bridge closed that has none.', () => {
    const bus = new WordsBus();
    const port = bus.add(null, 0x08).bridge(1, 1).express(ROOT_PORT);
    const inside = bus.add(port, 0x00).bar(0, 4 * MIB);
    const beside = bus
      .add(null, 0x10)
      .bar(0, 4096)
      .bar(1, 8 * MIB);
    const fits = bus.add(null, 0x18).bar(0, 4096);
    const { devices, log } = bus.enumerate([0xe000_0000, 2 * MIB]);
    expect(devices.map(({ bars }) => bars.size)).toEqual([0, 1, 0]);
    expect([inside, beside, fits].map(({ command }) => command & 2)).toEqual([0, 0, 2]);
    expect(port.window).toBeUndefined();
    expect(log).toContain('pci 0000:00:01.0: no room for a window of 4194304 bytes');
    expect(log).toContain('pci 0000:00:02.0: no room for 8388608 bytes of registers');
  });

  it('takes a register for as large as the lowest bit that can be set, and the last one for 32 bits wide.', () => {
    const bus = new WordsBus();
    const odd = bus.add(null, 0x08);
    odd.writable.set(0x10, 0x00ff_3000);
    odd.words[0x24 / 4] = 4;
    odd.writable.set(0x24, 0xffff_0000);
    odd.writable.set(0x28, NOBODY);
    const { devices } = bus.enumerate();
    expect([...devices[0]!.bars.values()].map(({ bytes }) => bytes)).toEqual([0x1_0000, 0x1000]);
    expect(odd.words[0x28 / 4], 'what follows the base addresses').toBe(0);
  });

  it.each([
    ['name the bridge’s own bus', 0, 3],
    ['end before they begin', 3, 2],
    ['lead back to a bus above', 1, 1],
    ['go beyond those of the bridge above', 3, 5],
    ['go to the end of all numbers', 2, 255],
  ])('leaves a bridge alone whose bus numbers %s.', (_, secondary, subordinate) => {
    const bus = new WordsBus();
    const port = bus.add(null, 0x08).bridge(1, 4).express(ROOT_PORT);
    const liar = bus.add(port, 0x00).bridge(secondary, subordinate);
    bus.add(liar, 0x00);
    const { devices, pci, log } = bus.enumerate();
    expect(devices).toEqual([]);
    expect(pci.bridges).toHaveLength(1);
    expect(log).toContain(`pci 0000:01:00.0: its bus numbers ${secondary}-${subordinate} cannot be; it is skipped`);
  });

  it('leaves a bridge alone whose bus numbers are another’s, too.', () => {
    const bus = new WordsBus();
    const first = bus.add(null, 0x08).bridge(1, 4);
    bus.add(first, 0x00);
    const second = bus.add(null, 0x10).bridge(3, 6);
    bus.add(second, 0x00);
    const { devices, log } = bus.enumerate();
    expect(devices.map(({ address }) => address)).toEqual(['0000:01:00.0']);
    expect(log).toContain('pci 0000:00:02.0: its bus numbers 3-6 cannot be; it is skipped');
  });

  it('ends where lists of capabilities run in circles.', () => {
    const bus = new WordsBus();
    const port = bus.add(null, 0x08).bridge(1, 1);
    port.words[1] = 1 << 20;
    port.words[0x34 / 4] = 0x40;
    port.words[0x40 / 4] = 0x0000_4401;
    port.words[0x44 / 4] = 0x0000_4001;
    port.words[0x100 / 4] = 0x1041_0001;
    port.words[0x104 / 4] = 0x1001_0001;
    bus.add(port, 0x00);
    const { devices, pci } = bus.enumerate();
    expect(devices).toHaveLength(1);
    expect(pci.bridges[0]).toMatchObject({ portType: null, acs: null });
    expect(bus.reads).toBeLessThan(5000);
  });
});

interface Part {
  readonly isBridge: boolean;
  readonly above: number;
  readonly sizes: readonly number[];
}

/** Bridges and devices with base addresses of 16 bytes to 256 MiB. */
const PARTS = fc.array(
  fc.record<Part>({
    isBridge: fc.boolean(),
    above: fc.nat(20),
    sizes: fc.array(fc.integer({ min: 4, max: 28 }), { maxLength: 3 }),
  }),
  { maxLength: 20 },
);

function build(parts: readonly Part[]): WordsBus {
  const bus = new WordsBus();
  const bridges: (WordsFunction | null)[] = [null];
  for (const { isBridge, above, sizes } of parts) {
    const parent = bridges[above % bridges.length]!;
    const slot = bus.functions.filter((fn) => fn.above === parent).length;
    const fn = bus.add(parent, (slot + 1) << 3);
    if (isBridge) bridges.push(fn.bridge(0, 0));
    else sizes.forEach((size, i) => void fn.bar(i, 2 ** size));
  }
  // Firmware numbers buses in depth-first order.
  let last = 0;
  const number = (above: WordsFunction | null): void => {
    for (const fn of bus.functions.filter((one) => one.above === above && bridges.includes(one))) {
      const secondary = ++last;
      number(fn);
      fn.bridge(secondary, last);
    }
  };
  number(null);
  return bus;
}

const MMIO: readonly (readonly [number, number])[] = [
  [0xe000_0000, 256 * MIB],
  [0xe010_0000, 3 * MIB],
];

function rangesOf(devices: readonly PciDevice[]): [start: number, end: number, device: PciDevice][] {
  return devices.flatMap((device) =>
    [...device.bars.values()].map(({ address, bytes }): [number, number, PciDevice] => [
      address,
      address + bytes,
      device,
    ]),
  );
}

describe('In any tree', () => {
  it('base addresses are aligned, apart from each other, and within the windows of all bridges above.', () => {
    fc.assert(
      fc.property(PARTS, fc.constantFrom(...MMIO), (parts, [start, length]) => {
        const bus = build(parts);
        const { devices } = bus.enumerate([start, length]);
        expect(devices).toHaveLength(parts.filter(({ isBridge }) => !isBridge).length);
        const ranges = rangesOf(devices).sort(([a], [b]) => a - b);
        ranges.forEach(([first, end, device], i) => {
          expect(first % (end - first)).toBe(0);
          expect(first).toBeGreaterThanOrEqual(ranges[i - 1]?.[1] ?? start);
          expect(end).toBeLessThanOrEqual(start + length);
          const fn = bus.at(device.rid)!;
          expect(fn.command & 2).toBe(2);
          for (let above = fn.above; above !== null; above = above.above) {
            expect(above.window).toBeDefined();
            expect(first).toBeGreaterThanOrEqual(above.window![0]);
            expect(end).toBeLessThanOrEqual(above.window![1]);
          }
        });
      }),
    );
  });

  it('windows of bridges side by side are apart, and no base address beside them is inside.', () => {
    fc.assert(
      fc.property(PARTS, fc.constantFrom(...MMIO), (parts, mmio) => {
        const bus = build(parts);
        const { devices } = bus.enumerate(mmio);
        const ranges = rangesOf(devices);
        for (const bridge of bus.functions.filter((fn) => fn.isBridge && fn.window !== undefined)) {
          const [start, end] = bridge.window!;
          const inside = new Set(bus.below(bridge));
          for (const [first, , device] of ranges) {
            expect(first >= start && first < end, device.address).toBe(inside.has(bus.at(device.rid)!));
          }
        }
      }),
    );
  });

  it('a function that is gone after any number of reads neither stops enumeration nor harms another.', () => {
    fc.assert(
      fc.property(PARTS, fc.nat(20), fc.nat(60), (parts, which, reads) => {
        const bus = build(parts);
        const gone = bus.functions[which % Math.max(bus.functions.length, 1)];
        if (gone === undefined) return;
        gone.readsLeft = reads;
        const { devices } = bus.enumerate();
        const lost = new Set([gone, ...bus.below(gone)]);
        const others = bus.functions.filter((fn) => !fn.isBridge && !lost.has(fn));
        const found = new Set(devices.map(({ rid }) => bus.at(rid)));
        for (const fn of others) expect(found.has(fn)).toBe(true);
      }),
    );
  });

  it('configuration spaces of any words end enumeration.', () => {
    const WORDS = fc.array(fc.tuple(fc.nat(1023), fc.integer({ min: 0, max: NOBODY })), { maxLength: 40 });
    fc.assert(
      fc.property(PARTS, fc.array(WORDS, { maxLength: 20 }), (parts, lies) => {
        const bus = build(parts);
        bus.functions.forEach((fn, i) => {
          for (const [at, word] of lies[i] ?? []) fn.words[at] = word;
          for (const [at, word] of lies[i] ?? []) fn.writable.set((at % 16) * 4, word);
        });
        const { devices, pci } = bus.enumerate();
        expect(devices.length + pci.bridges.length).toBeLessThanOrEqual(bus.functions.length);
        expect(new Set(pci.buses).size).toBe(pci.buses.length);
      }),
    );
  });
});
