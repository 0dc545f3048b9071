/** Where a machine's IOMMU has its registers, and how many: DRHD.BASE and DRHD.SIZE (VT-d 8.3), and what the CPU reaches. */
import { describe, expect, it } from 'vitest';
import { Engine, type Script } from '../../hardware/sim/index.ts';
import { installFirmware } from '../../src/machine/firmware/index.ts';
import { buildHardware } from '../../src/machine/hardware.ts';
import { buildMachine, InputError, type MachineInput, resolveSpec } from '../../src/machine/index.ts';

/** intel-legacy with enhanced commands and performance monitoring. */
const COUNTING = { cap: '0xa0d2008c222f0606', ecap: '0x8000000f00f4a' } as const;
const DMAR_AT = 0xe_1000;
const DRHD_AT = DMAR_AT + 48;

function machine(iommu: MachineInput['iommu']) {
  const engine = new Engine();
  const spec = resolveSpec({ iommu: iommu ?? {} });
  const hardware = buildHardware(engine, spec, () => {});
  installFirmware(spec, hardware);
  const run = <T>(script: Script<T>): T => engine.runUntilDone(engine.spawn(script, 'cpu')) as T;
  const drhd = hardware.memory.read(DRHD_AT, 16)!;
  const base = Number(new DataView(drhd.buffer, drhd.byteOffset).getBigUint64(8, true));
  return {
    base,
    size: drhd[5]!,
    registers: hardware.iommu.inspector().registers(),
    read: (offset: number, bytes = 8) => run(hardware.rootComplex.mmioRead(base + offset, bytes)),
    write: (offset: number, value: bigint, bytes = 8) =>
      run(hardware.rootComplex.mmioWrite(base + offset, bytes, value)),
  };
}

describe("An IOMMU's registers", () => {
  it.each([
    ['everything within a page', {}, 0, 0xfed9_0000],
    ['fault records at 0x3fe0 to 0x3fff', { cap: '0x80d201fe222f0606' }, 2, 0xfed9_0000],
    ['IVA and IOTLB registers at 0x3ff0', { ecap: '0xf3ff4a' }, 2, 0xfed9_0000],
    ['8 counters, each of 1 KiB', COUNTING, 2, 0xfed9_0000],
    ['40 counters', { ...COUNTING, performance: { counters: 40 } }, 4, 0xfed9_0000],
    ['64 counters', { ...COUNTING, performance: { counters: 64 } }, 5, 0xfed8_0000],
  ] as const)('take a window of a power of two of pages, aligned to its size: %s.', (_, iommu, size, base) => {
    const made = machine(iommu);
    expect([made.size, made.base]).toEqual([size, base]);
    expect(base % (4096 * 2 ** size)).toBe(0);
    // VER_REG at the beginning; the last register lies within.
    expect(made.read(0, 4)).toBe(0x10n);
    const last = made.registers.at(-1)!;
    expect(last.address).toBeLessThan(4096 * 2 ** size);
    expect(last.address).toBeGreaterThanOrEqual(size === 0 ? 0 : 2048 * 2 ** size);
  });

  it('behind the first page take effect like all others: a counter keeps what is written to it.', () => {
    const { read, write } = machine(COUNTING);
    const at = Number(read(0x31c, 4));
    expect(at).toBeGreaterThanOrEqual(0x1000);
    write(at + 7 * 1024, 0x1234_5678_9abcn);
    expect(read(at + 7 * 1024)).toBe(0x1234_5678_9abcn);
    expect(read(at + 8 * 1024)).toBe(0n);
  });

  it('of performance monitoring follow the specification of the machine, also where they are shown.', () => {
    const { read, registers } = machine({
      ...COUNTING,
      performance: { counters: 3, width: 33, writableWhileEnabled: true },
    });
    // PERFCAP_REG.NCNTR and CW.
    const capability = read(0x300);
    expect([capability & 0xffffn, (capability >> 16n) & 0x7fn]).toEqual([3n, 33n]);
    expect(registers.filter(({ what }) => /^PERFCNTR_REG/.test(what))).toHaveLength(3);
    expect(
      registers.find(({ what }) => what === 'PERFCAP_REG')!.fields.find(({ name }) => name === 'NCNTR')!.value,
    ).toBe(3n);
  });

  it('of protected regions have as many bits as the machine says.', () => {
    for (const n of [11, 20, 30]) {
      const { read, write } = machine({ cap: '0x80d2008c222f0626', protectedRegionN: n });
      write(0x68, 0xffff_ffffn, 4);
      expect(read(0x68, 4)).toBe(2n ** 32n - 2n ** BigInt(n + 1));
    }
  });

  it('of a machine with counters are found by its kernel, which boots.', () => {
    const made = buildMachine({ iommu: { ...COUNTING, performance: { counters: 64 } } });
    made.engine.runUntilDone(made.engine.spawn(made.boot(), 'boot'));
    expect(made.kernel.iommu.groups).toHaveLength(3);
  });

  it.each([
    [{ protectedRegionN: 10 }, 'machine.iommu.protectedRegionN: expected a whole number from 11 to 30, got 10.'],
    [
      { performance: { counters: 65 } },
      'machine.iommu.performance.counters: expected a whole number from 1 to 64, got 65.',
    ],
    [{ performance: { width: 0 } }, 'machine.iommu.performance.width: expected a whole number from 1 to 64, got 0.'],
  ])('that cannot be are refused in one sentence: %j.', (iommu, sentence) => {
    expect(() => buildMachine({ iommu })).toThrow(new InputError(sentence));
  });
});
