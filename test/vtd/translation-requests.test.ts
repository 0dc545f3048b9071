/** ATS translation requests (VT-d 4.2), through the rig. */
import { describe, expect, it } from 'vitest';
import type { TranslationRequest } from '../../hardware/index.ts';
import { proves } from '../proves.ts';
import { FS, FULL, PASID, type PasidFields, Pgtt, ScalableBench, secondAt } from './scalable.ts';
import { BOTH, DATA, PS, READ, SID, tableAt } from './tables.ts';

function bench(fields: PasidFields = {}, context = {}, more = {}): ScalableBench {
  return new ScalableBench({ ...FULL, ...more }).scalable(fields, context).on();
}

const ask = (on: ScalableBench, more: Partial<TranslationRequest> = {}) =>
  on.rig.translationRequest({ requester: SID, pasid: PASID, address: 0n, ...more });

const NOTHING = { read: false, write: false };

describe('A translation request', () => {
  it('is answered with the page, its size and its rights.', () => {
    expect(ask(bench(), { address: 0x123n })).toEqual({
      ok: true,
      completion: {
        address: 0n,
        translated: DATA,
        size: 0x1000n,
        read: true,
        write: true,
        execute: false,
        privileged: false,
        global: false,
        untranslatedOnly: false,
        nonSnoopedIgnored: false,
      },
    });
  });

  it('of a page that may only be read has no write permission, and no fault is recorded.', () => {
    const on = bench();
    on.entry(1, 0, DATA | FS.P | FS.US);
    expect(ask(on)).toMatchObject({ ok: true, completion: { read: true, write: false } });
    expect(on.record().f).toBe(false);
  });

  it('counts as a write for the dirty flag, unless it says that there will be none and the unit heeds it.', () => {
    proves('ECAP_REG.NWFS');
    const dirty = (on: ScalableBench): boolean => (on.read64(tableAt(1)) & FS.D) !== 0n;
    const plain = bench();
    ask(plain, { noWrite: true });
    expect(dirty(plain)).toBe(true);
    const heeding = bench({}, {}, { nwfs: true });
    expect(ask(heeding, { noWrite: true })).toMatchObject({ completion: { read: true, write: false } });
    expect(dirty(heeding)).toBe(false);
  });

  it('finds nothing behind an absent first-stage entry, without a fault.', () => {
    const on = bench();
    on.entry(1, 0, 0n);
    expect(ask(on)).toMatchObject({ ok: true, completion: NOTHING });
    expect(on.record().f).toBe(false);
  });

  it('learns N from PGSNP, and from SNP of the second stage.', () => {
    expect(ask(bench({ pgsnp: true }, {}, { sc: true }))).toMatchObject({ completion: { nonSnoopedIgnored: true } });
    const on = bench({ pgtt: Pgtt.SECOND }, {}, { sc: true });
    on.mapPage(0n, DATA | BOTH | 0x800n);
    expect(ask(on)).toMatchObject({ completion: { nonSnoopedIgnored: true } });
  });

  it('covers a large page as one range.', () => {
    const on = bench({ pgtt: Pgtt.SECOND }, {}, { sslps: 3 });
    on.second(2, 0, 0x80_0000n | BOTH | PS);
    expect(ask(on, { address: 0x1_2345n })).toMatchObject({
      completion: { address: 0n, translated: 0x80_0000n, size: 0x20_0000n },
    });
  });

  it('returns Priv for a privileged request with PASID, and no rights where SRE forbids it.', () => {
    expect(ask(bench({ sre: true }), { privileged: true })).toMatchObject({
      completion: { privileged: true, read: true },
    });
    expect(ask(bench(), { privileged: true })).toMatchObject({
      ok: true,
      completion: { privileged: true, ...NOTHING },
    });
  });

  it('into the interrupt range without PASID makes the device write there itself.', () => {
    const { pasid: _, ...alone } = { requester: SID, pasid: 0, address: 0xfee0_1000n };
    const on = bench();
    expect(on.rig.translationRequest(alone)).toMatchObject({
      ok: true,
      completion: { read: false, write: true, untranslatedOnly: true, size: 0x1000n },
    });
  });

  it.each([
    ['DTE=0', 'UR', 0x44, {}, { dte: false }],
    ['an absent context entry', 'UR', 0x41, {}, { p: false }],
    ['reserved bits in the context entry', 'CA', 0x42, {}, { bits: [8] }],
    ['reserved bits in the PASID-table entry', 'CA', 0x5a, { bits: [5] }, {}],
    ['reserved bits in a second-stage entry', 'CA', 0x7a, { pgtt: Pgtt.SECOND }, {}],
  ] as const)('ends at %s with %s, recorded with AT=01b.', (what, status, code, fields, context) => {
    const on = bench(fields, context);
    if (what.includes('second-stage')) on.second(4, 0, secondAt(3) | BOTH | PS);
    expect(ask(on)).toMatchObject({ ok: false, status, fault: { code, recorded: true } });
    expect(on.record()).toMatchObject({ f: true, fr: code, at: 1 });
  });

  it('is unsupported while remapping is off.', () => {
    expect(ask(new ScalableBench().scalable())).toEqual({ ok: false, status: 'UR' });
  });

  it('in legacy mode needs TT=01b.', () => {
    const { pasid: _, ...alone } = { requester: SID, pasid: 0, address: 0n };
    const plain = new ScalableBench().usual().enable();
    expect(plain.rig.translationRequest(alone)).toMatchObject({ ok: false, status: 'UR', fault: { code: 0x0d } });
    const ats = new ScalableBench().usual({ context: 0b0100n, leaf: DATA | READ }).enable();
    expect(ats.rig.translationRequest(alone)).toMatchObject({ ok: true, completion: { read: true, write: false } });
  });
});

describe('A device-TLB invalidation descriptor', () => {
  it('goes to the device, with PASID and range where it has them.', () => {
    proves('dev_tlb_inv_dsc.SID', 'dev_tlb_inv_dsc.S', 'dev_tlb_inv_dsc.ADDR', 'p_dev_tlb_inv_dsc.SID');
    proves('p_dev_tlb_inv_dsc.PASID', 'p_dev_tlb_inv_dsc.S', 'p_dev_tlb_inv_dsc.ADDR', 'p_dev_tlb_inv_dsc.GI');
    const on = bench();
    const withPasid = 8n | (BigInt(SID) << 16n) | (BigInt(PASID) << 32n);
    on.flush(
      [3n | (BigInt(SID) << 32n), 0x5000n | 1n],
      [3n | (BigInt(SID) << 32n), 0x7fff_ffff_ffff_f000n],
      [withPasid, 0x6000n],
      [withPasid, 0x6000n | 0x800n],
      [withPasid, 0x6000n | 1n],
    );
    const common = { kind: 'invalidate', requester: SID, global: false };
    expect(on.sent).toEqual([
      { ...common, pasid: undefined, address: 0x5000n, isRange: true },
      { ...common, pasid: undefined, address: 0x7fff_ffff_ffff_f000n, isRange: false },
      { ...common, pasid: PASID, address: 0x6000n, isRange: false },
      { ...common, pasid: PASID, address: 0x6000n, isRange: true },
      { ...common, pasid: PASID, address: 0x6000n, isRange: false, global: true },
    ]);
  });
});
