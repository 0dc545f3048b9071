/** Domains that enforce snooping and those that leave it to the devices: table bits, and what the unit makes of them. */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import { Access, Translation } from '../../hardware/iommu/index.ts';
import type { DomainOptions, IommuDomain, IommuDriver } from '../../src/kernel/iommu/driver.ts';
import type { PciDevice } from '../../src/kernel/pci/index.ts';
import { EOPNOTSUPP } from '../../src/uapi/index.ts';
import { AmdBench, GUEST_EFR } from './amd-bench.ts';
import { Bench } from './bench.ts';
import type { MachineBench } from './machine-bench.ts';
import { behind, mapPage, scalableBench, sure } from './scalable-bench.ts';

const PAGE = 5;

/** What the unit answers to a read: is the access made to snoop? */
function snoops(bench: MachineBench, { requester }: PciDevice): boolean {
  const t = new Translation();
  t.effects = false;
  t.requester = requester;
  t.access = Access.READ;
  t.lo = PAGE * PAGE_SIZE;
  bench.unit.translate(t);
  expect(t.fault).toBeNull();
  return t.snoop;
}

/** Maps a page and attaches a device: the domain, the words that the driver wrote, and what the unit makes of them. */
function opened(bench: MachineBench, options: DomainOptions) {
  const { driver, devices } = behind(bench);
  const device = devices[0]!;
  const words = new Map<number, bigint>();
  const memory = bench.bus.memory as { write64: (address: number, value: bigint) => void };
  const write = memory.write64;
  memory.write64 = (address, value) => {
    words.set(address, value);
    write(address, value);
  };
  return bench.run(
    (function* () {
      const domain = yield* sure(driver.allocateDomain(options));
      const frame = yield* mapPage(bench, domain, PAGE, 1);
      expect(yield* domain.attach(device)).toBe(0);
      // The frame, and beside it only attributes.
      const leaf = [...words.values()].find((word) => (word >> 12n) % 2n ** 40n === BigInt(frame))!;
      return { domain, driver, device, leaf: leaf - BigInt(frame * PAGE_SIZE), snoops: snoops(bench, device), words };
    })(),
  );
}

/** Word 1 of the PASID-table entry: domain id, PWSNP and PGSNP. */
function pasidWord(bench: Bench, { rid }: PciDevice): bigint {
  const follow = (at: number): number => Number(bench.memory.read64(at) & ~0xfffn);
  const context = follow(bench.unit.translator.root.table + (rid >>> 8) * 16) + (rid & 0x7f) * 32;
  return bench.memory.read64(follow(follow(context)) + 8);
}

const SNP = 1n << 11n;
const FC = 1n << 60n;
const PGSNP = 1n << 24n;

describe('A VT-d domain', () => {
  it.each<[string, DomainOptions, boolean]>([
    ['makes DMA snoop where nobody says anything', {}, true],
    ['makes DMA snoop when it has to', { enforceSnoop: true }, true],
    ['leaves it to the devices when it may', { enforceSnoop: false }, false],
  ])('%s: SNP of second-stage entries, PGSNP for a first stage.', (_, options, expected) => {
    const legacy = opened(Bench.up(), options);
    // R, W, and nothing else.
    expect([legacy.leaf, legacy.domain.enforcesSnoop, legacy.snoops]).toEqual([
      expected ? 3n | SNP : 3n,
      expected,
      expected,
    ]);

    const bench = scalableBench();
    const second = opened(bench, options);
    expect([second.leaf, second.domain.enforcesSnoop, second.snoops]).toEqual([
      expected ? 3n | SNP : 3n,
      expected,
      expected,
    ]);
    expect(pasidWord(bench, second.device) & PGSNP).toBe(0n);

    const flat = scalableBench();
    const first = opened(flat, { ...options, stage: 'first' });
    expect([first.domain.enforcesSnoop, first.snoops]).toEqual([expected, expected]);
    expect(pasidWord(flat, first.device) & PGSNP).toBe(expected ? PGSNP : 0n);
  });

  it.each([true, false])('hands on to those nested in it whether DMA is made to snoop: %s.', (enforceSnoop) => {
    const bench = scalableBench();
    const { driver, devices } = behind(bench);
    bench.run(
      (function* () {
        const parent = yield* sure(driver.allocateDomain({ enforceSnoop }));
        const frames: number[] = [];
        for (let page = 0; page < 4; page++) frames.push(yield* mapPage(bench, parent, page, 0));
        // Four levels of first-stage tables in pages 0 to 3; the last leads to page 0: present, writable, user, A, D.
        for (let level = 0; level < 3; level++) {
          bench.memory.write64(frames[level]! * PAGE_SIZE, BigInt((level + 1) * PAGE_SIZE) | 0x67n);
        }
        bench.memory.write64(frames[3]! * PAGE_SIZE + PAGE * 8, 0x67n);
        const nested = yield* sure(driver.allocateNested({ parent, table: 0, levels: 4 }));
        expect(yield* nested.attach(devices[0]!)).toBe(0);
        expect(pasidWord(bench, devices[0]!) & PGSNP).toBe(enforceSnoop ? PGSNP : 0n);
        expect(snoops(bench, devices[0]!)).toBe(enforceSnoop);
      })(),
    );
  });

  it('cannot make DMA snoop where ECAP.SC is 0, and sets no bit that is reserved there.', () => {
    const bench = Bench.up({ ecap: { SC: 0 } });
    const { leaf, domain, driver } = opened(bench, {});
    expect([leaf, domain.enforcesSnoop]).toEqual([3n, false]);
    expect(refusal(bench, driver, { enforceSnoop: true })).toBe(-EOPNOTSUPP);
    expect(opened(Bench.up({ ecap: { SC: 0 } }), { enforceSnoop: false }).leaf).toBe(3n);
  });
});

describe('An AMD-Vi domain', () => {
  it.each<[string, DomainOptions, boolean]>([
    ['makes DMA snoop where nobody says anything', {}, true],
    ['makes DMA snoop when it has to', { enforceSnoop: true }, true],
    ['leaves it to the devices when it may', { enforceSnoop: false }, false],
  ])('%s: FC of host entries.', (_, options, expected) => {
    const { leaf, domain, snoops: made } = opened(AmdBench.up(), options);
    // PR, IR, IW.
    const rights = (3n << 61n) | 1n;
    expect([leaf, domain.enforcesSnoop, made]).toEqual([expected ? rights | FC : rights, expected, expected]);
  });

  it('of guest tables cannot make DMA snoop.', () => {
    const bench = AmdBench.up({ efr: GUEST_EFR });
    const { driver } = behind(bench);
    expect(refusal(bench, driver, { stage: 'first', enforceSnoop: true })).toBe(-EOPNOTSUPP);
    expect(opened(bench, { stage: 'first', enforceSnoop: false }).domain.enforcesSnoop).toBe(false);
  });
});

function refusal(bench: MachineBench, driver: IommuDriver, options: DomainOptions): IommuDomain | number {
  const before = bench.kernel.allocator.free;
  const result = bench.run(driver.allocateDomain(options));
  expect(bench.kernel.allocator.free).toBe(before);
  return result;
}
