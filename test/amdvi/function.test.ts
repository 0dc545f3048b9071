/** The PCI function of an AMD-Vi unit, and the interrupts that it sends of its own (fact sheet 1.1, 1.2, 1.7). */
import { describe, expect, it } from 'vitest';
import { STATUS } from '../../hardware/amdvi/spec/index.ts';
import { proves } from '../proves.ts';
import { ALL, COM_WAIT_INT_EN, EVENT_INT_EN, INT_CAP_XT_EN, Parts, REG } from './parts.ts';

const WITHOUT_COUNTERS = ALL & ~(1n << 9n);
const read = (parts: Parts, offset: number, size = 4): number => parts.fn.readConfig(offset, size);

describe('Configuration space', () => {
  it('is that of an IOMMU: class 08h 06h 00h, no base addresses, a list of capabilities.', () => {
    const parts = new Parts();
    expect(read(parts, 0x00)).toBe(0x1451_1022);
    expect(read(parts, 0x08) >>> 8).toBe(0x08_06_00);
    expect(read(parts, 0x04)).toBe(0x0010_0000);
    for (let offset = 0x10; offset < 0x28; offset += 4) {
      parts.fn.writeConfig(offset, 4, 0xffff_ffff);
      expect(read(parts, offset)).toBe(0);
    }
  });

  it('lists the capability block, MSI with 64-bit addresses and the MSI mapping of HyperTransport.', () => {
    proves(...['CapID', 'En', 'Fixed', 'CapType'].map((field) => `MSI Mapping Capability Header.${field}`));
    proves(
      'Capability Header.CapID',
      'Capability Header.CapPtr',
      'Capability Header.CapType',
      'Capability Header.CapRev',
      'Capability Header.EFRSup',
      'Capability Header.CapExt',
    );
    const parts = new Parts();
    const found: [number, number][] = [];
    for (let at = read(parts, 0x34, 1); at !== 0; at = read(parts, at + 1, 1)) found.push([at, read(parts, at, 1)]);
    expect(found).toEqual([
      [0x40, 0x0f],
      [0x64, 0x05],
      [0x74, 0x08],
    ]);
    expect(read(parts, 0x40)).toBe(0x190b_640f);
    expect(read(parts, 0x64)).toBe(0x0084_7405);
    expect(read(parts, 0x74)).toBe(0xa803_0008);
    expect(read(parts, 0x50)).toBe(0x0020_3440);
  });

  it('takes the address of the registers in any order until Enable is 1, and keeps it then.', () => {
    proves('Base Address Low.Enable', 'Base Address Low.BaseAddressLo', 'Base Address High.BaseAddressHi');
    const parts = new Parts(WITHOUT_COUNTERS);
    const { fn } = parts;
    fn.writeConfig(0x48, 4, 0x12);
    fn.writeConfig(0x44, 4, 0xfeb8_3ffe);
    expect(fn.base).toBe(-1);
    fn.writeConfig(0x44, 4, 0xfeb8_7fff);
    expect(fn.base).toBe(0x12_feb8_4000);
    for (const offset of [0x44, 0x48]) fn.writeConfig(offset, 4, 0);
    expect([read(parts, 0x44), read(parts, 0x48), fn.base]).toEqual([0xfeb8_4001, 0x12, 0x12_feb8_4000]);
    fn.reset();
    expect(fn.base).toBe(-1);
    fn.writeConfig(0x44, 4, 0x8000_0001);
    expect(fn.base).toBe(0x8000_0000);
  });

  it('aligns the registers of a unit with counters to 512 KiB.', () => {
    const { fn } = new Parts();
    fn.writeConfig(0x44, 4, 0xfebf_ffff);
    expect(fn.base).toBe(0xfeb8_0000);
  });

  it('takes only whole words in the capability block, and any bytes elsewhere.', () => {
    const parts = new Parts();
    parts.fn.writeConfig(0x44, 1, 1);
    parts.fn.writeConfig(0x46, 2, 0xfeb8);
    expect(read(parts, 0x44)).toBe(0);
    parts.fn.writeConfig(0x3c, 1, 0x0b);
    parts.fn.writeConfig(0x66, 2, 0x0001);
    expect([read(parts, 0x3c), read(parts, 0x66, 2)]).toEqual([0x0b, 0x0085]);
  });

  it('reports a target abort until software clears it.', () => {
    const parts = new Parts();
    parts.fn.noteTargetAbort();
    expect(read(parts, 0x06, 2)).toBe(0x0810);
    parts.fn.writeConfig(0x04, 2, 0x0004);
    expect(read(parts, 0x06, 2)).toBe(0x0810);
    parts.fn.writeConfig(0x06, 2, 0x0800);
    expect(read(parts, 0x06, 2)).toBe(0x0010);
  });

  it('takes accesses of every size at every offset; those that no bus can make read 0 and change nothing.', () => {
    const parts = new Parts();
    const all = (): number[] => Array.from({ length: 1024 }, (_, i) => read(parts, i * 4));
    const before = all();
    for (let offset = -4; offset < 4100; offset++) {
      for (const size of [0, 1, 2, 3, 4, 8]) {
        const isLegal = [1, 2, 4].includes(size) && offset >= 0 && offset % size === 0;
        if (isLegal) continue;
        parts.fn.writeConfig(offset, size, 0xffff_ffff);
        expect(read(parts, offset, size)).toBe(0);
      }
    }
    expect(all()).toEqual(before);
    for (let offset = 0; offset < 4100; offset++) {
      for (const size of [1, 2, 4]) parts.fn.writeConfig(offset, size, 0xffff_ffff);
    }
    expect(read(parts, 0x40)).toBe(0x190b_640f);
  });
});

describe('Registers that are copies of configuration space', () => {
  const PAIRS = [
    [0x50, 0x150],
    [0x54, 0x154],
    [0x64, 0x158],
    [0x68, 0x15c],
    [0x6c, 0x160],
    [0x70, 0x164],
    [0x74, 0x168],
  ] as const;

  it('are equal to it, whichever of them is written.', () => {
    proves('MSI Vector 1.MsiNumGA', 'MSI Address Low.MsiAddr', 'MSI Address High.MsiAddr', 'MSI Data.MsiData');
    proves('MSI Capability Header.MsiEn', 'MSI Capability Header.MultMessEn', 'Extended Feature.MsiCapMmioSup');
    const parts = new Parts(ALL, 3);
    const equal = (): void => {
      for (const [config, register] of PAIRS) {
        expect(parts.page.read(register, 4), register.toString(16)).toBe(BigInt(read(parts, config) >>> 0));
      }
    };
    equal();
    parts.page.write(0x158, 4, 0x0001_0000n);
    expect(read(parts, 0x64), 'MSI enable').toBe(0x0085_7405);
    parts.enableMsi();
    equal();
    expect([0x158, 0x15c, 0x164].map((at) => parts.page.read(at, 4))).toEqual([0x00a5_7405n, 0xfee0_1000n, 0x4000n]);
    for (const [, register] of PAIRS) parts.page.write(register, 4, 0xffff_ffffn);
    equal();
    expect(read(parts, 0x64), 'multiple message enable').toBe(0x00f5_7405);
    expect([read(parts, 0x54), read(parts, 0x68), read(parts, 0x6c), read(parts, 0x70)]).toEqual([
      0x1f, 0xffff_fffc, 0xffff_ffff, 0xffff,
    ]);
    parts.page.file.reset();
    parts.fn.reset();
    equal();
    expect(read(parts, 0x54)).toBe(3);
  });

  it('do not exist without MsiCapMmioSup.', () => {
    const parts = new Parts(ALL & ~(1n << 46n)).enableMsi();
    for (const [, register] of PAIRS) parts.page.write(register, 4, 0xffff_ffffn);
    expect(PAIRS.map(([, register]) => parts.page.read(register, 4))).toEqual(Array(7).fill(0n));
    expect(read(parts, 0x70)).toBe(0x4000);
  });
});

describe('The unit’s own interrupts', () => {
  /** MsiNum 3, MsiNumPPR 1. */
  const VECTORS = 0x0820_3443;
  const CASES = [
    ['EventOverflow', EVENT_INT_EN, 3],
    ['EventLogInt', EVENT_INT_EN, 3],
    ['EvtOvrflwB', EVENT_INT_EN, 3],
    ['ComWaitInt', COM_WAIT_INT_EN, 3],
    ['PprOverflow', 1n << 14n, 1],
    ['PprInt', 1n << 14n, 1],
    ['PprOvrflwB', 1n << 14n, 1],
    ['GALOverflow', 1n << 29n, 2],
    ['GAInt', 1n << 29n, 2],
  ] as const;

  it.each(CASES)('follow %s on its way from 0 to 1, if they are enabled.', (name, enable, vector) => {
    proves('Misc Info 0.MsiNum', 'Misc Info 0.MsiNumPPR', `Status.${name}`);
    const parts = new Parts(ALL, 2, VECTORS).enableMsi();
    parts.interrupts.signal(STATUS[name]);
    expect(STATUS[name].isSet(parts.page.file.words)).toBe(true);
    parts.set(REG.CONTROL, enable);
    parts.interrupts.signal(STATUS[name]);
    expect(parts.messages).toEqual([]);
    parts.set(REG.STATUS, 0xffff_ffffn);
    parts.interrupts.signal(STATUS[name]);
    parts.interrupts.signal(STATUS[name]);
    expect(parts.messages).toEqual([{ hi: 0, lo: 0xfee0_1000 | 0, data: 0x4000 | vector }]);
  });

  it.each([
    [0x0001_0000, 0x4000],
    [0x0011_0000, 0x4001],
    [0x0021_0000, 0x4003],
    [0x0071_0000, 0x4003],
  ])('put as much of the vector into the data as MSI control %s allows.', (control, data) => {
    const parts = new Parts(ALL, 3).enableMsi();
    parts.fn.writeConfig(0x64, 4, control);
    parts.set(REG.CONTROL, 1n << 29n);
    parts.interrupts.signal(STATUS.GAInt);
    expect(parts.messages).toEqual([{ hi: 0, lo: 0xfee0_1000 | 0, data }]);
  });

  it('are not sent while the function sends no MSIs.', () => {
    const parts = new Parts();
    parts.set(REG.CONTROL, COM_WAIT_INT_EN);
    parts.interrupts.signal(STATUS.ComWaitInt);
    expect(parts.messages).toEqual([]);
  });

  const XT_FIELDS = ['DestMode', 'DestinationLo', 'Vector', 'DM', 'DestinationHi'];

  it.each([
    ['General', 0x170, STATUS.ComWaitInt, COM_WAIT_INT_EN],
    ['PPR', 0x178, STATUS.PprInt, 1n << 14n],
    ['GA', 0x180, STATUS.GAInt, 1n << 29n],
  ] as const)('come from the %s XT register with IntCapXTEn, MSI or not.', (title, register, status, enable) => {
    proves(
      'Control.IntCapXTEn',
      'Extended Feature.XTSup',
      ...XT_FIELDS.map((field) => `XT ${title} Interrupt Control.${field}`),
    );
    const parts = new Parts();
    // Vector 31h to APIC id 89AB_CDEFh, logical, arbitrated.
    parts.set(register, 0x8900_0131_abcd_ef04n);
    parts.set(REG.CONTROL, enable | INT_CAP_XT_EN);
    parts.interrupts.signal(status);
    expect(parts.messages).toEqual([{ hi: 0x89ab_cd00 | 0, lo: 0xfeee_f004 | 0, data: 0x131 }]);
  });

  it('are masked by an XT register of 0.', () => {
    const parts = new Parts().enableMsi();
    parts.set(REG.CONTROL, COM_WAIT_INT_EN | INT_CAP_XT_EN);
    parts.interrupts.signal(STATUS.ComWaitInt);
    expect(parts.messages).toEqual([]);
  });
});
