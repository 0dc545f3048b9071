/** Interrupt remapping with literal requests and IRTEs (vtd.md sections 4.2, 9.1, 9.2). */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { Bench, type BenchOptions, CFI, IRE, IRT, outcome, QIE, REG, SID, SIRTP } from './tables.ts';

/** A request in remappable format without subhandle, for an index below 2^16. */
const request = (index: number, bits = 0n): bigint =>
  0xfee0_0010n | (BigInt(index & 0x7fff) << 5n) | (index & 0x8000 ? 4n : 0n) | bits;
const SHV = 8n;
/** What hardware looks at before the reserved bits, or ignores; and IM, which is reserved without PI. */
const IRTE_FIELDS = ['P', 'AVAIL', 'SVT', 'IM'] as const;
/** SVT = 01, SQ = 00 and the usual device in SID. */
const FROM_DEVICE = 0x4_0000n | BigInt(SID);

function ready(options: BenchOptions & { extended?: boolean; size?: bigint } = {}): Bench {
  const { extended = false, size = 7n, ...rest } = options;
  return new Bench(rest).enableInterrupts({ extended, size }).enableQueue();
}

/** What is delivered, or the fault. Each message meets the table as it is: the cache has tests of its own. */
function send(bench: Bench, address: bigint, data = 0, sid = SID) {
  if ((bench.get(REG.GSTS) & QIE) !== 0n) bench.submit([4n, 0n]);
  bench.messages.length = 0;
  const result = bench.interrupt(address, data, sid);
  if (result.ok) {
    expect(bench.messages).toHaveLength(1);
    return bench.messages[0];
  }
  expect(bench.messages).toEqual([]);
  expect(result.status).toBe('dropped');
  return outcome(result);
}

describe('An interrupt request', () => {
  it('passes unchanged while remapping is off, also in remappable format.', () => {
    const bench = new Bench();
    expect(send(bench, 0xfee1_200cn, 0x4567)).toEqual({ address: 0xfee1_200cn, data: 0x4567 });
    expect(send(bench, request(5), 0x1234_5678)).toEqual({ address: request(5), data: 0x1234_5678 });
  });

  it('is blocked while remapping is off and IRREQ is 1 (2Bh).', () => {
    proves('2Bh', 'ECAP_REG.IRREQ');
    const bench = new Bench({ irreq: true });
    expect(send(bench, 0xfee1_2000n)).toBe('2Bh');
    expect(bench.record()).toMatchObject({ f: true, fr: 0x2b, sid: SID, t1: 0, at: 0 });
  });

  it('is blocked when EIMER is 1 and EIME is 0 (2Ah).', () => {
    proves('2Ah', 'ECAP_REG.EIMER');
    const bench = ready({ eimer: true });
    bench.irte(5, 0x0000_0500_0041_0001n);
    expect(send(bench, request(5))).toBe('2Ah');
    expect(bench.record()).toMatchObject({ f: true, fr: 0x2a });
    const extended = ready({ eimer: true, extended: true });
    extended.irte(5, 0x0000_0005_0041_0001n);
    expect(send(extended, request(5))).toEqual({ address: 0xfee0_5000n, data: 0x4041 });
  });

  it('in compatibility format passes only with CFIS and without EIME (25h).', () => {
    proves('25h', 'GCMD_REG.CFI', 'GSTS_REG.CFIS');
    const bench = ready();
    expect(send(bench, 0xfee1_200cn, 0x4567)).toBe('25h');
    expect(bench.record()).toMatchObject({ f: true, fr: 0x25 });
    bench.command(CFI);
    expect(bench.get(REG.GSTS) & CFI).toBe(CFI);
    expect(send(bench, 0xfee1_200cn, 0x4567)).toEqual({ address: 0xfee1_200cn, data: 0x4567 });
    bench.stop(CFI);
    expect(send(bench, 0xfee1_200cn)).toBe('25h');
    const extended = ready({ extended: true }).command(CFI);
    expect(send(extended, 0xfee1_200cn)).toBe('25h');
  });

  it('finds its entry by handle, or by handle plus subhandle when SHV is 1.', () => {
    proves('remappable interrupt address.HANDLE_14_0', 'remappable interrupt address.HANDLE_15');
    proves('remappable interrupt address.SHV', 'remappable interrupt address.FORMAT');
    proves('remappable interrupt data.SUBHANDLE');
    const bench = ready({ size: 15n });
    for (const [i, index] of [0, 1, 0x1ff, 0x7fff, 0x8000, 0xffff].entries()) {
      bench.irte(index, 0x0000_0100_0000_0001n | (BigInt(0x20 + i) << 16n));
      const delivered = { address: 0xfee0_1000n, data: 0x4020 + i };
      expect(send(bench, request(index), 0xffff_ffff), 'the data counts for nothing').toEqual(delivered);
      expect(send(bench, request(index, SHV), 0)).toEqual(delivered);
      if (index > 0) expect(send(bench, request(index - 1, SHV), 1)).toEqual(delivered);
      expect(send(bench, request(0, SHV), index)).toEqual(delivered);
      expect(send(bench, request(index), 0), 'bits 1:0 of the address are 0 in a DWORD write').toEqual(delivered);
    }
  });

  it('with SHV and data above 16 bits has reserved bits set (20h).', () => {
    proves('20h', 'remappable interrupt address.SHV');
    const bench = ready();
    bench.irte(0, 0x0041_0001n);
    for (let bit = 16; bit < 32; bit++) expect(send(bench, request(0, SHV), (1 << bit) >>> 0)).toBe('20h');
    expect(bench.record()).toMatchObject({ f: true, fr: 0x20 });
  });

  it.each([0, 3, 7, 15])('with an index of 2^(S + 1) or more is blocked (21h), with S %i.', (s) => {
    proves('21h');
    if (s > 0) proves('IRTA_REG.S');
    const bench = ready({ size: BigInt(s) });
    const last = 2 ** (s + 1) - 1;
    bench.irte(last, 0x0041_0001n);
    expect(send(bench, request(last))).toEqual({ address: 0xfee0_0000n, data: 0x4041 });
    expect(send(bench, request(last, SHV), 1)).toBe('21h');
    if (s < 15) {
      expect(send(bench, request(last + 1))).toBe('21h');
      expect(bench.record().fi & 0x0000_ffff_ffff_ffffn).toBe(0n);
    }
  });

  it('whose entry lies above HAW is blocked (21h); where nothing is, it cannot be read (23h).', () => {
    proves('23h', 'IRTA_REG.IRTA');
    const bench = new Bench({ haw: 39, ram: [[0n, 0x100_0000n]] });
    bench.enableInterrupts({ table: 0x7f_ffff_f000n, size: 15n });
    expect(send(bench, request(0))).toBe('23h');
    expect(bench.record()).toMatchObject({ f: true, fr: 0x23 });
    expect(send(bench, request(0xff))).toBe('23h');
    expect(send(bench, request(0x100))).toBe('21h');
  });

  it.each([
    { what: 'reads', length: 4, write: false },
    { what: '1-byte writes', length: 1, write: true },
    { what: '8-byte writes', length: 8, write: true },
  ])('is a DWORD write: $what of FEEx_xxxxh are blocked while DMA remapping is on (29h).', ({ length, write }) => {
    proves('29h');
    const bench = ready().enable();
    bench.irte(0, 0x0041_0001n);
    const result = write ? bench.write(request(0), SID, new Uint8Array(length)) : bench.read(request(0), length);
    expect(outcome(result)).toBe('29h');
    expect(bench.messages).toEqual([]);
  });
});

describe('An IRTE', () => {
  it.each([
    [
      'the vector',
      0x00f1_0001n,
      { address: 0xfee0_0000n, data: 0x40f1 },
      ['compatibility interrupt data.VECTOR', 'compatibility interrupt address.IDENTIFIER'],
    ],
    [
      'an 8-bit destination',
      0x0000_ab00_0041_0001n,
      { address: 0xfeea_b000n, data: 0x4041 },
      ['IRTE (remapped, xAPIC).DST', 'compatibility interrupt address.DESTINATION_ID'],
    ],
    [
      'logical destination mode',
      0x0000_0100_0041_0005n,
      { address: 0xfee0_1004n, data: 0x4041 },
      ['IRTE (remapped, xAPIC).DM', 'compatibility interrupt address.DM'],
    ],
    [
      'redirection hint',
      0x0000_0100_0041_0009n,
      { address: 0xfee0_1008n, data: 0x4041 },
      ['IRTE (remapped, xAPIC).RH', 'compatibility interrupt address.RH'],
    ],
    [
      'lowest priority',
      0x0000_0100_0041_0021n,
      { address: 0xfee0_1000n, data: 0x4141 },
      ['IRTE (remapped, xAPIC).DLM', 'compatibility interrupt data.DELIVERY_MODE'],
    ],
    [
      'NMI',
      0x0000_0100_0041_0081n,
      { address: 0xfee0_1000n, data: 0x4441 },
      ['IRTE (remapped, xAPIC).DLM', 'compatibility interrupt data.LEVEL'],
    ],
    ['ExtINT', 0x0000_0100_0041_00e1n, { address: 0xfee0_1000n, data: 0x4741 }, []],
  ])('gives %s in xAPIC mode.', (_, lo, delivered, rows) => {
    proves('IRTE (remapped, xAPIC).V', ...rows);
    expect(send(ready().irte(3, lo), request(3))).toEqual(delivered);
  });

  it('gives a level-triggered interrupt its trigger mode.', () => {
    proves('IRTE (remapped, xAPIC).TM', 'compatibility interrupt data.TRIGGER_MODE');
    const delivered = { address: 0xfee0_1000n, data: 0xc041 };
    expect(send(ready().irte(3, 0x0000_0100_0041_0011n), request(3))).toEqual(delivered);
  });

  it('gives a 32-bit destination in x2APIC mode: bits 7:0 in the address, bits 31:8 in its upper half.', () => {
    proves(
      'IRTE (remapped).DST',
      'IRTE (remapped).P',
      'IRTE (remapped).V',
      'event message upper address.DESTINATION_ID_31_8',
      'IRTE (remapped).DM',
      'IRTA_REG.EIME',
      'ECAP_REG.EIM',
      'GCMD_REG.IRE',
    );
    const bench = ready({ extended: true });
    bench.irte(3, 0x1234_5678_0041_0001n);
    expect(send(bench, request(3))).toEqual({ address: 0x1234_5600_fee7_8000n, data: 0x4041 });
    bench.irte(3, 0xffff_ffff_0041_0005n);
    expect(send(bench, request(3))).toEqual({ address: 0xffff_ff00_feef_f004n, data: 0x4041 });
  });

  it('holds in x2APIC mode what it holds in xAPIC mode, at the same places.', () => {
    proves('IRTE (remapped).RH', 'IRTE (remapped).TM', 'IRTE (remapped).DLM');
    proves('IRTE (remapped).SID', 'IRTE (remapped).SQ', 'IRTE (remapped).FPD');
    const bench = ready({ extended: true });
    // RH, level-triggered, lowest priority; SVT = 01 and SQ = 01, which leaves out bit 2 of the source id.
    const entry = 0x1234_5678_0041_0039n;
    bench.irte(3, entry, FROM_DEVICE | 0x1_0000n);
    const delivered = { address: 0x1234_5600_fee7_8008n, data: 0xc141 };
    expect([SID, SID ^ 4].map((sid) => send(bench, request(3), 0, sid))).toEqual([delivered, delivered]);
    bench.irte(3, entry | 2n, FROM_DEVICE | 0x1_0000n);
    expect(send(bench, request(3), 0, SID ^ 1)).toBe('26h');
    expect(bench.record().f, 'FPD').toBe(false);
  });

  it('that is not present is 22h, whatever else it holds.', () => {
    proves('22h');
    const bench = ready().irte(3, 0xffff_ffff_ffff_fffcn, 0xffff_ffff_ffff_ffffn);
    expect(send(bench, request(3))).toBe('22h');
    expect(bench.record()).toMatchObject({ f: true, fr: 0x22, sid: SID, fi: 3n << 48n, t1: 0 });
  });

  it.each([false, true])('is 24h with any reserved bit set, with EIME %s.', (extended) => {
    proves('24h', ...IRTE_FIELDS.map((field) => `IRTE (remapped${extended ? '' : ', xAPIC'}).${field}`));
    const bench = ready({ extended });
    for (let bit = 1; bit < 128; bit++) {
      const one = 1n << BigInt(bit % 64);
      bench.irte(3, 1n | (bit < 64 ? one : 0n), bit < 64 ? 0n : one);
      // FPD only keeps the fault from being recorded; without PI, bit 15 (IM) is reserved.
      const destination = extended ? bit >= 32 && bit <= 63 : bit >= 40 && bit <= 47;
      const declared = bit <= 11 || (bit >= 16 && bit <= 23) || destination || (bit >= 64 && bit <= 82);
      const found = send(bench, request(3));
      // Bit 83 alone is SVT = 10: requester ids from bus 0 to bus 0. Bit 82 alone is SVT = 01 with SID 0.
      if (bit === 82) expect(found).toBe('26h');
      else if (bit === 83 || declared) expect(found, `bit ${bit}`).toBeTypeOf('object');
      else expect(found, `bit ${bit}`).toBe('24h');
    }
    bench.irte(3, 1n, 0xc_0000n);
    expect(send(bench, request(3)), 'SVT = 11').toBe('24h');
  });

  it('with FPD keeps 22h, 24h and 26h from being recorded, and no other fault.', () => {
    proves('IRTE (remapped, xAPIC).FPD');
    const bench = ready();
    for (const [lo, hi, fault] of [
      [0x2n, 0n, '22h'],
      [0x1003n, 0n, '24h'],
      [0x3n, FROM_DEVICE ^ 0x8n, '26h'],
    ] as const) {
      bench.irte(3, lo, hi);
      expect(send(bench, request(3))).toBe(fault);
      expect(bench.get(REG.FSTS)).toBe(0n);
      bench.irte(3, lo & ~2n, hi);
      expect(send(bench, request(3))).toBe(fault);
      expect(bench.record()).toMatchObject({ f: true, fi: 3n << 48n });
      bench.acknowledge();
    }
    bench.irte(3, 0x3n);
    expect(send(bench, request(3, SHV), 0x1_0000)).toBe('20h');
    expect(bench.record().f).toBe(true);
  });
});

describe('The source check', () => {
  const source = (svt: number, sq: number, sid: number): bigint =>
    BigInt(sid) | (BigInt(sq) << 16n) | (BigInt(svt) << 18n);

  it.each([
    { sq: 0, ignored: 0b000 },
    { sq: 1, ignored: 0b100 },
    { sq: 2, ignored: 0b110 },
    { sq: 3, ignored: 0b111 },
  ])('with SVT 01 and SQ $sq compares the source id but for the bits that SQ leaves out.', ({ sq, ignored }) => {
    proves('26h', 'IRTE (remapped, xAPIC).SID', 'IRTE (remapped, xAPIC).SVT');
    if (sq > 0) proves('IRTE (remapped, xAPIC).SQ');
    const bench = ready();
    for (const wanted of [0x0018, 0xffff]) {
      bench.irte(3, 0x0041_0001n, source(1, sq, wanted));
      for (let bits = 0; bits < 16; bits++) {
        const sid = wanted ^ bits;
        const allowed = ((sid ^ wanted) & ~ignored) === 0;
        expect(send(bench, request(3), 0, sid), `${sid}`).toEqual(
          allowed ? { address: 0xfee0_0000n, data: 0x4041 } : '26h',
        );
      }
      for (let bit = 4; bit < 16; bit++) expect(send(bench, request(3), 0, wanted ^ (1 << bit))).toBe('26h');
    }
  });

  it('with SVT 00 lets everybody pass, whatever SQ and SID hold.', () => {
    const bench = ready();
    for (let sq = 0; sq < 4; sq++) {
      bench.irte(3, 0x0041_0001n, source(0, sq, 0x1234));
      for (const sid of [0, 0x18, 0xffff]) expect(send(bench, request(3), 0, sid)).toBeTypeOf('object');
    }
  });

  it('with SVT 10 wants a bus from the upper to the lower byte of SID.', () => {
    proves('IRTE (remapped, xAPIC).SVT', 'IRTE (remapped, xAPIC).SID', 'IRTE (remapped, xAPIC).P');
    const bench = ready().irte(3, 0x0041_0001n, source(2, 0, 0x1020));
    for (const [bus, allowed] of [
      [0x0f, false],
      [0x10, true],
      [0x18, true],
      [0x20, true],
      [0x21, false],
      [0xff, false],
    ] as const) {
      for (const devfn of [0, 0xff]) {
        const found = send(bench, request(3), 0, (bus << 8) | devfn);
        expect(found).toEqual(allowed ? { address: 0xfee0_0000n, data: 0x4041 } : '26h');
      }
    }
    bench.irte(3, 0x0041_0001n, source(2, 0, 0x2010));
    for (const bus of [0x0f, 0x10, 0x18, 0x20]) expect(send(bench, request(3), 0, bus << 8)).toBe('26h');
  });
});

describe('The interrupt remapping table', () => {
  it('is taken over by SIRTP only.', () => {
    proves('GCMD_REG.SIRTP', 'GSTS_REG.IRTPS', 'GSTS_REG.IRES', 'ECAP_REG.IR');
    const bench = ready().irte(3, 0x0041_0001n);
    bench.set(REG.IRTA, (IRT + 0x8_0000n) | 7n, 8);
    expect(send(bench, request(3))).toMatchObject({ data: 0x4041 });
    bench.command(SIRTP);
    expect(send(bench, request(3))).toBe('22h');
    expect(bench.get(REG.GSTS)).toBe(IRE | SIRTP | QIE);
  });

  it('has no x2APIC mode without EIM, and does not exist without IR.', () => {
    const bench = new Bench({ eim: false }).set(REG.IRTA, 0xffff_ffff_ffff_ffffn, 8);
    expect(bench.get(REG.IRTA, 8)).toBe(0xffff_ffff_ffff_f00fn);
    const without = new Bench({ ir: false, eim: false }).set(REG.IRTA, 0xffff_ffff_ffff_ffffn, 8);
    expect(without.get(REG.IRTA, 8)).toBe(0n);
    without.command(SIRTP).command(IRE).command(CFI);
    expect(without.get(REG.GSTS)).toBe(0n);
    expect(send(without, request(3), 7)).toEqual({ address: request(3), data: 7 });
  });

  it('has IRTEs that software changes and then invalidates: the next request sees the change.', () => {
    const bench = ready().irte(3, 0x0041_0001n);
    expect(send(bench, request(3))).toMatchObject({ data: 0x4041 });
    bench.irte(3, 0x0042_0001n).submit([0x14n | (3n << 32n), 0n]);
    expect(send(bench, request(3))).toMatchObject({ data: 0x4042 });
    bench.irte(3, 0n).submit([0x4n, 0n]);
    expect(send(bench, request(3))).toBe('22h');
  });
});
