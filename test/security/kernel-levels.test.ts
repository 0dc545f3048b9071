/**
 * Tables of another height than the entry that leads to them says (XSA-445, XSA-390, XSA-311): what a device makes of
 * them, by hand; and that behind our kernel it finds what is mapped and nothing else, with tables of every height.
 */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { Script } from '../../hardware/sim/index.ts';
import { AmdBench, GUEST_EFR } from '../kernel/amd-bench.ts';
import { Bench } from '../kernel/bench.ts';
import type { MachineBench } from '../kernel/machine-bench.ts';
import { SCALABLE } from '../kernel/scalable-bench.ts';
import {
  contextEntryOf,
  type Drive,
  deviceEntryOf,
  domainOf,
  drive,
  type OwnDomain,
  ok,
  reads,
  SECRET,
} from './careless.ts';

const RW = { read: true, write: true };
/** Index 0 leads to it through every table but the lowest; what is forged stands beside it. */
const [PAGE, FORGED] = [0x10, 0x11];
const addressOf = (page: number) => page * PAGE_SIZE;

/** A frame with a secret that nobody has mapped. */
function secretOf({ kernel, memory }: MachineBench): number {
  const frame = kernel.allocator.allocate('secret');
  memory.write(frame * PAGE_SIZE, Uint8Array.of(SECRET));
  return frame;
}

/** A device with one page in a domain, whose entry is then changed by hand before anything of it is cached. */
function* behindChanged(
  bench: MachineBench,
  change: (at: number, domain: OwnDomain) => void,
  page = PAGE,
): Script<Drive & { readonly domain: OwnDomain; readonly frame: number }> {
  const device = yield* drive(bench);
  const domain = yield* domainOf(device);
  const buffer = ok(device.driver.memory.allocate(1));
  ok(yield* device.driver.map(domain, page, buffer, RW));
  ok(yield* device.driver.attach(domain));
  change((bench instanceof AmdBench ? deviceEntryOf : contextEntryOf)(bench, device), domain);
  return { ...device, domain, frame: buffer.frames[0]! };
}

// VT-d 9.3: AW is in bits 2:0 of the upper half; 1 means tables of three levels, 2 of four.
describe('An entry of VT-d', () => {
  it('that says one level too few lets a device write the lowest table, and so map what it likes for others', () => {
    const bench = Bench.up();
    bench.run(
      (function* () {
        const device = yield* behindChanged(bench, (at) => {
          bench.memory.write64(at + 8, (bench.memory.read64(at + 8) & ~7n) | 1n);
        });
        const forged = new DataView(new ArrayBuffer(8));
        forged.setBigUint64(0, device.domain.table.format.leaf(1, addressOf(secretOf(bench)), RW), true);
        yield* device.dma.write(BigInt(FORGED * 8), new Uint8Array(forged.buffer));
        const other = yield* drive(bench, 'dev1');
        ok(yield* other.driver.attach(device.domain));
        expect(yield* reads(other, addressOf(FORGED))).toBe(SECRET);
      })(),
    );
  });

  it('that says one level too many makes a table of the memory that a device is given', () => {
    // With snoop control the lowest entries have a bit that is reserved above.
    const bench = Bench.up({ ecap: { SC: 0 } });
    bench.run(
      (function* () {
        // The domain's tables without the top one.
        const device = yield* behindChanged(
          bench,
          (at, { table }) => {
            bench.memory.write64(at, BigInt(Math.floor(table.path(0)[1]! / PAGE_SIZE) * PAGE_SIZE) | 1n);
          },
          0,
        );
        const secret = addressOf(secretOf(bench));
        bench.memory.write64(addressOf(device.frame) + FORGED * 8, device.domain.table.format.leaf(1, secret, RW));
        expect(yield* reads(device, addressOf(FORGED))).toBe(SECRET);
      })(),
    );
  });
});

// amd-vi.md 2.1: Mode is in bits 11:9 of the first word; entries say of which level the next table is.
describe('An entry of AMD-Vi', () => {
  const setMode = ({ memory }: MachineBench, at: number, mode: bigint) =>
    memory.write64(at, (memory.read64(at) & ~(7n << 9n)) | (mode << 9n));
  /** Index 1 of the top table of four levels. */
  const HIGH = 2 ** 27;

  it.each([
    // What four levels call index 1 of the top table is 2^48 for five.
    [4n, [0, 'refused']],
    [5n, ['refused', 0]],
  ] as const)('with Mode %s has a page of the top table at one address', (mode, expected) => {
    const bench = AmdBench.up();
    bench.run(
      (function* () {
        const device = yield* behindChanged(bench, (at) => setMode(bench, at, mode), HIGH);
        const found = [yield* reads(device, addressOf(HIGH)), yield* reads(device, addressOf(HIGH * 512))];
        expect(found).toEqual(expected);
      })(),
    );
  });

  it('that says one level too few is noticed: the tables say themselves how high they are', () => {
    const bench = AmdBench.up();
    bench.run(
      (function* () {
        const device = yield* behindChanged(bench, (at) => setMode(bench, at, 3n));
        expect(yield* reads(device, addressOf(PAGE))).toBe('refused');
      })(),
    );
  });
});

/** Units with tables of every height that there is. SAGAW has a bit for three, four and five levels: bits 1, 2 and 3. */
const HEIGHTS: readonly (readonly [name: string, make: () => MachineBench])[] = [
  ['VT-d with three levels', () => Bench.up({ cap: { SAGAW: 0b0010, MGAW: 38 } })],
  ['VT-d with three or four levels', () => Bench.up({ cap: { SAGAW: 0b0110, MGAW: 47 } })],
  ['VT-d with three levels and wider addresses', () => Bench.up({ cap: { SAGAW: 0b0010, MGAW: 47 } })],
  ['VT-d with four levels and fewer addresses', () => Bench.up({ cap: { SAGAW: 0b0100, MGAW: 38 } })],
  ['VT-d with five levels', () => Bench.up({ cap: { SAGAW: 0b1000, MGAW: 56 } })],
  [
    'VT-d in scalable mode with three levels',
    () => Bench.up({ ...SCALABLE, cap: { ...SCALABLE.cap, SAGAW: 0b0010, MGAW: 38 } }),
  ],
  [
    'VT-d in scalable mode with five levels',
    () => Bench.up({ ...SCALABLE, cap: { ...SCALABLE.cap, SAGAW: 0b1000, MGAW: 56 } }),
  ],
  ['VT-d with first stages only', () => Bench.up({ cap: SCALABLE.cap, ecap: { ...SCALABLE.ecap, SSTS: 0, NEST: 0 } })],
  ['AMD-Vi with host tables of at most four levels', () => AmdBench.up({ efr: { HATS: 0 } })],
  ['AMD-Vi with host tables of at most six levels', () => AmdBench.up({ efr: { HATS: 2 } })],
  ['AMD-Vi with guest tables alone', () => AmdBench.up({ efr: { ...GUEST_EFR, HATS: 3 } })],
];

describe.each(HEIGHTS)('Behind our kernel on %s a device', (_, make) => {
  it('finds the first and the last page that can be mapped, and neither at any address of another height', () => {
    const bench = make();
    bench.run(
      (function* () {
        const device = yield* drive(bench);
        const domain = yield* domainOf(device);
        const { last } = domain.geometry;
        const buffer = ok(device.driver.memory.allocate(2));
        const mapped = [PAGE, last];
        for (const [i, page] of mapped.entries()) {
          device.driver.memory.write(buffer, i * PAGE_SIZE, Uint8Array.of(i + 1));
          const one = { frames: buffer.frames.subarray(i, i + 1), length: PAGE_SIZE };
          ok(yield* device.driver.map(domain, page, one, RW));
        }
        ok(yield* device.driver.attach(domain));
        expect([yield* reads(device, addressOf(PAGE)), yield* reads(device, addressOf(last))]).toEqual([1, 2]);
        // One index to the left or to the right, the next beyond the end, and the index 1 of every table above the lowest.
        const strange = mapped.flatMap((page) => [page * 512, Math.floor(page / 512)]);
        const others = [...strange, last + 1, 0, ...[9, 18, 27, 36].map((bit) => 2 ** bit + PAGE)];
        for (const page of others.filter((one) => !mapped.includes(one) && one < 2 ** 52)) {
          expect([page, yield* reads(device, addressOf(page))]).toEqual([page, 'refused']);
        }
      })(),
    );
  });
});
