/** The DMAR table: built, decoded, damaged. Literal bytes are in test/vectors/dmar. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeviceScope, DmarStructure, DmarTable } from '../../hardware/vtd/spec/dmar.ts';
import { decodeDmar } from '../../src/kernel/index.ts';
import { buildDmar } from '../../src/machine/firmware/dmar.ts';
import vectors from '../vectors/dmar/tables.json' with { type: 'json' };
import { survivesAnyBytes } from './broken-tables.ts';

const bytesOf = (lines: readonly string[]): number[] =>
  lines.flatMap((line) => line.trim().split(/\s+/)).map((byte) => Number.parseInt(byte, 16));

/** JSON has no 64-bit numbers: addresses are text there. */
const plainOf = (table: object): DmarTable =>
  JSON.parse(JSON.stringify(table), (key, value: unknown) =>
    key === 'base' || key === 'limit' ? BigInt(value as string) : value,
  ) as DmarTable;

const decode = (bytes: readonly number[]): DmarTable | string => decodeDmar(Uint8Array.from(bytes));

describe('A DMAR table', () => {
  it.each(vectors.tables)('with $title is built byte for byte as it was written by hand', ({ bytes, plain }) => {
    expect(buildDmar(plainOf(plain))).toEqual(bytesOf(bytes));
  });

  it.each(vectors.tables)('with $title is decoded as it was written by hand', ({ bytes, plain }) => {
    expect(decode(bytesOf(bytes))).toEqual(plainOf(plain));
  });

  it('has its structures in the order of their types, and the unit of all other devices last of its segment', () => {
    const drhd = (includePciAll: boolean, segment: number, base: bigint): DmarStructure => ({
      type: 'DRHD',
      includePciAll,
      size: 0,
      segment,
      base,
      scope: [],
    });
    const structures: DmarStructure[] = [
      { type: 'RHSA', base: 0n, proximity: 0 },
      drhd(true, 1, 1n),
      drhd(true, 0, 2n),
      drhd(false, 0, 3n),
      drhd(false, 1, 4n),
    ];
    const table = decode(buildDmar({ ...plainOf(vectors.tables[1]!.plain), structures })) as DmarTable;
    expect(table.structures.map((one) => 'base' in one && one.base)).toEqual([3n, 2n, 4n, 1n, 0n]);
  });

  it('refuses to be built from numbers that its fields cannot hold', () => {
    const one = (structure: DmarStructure) => () =>
      buildDmar({ ...plainOf(vectors.tables[1]!.plain), structures: [structure] });
    const scope = { type: 1, enumerationId: 0, startBus: 256, path: [[0, 0]] } as const;
    expect(one({ type: 'SIDP', segment: 0, scope: [scope] })).toThrow('START_BUS: 256 does not fit in 8 bits');
    expect(one({ type: 'SIDP', segment: 65_536, scope: [] })).toThrow('SEGMENT: 65536 does not fit in 16 bits');
    expect(one({ type: 'SIDP', segment: 0, scope: [{ ...scope, startBus: 0, path: [] }] })).toThrow('at least one hop');
    expect(one({ type: 'ANDD', deviceNumber: 1, name: 'ä' })).toThrow('not ASCII');
    expect(one({ type: 'other', code: 9, body: new Array<number>(65_536).fill(0) })).toThrow('LENGTH');
  });
});

// --- round trips ---

const byte = fc.integer({ min: 0, max: 255 });
const segment = fc.integer({ min: 0, max: 65_535 });
const address = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const flag = fc.boolean();
const scope = fc.record({
  type: byte,
  enumerationId: byte,
  startBus: byte,
  path: fc.array(fc.tuple(byte, byte), { minLength: 1, maxLength: 5 }),
});
const limited = fc
  .tuple(
    scope,
    fc.record({
      nestedNotAllowed: flag,
      pwsnpNotAllowed: flag,
      snpNotAllowed: flag,
      atcHardened: flag,
      atcRequired: flag,
    }),
  )
  .map(([one, limits]): DeviceScope => ({ ...one, ...limits }));
const scopes = fc.array(scope, { maxLength: 4 });
const name = fc.string({ unit: fc.integer({ min: 1, max: 127 }).map((code) => String.fromCharCode(code)) });

const structure: fc.Arbitrary<DmarStructure> = fc.oneof(
  fc.record({
    type: fc.constant('DRHD' as const),
    includePciAll: flag,
    size: fc.integer({ min: 0, max: 15 }),
    segment,
    base: address,
    scope: scopes,
  }),
  fc.record({ type: fc.constant('RMRR' as const), segment, base: address, limit: address, scope: scopes }),
  fc.record({ type: fc.constant('ATSR' as const), allPorts: flag, segment, scope: scopes }),
  fc.record({ type: fc.constant('RHSA' as const), base: address, proximity: fc.integer({ min: 0, max: 2 ** 32 - 1 }) }),
  fc.record({ type: fc.constant('ANDD' as const), deviceNumber: byte, name }),
  fc.record({ type: fc.constant('SATC' as const), atcRequired: flag, segment, scope: scopes }),
  fc.record({ type: fc.constant('SIDP' as const), segment, scope: fc.array(limited, { maxLength: 4 }) }),
  fc.record({
    type: fc.constant('other' as const),
    code: fc.integer({ min: 7, max: 65_535 }),
    body: fc.array(byte, { maxLength: 20 }),
  }),
);
const table: fc.Arbitrary<DmarTable> = fc.record({
  hostAddressWidth: fc.integer({ min: 1, max: 256 }),
  interruptRemapping: flag,
  x2apicOptOut: flag,
  dmaControlOptIn: flag,
  structures: fc.array(structure, { maxLength: 8 }),
});

describe('Any DMAR table', () => {
  it('says after a round trip what it said before, in its own order', () => {
    fc.assert(
      fc.property(table, (given) => {
        const bytes = buildDmar(given);
        const decoded = decode(bytes) as DmarTable;
        expect(bytes.reduce((sum, one) => sum + one, 0) % 256).toBe(0);
        expect(buildDmar(decoded)).toEqual(bytes);
        expect({ ...decoded, structures: [] }).toEqual({ ...given, structures: [] });
        expect(decoded.structures).toHaveLength(given.structures.length);
        expect(decoded.structures).toEqual(expect.arrayContaining([...given.structures]));
      }),
    );
  });
});

// --- what firmware got wrong ---

const DRHD_AT = 48;

describe('A damaged DMAR table', () => {
  const good = bytesOf(vectors.tables[0]!.bytes);
  const change = (at: number, ...bytes: number[]): number[] =>
    good.with(at, bytes[0]!).map((one, i) => bytes[i - at] ?? one);

  it.each([
    ['a structure of length 0', change(DRHD_AT + 2, 0, 0)],
    ['a structure of length 3', change(DRHD_AT + 2, 3, 0)],
    ['a structure that is longer than the table', change(DRHD_AT + 2, 0xff, 0xff)],
    ['a unit that is shorter than its layout', change(DRHD_AT + 2, 15, 0)],
    ['a device scope of length 0', change(DRHD_AT + 17, 0)],
    ['a device scope without a hop', change(DRHD_AT + 17, 6)],
    ['a device scope of half a hop', change(DRHD_AT + 17, 7)],
    ['a device scope that is longer than its structure', change(DRHD_AT + 17, 10)],
    ['an end within a structure', good.slice(0, -1)],
    ['an end within a header', good.slice(0, -3)],
    ['an end within the table header', good.slice(0, 40)],
    ['nothing in it', []],
  ])('with %s is refused in one sentence', (_, bytes) => {
    expect(decode(bytes)).toMatch(/^the DMAR table has /);
  });

  it('never throws and never hangs, whatever its bytes', () => {
    survivesAnyBytes(good, (bytes) => {
      const result = decodeDmar(bytes);
      return typeof result === 'string' ? null : result.structures.length;
    });
  });
});
