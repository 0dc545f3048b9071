/** What a device table entry says of events, of the exclusion range and of device-TLBs (amd-vi.md sections 2.2, 2.6 and 5.3). */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { ALL, ALL_CACHES, Bench, DATA, DEVICE, hostAt, outcome, PASID, REG, RW } from './bench.ts';
import type { DeviceFields } from './device-entry.ts';

const TV = 'IO_PAGE_FAULT.TV';

describe('Suppression', () => {
  const SE = 97;
  const SA = 98;
  const IG = 133;
  const FLUSH = [0x2000_0000_0000_0108n, 0n] as const;
  const FAULT = [0x2000_0005_0000_0108n, 0x1000n];

  it('by SA is of every IO_PAGE_FAULT.', () => {
    proves('DTE.SA');
    const bench = new Bench({ caches: ALL_CACHES }).usual({ bits: [SA] }).enable();
    for (let n = 0; n < 2; n++) {
      const result = bench.read(0x1000n);
      expect(result).toMatchObject({ status: 'CA', fault: { name: 'IO_PAGE_FAULT.NOT_PRESENT', recorded: false } });
    }
    expect(bench.events()).toEqual([]);
  });

  it('by SE lets the first through, until the entry is read again.', () => {
    proves('DTE.SE');
    const bench = new Bench({ caches: ALL_CACHES }).usual({ bits: [SE] }).enable();
    bench.read(0x1000n);
    bench.write(0x2000n);
    bench.read(0x1000n);
    expect(bench.events()).toEqual([FAULT]);
    bench.submit(FLUSH);
    bench.read(0x1000n);
    bench.read(0x1000n);
    expect(bench.events()).toEqual([FAULT]);
  });

  it('by SE begins with an event, not with a question, and not with a translation request that has none.', () => {
    const bench = new Bench({ caches: ALL_CACHES }).usual({ deviceTlb: true, bits: [SE] }).enable();
    bench.rig.translationRequest({ requester: DEVICE, address: 0x1000n });
    bench.ask(0x1000n, { probe: true });
    expect(bench.events()).toEqual([]);
    bench.read(0x1000n);
    expect(bench.events()).toEqual([FAULT]);
  });

  it('of other events does not exist.', () => {
    const illegal = new Bench({ caches: ALL_CACHES }).device({ bits: [2, SE, SA] }).enable();
    illegal.read(0n);
    illegal.read(0n);
    expect(illegal.events()).toHaveLength(2);
    const invalid = new Bench({ caches: ALL_CACHES }).usual({ bits: [SE, SA] }).enable();
    invalid.read(0xfee0_0000n);
    invalid.read(0n, { addressType: 'translated' });
    expect(invalid.events()).toHaveLength(2);
  });

  it('of what is an interrupt with PASID is by IG.', () => {
    proves('DTE.IG');
    const events = (bits: readonly number[]) => {
      const bench = new Bench({ caches: ALL_CACHES }).guests({ bits }).enable();
      for (let n = 0; n < 2; n++) bench.write(0xfee0_0000n, { pasid: PASID });
      return bench.events().length;
    };
    expect(events([SE, SA])).toBe(2);
    expect(events([128, IG])).toBe(0);
    // Without IV the interrupt half says nothing.
    expect(events([IG])).toBe(2);
  });
});

describe('The exclusion range', () => {
  const EX_EN = 1n;
  const ALLOW = 2n;
  const EX = 103;
  /** Two pages, and not one mapped. */
  const range = (control: bigint, fields: DeviceFields, efr = ALL) => {
    const bench = new Bench({ efr, caches: ALL_CACHES }).usual(fields, 0n);
    return bench
      .set(REG.EXCLUSION_BASE, 0x5000n | control)
      .set(REG.EXCLUSION_LIMIT, 0x6000n)
      .enable();
  };
  const translated = (bench: Bench, address: bigint) => bench.ask(address, { write: true }).ok;

  it.each([
    { control: EX_EN | ALLOW, bits: [], excluded: true },
    { control: EX_EN, bits: [EX], excluded: true },
    { control: EX_EN, bits: [], excluded: false },
    { control: ALLOW, bits: [EX], excluded: false },
  ])('is open to all devices by Allow, to one by EX ($control, $bits).', ({ control, bits, excluded }) => {
    proves('Exclusion Base.ExEn', 'Exclusion Base.Allow', 'DTE.EX');
    const bench = range(control, { ir: false, iw: false, bits });
    expect(outcome(bench.ask(0x5678n, { write: true }))).toBe(excluded ? 0x5678n : 'IO_PAGE_FAULT.DTE_DENIED');
  });

  it('has whole pages, the last one included.', () => {
    proves('Exclusion Base.ExclusionBase', 'Exclusion Range Limit.ExclusionLimit');
    const bench = range(EX_EN | ALLOW, {});
    const open = [0x4fffn, 0x5000n, 0x6fffn, 0x7000n].map((address) => translated(bench, address));
    expect(open).toEqual([false, true, true, false]);
    bench.set(REG.EXCLUSION_LIMIT, 0x5000n);
    expect(translated(bench, 0x5fffn)).toBe(true);
    expect(translated(bench, 0x6000n)).toBe(false);
    bench.set(REG.EXCLUSION_BASE, 0x5000n);
    expect(translated(bench, 0x5fffn)).toBe(false);
  });

  it('is behind V and TV, for requests without PASID alone, and does not exist with SNP.', () => {
    proves('Extended Feature.SNPSup');
    expect(outcome(range(EX_EN | ALLOW, { tv: false }).ask(0x5000n))).toBe(TV);
    const guests = range(EX_EN | ALLOW, {}).guests();
    expect(outcome(guests.ask(0x5000n, { pasid: PASID }))).toBe('IO_PAGE_FAULT.GUEST_NOT_PRESENT');
    expect(translated(range(EX_EN | ALLOW, {}, ALL | (1n << 63n)), 0x5000n)).toBe(false);
  });
});

describe('I', () => {
  const DISABLED = 'INVALID_DEVICE_REQUEST.TRANSLATION_DISABLED';
  it('lets a device send translation requests and translated ones.', () => {
    proves('DTE.I', DISABLED, 'INVALID_DEVICE_REQUEST.TR', 'INVALID_DEVICE_REQUEST.Type');
    const bench = new Bench().usual({ deviceTlb: true }).enable();
    expect(bench.rig.translationRequest({ requester: DEVICE, address: 0n })).toMatchObject({ ok: true });
    // Of a translated request nothing is asked: not TV, not IR and IW, no table.
    bench.device({ tv: false, ir: false, iw: false, deviceTlb: true });
    expect(outcome(bench.ask(0x5000n, { addressType: 'translated', write: true }))).toBe(0x5000n);
    expect(bench.events()).toEqual([]);
    bench.usual();
    const refused = bench.rig.translationRequest({ requester: DEVICE, address: 0x234n });
    expect(refused).toMatchObject({ ok: false, status: 'UR', fault: { name: DISABLED } });
    expect(bench.events()).toEqual([[0x8300_0000_0000_0108n, 0x234n]]);
  });

  it('without V does not exist.', () => {
    const bench = new Bench().device({ v: false, deviceTlb: true }).enable();
    const refused = bench.rig.translationRequest({ requester: DEVICE, address: 0x234n });
    expect(refused).toMatchObject({ ok: false, status: 'UR', fault: { name: DISABLED } });
  });

  it('does not open the interrupt range to translation requests.', () => {
    const SPECIAL = 'INVALID_DEVICE_REQUEST.TRANSLATION_SPECIAL';
    proves(SPECIAL);
    const bench = new Bench().usual({ deviceTlb: true }).enable();
    const refused = bench.rig.translationRequest({ requester: DEVICE, address: 0xfee0_1234n });
    expect(refused).toMatchObject({ ok: false, status: 'UR', fault: { name: SPECIAL } });
    expect(bench.events()).toEqual([[0x8100_0000_0000_0108n, 0xfee0_1234n]]);
  });
});

describe('Tables', () => {
  it('of devices that share a domain are theirs, even where software has not kept its promise.', () => {
    const bench = new Bench({ caches: ALL_CACHES }).usual().enable();
    const other = 0x0110;
    bench.write64(hostAt(9), (DATA + 0x7000n) | RW).device({ mode: 1, root: hostAt(9) }, other);
    expect(outcome(bench.ask(0n))).toBe(DATA);
    expect(outcome(bench.ask(0n, { requester: other }))).toBe(DATA + 0x7000n);
    expect(outcome(bench.ask(0n))).toBe(DATA);
  });
});
