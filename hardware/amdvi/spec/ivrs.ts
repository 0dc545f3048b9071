/**
 * The IVRS table, by which firmware tells software about AMD's units.
 *
 * The table begins with the ACPI table header; `IVRS` is what follows it, and then come the blocks, each with its type
 * and length: IVHD, a unit with entries for the devices behind it, and IVMD, memory that devices must go on reaching.
 * Lengths need not be multiples of 4, so nothing here is aligned.
 *
 * A unit may be described several times, by a block of each type that firmware knows; software uses one type.
 */
import { type AnyLayout, field, flag, layout, type Values } from '../../bits/index.ts';
import { amdVi, from } from './source.ts';

export const IVRS_SIGNATURE = 'IVRS';
/** Revision of the table: the second has blocks of type 40h. */
export const IvrsRevision = { FIXED: 1, WITH_IVHD_40: 2 } as const;

const REFERENCE = amdVi('L72', 'VB', 'CB', 'OV');

/** GVAsize. */
export const GuestAddressSize = { BITS_48: 0b010 } as const;

export const IVRS = layout('IVRS', 96, REFERENCE, {
  EFRSup: flag(0, 'IVHD blocks of types 11h and 40h hold the feature registers'),
  DmaRemap: flag(1, 'DMA is remapped already: pre-boot protection'),
  GVASize: from('CB', field(7, 5, 'Bits of a guest virtual address', GuestAddressSize)),
  PASize: field(14, 8, 'Bits of a physical address'),
  VASize: field(21, 15, 'Bits of a virtual address; 0 counts as 64'),
  HtAtsResv: flag(22, 'The HyperTransport range is reserved in translated addresses'),
});

/** Type of a block. Software skips the types that it does not know. */
export const BlockType = {
  IVHD_10: 0x10,
  IVHD_11: 0x11,
  IVMD_ALL: 0x20,
  IVMD_SELECT: 0x21,
  IVMD_RANGE: 0x22,
  IVHD_40: 0x40,
} as const;

const TYPE = field(7, 0, 'Type', BlockType);
const LENGTH = field(31, 16, 'Bytes of the block, its device entries included');

/** Every block begins like this. */
export const BLOCK_HEADER = layout('IVRS block', 32, REFERENCE, {
  Type: TYPE,
  Flags: field(15, 8, 'As the type says'),
  Length: LENGTH,
});

const IVHD_HEAD = {
  Type: TYPE,
  HtTunEn: flag(8, 'Control.HtTunEn as firmware wants it'),
  PassPW: flag(9, 'Control.PassPW as firmware wants it'),
  ResPassPW: flag(10, 'Control.ResPassPW as firmware wants it'),
  Isoc: flag(11, 'Control.Isoc as firmware wants it'),
  IotlbSup: flag(12, 'The unit serves remote IOTLBs'),
  Coherent: flag(13, 'Control.Coherent as firmware wants it'),
  Length: LENGTH,
  DeviceID: field(47, 32, 'The unit itself'),
  CapabilityOffset: field(63, 48, 'Its capability block in configuration space'),
  Base: field(127, 64, 'Physical address of its registers'),
  Segment: field(143, 128, 'PCI segment group'),
  MsiNum: field(148, 144, 'MSI of the event log and of completion waits'),
  UnitID: field(156, 152, 'HyperTransport unit'),
};
const COUNTERS = {
  PNCounters: field(176, 173, 'Performance counters per bank'),
  PNBanks: field(182, 177, 'Banks of performance counters'),
  MsiNumPPR: field(187, 183, 'MSI of the PPR log'),
};

export const IVHD_10 = layout('IVHD (type 10h)', 192, REFERENCE, {
  ...IVHD_HEAD,
  PreFSup: flag(14, 'The unit takes prefetch commands'),
  PPRSup: flag(15, 'The unit takes peripheral page requests'),
  XTSup: flag(160, 'x2APIC destinations'),
  NXSup: flag(161, 'No-execute protection'),
  GTSup: flag(162, 'Guest translation'),
  GLXSup: field(164, 163, 'Levels of GCR3 tables, minus 1'),
  IASup: flag(165, 'INVALIDATE_IOMMU_ALL'),
  GASup: flag(166, 'Guest virtual APIC'),
  HESup: flag(167, 'Hardware error registers'),
  PASMax: field(172, 168, 'Bits of a PASID, minus 1'),
  ...COUNTERS,
  GATS: field(189, 188, 'Levels of guest tables, minus 4'),
  HATS: field(191, 190, 'Levels of host tables, minus 4'),
});

/** Types 11h and 40h; what 40h adds are device entries of ACPI devices. */
export const IVHD_11 = layout('IVHD (types 11h, 40h)', 320, REFERENCE, {
  ...IVHD_HEAD,
  HATDis: from('L72', flag(160, 'Host tables must not be used')),
  ...COUNTERS,
  EFR: field(255, 192, 'Extended Feature register'),
  EFR2: field(319, 256, 'Extended Feature 2 register'),
});

export const IVMD = layout('IVMD', 256, REFERENCE, {
  Type: TYPE,
  Unity: flag(8, 'The memory is mapped one to one'),
  IR: flag(9, 'Devices may read it'),
  IW: flag(10, 'Devices may write it'),
  ExclusionRange: flag(11, 'The memory is excluded from translation'),
  Length: LENGTH,
  DeviceID: field(47, 32, 'The device, or the first'),
  LastDeviceID: field(63, 48, 'Type 22h: the last device'),
  Segment: field(79, 64, 'PCI segment group; reserved in older revisions'),
  Start: field(191, 128, 'First byte of the memory'),
  Size: field(255, 192, 'Bytes of the memory'),
});

/** Type of a device entry. Those below 80h have a length that follows from the type. */
export const DeviceEntryType = {
  PAD: 0x00,
  ALL: 0x01,
  SELECT: 0x02,
  START: 0x03,
  END: 0x04,
  ALIAS_SELECT: 0x42,
  ALIAS_START: 0x43,
  EXT_SELECT: 0x46,
  EXT_START: 0x47,
  SPECIAL: 0x48,
  ACPI_HID: 0xf0,
} as const;
export type DeviceEntryName = keyof typeof DeviceEntryType;

/** Types from here on do not tell their length. */
const FIRST_WITHOUT_LENGTH = 0x80;

/** Bytes of an entry of this type; `undefined` when the type does not tell. */
export function entryBytes(type: number): number | undefined {
  return type < FIRST_WITHOUT_LENGTH ? 4 << (type >>> 6) : undefined;
}

/** Kind of a special device. */
export const Variety = { IOAPIC: 1, HPET: 2 } as const;

/** Form of an ACPI device's unique id. */
export const UidFormat = { NONE: 0, INTEGER: 1, STRING: 2 } as const;

/** What is taken over into the device table entry. */
const SETTING = {
  INITPass: flag(24, 'DTE.InitPass'),
  EIntPass: flag(25, 'DTE.EIntPass'),
  NMIPass: flag(26, 'DTE.NMIPass'),
  SysMgt: field(29, 28, 'DTE.SysMgt'),
  Lint0Pass: flag(30, 'DTE.Lint0Pass'),
  Lint1Pass: flag(31, 'DTE.Lint1Pass'),
};
const ENTRY_TYPE = field(7, 0, 'Type', DeviceEntryType);
const DEVICE = field(23, 8, 'The device, or the first or last of a range; of no account for type 01h');

/** Types 00h to 04h. */
export const DEVICE_ENTRY = layout('device entry', 32, REFERENCE, { Type: ENTRY_TYPE, DeviceID: DEVICE, ...SETTING });

/** Types 42h and 43h: requests of the device carry another one's id. */
export const ALIAS_ENTRY = layout('device entry (alias)', 64, REFERENCE, {
  Type: ENTRY_TYPE,
  DeviceID: DEVICE,
  ...SETTING,
  SourceDeviceID: field(55, 40, 'The id that requests carry'),
});

/** Types 46h and 47h. Sources differ on which bit says that the device must not use ATS (31 or 28), so none is named. */
export const EXTENDED_ENTRY = layout('device entry (extended)', 64, REFERENCE, {
  Type: ENTRY_TYPE,
  DeviceID: DEVICE,
  ...SETTING,
  ExtendedSetting: field(63, 32, 'Extended settings'),
});

/** Type 48h. */
export const SPECIAL_ENTRY = layout('device entry (special)', 64, REFERENCE, {
  Type: ENTRY_TYPE,
  ...SETTING,
  Handle: field(39, 32, 'I/O APIC id or HPET number'),
  SourceDeviceID: field(55, 40, 'The id that its interrupts carry'),
  Variety: field(63, 56, 'Kind', Variety),
});

/** Type F0h. The last two bytes of the layout are the first of the unique id. */
export const ACPI_ENTRY = layout('device entry (ACPI)', 192, REFERENCE, {
  Type: ENTRY_TYPE,
  DeviceID: DEVICE,
  ...SETTING,
  HID: field(95, 32, 'Hardware id: eight characters'),
  CID: field(159, 96, 'Compatible id: eight characters'),
  UIDFormat: field(167, 160, 'Form of the unique id', UidFormat),
  UIDLength: field(175, 168, 'Bytes of the unique id'),
});
/** Bytes before the unique id. */
export const ACPI_ENTRY_BYTES = 22;

/** The layout of each type of device entry. */
export const ENTRY_LAYOUTS = {
  PAD: DEVICE_ENTRY,
  ALL: DEVICE_ENTRY,
  SELECT: DEVICE_ENTRY,
  START: DEVICE_ENTRY,
  END: DEVICE_ENTRY,
  ALIAS_SELECT: ALIAS_ENTRY,
  ALIAS_START: ALIAS_ENTRY,
  EXT_SELECT: EXTENDED_ENTRY,
  EXT_START: EXTENDED_ENTRY,
  SPECIAL: SPECIAL_ENTRY,
  ACPI_HID: ACPI_ENTRY,
} as const satisfies Record<DeviceEntryName, AnyLayout>;

/** The layout of each type of block. */
export const BLOCK_LAYOUTS = {
  IVHD_10,
  IVHD_11,
  IVHD_40: IVHD_11,
  IVMD_ALL: IVMD,
  IVMD_SELECT: IVMD,
  IVMD_RANGE: IVMD,
} as const satisfies Record<keyof typeof BlockType, AnyLayout>;

// --- the table in plain words ---

const DERIVED = ['Type', 'Length', 'UIDLength'] as const;

/** The fields of a structure by their names, without those that follow from the rest. */
export type Fields<L extends AnyLayout> = Readonly<Record<Exclude<keyof L, '$' | (typeof DERIVED)[number]>, bigint>>;

/** All fields of a structure; those without a value are 0. */
export function fieldsOf<L extends AnyLayout>(of: L, values: Values<L>): Fields<L> {
  const given = values as Readonly<Record<string, number | bigint | undefined>>;
  const names = of.$.fields.map(({ name }) => name).filter((name) => !DERIVED.some((derived) => derived === name));
  return Object.fromEntries(names.map((name) => [name, BigInt(given[name] ?? 0)])) as Fields<L>;
}

type Entry<Name extends DeviceEntryName> = {
  readonly [N in Name]: { readonly type: N; readonly fields: Fields<(typeof ENTRY_LAYOUTS)[N]> };
}[Name];

export type DeviceEntry =
  | Entry<Exclude<DeviceEntryName, 'ACPI_HID'>>
  | (Entry<'ACPI_HID'> & { readonly uid: readonly number[] })
  /** A type that has no name here keeps its bytes. */
  | { readonly type: 'other'; readonly code: number; readonly body: readonly number[] };

type Block<Name extends keyof typeof BlockType> = {
  readonly [N in Name]: { readonly type: N; readonly fields: Fields<(typeof BLOCK_LAYOUTS)[N]> };
}[Name];

export type Ivhd = Block<'IVHD_10' | 'IVHD_11' | 'IVHD_40'> & { readonly entries: readonly DeviceEntry[] };
export type Ivmd = Block<'IVMD_ALL' | 'IVMD_SELECT' | 'IVMD_RANGE'>;
export type IvrsBlock =
  | Ivhd
  | Ivmd
  /** A type that has no name here keeps its bytes: those after the header, and the flags. */
  | { readonly type: 'other'; readonly code: number; readonly flags: number; readonly body: readonly number[] };

/** A whole table, its blocks in their order. */
export interface IvrsTable {
  readonly info: Fields<typeof IVRS>;
  readonly blocks: readonly IvrsBlock[];
}
