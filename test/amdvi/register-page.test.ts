/** The register page of AMD-Vi: what exists, what a write does to other registers, and accesses no driver makes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Features } from '../../hardware/amdvi/features.ts';
import { RegisterPage } from '../../hardware/amdvi/register-page.ts';
import { proves } from '../proves.ts';
import { ALL, ALL_2, Parts, REG } from './parts.ts';

const ONES = 0xffff_ffff_ffff_ffffn;
const make = (efr: bigint, efr2 = 0n): RegisterPage => new RegisterPage(new Features({ efr, efr2 }));

/** What reads back where every bit of a page was written with 1, by offset; zeros are left out. */
function written(page: RegisterPage): Record<string, bigint> {
  const found: Record<string, bigint> = {};
  for (let offset = 0; offset < 0x4000; offset += 8) page.write(offset, 8, ONES);
  for (let offset = 0; offset < 0x4000; offset += 8) {
    const value = page.read(offset, 8);
    if (value !== 0n) found[offset.toString(16)] = value;
  }
  return found;
}

describe('The register page', () => {
  it('of a unit without any feature holds only what every unit has.', () => {
    proves('Exclusion Range Limit.LowOnes');
    // Control without the bits of features, among them DevTblSegEn: a write that sets it is ignored whole.
    const page = make(0n);
    expect(written(page)).toEqual({
      '0': 0x000f_ffff_ffff_f1ffn,
      '8': 0x0f0f_ffff_ffff_f000n,
      '10': 0x0f0f_ffff_ffff_f000n,
      '20': 0x000f_ffff_ffff_f003n,
      '28': 0x000f_ffff_ffff_ffffn,
      '140': 0xffff_ffffn,
      '148': 0xffff_ffffn,
      '1ff8': ONES,
      '2000': 0x7_fff0n,
      '2008': 0x7_fff0n,
      '2010': 0x7_fff0n,
      '2018': 0x7_fff0n,
    });
    page.write(REG.CONTROL, 8, ONES & ~(7n << 34n));
    expect(page.read(REG.CONTROL, 8)).toBe(0x0801_0000_00bc_1fffn);
  });

  it.each([
    ['PPRSup', 1n << 1n, ['38', '2030', '2038']],
    ['XTSup', 1n << 2n, ['170', '178', '180']],
    ['GASup', 1n << 7n, ['e0', 'e8', '2040', '2048']],
    ['HESup', 1n << 8n, ['40', '48']],
    ['SmiFSup with two filters', (1n << 16n) | (1n << 18n), ['60', '68']],
    [
      'SmiFSup with 16 filters',
      (1n << 16n) | (4n << 18n),
      [...Array(16).keys()].map((n) => (0x60 + n * 8).toString(16)),
    ],
    ['DualPprLogSup', 1n << 24n, ['f0', '2050', '2058']],
    ['DualEventLogSup', 1n << 28n, ['f8', '2070', '2078']],
    ['DevTblSegSup 1', 1n << 38n, ['100']],
    ['DevTblSegSup 3', 3n << 38n, ['100', '108', '110', '118', '120', '128', '130']],
    ['PprOvrflwEarlySup', 1n << 40n, ['2088']],
    ['PprOvrflwEarlySup and DualPprLogSup', (1n << 40n) | (1n << 24n), ['2088', '2090', 'f0', '2050', '2058']],
    ['PPRAutoRspSup', 1n << 41n, ['2080']],
    ['MarcSup', 1n << 42n, [...Array(12).keys()].map((n) => (0x200 + n * 8).toString(16))],
    ['PerfOptSup', 1n << 45n, ['168']],
    ['MsiCapMmioSup', 1n << 46n, ['150', '158', '160']],
  ])('with %s holds its registers beside them.', (name, efr, offsets) => {
    proves('Extended Feature.SmiFRC', `Extended Feature.${name.split(' ')[0]}`);
    const usual = new Set(Object.keys(written(make(0n))));
    const found = Object.keys(written(make(efr))).filter((offset) => !usual.has(offset) && offset !== '30');
    // Control takes the write of all ones where the unit has eight segments.
    expect(found.filter((offset) => offset !== '18').sort()).toEqual([...offsets].sort());
  });

  it('reports the features and, after reset, rings of 256 entries.', () => {
    const page = make(ALL, ALL_2);
    const read = (): bigint[] =>
      [0x08, 0x10, 0x18, 0x28, 0x30, 0x38, 0xe0, 0xf0, 0xf8, 0x1a0].map((at) => page.read(at, 8));
    const ring = 0x0800_0000_0000_0000n;
    const initial = [ring, ring, 0n, 0xfffn, ALL, ring, ring, ring, ring, ALL_2];
    expect(read()).toEqual(initial);
    written(page);
    expect(read()).not.toEqual(initial);
    page.file.reset();
    expect(read()).toEqual(initial);
  });

  /** Without them Control has fewer fields. */
  const CONTROL_FEATURES = [
    'Extended Feature.GAMSup',
    'Extended Feature.USSup',
    'Extended Feature.BlkStopMrkSup',
    'Extended Feature.vIommuSup',
    'Extended Feature.GAUpdateDisSup',
    'Extended Feature.GAPPISup',
    'Extended Feature 2',
    'Extended Feature 2.TMPMSup',
    'Extended Feature 2.SNPAVICSup',
    'Extended Feature 2.NumIntRemapSup',
  ];

  it('keeps the reserved bits 49 and 57 of Control 0.', () => {
    proves(...CONTROL_FEATURES);
    const page = make(ALL, ALL_2);
    page.write(REG.CONTROL, 8, ONES & ~(7n << 34n));
    expect(page.read(REG.CONTROL, 8)).toBe(0xfdfd_ffe3_ffff_ffffn);
  });

  it('has counters in banks, and says how many.', () => {
    proves('Counter Configuration.NCounter', 'Counter Configuration.NCounterBanks', 'Counter.ICounter');
    const page = make(1n << 9n);
    expect(page.read(0x4000, 8)).toBe((4n << 7n) | (2n << 12n));
    const counter = (bank: number, n: number): bigint[] =>
      [0, 8, 0x10, 0x18, 0x20, 0x28, 0x30].map((at) => {
        page.write(0x4_0000 + bank * 0x1000 + n * 0x100 + at, 8, ONES);
        return page.read(0x4_0000 + bank * 0x1000 + n * 0x100 + at, 8);
      });
    const present = [
      0xffff_ffff_ffffn,
      0xc000_00ffn,
      0xf_ffff_800f_ffffn,
      0xffff_8000_ffffn,
      0xffff_8000_ffffn,
      0x800f_ffff_ffff_ffffn,
      0n,
    ];
    expect([counter(0, 0), counter(1, 3)]).toEqual([present, present]);
    expect([counter(0, 4), counter(2, 0)]).toEqual([Array(7).fill(0n), Array(7).fill(0n)]);
  });

  it.each([
    ['banks', { banks: 64, counters: 4 }],
    ['counters', { banks: 2, counters: 0 }],
  ])('refuses %s that Counter Configuration cannot report.', (name, counters) => {
    expect(() => new RegisterPage(new Features({ efr: 0n }), counters)).toThrow(`counters.${name}`);
  });
});

describe('A write of', () => {
  it.each([
    ['Command Buffer Base', 0x08, 0x2000],
    ['Event Log Base', 0x10, 0x2010],
    ['PPR Log Base', 0x38, 0x2030],
    ['GA Log Base', 0xe0, 0x2040],
    ['PPR Log B Base', 0xf0, 0x2050],
    ['Event Log B Base', 0xf8, 0x2070],
  ])('%s sets head and tail to 0, with each of its halves.', (_, base, head) => {
    const page = make(ALL);
    const pointers = (): bigint[] => [page.read(head, 8), page.read(head + 8, 8)];
    for (const [offset, size] of [
      [base, 8],
      [base, 4],
      [base + 4, 4],
    ] as const) {
      page.write(head, 8, 0x40n);
      page.write(head + 8, 8, 0x80n);
      expect(pointers()).toEqual([0x40n, 0x80n]);
      page.write(offset, size, 0n);
      expect(pointers()).toEqual([0n, 0n]);
    }
  });

  it.each([
    [0, [0]],
    [1, [0, 1]],
    [2, [0, 1, 2]],
    [3, [0, 1, 2, 3]],
  ])('Control with more segments than 2 ** %s is ignored whole.', (supported, accepted) => {
    const page = make(BigInt(supported) << 38n);
    const taken = [0, 1, 2, 3, 4, 5, 6, 7].filter((segments) => {
      page.write(REG.CONTROL, 8, 0n);
      page.write(REG.CONTROL, 8, (BigInt(segments) << 34n) | 1n);
      return page.read(REG.CONTROL, 8) === ((BigInt(segments) << 34n) | 1n);
    });
    expect(taken).toEqual(accepted);
  });

  it('half of Control is judged with the half that stands there.', () => {
    const page = make(1n << 38n);
    page.write(REG.CONTROL + 4, 4, 1n << 2n);
    page.write(REG.CONTROL, 4, 1n);
    expect(page.read(REG.CONTROL, 8)).toBe((1n << 34n) | 1n);
    page.write(REG.CONTROL + 4, 4, 2n << 2n);
    page.write(REG.CONTROL + 4, 1, 4n << 2n);
    expect(page.read(REG.CONTROL, 8)).toBe((1n << 34n) | 1n);
  });

  it('Status clears where it is 1, and its bytes leave the others alone.', () => {
    const parts = new Parts();
    parts.page.file.words[REG.STATUS / 4] = 0x7_ffff;
    parts.page.write(REG.STATUS, 1, 0xffn);
    expect(parts.status()).toBe(0x7_ff98n);
    parts.page.write(REG.STATUS + 2, 2, 0x4n);
    expect(parts.status()).toBe(0x3_ff98n);
    parts.set(REG.STATUS, ONES);
    expect(parts.status() & 0x6_8e67n).toBe(0n);
  });

  it.each([...Array(16).keys()])('SMI filter %s that is locked changes nothing, until reset.', (n) => {
    proves(`SMI Filter ${n}.SmiFLock`);
    const page = make(ALL);
    const at = 0x60 + n * 8;
    page.write(at, 8, 0x1_0108n);
    page.write(at, 8, 0x3_0200n);
    page.write(at, 8, 0n);
    expect(page.read(at, 8)).toBe(0x3_0200n);
    page.file.reset();
    page.write(at, 8, 0x1_0108n);
    expect(page.read(at, 8)).toBe(0x1_0108n);
  });
});

describe('Accesses', () => {
  it('of 1, 2, 4 and 8 bytes reach the bytes that they name.', () => {
    const page = make(0n);
    page.write(0x1ff8, 8, 0x1122_3344_5566_7788n);
    expect(page.read(0x1ffc, 4)).toBe(0x1122_3344n);
    expect(page.read(0x1ffa, 2)).toBe(0x5566n);
    expect(page.read(0x1fff, 1)).toBe(0x11n);
    page.write(0x1ffd, 1, 0xffeen);
    page.write(0x1ff8, 2, 0xabcdn);
    expect(page.read(0x1ff8, 8)).toBe(0x1122_ee44_5566_abcdn);
  });

  it('of other sizes, unaligned or beyond the end read 0 and change nothing.', () => {
    const page = make(ALL, ALL_2);
    const before = [...page.file.words];
    const end = page.file.words.length * 4;
    const offsets = [...Array(0x2100).keys(), end, end + 8, -8, -4, -1, 2 ** 31, 2 ** 32, 2 ** 40, 0.5, Number.NaN];
    for (const offset of offsets) {
      for (const size of [0, 1, 2, 3, 4, 5, 8, 16, -1]) {
        const isLegal = [1, 2, 4, 8].includes(size) && offset % size === 0 && offset >= 0 && offset < end;
        if (isLegal) continue;
        page.write(offset, size, ONES);
        expect(page.read(offset, size)).toBe(0n);
      }
    }
    expect([...page.file.words]).toEqual(before);
  });

  it('of every size at every offset read what fits into it, with any value written.', () => {
    const parts = new Parts();
    let seed = 1;
    const random = (): bigint => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return BigInt(seed) * 0x1_0000_0001n;
    };
    for (let offset = 0; offset < 0x4100; offset++) {
      for (const size of [1, 2, 4, 8]) {
        for (const value of [0n, random(), ONES]) parts.page.write(offset, size, value);
        expect(parts.page.read(offset, size) < 1n << BigInt(8 * size)).toBe(true);
      }
    }
    expect(parts.memory.touchedBytes).toBe(0);
  });

  it('in any sequence leave logs that take events and requests, or do not run.', () => {
    const offset = fc.oneof(fc.constantFrom(...Object.values(REG)), fc.nat(0x4100));
    const value = fc.oneof(fc.bigInt(0n, ONES), fc.constantFrom(0n, 1n, 0x2005n, 0xf_ffff_ffffn, ONES & ~(7n << 34n)));
    const write = fc.record({ offset, size: fc.constantFrom(1, 2, 4, 8), value });
    fc.assert(
      fc.property(fc.array(write, { maxLength: 40 }), (writes) => {
        const parts = new Parts();
        for (const one of writes) {
          parts.page.write(one.offset, one.size, one.value);
          parts.logEvent(0x2000_0000_0000_0001n);
          const taken = parts.logRequest(0x1000_0000_0000_0001n);
          if (taken) expect(parts.requests.isRunning).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });
});
