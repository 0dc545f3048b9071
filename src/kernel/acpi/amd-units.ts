/**
 * What an IVRS table says about this machine: which units of AMD's there are, whose devices they have with which settings
 * and aliases, and which memory devices must go on reaching.
 *
 * What firmware got wrong costs a remark and what it is about. Entries stay ranges, which are looked through for the
 * devices that are there: to spread them over all ids would let a table cost any amount of work.
 */
import {
  type DEVICE_ENTRY,
  type DeviceEntry,
  type Fields,
  type Ivhd,
  type Ivmd,
  type IvrsTable,
  type SPECIAL_ENTRY,
  Variety,
} from '../../../hardware/amdvi/spec/ivrs.ts';
import { EFR } from '../../../hardware/amdvi/spec/registers/features.ts';
import { hex } from '../../../hardware/bits/index.ts';

/** What a device table entry takes over from firmware. */
export interface DeviceSetting {
  readonly initPass: boolean;
  readonly eIntPass: boolean;
  readonly nmiPass: boolean;
  readonly lint0Pass: boolean;
  readonly lint1Pass: boolean;
  readonly sysMgt: number;
}

/** Devices `first` to `last`, both included. */
interface DeviceRange {
  readonly first: number;
  readonly last: number;
  readonly setting: DeviceSetting;
  /** The id that their requests carry. */
  readonly alias: number | undefined;
}

/** An I/O APIC or HPET, and the id that its interrupts carry. */
export interface SpecialDevice {
  /** A code point of `Variety`. */
  readonly variety: number;
  readonly handle: number;
  readonly deviceId: number;
}

/** Memory that firmware uses with devices `first` to `last`, both included. */
export interface DeviceMemory {
  readonly segment: number;
  readonly first: number;
  readonly last: number;
  readonly start: bigint;
  /** Bytes. */
  readonly size: bigint;
  readonly read: boolean;
  readonly write: boolean;
}

export interface IvrsFindings {
  readonly units: readonly AmdUnit[];
  readonly memory: readonly DeviceMemory[];
  readonly remarks: readonly string[];
}

const LAST_DEVICE = 0xffff;
const REGISTER_BYTES = 16 * 1024;
/** With performance counters. */
const REGISTER_BYTES_COUNTERS = 512 * 1024;
const PCSUP = 1n << BigInt(EFR.PCSup.spec.lo);
const END_OF_ADDRESSES = 1n << 64n;

export function understandIvrs({ info, blocks }: IvrsTable): IvrsFindings {
  const remarks: string[] = [];
  const unknown = blocks.filter(({ type }) => type === 'other').length;
  if (unknown > 0) remarks.push(`ivrs: blocks of unknown types are skipped: ${unknown}`);
  const units: AmdUnit[] = [];
  for (const block of chosen(blocks.filter((one): one is Ivhd => 'entries' in one))) {
    const unit = new AmdUnit(block, info.EFRSup !== 0n);
    if (units.some(({ deviceId, segment }) => deviceId === unit.deviceId && segment === unit.segment)) {
      remarks.push(`ivrs: ${unit.name} is described again, which is skipped`);
      continue;
    }
    if (unit.skipped > 0) remarks.push(`ivrs: ${unit.name} has device entries that are skipped: ${unit.skipped}`);
    units.push(unit);
  }
  const memory: DeviceMemory[] = [];
  for (const block of blocks) if (!('entries' in block) && block.type !== 'other') remember(block, memory, remarks);
  return { units, memory, remarks };
}

/** All blocks of one type: that of the last one that describes the unit that comes first in the table. */
function chosen(blocks: readonly Ivhd[]): readonly Ivhd[] {
  const first = blocks[0]?.fields.DeviceID;
  const type = blocks.findLast(({ fields }) => fields.DeviceID === first)?.type;
  return blocks.filter((block) => block.type === type);
}

/** Excluded ranges are mapped one to one as well: the registers for them are too few and not in every unit. */
function remember({ type, fields }: Ivmd, memory: DeviceMemory[], remarks: string[]): void {
  const { Start, Size, DeviceID, LastDeviceID, Segment, IR, IW, ExclusionRange, Unity } = fields;
  if (ExclusionRange === 0n && Unity === 0n) return;
  const first = type === 'IVMD_ALL' ? 0 : Number(DeviceID);
  const last = type === 'IVMD_ALL' ? LAST_DEVICE : type === 'IVMD_RANGE' ? Number(LastDeviceID) : first;
  if (Size === 0n || Start + Size > END_OF_ADDRESSES || last < first) {
    remarks.push(`ivrs: the memory at ${hex(Start)} cannot be and is not mapped`);
    return;
  }
  const excluded = ExclusionRange !== 0n;
  const rights = { read: excluded || IR !== 0n, write: excluded || IW !== 0n };
  memory.push({ segment: Number(Segment), first, last, start: Start, size: Size, ...rights });
}

export class AmdUnit {
  /** The unit's own function. */
  readonly deviceId: number;
  /** Offset of its capability block. */
  readonly capability: number;
  readonly registerBase: bigint;
  readonly registerBytes: number;
  readonly segment: number;
  /** Everything that firmware says about the unit itself. */
  readonly block: Ivhd;
  /** The images of EFR and EFR2; `undefined` where firmware gives none. */
  readonly features: readonly [efr: bigint, efr2: bigint] | undefined;
  /** Entries that make no sense. */
  readonly skipped: number;
  readonly special: readonly SpecialDevice[];
  readonly #ranges: readonly DeviceRange[];

  constructor(block: Ivhd, hasImages: boolean) {
    const { fields } = block;
    this.block = block;
    this.deviceId = Number(fields.DeviceID);
    this.capability = Number(fields.CapabilityOffset);
    this.registerBase = fields.Base;
    this.segment = Number(fields.Segment);
    this.features = imagesIn(block, hasImages);
    this.registerBytes = hasCounters(block) ? REGISTER_BYTES_COUNTERS : REGISTER_BYTES;
    const { ranges, special, skipped } = new Entries(block.entries);
    this.#ranges = ranges;
    this.special = special;
    this.skipped = skipped;
  }

  get name(): string {
    return `the unit ${hex(this.deviceId, 4)} of segment ${this.segment}`;
  }

  /** The largest id that a request or an entry can name: what the device table has to reach. */
  get lastDeviceId(): number {
    return this.#ranges.reduce((last, range) => Math.max(last, range.last, range.alias ?? 0), this.deviceId);
  }

  /** What firmware wants for a device of the unit's segment: all entries that name it together; `undefined` without any. */
  settingOf(deviceId: number): DeviceSetting | undefined {
    // Firmware may name the unit itself, which translates nothing of its own.
    if (deviceId === this.deviceId) return undefined;
    const settings = this.#ranges.filter((range) => names(range, deviceId)).map(({ setting }) => setting);
    return settings.length === 0 ? undefined : settings.reduce(together);
  }

  /** The id that a device's requests carry: that of the last entry that gives it one. */
  aliasOf(deviceId: number): number {
    const range = this.#ranges.findLast((one) => one.alias !== undefined && names(one, deviceId));
    return range?.alias ?? deviceId;
  }
}

function imagesIn({ type, fields }: Ivhd, hasImages: boolean): readonly [bigint, bigint] | undefined {
  return type === 'IVHD_10' || !hasImages ? undefined : [fields.EFR, fields.EFR2];
}

function hasCounters({ type, fields }: Ivhd): boolean {
  return type === 'IVHD_10' ? fields.PNCounters !== 0n && fields.PNBanks !== 0n : (fields.EFR & PCSUP) !== 0n;
}

function names({ first, last }: DeviceRange, deviceId: number): boolean {
  return deviceId >= first && deviceId <= last;
}

/** What either asks for. */
function together(a: DeviceSetting, b: DeviceSetting): DeviceSetting {
  return {
    initPass: a.initPass || b.initPass,
    eIntPass: a.eIntPass || b.eIntPass,
    nmiPass: a.nmiPass || b.nmiPass,
    lint0Pass: a.lint0Pass || b.lint0Pass,
    lint1Pass: a.lint1Pass || b.lint1Pass,
    sysMgt: a.sysMgt | b.sysMgt,
  };
}

type SpecialFields = Fields<typeof SPECIAL_ENTRY>;
type SettingFields = Pick<SpecialFields, Extract<keyof SpecialFields, keyof typeof DEVICE_ENTRY>>;

function settingIn(fields: SettingFields): DeviceSetting {
  return {
    initPass: fields.INITPass !== 0n,
    eIntPass: fields.EIntPass !== 0n,
    nmiPass: fields.NMIPass !== 0n,
    lint0Pass: fields.Lint0Pass !== 0n,
    lint1Pass: fields.Lint1Pass !== 0n,
    sysMgt: Number(fields.SysMgt),
  };
}

/** The entries of one unit, in their order: a range begins with one and ends with another. */
class Entries {
  readonly ranges: DeviceRange[] = [];
  readonly special: SpecialDevice[] = [];
  skipped = 0;
  /** A range whose end has not come yet. */
  #open: Omit<DeviceRange, 'last'> | undefined;

  constructor(entries: readonly DeviceEntry[]) {
    for (const entry of entries) this.#take(entry);
    this.#drop();
  }

  #take(entry: DeviceEntry): void {
    if (entry.type === 'other') {
      this.skipped++;
      return;
    }
    const setting = settingIn(entry.fields);
    switch (entry.type) {
      case 'PAD':
        break;
      case 'ALL':
        this.ranges.push({ first: 0, last: LAST_DEVICE, setting, alias: undefined });
        break;
      case 'SELECT':
      case 'EXT_SELECT':
      case 'ACPI_HID':
        this.#one(entry.fields.DeviceID, setting);
        break;
      case 'ALIAS_SELECT':
        this.#one(entry.fields.SourceDeviceID, setting);
        this.#one(entry.fields.DeviceID, setting, Number(entry.fields.SourceDeviceID));
        break;
      case 'START':
      case 'EXT_START':
        this.#begin(entry.fields.DeviceID, setting);
        break;
      case 'ALIAS_START':
        this.#begin(entry.fields.DeviceID, setting, Number(entry.fields.SourceDeviceID));
        break;
      case 'END':
        this.#end(Number(entry.fields.DeviceID));
        break;
      case 'SPECIAL':
        this.#special(entry.fields, setting);
        break;
    }
  }

  #begin(first: bigint, setting: DeviceSetting, alias?: number): void {
    this.#drop();
    this.#open = { first: Number(first), setting, alias };
  }

  #end(last: number): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined || last < open.first) {
      this.skipped++;
      return;
    }
    if (open.alias !== undefined) this.#one(BigInt(open.alias), open.setting);
    this.ranges.push({ ...open, last });
  }

  /** A range without an end is none. */
  #drop(): void {
    if (this.#open !== undefined) this.skipped++;
    this.#open = undefined;
  }

  #special({ Variety: kind, Handle, SourceDeviceID }: SpecialFields, setting: DeviceSetting): void {
    const variety = Number(kind);
    if (variety !== Variety.IOAPIC && variety !== Variety.HPET) {
      this.skipped++;
      return;
    }
    this.special.push({ variety, handle: Number(Handle), deviceId: Number(SourceDeviceID) });
    this.#one(SourceDeviceID, setting);
  }

  #one(deviceId: bigint, setting: DeviceSetting, alias?: number): void {
    this.ranges.push({ first: Number(deviceId), last: Number(deviceId), setting, alias });
  }
}
