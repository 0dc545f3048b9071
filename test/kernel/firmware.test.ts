/** How the kernel finds its remapping units, in tables that may be anything. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeviceScope, DmarStructure } from '../../hardware/vtd/spec/dmar.ts';
import { buildRsdp, buildTable, buildXsdt } from '../../src/machine/firmware/table.ts';
import { Bench, chainTo, DMAR, MIB, RIDS, RSDP, type Tables, UNIT_BASE, XSDT } from './bench.ts';
import { damaged, endpoint, good, rawDmar, remarks, tableOf, UNIT } from './tables.ts';

const DEVICES = RIDS.length;

describe('The kernel finds its remapping units in memory', () => {
  it('through the root pointer, the table of tables and the DMAR table, and has nothing to say about it', () => {
    const bench = Bench.up({ tables: good });
    expect(bench.kernel.iommu.groups).toHaveLength(DEVICES);
    expect(remarks(bench)).toEqual([]);
  });

  it('and has none where firmware has no DMAR table', () => {
    const other = buildTable('APIC', 1, []);
    const bench = Bench.up({
      tables: [
        [RSDP, buildRsdp(XSDT)],
        [XSDT, buildXsdt([DMAR])],
        [DMAR, other],
      ],
    });
    expect(bench.kernel.iommu.groups).toEqual([]);
    expect(remarks(bench)).toEqual([]);
  });

  it('and lets a unit serve the devices that it names, but those that another one names', () => {
    const absent: DmarStructure = { ...UNIT, includePciAll: false, base: 0x1_0000_0000n, scope: [endpoint(RIDS[0])] };
    const named = Bench.up({ tables: tableOf({ ...UNIT, includePciAll: false, scope: [endpoint(RIDS[1])] }) });
    expect(named.kernel.iommu.groups.map(({ devices }) => devices[0]!.rid)).toEqual([RIDS[1]]);
    const rest = Bench.up({ tables: tableOf(absent, UNIT) });
    expect(rest.kernel.iommu.groups.map(({ devices }) => devices[0]!.rid)).toEqual([RIDS[1]]);
    expect(remarks(rest)).toEqual(['vtd0: not usable: nothing answers at its address']);
  });

  it('and lets the unit of all other devices also have those that it names', () => {
    const bench = Bench.up({ tables: tableOf({ ...UNIT, scope: [endpoint(RIDS[1]), endpoint(RIDS[1])] }) });
    expect(bench.kernel.iommu.groups.map(({ devices }) => devices[0]!.rid)).toEqual([RIDS[1], RIDS[0]]);
  });

  it('and skips device scopes that name nothing it knows', () => {
    const scope: DeviceScope[] = [
      { ...endpoint(RIDS[0]), type: 9 },
      { ...endpoint(RIDS[0]), path: [[32, 0]] },
      { ...endpoint(RIDS[0]), path: [[2, 8]] },
      endpoint(0x5555),
      { ...endpoint(RIDS[0]), type: 2 },
      {
        ...endpoint(RIDS[0]),
        path: [
          [0x1c, 0],
          [2, 0],
        ],
      },
      endpoint(RIDS[1]),
    ];
    const bench = Bench.up({ tables: tableOf({ ...UNIT, includePciAll: false, scope }) });
    expect(bench.kernel.iommu.groups).toHaveLength(1);
    const line = 'dmar: a device scope leads through a bridge that is not there and is skipped';
    expect(remarks(bench)).toEqual([line, line]);
  });

  it('and skips structures that it does not know', () => {
    const bench = Bench.up({ tables: tableOf({ ...UNIT }, { type: 'other', code: 77, body: [1, 2, 3] }) });
    expect(bench.kernel.iommu.groups).toHaveLength(DEVICES);
    expect(remarks(bench)).toEqual(['dmar: structures of unknown types are skipped: 1']);
  });
});

describe('Firmware that is wrong costs one line and the unit', () => {
  it.each<[string, Tables, RegExp]>([
    ['no root pointer', [], /no root pointer at 0xe0000/],
    ['a root pointer with another signature', damaged(RSDP, 0, 0), /no root pointer/],
    ['a root pointer with a wrong checksum', damaged(RSDP, 9, 1), /root pointer at 0xe0000 is damaged/],
    ['a root pointer whose second half is wrong', damaged(RSDP, 33, 1), /root pointer at 0xe0000 is damaged/],
    ['a root pointer of ACPI 1.0', damaged(RSDP, 15, 0), /root pointer at 0xe0000 is damaged/],
    ['a table of tables outside reserved memory', [[RSDP, buildRsdp(2 * MIB)]], /XSDT table at 0x200000 is not in/],
    ['a table of tables where there is no RAM', [[RSDP, buildRsdp(2 ** 50)]], /is not in reserved memory/],
    ['a table of tables that is none', [[RSDP, buildRsdp(DMAR)], good[2]!], /XSDT table at 0xe1000 is something else/],
    ['a table of tables with a wrong checksum', damaged(XSDT, 12, 1), /XSDT table at 0xe0040 has a wrong checksum/],
    ['a DMAR table with a wrong checksum', damaged(DMAR, 37, 1), /DMAR table at 0xe1000 has a wrong checksum/],
    ['a DMAR table of length 0', damaged(DMAR, 4, 0), /DMAR table at 0xe1000 has an impossible length of 0 bytes/],
    ['a DMAR table that leaves memory', damaged(DMAR, 7, 0xff), /has an impossible length of 4278190144 bytes/],
    ['a DMAR table without a body', chainTo(buildTable('DMAR', 1, [])), /the DMAR table has only 36 bytes/],
    ['a structure of length 0', rawDmar(0, 0, 0, 0), /structure at byte 48 whose length cannot be/],
    ['a structure that nobody knows, of length 3', rawDmar(9, 9, 3, 0), /structure at byte 48 whose length cannot be/],
    ['a structure that is cut off', rawDmar(0, 0, 16, 0, 1), /structure at byte 48 whose length cannot be/],
    ['a unit at address 0', tableOf({ ...UNIT, base: 0n }), /unit at 0x0 is not used: no register page/],
    ['a unit at no page', tableOf({ ...UNIT, base: BigInt(UNIT_BASE) + 8n }), /not used: no register page/],
    ['a unit beyond all addresses', tableOf({ ...UNIT, base: 2n ** 63n }), /not used: no register page/],
    ['a unit in RAM', tableOf({ ...UNIT, base: BigInt(2 * MIB) }), /not used: there is RAM/],
    ['a unit in the middle of its own table', tableOf({ ...UNIT, base: BigInt(DMAR) }), /not used: there is RAM/],
    ['a unit among the devices', tableOf({ ...UNIT, base: 0xe000_0000n }), /not used: that is where devices/],
    ['a unit where nothing is', tableOf({ ...UNIT, base: 0xfed0_0000n }), /nothing answers at its address/],
    ['a unit of another segment', tableOf({ ...UNIT, segment: 3 }), /not used: there is no segment 3/],
  ])('when there is %s', (_, tables, line) => {
    const bench = Bench.up({ tables });
    expect(bench.kernel.iommu.groups).toEqual([]);
    expect(remarks(bench)).toEqual([expect.stringMatching(line)]);
    expect(bench.kernel.devices).toHaveLength(DEVICES);
  });

  it('when a unit is listed twice, which makes one unit', () => {
    const bench = Bench.up({ tables: tableOf(UNIT, UNIT) });
    expect(bench.kernel.iommu.groups).toHaveLength(DEVICES);
    expect(remarks(bench)).toEqual(['dmar: the unit at 0xfed90000 is not used: another unit has the same address']);
  });

  it('and never makes the kernel throw or hang, whatever stands there', () => {
    const whole = good.flatMap(([at, bytes]) => bytes.map((byte, i) => [at + i, byte] as const));
    const place = fc.integer({ min: 0, max: whole.length - 1 });
    const edits = fc.array(fc.tuple(place, fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 });
    const bytes = fc.uint8Array({ maxLength: 120 }).map((given) => rawDmar(...given));
    const address = fc.oneof(
      fc.constantFrom(0n, BigInt(UNIT_BASE), 0xf_0000n, 0xf_0fffn, 0xf_1fffn),
      fc.bigInt(0n, 2n ** 64n - 1n),
    );
    const segment = fc.integer({ min: 0, max: 1 });
    const scope = fc.array(fc.constantFrom(endpoint(RIDS[0]), endpoint(RIDS[1]), endpoint(0xffff)), { maxLength: 3 });
    const drhd = fc.record({
      type: fc.constant('DRHD' as const),
      includePciAll: fc.boolean(),
      size: fc.nat(15),
      segment,
      base: address,
      scope,
    });
    const range = fc.record({ type: fc.constant('RMRR' as const), segment, base: address, limit: address, scope });
    const structures = fc.array(fc.oneof(drhd, range), { maxLength: 12 }).map((given) => tableOf(...given));
    const tables = fc.oneof(
      edits.map(
        (changes): Tables => [
          ...whole.map(([at, byte]) => [at, [byte]] as const),
          ...changes.map(([i, byte]) => [whole[i]![0], [byte]] as const),
        ],
      ),
      bytes,
      structures,
    );
    fc.assert(
      fc.property(tables, (given) => {
        const bench = Bench.up({ tables: given });
        expect(bench.kernel.devices).toHaveLength(DEVICES);
        expect(bench.kernel.iommu.groups.length).toBeLessThanOrEqual(DEVICES);
      }),
      { numRuns: 150 },
    );
  });
});
