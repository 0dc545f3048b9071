/** IRTEs and their source check with literal requests (vtd.md sections 4.2, 9.1, 9.2). */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { FROM_DEVICE, ready, request, SHV, send } from './interrupt-requests.ts';
import { REG, SID } from './tables.ts';

/** What hardware looks at before the reserved bits, or ignores; and IM, which is reserved without PI. */
const IRTE_FIELDS = ['P', 'AVAIL', 'SVT', 'IM'] as const;

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
