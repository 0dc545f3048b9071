/** The remapper against a second reading of the fact sheet (section 9), one bit at a time in bigints. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  aborted,
  GA_EN,
  GAM_VAPIC,
  InterruptBench,
  IOMMU_EN,
  MODE_2K,
  type Outcome,
  TABLE,
  XT_EN,
} from './interrupt-bench.ts';

interface Given {
  readonly control: bigint;
  /** Quadword 2 of the device table entry. */
  readonly dte: bigint;
  /** The entry: 128 bits, or 32. */
  readonly irte: bigint;
  readonly address: bigint;
  readonly data: bigint;
}

const bits = (value: bigint, hi: number, lo: number): bigint =>
  (value >> BigInt(lo)) & ((1n << BigInt(hi - lo + 1)) - 1n);
const has = (value: bigint, bit: number): boolean => bits(value, bit, bit) === 1n;
const ABORT = aborted('IO_PAGE_FAULT.INTERRUPT_ABORTED', 0);

function expected({ control, dte, irte, address, data }: Given): Outcome {
  const unchanged = { address, data: Number(data) };
  if (!has(control, 0) || !has(dte, 0)) return unchanged;
  if (bits(dte, 53, 52) !== 0n) return aborted('ILLEGAL_DEV_TABLE_ENTRY.RESERVED', 1);
  const length = bits(dte, 4, 1);
  const treatment = bits(dte, 61, 60);
  if (length > 11n || treatment === 3n) return aborted('ILLEGAL_DEV_TABLE_ENTRY.ENCODING', 1);
  const is2k = bits(control, 44, 43) === 1n;
  const isLogical = has(address, 2);
  const mode = bits(data, 10, 8);
  if (mode > 1n && !(is2k && isLogical)) {
    const passBit: Record<string, boolean> = { 2: true, 4: has(dte, 58), 5: has(dte, 56), 7: has(dte, 57) };
    return !isLogical && passBit[`${mode}`] === true ? unchanged : ABORT;
  }
  if (treatment === 0n) return ABORT;
  if (treatment === 1n) return unchanged;
  const index = bits(data, 10, 0);
  const log = (quiet: boolean) => (quiet || has(dte, 5) ? 0 : 2);
  if (index >= 1n << length || index >= (is2k ? 2048n : 512n)) {
    return aborted('IO_PAGE_FAULT.INTERRUPT_INDEX', log(false));
  }
  const isWide = has(control, 17);
  const quiet = has(irte, 1);
  if (!has(irte, 0)) return aborted('IO_PAGE_FAULT.INTERRUPT_OFF', log(quiet));
  const reserved = aborted('IO_PAGE_FAULT.INTERRUPT_RESERVED', log(quiet));
  const isXt = isWide && has(control, 50);
  const isGuest = has(irte, 7);
  if (isGuest && !(isWide && bits(control, 27, 25) === 1n)) return reserved;
  if (isWide) {
    if (bits(irte, 75, 72) !== 0n || bits(irte, 119, 116) !== 0n) return reserved;
    if (!isXt && (bits(irte, 31, 16) !== 0n || bits(irte, 127, 120) !== 0n)) return reserved;
    if (isGuest && bits(irte, 4, 3) !== 0n) return reserved;
    if (!isGuest && (bits(irte, 63, 32) !== 0n || bits(irte, 115, 76) !== 0n)) return reserved;
  } else if (bits(irte, 31, 24) !== 0n) return reserved;
  if (isGuest) return 'recorded';
  const type = bits(irte, 4, 2);
  if (type > 1n) return reserved;
  const destination = isXt ? (bits(irte, 127, 120) << 24n) | bits(irte, 31, 8) : bits(irte, 15, 8);
  const vector = isWide ? bits(irte, 71, 64) : bits(irte, 23, 16);
  const low = (address & ~0xff004n) | ((destination & 0xffn) << 12n) | (bits(irte, 6, 6) << 2n);
  return { address: ((destination >> 8n) << 40n) | low, data: Number((data & ~0x7ffn) | (type << 8n) | vector) };
}

// --- what is tried: mostly right, with a few bits changed ---

const flips = (width: number, most: number): fc.Arbitrary<bigint> =>
  fc.array(fc.nat(width - 1), { maxLength: most }).map((all) => all.reduce((mask, n) => mask ^ (1n << BigInt(n)), 0n));
const oneOf = (...values: bigint[]) => fc.constantFrom(...values);
const sum = (...parts: fc.Arbitrary<bigint>[]) => fc.tuple(...parts).map((all) => all.reduce((a, b) => a ^ b, 0n));

const control = sum(
  oneOf(IOMMU_EN, IOMMU_EN, IOMMU_EN, 0n),
  oneOf(0n, GA_EN),
  oneOf(0n, GAM_VAPIC),
  oneOf(0n, XT_EN),
  oneOf(0n, MODE_2K),
);
const TABLE_OF: fc.Arbitrary<bigint> = fc.bigInt(0n, 12n).map((length) => TABLE | (length << 1n) | 1n);
const dte = sum(
  TABLE_OF,
  oneOf(2n << 60n, 2n << 60n, 0n, 1n << 60n, 3n << 60n),
  flips(6, 1),
  oneOf(0n, 1n << 52n, 7n << 56n, 1n << 57n),
);
/** Backing pages are where there is memory. */
const irte = sum(
  oneOf(1n, 0x81n),
  fc.bigInt(0n, 0xffn).map((v) => (v << 64n) | (v << 8n)),
  flips(24, 2),
  flips(128, 1),
).map((value) => ((value & 0x80n) === 0n ? value : (value & ~(0xffff_ffffffn << 76n)) | (0x300n << 76n)));
const given: fc.Arbitrary<Given> = fc.record({
  control,
  dte,
  irte,
  address: fc.bigInt(0n, 0xfffffn).map((low) => 0xfee0_0000n | (low & ~3n)),
  data: fc.oneof(fc.bigInt(0n, 0x1ffn), fc.bigInt(0n, 0xffffn), fc.bigInt(0n, 0x7n)),
});

describe('What becomes of an interrupt', () => {
  it('is what a second reading says.', () => {
    const seen = new Set<string>();
    const bench = new InterruptBench();
    fc.assert(
      fc.property(given, (one) => {
        const index = Number(one.data & 0x7ffn);
        bench.control(one.control).device(one.dte);
        if ((one.control & GA_EN) !== 0n) bench.irte(index, BigInt.asUintN(64, one.irte), one.irte >> 64n);
        else bench.irte(index, Number(BigInt.asUintN(32, one.irte)));
        const outcome = bench.send(Number(one.data), Number(one.address));
        expect(outcome).toEqual(expected(one));
        seen.add(typeof outcome === 'string' ? outcome : 'fault' in outcome ? outcome.fault : 'delivered');
      }),
      { numRuns: 2000 },
    );
    expect([...seen].sort()).toEqual([
      'ILLEGAL_DEV_TABLE_ENTRY.ENCODING',
      'ILLEGAL_DEV_TABLE_ENTRY.RESERVED',
      'IO_PAGE_FAULT.INTERRUPT_ABORTED',
      'IO_PAGE_FAULT.INTERRUPT_INDEX',
      'IO_PAGE_FAULT.INTERRUPT_OFF',
      'IO_PAGE_FAULT.INTERRUPT_RESERVED',
      'delivered',
      'recorded',
    ]);
  });
});
