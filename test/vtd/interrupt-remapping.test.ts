/** Interrupt remapping with literal requests (vtd.md sections 4.2, 9.1). */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { ready, request, SHV, send } from './interrupt-requests.ts';
import { Bench, CFI, IRE, IRT, outcome, QIE, REG, SID, SIRTP } from './tables.ts';

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
