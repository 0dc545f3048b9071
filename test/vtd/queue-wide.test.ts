/** Descriptors of 256 bits: which are valid, and which of their bits are reserved (vtd.md section 5.2). */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import type { Capability } from './capability.ts';
import { FULL, ScalableBench } from './scalable.ts';
import { QIE, QUEUE, REG } from './tables.ts';

/** Four 64-bit words, the lowest first. */
type Wide = readonly [bigint, bigint, bigint, bigint];

const ALL = 0xffff_ffff_ffff_ffffn;
const VALID = 0;
const INVALID_TYPE = 3;
const RESERVED_FIELD = 4;

/** Code of IQEI with which a descriptor is refused, or 0. */
function verdict(descriptor: Wide, options: Capability = {}): number {
  const bench = new ScalableBench({ ...FULL, ...options }).on();
  bench.set(REG.IQA, QUEUE | 0x800n, 8).command(QIE);
  bench.write64(QUEUE, ...descriptor).set(REG.IQT, 0x20n, 8);
  const code = Number(bench.get(REG.IQERCD, 8) & 0xfn);
  expect([bench.get(REG.IQH), bench.get(REG.FSTS)]).toEqual(code === 0 ? [0x20n, 0n] : [0n, 0x10n]);
  return code;
}

const short = (lo: bigint): Wide => [lo, 0n, 0n, 0n];
const isSet = (words: Wide, bit: number): boolean => ((words[bit >>> 6]! >> BigInt(bit & 63)) & 1n) === 1n;
const withBit = (words: Wide, bit: number): Wide =>
  words.map((word, i) => (i === bit >>> 6 ? word | (1n << BigInt(bit & 63)) : word)) as unknown as Wide;

const TYPES = [
  { type: '6', base: 0x26n, reserved: [0xfff0_0000_0000_f1c0n, 0xf80n, ALL, ALL] },
  { type: '7', base: 0x37n, reserved: [0xfff0_0000_0000_f1c0n, ALL, ALL, ALL] },
  { type: '8', base: 0x8n, reserved: [0xfff0_0000_0000_f000n, 0x7fen, ALL, ALL] },
  { type: '9', base: 0x9n, reserved: [0xfff0_0000_0000_01e0n, 0xffff_ffff_ffff_f003n, ALL, ALL] },
  { type: 'Ah', base: 0x1an, reserved: [0xffff_ffff_0000_f1c0n, 0xf00n, ALL, ALL] },
] as const;

describe('A descriptor of 256 bits', () => {
  it.each(TYPES)('of type $type is refused for each of its reserved bits and for no other (IQEI 4).', (one) => {
    if (one.type === '8') proves('p_dev_tlb_inv_dsc.PFSID_3_0', 'p_dev_tlb_inv_dsc.PFSID_15_4');
    expect(verdict(short(one.base))).toBe(VALID);
    for (let bit = 0; bit < 256; bit++) {
      // The type, and granularities that may be invalid.
      if (bit < 4 || (bit >= 9 && bit <= 11) || (one.type !== '8' && (bit === 4 || bit === 5))) continue;
      const expected = isSet(one.reserved, bit) ? RESERVED_FIELD : VALID;
      expect(verdict(withBit(short(one.base), bit)), `bit ${bit}`).toBe(expected);
    }
  });

  it('of a device-TLB may hold PFSID with DIT.', () => {
    proves('ECAP_REG.DIT');
    expect(verdict(short(0x8n | 0xf000n | (0xfffn << 52n)), { dit: true })).toBe(VALID);
  });

  it.each([
    { type: '6', base: 0x6n, valid: [2n, 3n] },
    { type: '7', base: 0x7n, valid: [0n, 1n, 3n] },
    { type: 'Ah', base: 0xan, valid: [1n, 2n, 3n] },
  ])('of type $type has granularities $valid; another is invalid (IQEI 3).', ({ type, base, valid }) => {
    if (type === 'Ah') proves('hpt_inv_desc.G');
    for (const granularity of [0n, 1n, 2n, 3n]) {
      const expected = valid.includes(granularity) ? VALID : INVALID_TYPE;
      expect(verdict(short(base | (granularity << 4n))), `${granularity}`).toBe(expected);
    }
  });

  it.each([
    { type: '8', base: 0x8n, lacks: { dt: false, prs: false, nwfs: false, dit: false, pds: false } },
    { type: '9', base: 0x9n, lacks: { prs: false } },
    { type: 'Ah', base: 0x1an, lacks: { hpts: false } },
  ])('of type $type is invalid without what it is for (IQEI 3).', ({ base, lacks }) => {
    expect([verdict(short(base)), verdict(short(base), lacks)]).toEqual([VALID, INVALID_TYPE]);
  });
});
