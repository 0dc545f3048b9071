/** What the kernel makes of an IVRS table: units, ranges of devices, aliases, special devices, memory. */
import { describe, expect, it } from 'vitest';
import {
  type DeviceEntry,
  ENTRY_LAYOUTS,
  fieldsOf,
  IVHD_10,
  IVHD_11,
  IVMD,
  IVRS,
  type IvrsBlock,
} from '../../hardware/amdvi/spec/ivrs.ts';
import type { Values } from '../../hardware/bits/index.ts';
import { type AmdUnit, understandIvrs } from '../../src/kernel/acpi/amd-units.ts';
import { decodeIvrs } from '../../src/kernel/acpi/ivrs.ts';
import vectors from '../vectors/ivrs/tables.json' with { type: 'json' };

const BASE = 0xfeb8_0000n;
const NOTHING = {
  initPass: false,
  eIntPass: false,
  nmiPass: false,
  lint0Pass: false,
  lint1Pass: false,
  sysMgt: 0,
};

const understand = (blocks: readonly IvrsBlock[], info: Values<typeof IVRS> = { EFRSup: 1 }) =>
  understandIvrs({ info: fieldsOf(IVRS, info), blocks });

function ivhd(
  type: 'IVHD_10' | 'IVHD_11' | 'IVHD_40',
  values: Values<typeof IVHD_10> & Values<typeof IVHD_11> = {},
  entries: readonly DeviceEntry[] = [],
): IvrsBlock {
  const given = { DeviceID: 2, CapabilityOffset: 0x40, Base: BASE, ...values };
  return type === 'IVHD_10'
    ? { type, fields: fieldsOf(IVHD_10, given), entries }
    : { type, fields: fieldsOf(IVHD_11, given), entries };
}

type Named = Exclude<DeviceEntry['type'], 'other' | 'ACPI_HID'>;
const entry = (type: Named, DeviceID = 0, values: object = {}): DeviceEntry =>
  ({ type, fields: fieldsOf(ENTRY_LAYOUTS[type as 'SELECT'], { DeviceID, ...values }) }) as DeviceEntry;

function unitOf(...entries: readonly DeviceEntry[]): AmdUnit {
  const { units } = understand([ivhd('IVHD_11', {}, entries)]);
  expect(units).toHaveLength(1);
  return units[0]!;
}

/** The devices up to 0x20 that the unit serves. */
const served = (unit: AmdUnit) => Array.from({ length: 0x20 }, (_, i) => i).filter((i) => unit.settingOf(i));

const ivmd = (type: 'IVMD_ALL' | 'IVMD_SELECT' | 'IVMD_RANGE', values: Values<typeof IVMD>): IvrsBlock => ({
  type,
  fields: fieldsOf(IVMD, { Start: 0x7c00_0000, Size: 0x1000, ...values }),
});

describe('A table in bytes', () => {
  it('is understood as a whole.', () => {
    const bytes = vectors.tables[0]!.bytes.flatMap((line) => line.trim().split(/\s+/)).map((byte) => `0x${byte}`);
    const table = decodeIvrs(Uint8Array.from(bytes, Number));
    if (typeof table === 'string') return expect.fail(table);
    const { units, memory, remarks } = understandIvrs(table);
    expect(units.map(({ deviceId, registerBase, registerBytes }) => [deviceId, registerBase, registerBytes])).toEqual([
      [2, BASE, 0x8_0000],
    ]);
    expect(units[0]!.features).toEqual([0x2465_77ef_a225_4afan, 0x10n]);
    expect(units[0]!.special).toEqual([
      { variety: 1, handle: 0x21, deviceId: 0xa0 },
      { variety: 2, handle: 0, deviceId: 0xa0 },
    ]);
    expect([0x208, 0x2ff, 0x300, 0x3ff, 0x400].map((id) => units[0]!.aliasOf(id))).toEqual([
      0x208, 0x2ff, 0x28, 0x28, 0x400,
    ]);
    expect(memory.map(({ first, last, start, read, write }) => [first, last, start, read, write])).toEqual([
      [0, 0xffff, 0x7c00_0000n, true, true],
      [0x100, 0x100, 0x1_0000_0000n, true, true],
      [0x10, 0x1f, 0xffff_ffff_ffff_f000n, true, false],
    ]);
    expect(remarks).toEqual([
      'ivrs: blocks of unknown types are skipped: 1',
      'ivrs: the unit 0x0002 of segment 0 has device entries that are skipped: 2',
    ]);
  });
});

describe('Of several descriptions of its units', () => {
  const types = (...blocks: IvrsBlock[]) => understand(blocks).units.map(({ block }) => block.type);

  it('the kernel takes the type of the last that describes the first unit.', () => {
    expect(types(ivhd('IVHD_10'), ivhd('IVHD_11'), ivhd('IVHD_40'))).toEqual(['IVHD_40']);
    expect(types(ivhd('IVHD_40'), ivhd('IVHD_11'))).toEqual(['IVHD_11']);
    expect(types(ivhd('IVHD_10'))).toEqual(['IVHD_10']);
    expect(types()).toEqual([]);
  });

  it('the kernel leaves out other types for all units, also where only they describe one.', () => {
    const other = { DeviceID: 0x4002 };
    expect(types(ivhd('IVHD_11'), ivhd('IVHD_40', other))).toEqual(['IVHD_11']);
    const both = [ivhd('IVHD_10'), ivhd('IVHD_10', other), ivhd('IVHD_11'), ivhd('IVHD_11', other)];
    expect(types(...both)).toEqual(['IVHD_11', 'IVHD_11']);
  });

  it('the kernel takes the first of two of one type and says so; another segment has other units.', () => {
    const { units, remarks } = understand([ivhd('IVHD_11'), ivhd('IVHD_11', { Base: 0n })]);
    expect(units.map(({ registerBase }) => registerBase)).toEqual([BASE]);
    expect(remarks).toEqual(['ivrs: the unit 0x0002 of segment 0 is described again, which is skipped']);
    expect(understand([ivhd('IVHD_11'), ivhd('IVHD_11', { Segment: 1 })]).units).toHaveLength(2);
  });
});

describe('A unit', () => {
  const one = (block: IvrsBlock, info?: Values<typeof IVRS>) => understand([block], info).units[0]!;

  it.each([
    ['type 11h and EFR.PCSup', ivhd('IVHD_11', { EFR: 0x200 }), 0x8_0000],
    ['type 11h without it', ivhd('IVHD_11', { EFR: ~0x200n & 0xffffn, PNCounters: 4, PNBanks: 2 }), 0x4000],
    ['type 40h and EFR.PCSup', ivhd('IVHD_40', { EFR: 0x200 }), 0x8_0000],
    ['type 10h with counters in banks', ivhd('IVHD_10', { PNCounters: 4, PNBanks: 2 }), 0x8_0000],
    ['type 10h without banks', ivhd('IVHD_10', { PNCounters: 4 }), 0x4000],
    ['type 10h without counters', ivhd('IVHD_10', { PNBanks: 2 }), 0x4000],
  ])('has registers of 512 KiB when it has performance counters: %s.', (_, block, bytes) => {
    expect(one(block).registerBytes).toBe(bytes);
  });

  it('has images of its feature registers where IVinfo says so and its type has room for them.', () => {
    const images = { EFR: 0x246577efa2254afan, EFR2: 0x10n };
    expect(one(ivhd('IVHD_11', images)).features).toEqual([0x246577efa2254afan, 0x10n]);
    expect(one(ivhd('IVHD_11', images), {}).features).toBeUndefined();
    expect(one(ivhd('IVHD_10')).features).toBeUndefined();
  });
});

describe('A device entry', () => {
  it('names one device, all devices, or with another entry all devices from one to another.', () => {
    expect(served(unitOf(entry('SELECT', 8), entry('EXT_SELECT', 9)))).toEqual([8, 9]);
    expect(served(unitOf(entry('START', 0x10), entry('END', 0x12)))).toEqual([0x10, 0x11, 0x12]);
    expect(served(unitOf(entry('EXT_START', 0x10), entry('END', 0x10)))).toEqual([0x10]);
    const all = unitOf(entry('ALL'));
    expect([0, 1, 3, 0xffff].map((id) => all.settingOf(id))).toEqual([NOTHING, NOTHING, NOTHING, NOTHING]);
    expect(served(unitOf(entry('PAD', 8)))).toEqual([]);
  });

  it('does not make a unit serve itself.', () => {
    expect(unitOf(entry('ALL')).settingOf(2)).toBeUndefined();
  });

  it('gives its devices settings, to which those of others are added.', () => {
    const unit = unitOf(
      entry('ALL', 0, { EIntPass: 1 }),
      entry('SELECT', 8, { INITPass: 1, SysMgt: 1 }),
      entry('START', 8, { NMIPass: 1, Lint0Pass: 1, Lint1Pass: 1, SysMgt: 2 }),
      entry('END', 9, { INITPass: 1 }),
    );
    expect(unit.settingOf(7)).toEqual({ ...NOTHING, eIntPass: true });
    expect(unit.settingOf(8)).toEqual({
      initPass: true,
      eIntPass: true,
      nmiPass: true,
      lint0Pass: true,
      lint1Pass: true,
      sysMgt: 3,
    });
    expect(unit.settingOf(9)!.initPass).toBe(false);
  });

  it('gives one device or a range another id, which gets the same settings.', () => {
    const unit = unitOf(
      entry('ALIAS_SELECT', 8, { SourceDeviceID: 4, INITPass: 1 }),
      entry('ALIAS_START', 0x10, { SourceDeviceID: 5, NMIPass: 1 }),
      entry('END', 0x11),
    );
    expect([8, 0x10, 0x11, 0x12, 4].map((id) => unit.aliasOf(id))).toEqual([4, 5, 5, 0x12, 4]);
    expect([4, 8].map((id) => unit.settingOf(id)?.initPass)).toEqual([true, true]);
    expect([5, 0x10, 0x11].map((id) => unit.settingOf(id)?.nmiPass)).toEqual([true, true, true]);
    expect(served(unit)).toEqual([4, 5, 8, 0x10, 0x11]);
  });

  it('gives the interrupts of an I/O APIC or HPET an id, which gets the settings.', () => {
    const unit = unitOf(entry('SPECIAL', 0, { Handle: 0x21, SourceDeviceID: 0xa0, Variety: 1, EIntPass: 1 }));
    expect(unit.special).toEqual([{ variety: 1, handle: 0x21, deviceId: 0xa0 }]);
    expect(unit.settingOf(0xa0)).toEqual({ ...NOTHING, eIntPass: true });
  });

  it('of an ACPI device names the id of its requests.', () => {
    const fields = fieldsOf(ENTRY_LAYOUTS.ACPI_HID, { DeviceID: 0x18 });
    expect(served(unitOf({ type: 'ACPI_HID', fields, uid: [] }))).toEqual([0x18]);
  });

  it('raises the last id that the device table has to reach.', () => {
    expect(unitOf(entry('SELECT', 0x108)).lastDeviceId).toBe(0x108);
    expect(unitOf(entry('START', 0x10), entry('END', 0x1ff)).lastDeviceId).toBe(0x1ff);
    expect(unitOf(entry('ALIAS_SELECT', 8, { SourceDeviceID: 0x300 })).lastDeviceId).toBe(0x300);
    expect(unitOf(entry('ALL')).lastDeviceId).toBe(0xffff);
    expect(unitOf().lastDeviceId).toBe(2);
  });
});

describe('A device entry that makes no sense', () => {
  it.each<[string, DeviceEntry[]]>([
    ['a range that ends without a beginning', [entry('END', 8)]],
    ['a range that ends before its beginning', [entry('START', 8), entry('END', 7)]],
    ['a range that does not end', [entry('START', 8)]],
    ['a special device of a kind that nobody knows', [entry('SPECIAL', 0, { SourceDeviceID: 8, Variety: 3 })]],
    ['a type that nobody knows', [{ type: 'other', code: 5, body: [8, 0, 0] }]],
  ])('is skipped and counted: %s.', (_, entries) => {
    const unit = unitOf(...entries, entry('SELECT', 0x18));
    expect(unit.skipped).toBe(1);
    expect(served(unit)).toEqual([0x18]);
    expect(unit.special).toEqual([]);
  });

  it('does not make an end close the range before.', () => {
    const unit = unitOf(entry('START', 4), entry('START', 8), entry('END', 9), entry('END', 0x1f));
    expect(served(unit)).toEqual([8, 9]);
    expect(unit.skipped).toBe(2);
  });

  it('costs one line of its unit, and no more work than there are entries.', () => {
    const entries = Array.from({ length: 8000 }, (_, i) => (i % 2 === 0 ? entry('START', 0) : entry('END', 0xffff)));
    const { units, remarks } = understand([ivhd('IVHD_11', {}, [...entries, ...entries.map(() => entry('END', 8))])]);
    expect(remarks).toEqual(['ivrs: the unit 0x0002 of segment 0 has device entries that are skipped: 8000']);
    expect(units[0]!.settingOf(0xffff)).toEqual(NOTHING);
  });
});

describe('Memory that devices must go on reaching', () => {
  const memory = (...blocks: IvrsBlock[]) => understand(blocks).memory;
  const base = { segment: 0, start: 0x7c00_0000n, size: 0x1000n, read: true, write: true };

  it('is for all devices, for one, or for a range.', () => {
    const some = { DeviceID: 8, LastDeviceID: 0x10, Unity: 1, IR: 1, IW: 1 };
    expect(memory(ivmd('IVMD_ALL', some))).toEqual([{ ...base, first: 0, last: 0xffff }]);
    expect(memory(ivmd('IVMD_SELECT', some))).toEqual([{ ...base, first: 8, last: 8 }]);
    expect(memory(ivmd('IVMD_RANGE', { ...some, Segment: 3 }))).toEqual([
      { ...base, segment: 3, first: 8, last: 0x10 },
    ]);
  });

  it('has the rights that its block gives, and both when it is excluded from translation.', () => {
    const rights = (values: Values<typeof IVMD>) =>
      memory(ivmd('IVMD_ALL', values)).map(({ read, write }) => [read, write]);
    expect(rights({ Unity: 1, IR: 1 })).toEqual([[true, false]]);
    expect(rights({ Unity: 1, IW: 1 })).toEqual([[false, true]]);
    expect(rights({ ExclusionRange: 1 })).toEqual([[true, true]]);
    expect(rights({ IR: 1, IW: 1 })).toEqual([]);
  });

  it.each<[string, IvrsBlock]>([
    ['no bytes', ivmd('IVMD_ALL', { Unity: 1, Size: 0 })],
    ['bytes beyond the last address', ivmd('IVMD_ALL', { Unity: 1, Start: 2n ** 64n - 4096n, Size: 4097 })],
    ['a range of devices that ends before it begins', ivmd('IVMD_RANGE', { Unity: 1, DeviceID: 8, LastDeviceID: 7 })],
  ])('is not mapped when it has %s.', (_, block) => {
    const { memory: found, remarks } = understand([block, ivmd('IVMD_SELECT', { Unity: 1 })]);
    expect(found).toHaveLength(1);
    expect(remarks).toEqual([expect.stringMatching(/^ivrs: the memory at 0x[0-9a-f]+ cannot be and is not mapped$/)]);
  });
});
