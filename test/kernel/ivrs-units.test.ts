/** Which of the units in an IVRS table the kernel uses, for which devices, and what memory those keep. */
import { describe, expect, it } from 'vitest';
import {
  ALIAS_ENTRY,
  DEVICE_ENTRY,
  type DeviceEntry,
  fieldsOf,
  IVHD_11,
  IVMD,
  IVRS,
  type IvrsBlock,
} from '../../hardware/amdvi/spec/ivrs.ts';
import type { Values } from '../../hardware/bits/index.ts';
import { PhysicalMemory, type Range } from '../../hardware/memory/index.ts';
import { Engine } from '../../hardware/sim/index.ts';
import { type AmdViUnit, discoverUnits } from '../../src/kernel/acpi/remapping.ts';
import type { CpuMemory } from '../../src/kernel/bus.ts';
import { KernelLog } from '../../src/kernel/log.ts';
import { formatRid, type PciDevice } from '../../src/kernel/pci/index.ts';
import { buildDmar } from '../../src/machine/firmware/dmar.ts';
import { buildIvrs } from '../../src/machine/firmware/ivrs.ts';
import { buildRsdp, buildXsdt } from '../../src/machine/firmware/table.ts';
import { ONE_UNIT } from './bench.ts';

const MIB = 2 ** 20;
const PAGE = 4096;
const BASE = 0xfed9_0000n;
const [FIRST, SECOND, THIRD] = [0x08, 0x10, 0x18];
/** RSDP, XSDT, tables. */
const [RSDP, XSDT, IVRS_AT, DMAR_AT] = [0xe_0000, 0xe_0040, 0xe_1000, 0xe_8000];

type UnitFields = Values<typeof IVHD_11>;
const unit = (values: UnitFields, ...entries: readonly DeviceEntry[]): IvrsBlock => ({
  type: 'IVHD_11',
  fields: fieldsOf(IVHD_11, { DeviceID: 2, CapabilityOffset: 0x40, Base: BASE, ...values }),
  entries,
});
const select = (DeviceID: number): DeviceEntry => ({ type: 'SELECT', fields: fieldsOf(DEVICE_ENTRY, { DeviceID }) });
const all: DeviceEntry = { type: 'ALL', fields: fieldsOf(DEVICE_ENTRY, {}) };
const alias = (DeviceID: number, SourceDeviceID: number): DeviceEntry => ({
  type: 'ALIAS_SELECT',
  fields: fieldsOf(ALIAS_ENTRY, { DeviceID, SourceDeviceID }),
});
const memory = (values: Values<typeof IVMD>): IvrsBlock => ({
  type: 'IVMD_SELECT',
  fields: fieldsOf(IVMD, { Unity: 1, DeviceID: FIRST, Start: MIB, Size: PAGE, ...values }),
});
const table = (...blocks: IvrsBlock[]): number[] => buildIvrs({ info: fieldsOf(IVRS, { EFRSup: 1 }), blocks });

function discover(bytes: readonly number[], others: readonly (readonly [number, readonly number[]])[] = []) {
  const ram = new PhysicalMemory([[0, 4 * MIB]]);
  const tables = [[IVRS_AT, bytes] as const, ...others];
  const places = tables.map(([at]) => at);
  for (const [at, given] of [[RSDP, buildRsdp(XSDT)] as const, [XSDT, buildXsdt(places)] as const, ...tables]) {
    ram.write(at, Uint8Array.from(given));
  }
  const firmware = {
    memory: [[2 * MIB, 2 * MIB] as Range],
    reserved: [[RSDP, 0x2_0000] as Range, [MIB, MIB] as Range],
    rsdp: RSDP,
    mmio: [0xe000_0000, 0x1000_0000] as Range,
    pciBuses: [0],
  };
  const log = new KernelLog(new Engine());
  const devices = [FIRST, SECOND, THIRD].map(
    (rid): PciDevice => ({
      rid,
      requester: rid,
      address: formatRid(rid),
      vendor: 1,
      device: 1,
      classCode: 0,
      above: null,
      portType: null,
      isMultiFunction: false,
      acs: null,
      bars: new Map(),
      sriov: null,
    }),
  );
  const services = { memory: { read: (at, length) => ram.read(at, length)! } as CpuMemory, firmware, log };
  const units = discoverUnits(services, devices);
  const remarks = log.lines.map(({ text }) => text);
  const served = units.map(({ groups }) => groups.map((group) => group.map(({ rid }) => rid)));
  const reserved = new Map(units.flatMap((one) => [...one.reserved].map(([{ rid }, runs]) => [rid, runs] as const)));
  return { units, served, reserved, remarks };
}

describe('Units of an IVRS table', () => {
  it('are used as firmware describes them, and there is nothing to say about it', () => {
    const { units, served, remarks } = discover(table(unit({ EFR: 0x840n }, all)));
    expect(served).toEqual([[[FIRST], [SECOND], [THIRD]]]);
    expect(units[0]!.vendor).toBe('amd');
    expect((units[0] as AmdViUnit).unit).toMatchObject({ deviceId: 2, capability: 0x40, registerBase: BASE });
    expect(remarks).toEqual([]);
  });

  it('have the devices that their entries name; the first unit that names a device has it', () => {
    const second = unit({ DeviceID: 0x42, Base: 0xfed8_0000n }, all);
    const { served } = discover(table(unit({}, select(SECOND)), second));
    expect(served).toEqual([[[SECOND]], [[FIRST], [THIRD]]]);
  });

  it('put devices whose requests carry one id into one group', () => {
    const { served } = discover(table(unit({}, select(FIRST), alias(THIRD, FIRST), alias(SECOND, 0x20))));
    expect(served).toEqual([[[FIRST, THIRD], [SECOND]]]);
  });

  it.each<[string, UnitFields, RegExp]>([
    ['at address 0', { Base: 0n }, /no register page can be there$/],
    ['at no multiple of 16 KiB', { Base: BASE + 0x1000n }, /no register page can be there$/],
    ['with counters at no multiple of 512 KiB', { EFR: 0x200n }, /no register page can be there$/],
    ['beyond all addresses', { Base: 1n << 52n }, /no register page can be there$/],
    ['in RAM', { Base: BigInt(3 * MIB) }, /there is RAM$/],
    ['whose registers reach into the memory of firmware', { Base: 0x8_0000n, EFR: 0x200n }, /there is RAM$/],
    ['among the devices', { Base: 0xe000_0000n }, /that is where devices are placed$/],
    ['of another segment', { Segment: 1 }, /there is no segment 1$/],
  ])('are not used %s', (_, values, line) => {
    const { units, remarks } = discover(table(unit(values, all)));
    expect(units).toEqual([]);
    expect(remarks).toEqual([expect.stringMatching(line)]);
  });

  it('are not used twice', () => {
    const { served, remarks } = discover(table(unit({}, select(FIRST)), unit({ DeviceID: 0x42 }, select(SECOND))));
    expect(served).toEqual([[[FIRST]]]);
    expect(remarks).toEqual(['ivrs: the unit 0x0042 of segment 0 is not used: another unit has the same address']);
  });

  it('are none when the table is damaged, and the devices stay as they are', () => {
    const { units, remarks } = discover(table(unit({}, all)).with(60, 1));
    expect(units).toEqual([]);
    expect(remarks).toEqual(['ivrs: the IVRS table at 0xe1000 has a wrong checksum; no remapping unit is used']);
  });

  it('are not looked for where firmware describes units of the other kind', () => {
    const { units } = discover(table(unit({}, all)), [[DMAR_AT, buildDmar(ONE_UNIT)]]);
    expect(units.map(({ vendor }) => vendor)).toEqual(['intel']);
  });
});

describe('Memory of an IVRS table', () => {
  const runsOf = (...blocks: IvrsBlock[]) => discover(table(unit({}, all), ...blocks));
  const page = MIB / PAGE;

  it('is kept for its devices with the rights that firmware gives them', () => {
    const { reserved } = runsOf(memory({ IR: 1 }), memory({ DeviceID: SECOND, IR: 1, IW: 1, Size: 2 * PAGE }));
    expect([...reserved]).toEqual([
      [FIRST, [{ first: page, pages: 1, protection: { read: true, write: false } }]],
      [SECOND, [{ first: page, pages: 2, protection: { read: true, write: true } }]],
    ]);
  });

  it('that overlaps is each page once, with every right that one of its ranges gives', () => {
    const { reserved } = runsOf(
      memory({ IR: 1, Size: 4 * PAGE }),
      memory({ IW: 1, Start: MIB + 2 * PAGE, Size: 4 * PAGE }),
      memory({ IR: 1, IW: 1, Start: MIB + 8 * PAGE }),
      memory({ IR: 1, IW: 1, Start: MIB + 9 * PAGE }),
      memory({ IR: 1, Start: MIB + PAGE }),
    );
    expect(reserved.get(FIRST)).toEqual([
      { first: page, pages: 2, protection: { read: true, write: false } },
      { first: page + 2, pages: 2, protection: { read: true, write: true } },
      { first: page + 4, pages: 2, protection: { read: false, write: true } },
      { first: page + 8, pages: 2, protection: { read: true, write: true } },
    ]);
  });

  it('without any right is none', () => {
    const { reserved, remarks } = runsOf(memory({}));
    expect([reserved.size, remarks]).toEqual([0, []]);
  });

  it.each<[string, Values<typeof IVMD>]>([
    ['that is no whole page', { Start: MIB + 8 }],
    ['that firmware does not keep from the kernel', { Start: 3 * MIB }],
    ['of another segment', { Segment: 5 }],
  ])('%s costs a line and is not mapped', (_, values) => {
    const { reserved, remarks } = runsOf(memory({ IR: 1, IW: 1, ...values }));
    expect([reserved.size, remarks]).toEqual([0, [expect.stringMatching(/is no reserved memory and is not mapped$/)]]);
  });
});
