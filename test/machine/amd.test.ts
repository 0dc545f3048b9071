/** A machine with an AMD-Vi unit: what software finds of it, and what a specification may say. */
import { describe, expect, it } from 'vitest';
import { Engine, type Script } from '../../hardware/sim/index.ts';
import { decodeIvrs } from '../../src/kernel/acpi/ivrs.ts';
import { installFirmware } from '../../src/machine/firmware/index.ts';
import { buildHardware } from '../../src/machine/hardware.ts';
import { buildMachine, InputError, type MachineInput, presets, resolveSpec } from '../../src/machine/index.ts';

/** 00:00.2 */
const IOMMU = 2;
const IVRS_AT = 0xe_1000;
const SHARED = { start: '0x4000000', pages: 16, devices: ['dma0', 'dma2'] };

function hardwareOf(input: MachineInput) {
  const engine = new Engine();
  const delivered: [address: number, data: number][] = [];
  const spec = resolveSpec(input);
  const hardware = buildHardware(engine, spec, (address, data) => delivered.push([address, data]));
  installFirmware(spec, hardware);
  const { rootComplex, memory } = hardware;
  const run = <T>(script: Script<T>): T => engine.runUntilDone(engine.spawn(script, 'cpu')) as T;
  const config = (offset: number, size = 4) => run(rootComplex.configRead(IOMMU, offset, size));
  const setConfig = (offset: number, value: number, size = 4) =>
    run(rootComplex.configWrite(IOMMU, offset, size, value));
  const base = hardware.window[0];
  const read = (offset: number, size = 8) => run(rootComplex.mmioRead(base + offset, size));
  const write = (offset: number, value: bigint, size = 8) => run(rootComplex.mmioWrite(base + offset, size, value));
  const ivrs = () => {
    const bytes = memory.read(IVRS_AT + 4, 4)!;
    return memory.read(IVRS_AT, new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true))!;
  };
  return { engine, memory, window: hardware.window, delivered, config, setConfig, read, write, ivrs };
}

describe("An AMD-Vi unit's function", () => {
  it('is found at 00:00.2 by its class, with the capability that leads to its registers', () => {
    const { config, read } = hardwareOf({ preset: 'amd-zen' });
    expect(config(0x00, 2)).toBe(0x1022);
    expect(config(0x08) >>> 8).toBe(0x08_06_00);
    const capability = config(0x34, 1);
    expect(config(capability) & 0xff).toBe(0x0f);
    // Base Address Low and High: 512 KiB of registers, and Enable.
    expect([config(capability + 4), config(capability + 8)]).toEqual([0xfed8_0001, 0]);
    expect(read(0x30)).toBe(0xf_77ef_2229_4adan);
  });

  it.each([
    ['amd-v1', 0xfed9_0000, 16 * 1024],
    ['amd-zen4', 0xfed8_0000, 512 * 1024],
  ])('has the registers of %s at %i, %i bytes', (preset, base, bytes) => {
    const { window, read } = hardwareOf({ preset });
    expect(window).toEqual([base, bytes]);
    expect(read(0x30)).toBe(BigInt((resolveSpec(preset).iommu as { efr: string }).efr));
    // Counter Configuration, where there are counters: 2 banks of 4.
    if (bytes > 16 * 1024) expect(read(0x4000)).toBe((2n << 12n) | (4n << 7n));
  });

  it('sends the interrupts that software programs in its MSI capability', () => {
    const { engine, memory, delivered, setConfig, write, read } = hardwareOf({ preset: 'amd-v1' });
    const MSI = 0x64;
    setConfig(MSI + 4, 0xfee0_0000);
    setConfig(MSI + 12, 0x31, 2);
    setConfig(MSI + 2, 1, 2);
    // A ring of 256 commands at 2 MiB with one COMPLETION_WAIT that interrupts.
    memory.write(0x20_0000, Uint8Array.of(0x02, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0));
    write(0x08, (8n << 56n) | 0x20_0000n);
    // Control: IommuEn, ComWaitIntEn, CmdBufEn.
    write(0x18, 1n | (1n << 4n) | (1n << 12n));
    write(0x2008, 0x10n);
    engine.run();
    expect(read(0x2000)).toBe(0x10n);
    expect(delivered).toEqual([[0xfee0_0000, 0x31]]);
  });

  it('is as it was built after a reset', () => {
    const machine = buildMachine('amd-full');
    const built = machine.snapshot();
    const boot = () => machine.engine.runUntilDone(machine.engine.spawn(machine.boot(), 'boot'));
    boot();
    machine.reset();
    expect(machine.snapshot()).toEqual(built);
    boot();
  });
});

describe('The IVRS table of a machine', () => {
  it('describes the unit, the devices of the bus, and the memory that some of them keep', () => {
    const { ivrs } = hardwareOf({ preset: 'amd-zen', firmware: { reservedMemory: [SHARED] } });
    const memory = { Unity: 1n, IR: 1n, IW: 1n, Start: 0x400_0000n, Size: 0x1_0000n };
    expect(decodeIvrs(ivrs())).toMatchObject({
      info: { EFRSup: 1n, GVASize: 2n, PASize: 48n, VASize: 64n },
      blocks: [
        {
          type: 'IVHD_11',
          fields: {
            DeviceID: 2n,
            CapabilityOffset: 0x40n,
            Base: 0xfed8_0000n,
            Segment: 0n,
            IotlbSup: 1n,
            PNCounters: 4n,
            PNBanks: 2n,
            EFR: 0xf_77ef_2229_4adan,
            EFR2: 0n,
          },
          entries: [
            { type: 'START', fields: { DeviceID: 0x08n } },
            { type: 'END', fields: { DeviceID: 0xffn } },
          ],
        },
        { type: 'IVMD_SELECT', fields: { DeviceID: 0x08n, ...memory } },
        { type: 'IVMD_SELECT', fields: { DeviceID: 0x18n, ...memory } },
      ],
    });
  });

  it('says what the unit can do and nothing that it cannot', () => {
    const { ivrs } = hardwareOf({ preset: 'amd-v1', iommu: { capHeader: '0x000b000f', hostAddressWidth: 40 } });
    expect(decodeIvrs(ivrs())).toMatchObject({
      info: { EFRSup: 0n, PASize: 40n },
      blocks: [{ fields: { IotlbSup: 0n, PNCounters: 0n, PNBanks: 0n, EFR: 0n } }],
    });
  });
});

describe('A specification of an AMD-Vi unit', () => {
  const iommu = { vendor: 'amd', efr: '0x840' } as const;
  const caches = { iotlb: { sets: 1, ways: 16 }, deviceTableCache: { sets: 1, ways: 4 }, interruptEntryCache: null };
  const rest = { ...caches, hostAddressWidth: 48, lookup: 2, requests: 64, walkers: 6 };

  it('takes nothing from a unit of another vendor, and has defaults of its own', () => {
    expect(resolveSpec({ iommu: { ...iommu, ...rest } } as MachineInput).iommu).toEqual({
      ...iommu,
      ...rest,
      iotlb: { sets: 1, ways: 16, policy: 'lru', '2M': null, '1G': null },
      efr2: '0x0',
      capHeader: '0x190b000f',
      miscInfo0: '0x203440',
      miscInfo1: '0x0',
      gcr3Cache: { sets: 16, ways: 4 },
      hostDirectoryCache: null,
      guestDirectoryCache: null,
      counters: { banks: 2, counters: 4 },
      fetch: 0,
      lookupInterval: 0,
      mergeMisses: false,
      walkRegion: null,
      readHold: 0,
    });
  });

  it('written down by `ioasim machines` means the same machine', () => {
    for (const [name, preset] of Object.entries(presets)) {
      const { ...written } = JSON.parse(JSON.stringify(resolveSpec(name))) as MachineInput;
      expect(resolveSpec(written)).toEqual(preset);
    }
  });

  it.each([
    [
      { iommu: { vendor: 'amd' } },
      'machine.iommu.efr: expected a hexadecimal 64-bit value as a string, for instance "0x10", got nothing.',
    ],
    [{ preset: 'amd-v1', iommu: { cap: '0x1' } }, /^machine\.iommu: there is no field "cap"/],
    [
      { preset: 'amd-v1', iommu: { counters: { banks: 64 } } },
      'machine.iommu.counters.banks: expected a whole number from 1 to 63, got 64.',
    ],
    [
      { preset: 'amd-v1', iommu: null },
      'machine.iommu: expected an object with the field vendor and those of its unit, got null.',
    ],
    [
      { preset: 'amd-v1', iommu: { capHeader: '0x190a000f' } },
      "machine.iommu.capHeader: CapID and CapType are not an IOMMU's: its bits 18:16 and 7:0 must be those of 0x3000f.",
    ],
    [
      { preset: 'amd-v1', iommu: { efr: '0xc00' } },
      'machine.iommu.efr: a unit without host tables (HATS is 3) must have guest tables: GTSup must be 1.',
    ],
    [
      { preset: 'amd-v1', iommu: { efr: '0xc840' } },
      'machine.iommu.efr: GLXSup names no number of levels that exists: it must be 0, 1 or 2.',
    ],
  ])('%j is refused in one sentence', (input, sentence) => {
    const refused = expect(() => buildMachine(input as unknown as MachineInput));
    if (typeof sentence === 'string') refused.toThrow(new InputError(sentence));
    else refused.toThrow(sentence);
  });
});
