/** The IVRS table: built, decoded, damaged. Literal bytes are in test/vectors/ivrs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BLOCK_LAYOUTS,
  BlockType,
  type DeviceEntry,
  DeviceEntryType,
  ENTRY_LAYOUTS,
  fieldsOf,
  IVRS,
  type IvrsBlock,
  type IvrsTable,
} from '../../hardware/amdvi/spec/ivrs.ts';
import type { AnyLayout, Values } from '../../hardware/bits/index.ts';
import { decodeIvrs } from '../../src/kernel/acpi/ivrs.ts';
import { buildIvrs } from '../../src/machine/firmware/ivrs.ts';
import vectors from '../vectors/ivrs/tables.json' with { type: 'json' };
import { survivesAnyBytes } from './broken-tables.ts';

const bytesOf = (lines: readonly string[]): number[] =>
  lines.flatMap((line) => line.trim().split(/\s+/)).map((byte) => Number.parseInt(byte, 16));

/** JSON has no 64-bit numbers and names only the fields that are not 0. */
const plainOf = (table: object): IvrsTable => {
  const all = (of: AnyLayout, fields: Record<string, string | number>) =>
    fieldsOf(
      of,
      Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, BigInt(value)])) as Values<never>,
    );
  const layouts: Readonly<Record<string, AnyLayout>> = { ...BLOCK_LAYOUTS, ...ENTRY_LAYOUTS };
  return JSON.parse(JSON.stringify(table), (key, value) => {
    if (key === 'info') return all(IVRS, value);
    return value !== null && value.fields !== undefined
      ? { ...value, fields: all(layouts[value.type as string]!, value.fields) }
      : value;
  }) as IvrsTable;
};

const decode = (bytes: readonly number[]): IvrsTable | string => decodeIvrs(Uint8Array.from(bytes));
const [full, small] = vectors.tables as [(typeof vectors.tables)[0], (typeof vectors.tables)[0]];

describe('An IVRS table', () => {
  it.each(vectors.tables)('with $title is built byte for byte as it was written by hand', ({ bytes, plain }) => {
    expect(buildIvrs(plainOf(plain))).toEqual(bytesOf(bytes));
  });

  it.each(vectors.tables)('with $title is decoded as it was written by hand', ({ bytes, plain }) => {
    expect(decode(bytesOf(bytes))).toEqual(plainOf(plain));
  });

  it('refuses to be built from numbers that its fields cannot hold', () => {
    const table = plainOf(small.plain);
    const unit = table.blocks[0] as Extract<IvrsBlock, { type: 'IVHD_11' }>;
    const one = (block: IvrsBlock) => () => buildIvrs({ ...table, blocks: [block] });
    const withEntry = (entry: DeviceEntry) => one({ ...unit, entries: [entry] } as IvrsBlock);
    const all = fieldsOf(ENTRY_LAYOUTS.ALL, {});
    expect(one({ ...unit, fields: { ...unit.fields, Segment: 65_536n } } as IvrsBlock)).toThrow(
      'Segment: 65536 does not fit in 16 bits',
    );
    expect(withEntry({ type: 'SELECT', fields: { ...all, DeviceID: -1n } })).toThrow('DeviceID: -1 does not fit');
    expect(withEntry({ type: 'other', code: 0x90, body: [] })).toThrow('type 144 does not have 1 bytes');
    expect(withEntry({ type: 'other', code: 0x05, body: [1] })).toThrow('type 5 does not have 2 bytes');
    const uid = new Array<number>(256).fill(0);
    expect(withEntry({ type: 'ACPI_HID', fields: fieldsOf(ENTRY_LAYOUTS.ACPI_HID, {}), uid })).toThrow('UIDLength');
    expect(one({ type: 'other', code: 9, flags: 0, body: new Array<number>(65_536).fill(0) })).toThrow('Length');
  });
});

// --- round trips ---

const byte = fc.integer({ min: 0, max: 255 });

function fieldsFor(of: AnyLayout): fc.Arbitrary<never> {
  const complete = fieldsOf(of, {}) as Record<string, bigint>;
  const values = of.$.fields.filter(({ name }) => name in complete);
  const any = values.map(({ name, width }) => [name, fc.bigInt({ min: 0n, max: (1n << BigInt(width)) - 1n })] as const);
  return fc.record(Object.fromEntries(any)) as unknown as fc.Arbitrary<never>;
}

const entryTypes = Object.keys(DeviceEntryType) as (keyof typeof DeviceEntryType)[];
const entry: fc.Arbitrary<DeviceEntry> = fc.oneof(
  ...entryTypes.map((type) =>
    fc.record({
      type: fc.constant(type),
      fields: fieldsFor(ENTRY_LAYOUTS[type]),
      ...(type === 'ACPI_HID' ? { uid: fc.array(byte, { maxLength: 20 }) } : {}),
    }),
  ),
  fc.record({ type: fc.constant('other' as const), code: fc.constantFrom(5, 0x3f), body: fc.tuple(byte, byte, byte) }),
) as fc.Arbitrary<DeviceEntry>;
const blockTypes = Object.keys(BlockType) as (keyof typeof BlockType)[];
const block: fc.Arbitrary<IvrsBlock> = fc.oneof(
  ...blockTypes.map((type) =>
    fc.record({
      type: fc.constant(type),
      fields: fieldsFor(BLOCK_LAYOUTS[type]),
      ...(type.startsWith('IVHD') ? { entries: fc.array(entry, { maxLength: 6 }) } : {}),
    }),
  ),
  fc.record({
    type: fc.constant('other' as const),
    code: fc.integer({ min: 0x41, max: 255 }),
    flags: byte,
    body: fc.array(byte, { maxLength: 20 }),
  }),
) as fc.Arbitrary<IvrsBlock>;
const table: fc.Arbitrary<IvrsTable> = fc.record({ info: fieldsFor(IVRS), blocks: fc.array(block, { maxLength: 6 }) });

describe('Any IVRS table', () => {
  it('says after a round trip what it said before', () => {
    fc.assert(
      fc.property(table, (given) => {
        const bytes = buildIvrs(given);
        expect(bytes.reduce((sum, one) => sum + one, 0) % 256).toBe(0);
        expect(decode(bytes)).toEqual(given);
      }),
    );
  });

  it('is of revision 2 when it has a block of type 40h, and of revision 1 otherwise', () => {
    const revision = (...types: string[]) =>
      buildIvrs({
        ...plainOf(small.plain),
        blocks: plainOf(full.plain).blocks.filter(({ type }) => types.includes(type)),
      })[8];
    expect(revision('IVHD_10', 'IVHD_11', 'IVMD_ALL')).toBe(1);
    expect(revision('IVHD_10', 'IVHD_40')).toBe(2);
  });
});

// --- what firmware got wrong ---

const IVHD_AT = 48;
const ENTRY_AT = IVHD_AT + 24;

describe('A damaged IVRS table', () => {
  const good = bytesOf(full.bytes);
  const change = (at: number, ...bytes: number[]): number[] => good.map((one, i) => bytes[i - at] ?? one);

  it.each([
    ['a block of length 0', change(IVHD_AT + 2, 0, 0)],
    ['a block of length 3', change(IVHD_AT + 2, 3, 0)],
    ['a block that is longer than the table', change(IVHD_AT + 2, 0xff, 0xff)],
    ['a unit that is shorter than its layout', change(IVHD_AT + 2, 23, 0)],
    ['memory that is shorter than its layout', change(IVHD_AT, 0x20, 0, 31, 0)],
    ['a device entry that is longer than its block', change(IVHD_AT + 2, 24 + 12 + 4, 0)],
    ['a device entry that does not tell its length', change(ENTRY_AT, 0x80)],
    ['an entry of an ACPI device that is longer than its block', change(ENTRY_AT, 0xf0)],
    ['an end within a block', good.slice(0, -1)],
    ['an end within a header', good.slice(0, -3)],
    ['an end within the table header', good.slice(0, 47)],
    ['nothing in it', []],
  ])('with %s is refused in one sentence', (_, bytes) => {
    expect(decode(bytes)).toMatch(/^the IVRS table has /);
  });

  it('never throws and never hangs, whatever its bytes', () => {
    survivesAnyBytes(good, (bytes) => {
      const result = decodeIvrs(bytes);
      return typeof result === 'string' ? null : result.blocks.length;
    });
  });
});
