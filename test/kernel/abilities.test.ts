/** What the IOMMU drivers say that their units can do, by what the units' registers say. */
import { describe, expect, it } from 'vitest';
import type { Abilities } from '../../src/kernel/iommu/driver.ts';
import { AmdBench, type AmdBenchOptions, GUEST_EFR } from './amd-bench.ts';
import { Bench, type BenchOptions } from './bench.ts';
import { behind, SCALABLE, sure } from './scalable-bench.ts';

const INTERRUPTS = [0xfee00, 0xfeeff] as const;
const HYPERTRANSPORT = [0xfd_0000_0, 0xff_ffff_f] as const;
const NOTHING = {
  nestedLevels: [],
  pasidTableBits: 0,
  pasidBits: 0,
  deviceTlb: false,
  pageRequests: false,
  dirtyTracking: false,
} as const;

const intel = (options: BenchOptions): Abilities => behind(Bench.up(options)).driver.abilities;
const amd = (options: AmdBenchOptions): Abilities => behind(AmdBench.up(options)).driver.abilities;
const modern = (cap: BenchOptions['cap'] = {}, ecap: BenchOptions['ecap'] = {}): BenchOptions => ({
  cap: { ...SCALABLE.cap, ...cap },
  ecap: { ...SCALABLE.ecap, ...ecap },
});

const SECOND_STAGE = {
  pageShifts: [12, 21, 30],
  geometry: { last: 2 ** 36 - 1, reserved: [INTERRUPTS] },
  enforcesSnoop: true,
};
const SCALABLE_UNIT: Abilities = {
  ...SECOND_STAGE,
  nestedLevels: [4, 5],
  pasidTableBits: 0,
  pasidBits: 20,
  deviceTlb: true,
  pageRequests: true,
  dirtyTracking: false,
};

describe('A VT-d unit can do', () => {
  it.each<[string, BenchOptions, Abilities]>([
    [
      'second-stage tables in legacy mode',
      {},
      { ...NOTHING, ...SECOND_STAGE, geometry: { last: 2 ** 36 - 1, reserved: [INTERRUPTS] } },
    ],
    [
      'only pages of 4 KiB, and leave snooping to the devices, where CAP.SSLPS and ECAP.SC are 0',
      { cap: { SSLPS: 0, MGAW: 38 }, ecap: { SC: 0 } },
      { ...NOTHING, pageShifts: [12], geometry: { last: 2 ** 27 - 1, reserved: [INTERRUPTS] }, enforcesSnoop: false },
    ],
    ['all of it in scalable mode', modern(), SCALABLE_UNIT],
    ['nesting with 4 levels where CAP.FS5LP is 0', modern({ FS5LP: 0 }), { ...SCALABLE_UNIT, nestedLevels: [4] }],
    ['no nesting where ECAP.NEST is 0', modern({}, { NEST: 0 }), { ...SCALABLE_UNIT, nestedLevels: [] }],
    ['PASIDs of as many bits as ECAP.PSS says', modern({}, { PSS: 9 }), { ...SCALABLE_UNIT, pasidBits: 10 }],
    ['no PASIDs where ECAP.PASID is 0', modern({}, { PASID: 0 }), { ...SCALABLE_UNIT, pasidBits: 0 }],
    ['no page requests without a drain', modern({}, { PDS: 0 }), { ...SCALABLE_UNIT, pageRequests: false }],
    [
      'neither device TLBs nor page requests where ECAP.DT is 0',
      modern({}, { DT: 0 }),
      { ...SCALABLE_UNIT, deviceTlb: false, pageRequests: false },
    ],
    ['dirty tracking where ECAP.SSADS is 1', modern({}, { SSADS: 1 }), { ...SCALABLE_UNIT, dirtyTracking: true }],
    ['no dirty tracking when walks do not snoop', modern({}, { SSADS: 1, SMPWCS: 0 }), SCALABLE_UNIT],
    [
      'first-stage tables alone',
      modern({ FS1GP: 0 }, { SSTS: 0, NEST: 0, SSADS: 1 }),
      {
        ...SCALABLE_UNIT,
        nestedLevels: [],
        pageShifts: [12, 21],
        geometry: { last: 2 ** 35 - 1, reserved: [INTERRUPTS] },
      },
    ],
    [
      'what legacy mode has when the kernel is told to use that',
      { ...modern(), kernel: { iommuMode: 'legacy' } },
      { ...NOTHING, ...SECOND_STAGE },
    ],
  ])('%s.', (_, options, expected) => {
    expect(intel(options)).toEqual(expected);
  });
});

const HOST_TABLES = {
  pageShifts: [12, 21, 30],
  geometry: { last: 2 ** 36 - 1, reserved: [INTERRUPTS, HYPERTRANSPORT] },
  enforcesSnoop: true,
};
const GUEST_TABLES: Abilities = {
  ...HOST_TABLES,
  nestedLevels: [4, 5],
  pasidTableBits: 0,
  pasidBits: 20,
  deviceTlb: true,
  pageRequests: true,
  dirtyTracking: false,
};
const REMOTE = { IotlbSup: 1 };

describe('An AMD-Vi unit can do', () => {
  it.each<[string, AmdBenchOptions, Abilities]>([
    ['host tables', { withoutHeader: REMOTE }, { ...NOTHING, ...HOST_TABLES }],
    ['nesting, PASIDs and page requests with guest tables', { efr: GUEST_EFR }, GUEST_TABLES],
    [
      'PASID tables of user space where roots of GCR3 tables can be guest addresses',
      { efr: { ...GUEST_EFR, PASMax: 15 }, efr2: { GCR3TRPModeSup: 1 } },
      { ...GUEST_TABLES, pasidTableBits: 16, pasidBits: 16 },
    ],
    [
      'dirty tracking where EFR.HDSup is 1',
      { efr: { ...GUEST_EFR, HASup: 1, HDSup: 1 } },
      { ...GUEST_TABLES, dirtyTracking: true },
    ],
    [
      'PASIDs that its GCR3 tables reach',
      { efr: { ...GUEST_EFR, GATS: 0, GLXSup: 0, PPRSup: 0 } },
      { ...GUEST_TABLES, nestedLevels: [4], pasidBits: 9, pageRequests: false },
    ],
    [
      'guest tables alone, which cannot make DMA snoop',
      { efr: { ...GUEST_EFR, HATS: 3, HDSup: 1 }, efr2: { GCR3TRPModeSup: 1 } },
      {
        pageShifts: [12, 21, 30],
        geometry: { last: 2 ** 35 - 1, reserved: [INTERRUPTS, HYPERTRANSPORT] },
        enforcesSnoop: false,
        nestedLevels: [],
        pasidTableBits: 0,
        pasidBits: 20,
        deviceTlb: true,
        pageRequests: true,
        dirtyTracking: false,
      },
    ],
    [
      'what host tables can when the kernel is told to use these alone',
      { efr: GUEST_EFR, kernel: { iommuMode: 'legacy' } },
      { ...NOTHING, ...HOST_TABLES, deviceTlb: true },
    ],
  ])('%s.', (_, options, expected) => {
    expect(amd(options)).toEqual(expected);
  });
});

describe('Domains', () => {
  it.each([
    ['VT-d', () => Bench.up({ cap: { MGAW: 38, SSLPS: 1 } })],
    ['AMD-Vi', () => AmdBench.up()],
  ] as const)('have the geometry that the abilities tell: %s.', (_, up) => {
    const bench = up();
    const { driver } = behind(bench);
    const domain = bench.run(sure(driver.allocateDomain()));
    expect(domain.geometry).toEqual(driver.abilities.geometry);
    expect(domain.enforcesSnoop).toBe(driver.abilities.enforcesSnoop);
  });
});
