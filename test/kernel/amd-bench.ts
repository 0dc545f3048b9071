/** A bench with an AMD-Vi unit. */
import {
  type AmdViSpec,
  AmdViUnit,
  CAPABILITY_HEADER_DEFAULT,
  IOMMU_CAPABILITY_AT,
} from '../../hardware/amdvi/index.ts';
import { CAPABILITY_HEADER, EFR, EFR2 } from '../../hardware/amdvi/spec/index.ts';
import {
  type DeviceEntry,
  ENTRY_LAYOUTS,
  fieldsOf,
  IVHD_11,
  IVRS,
  type IvrsTable,
} from '../../hardware/amdvi/spec/ivrs.ts';
import { encode, joinHalves, type Values } from '../../hardware/bits/index.ts';
import { buildIvrs } from '../../src/machine/firmware/ivrs.ts';
import { chainTo, MachineBench, type MachineOptions, type Tables } from './machine-bench.ts';

export const UNIT_BASE = 0xfeb8_0000;
/** The function that the unit is. */
export const UNIT_RID = 0x0002;
const REGISTER_BYTES = 16 * 1024;

/** Host tables of up to six levels and nothing else. */
const HOST_EFR: Values<typeof EFR> = { HATS: 2, IASup: 1, HESup: 1 };
/** Everything that the driver uses. */
export const GUEST_EFR: Values<typeof EFR> = {
  GTSup: 1,
  GIoSup: 1,
  GATS: 1,
  GLXSup: 2,
  PASMax: 19,
  PPRSup: 1,
  EPHSup: 1,
  USSup: 1,
  NXSup: 1,
};

type Named = Exclude<DeviceEntry['type'], 'other' | 'ACPI_HID'>;

/** A device entry of an IVHD block. */
export function entry(type: Named, DeviceID = 0, values: object = {}): DeviceEntry {
  const fields = fieldsOf(ENTRY_LAYOUTS[type as 'SELECT'], { DeviceID, ...values });
  return { type, fields } as DeviceEntry;
}

/** All devices on bus 0, and what is behind a port. */
const WITH_BUS_1 = [entry('START', 0x0008), entry('END', 0x01ff)];

/** What firmware says of the unit; left out, that it serves all devices up to 00:1f.7. */
export function ivrs(values: Values<typeof IVHD_11> = {}, entries?: readonly DeviceEntry[]): IvrsTable {
  const fields = fieldsOf(IVHD_11, {
    DeviceID: UNIT_RID,
    CapabilityOffset: IOMMU_CAPABILITY_AT,
    Base: UNIT_BASE,
    ...values,
  });
  const all = [entry('START', 0x0008), entry('END', 0x00ff)];
  return {
    info: fieldsOf(IVRS, { EFRSup: 1, VASize: 64, PASize: 46 }),
    blocks: [{ type: 'IVHD_11', fields, entries: entries ?? all }],
  };
}

export const tablesOf = (table: IvrsTable): Tables => chainTo(buildIvrs(table));

export interface AmdBenchOptions extends MachineOptions {
  readonly efr?: Values<typeof EFR>;
  readonly efr2?: Values<typeof EFR2>;
  readonly header?: Values<typeof CAPABILITY_HEADER>;
  /** What the header lacks of what it has otherwise. */
  readonly withoutHeader?: Values<typeof CAPABILITY_HEADER>;
  /** Caches of other sizes, or none. */
  readonly caches?: Partial<AmdViSpec>;
}

/** A register's last two words: the rest of the page is before them. */
const quad = (words: Uint32Array): bigint => joinHalves(words.at(-1)!, words.at(-2)!);

export class AmdBench extends MachineBench<AmdViUnit> {
  constructor(options: AmdBenchOptions = {}) {
    super((memory, raiseMsi) => {
      const efr = quad(encode(EFR, { ...HOST_EFR, ...options.efr }));
      const efr2 = quad(encode(EFR2, options.efr2 ?? {}));
      const [header, withoutHeader] = [options.header, options.withoutHeader].map(
        (values) => encode(CAPABILITY_HEADER, values ?? {})[0]!,
      ) as [number, number];
      const capHeader = (CAPABILITY_HEADER_DEFAULT | header) & ~withoutHeader;
      const unit = new AmdViUnit(
        {
          features: { efr, efr2, capHeader },
          hostAddressWidth: 46,
          iotlb: { sets: 16, ways: 4 },
          deviceTableCache: { sets: 4, ways: 4 },
          gcr3Cache: { sets: 4, ways: 4 },
          ...options.caches,
        },
        { memory, raiseMsi },
      );
      return { unit, base: UNIT_BASE, bytes: REGISTER_BYTES, tables: tablesOf(ivrs({}, options.slot && WITH_BUS_1)) };
    }, options);
    this.rootComplex.integrate(UNIT_RID, this.unit.pci);
  }

  /** A machine whose kernel is up. */
  static up(options?: AmdBenchOptions): AmdBench {
    return new AmdBench(options).boot();
  }
}

const COMMAND_BASE = 0x0008;
const COMMAND_TAIL = 0x2008;
const COMMAND_BYTES = 16;
const RING_BYTES = 0x2000;
const WAIT = 1n;

/** The commands that the driver submits from now on, each as two numbers of 64 bits; waits are left out. */
export function submitted(bench: AmdBench): string[] {
  const { unit, memory } = bench;
  const seen: string[] = [];
  let at = Number(unit.read(COMMAND_TAIL, 8));
  bench.tap = (offset, value) => {
    if (offset !== COMMAND_TAIL) return true;
    const ring = Number(BigInt.asUintN(52, unit.read(COMMAND_BASE, 8)));
    for (; at !== Number(value); at = (at + COMMAND_BYTES) % RING_BYTES) {
      const [low, high] = [memory.read64(ring + at), memory.read64(ring + at + 8)];
      if (low >> 60n !== WAIT) seen.push(`${digits(low)} ${digits(high)}`);
    }
    return true;
  };
  return seen;
}

function digits(value: bigint): string {
  return value.toString(16).padStart(16, '0');
}

const DEVICE_TABLE_BASE = 0x0000;
const DTE_BYTES = 32;

/** The device table entry of a device, as four numbers of 64 bits. */
export function entryOf({ unit, memory }: AmdBench, rid: number): bigint[] {
  const table = Number(BigInt.asUintN(52, unit.read(DEVICE_TABLE_BASE, 8)) & ~0xfffn);
  return [0, 1, 2, 3].map((n) => memory.read64(table + rid * DTE_BYTES + n * 8));
}
