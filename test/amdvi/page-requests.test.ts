/** Device-TLBs: translation requests, translated requests and page requests (amd-vi.md sections 6.1 and 6.2). */
import { describe, expect, it } from 'vitest';
import type { PageRequestMessage, TranslationCompletion } from '../../hardware/index.ts';
import { proves } from '../proves.ts';
import {
  ALL,
  ALL_CACHES,
  Bench,
  DATA,
  DEVICE,
  EPH_EN,
  GT_EN,
  IOMMU_EN,
  IR,
  IW,
  NO_CACHES,
  NX,
  PASID,
  PPR_EN,
  PPR_LOG_EN,
  PR,
  PS,
  REG,
  RW,
  USER_PAGE,
} from './bench.ts';
import type { DeviceFields } from './device-entry.ts';

const I = { deviceTlb: true } as const;

describe('A translation request', () => {
  const ask = (bench: Bench, more = {}): TranslationCompletion => {
    const result = bench.rig.translationRequest({ requester: DEVICE, address: 0x234n, ...more });
    if (!result.ok) throw new Error(result.status);
    return result.completion;
  };

  it.each([
    { entry: RW, fields: {}, read: true, write: true },
    { entry: PR | IR, fields: {}, read: true, write: false },
    { entry: PR | IW, fields: {}, read: false, write: true },
    { entry: PR, fields: {}, read: false, write: false },
    { entry: RW, fields: { iw: false }, read: true, write: false },
    { entry: RW, fields: { ir: false }, read: false, write: true },
  ])('is told what device table entry and tables grant together: $entry, $fields', ({ entry, fields, ...granted }) => {
    for (const caches of [NO_CACHES, ALL_CACHES]) {
      const bench = new Bench({ caches }).usual({ ...I, ...fields }, DATA | entry).enable();
      for (let n = 0; n < 2; n++) expect(ask(bench)).toMatchObject(granted);
      expect(bench.events()).toEqual([]);
    }
  });

  it('is told the whole page, and with NW not that it may be written.', () => {
    const bench = new Bench()
      .usual(I)
      .host(2, 0, 0x20_0000n | RW)
      .enable();
    expect(ask(bench, { address: 0x12_3456n })).toMatchObject({
      address: 0n,
      translated: 0x20_0000n,
      size: 0x20_0000n,
    });
    expect(ask(bench, { noWrite: true })).toMatchObject({ read: true, write: false });
  });

  it('of a device without host table is told the address itself.', () => {
    const bench = new Bench().device({ ...I, iw: false }).enable();
    expect(ask(bench, { address: 0x5_6789n })).toMatchObject({ translated: 0x5_6000n, read: true, write: false });
  });

  it.each([
    { leaf: USER_PAGE, user: [true, true], execute: true },
    { leaf: 5n, user: [true, false], execute: true },
    { leaf: 3n, user: [false, false], execute: false },
    { leaf: USER_PAGE | NX, user: [true, true], execute: false },
  ])('with PASID is told what the guest table grants to a user: $leaf', ({ leaf, user, execute }) => {
    for (const caches of [NO_CACHES, ALL_CACHES]) {
      const bench = new Bench({ caches }).guests(I, DATA | leaf).enable();
      for (let n = 0; n < 2; n++) {
        const { read, write, execute: mayExecute } = ask(bench, { pasid: PASID, execute: true });
        expect([read, write]).toEqual(user);
        expect(mayExecute).toBe(execute);
        expect(ask(bench, { pasid: PASID })).toMatchObject({ execute: false });
        expect(ask(bench, { pasid: PASID, privileged: true })).toMatchObject({ read: true, privileged: true });
      }
    }
  });

  it('sets A, and D only where it may lead to a write.', () => {
    const bench = new Bench().usual({ ...I, had: 3 }).enable();
    ask(bench, { noWrite: true });
    expect(bench.read64(0x2_1000n) & 0x60n).toBe(0x20n);
    ask(bench);
    expect(bench.read64(0x2_1000n) & 0x60n).toBe(0x60n);
  });

  it('for a large guest page over a smaller host page is told the smaller.', () => {
    const bench = new Bench()
      .guests()
      .identity({ ...I, gcr3: 0x4_0000n })
      .guest(2, 0, PS | USER_PAGE)
      .enable();
    expect(ask(bench, { pasid: PASID })).toMatchObject({ address: 0n, translated: 0n, size: 0x1000n });
  });
});

describe('A page request', () => {
  const group = 0x155;
  const request: PageRequestMessage = { requester: DEVICE, address: 0xab_c000n, read: true, last: true, group };
  const control = GT_EN | PPR_EN | PPR_LOG_EN;
  const on = (fields: DeviceFields = {}, more = 0n, efr = ALL) =>
    new Bench({ efr, caches: ALL_CACHES }).guests({ ...I, ...fields }).enable(control | more);

  it.each([
    { what: 'a read', more: {}, lo: 0x1044_0355_0000_0108n },
    { what: 'a write', more: { read: false, write: true }, lo: 0x1060_0355_0000_0108n },
    { what: 'one of several', more: { write: true, last: false }, lo: 0x1064_0155_0000_0108n },
    { what: 'with PASID', more: { pasid: 0x1_2345 }, lo: 0x1144_0755_2345_0108n },
    { what: 'to execute', more: { pasid: PASID, execute: true }, lo: 0x1146_0355_0021_0108n },
    { what: 'privileged', more: { pasid: PASID, privileged: true }, lo: 0x1104_0355_0021_0108n },
  ])('is logged ($what).', ({ more, lo }) => {
    proves('PPR Log Entry.DeviceID', 'PPR Log Entry.PASID_15_0', 'PPR Log Entry.PASID_19_16', 'PPR Log Entry.PRGIndex');
    proves('PPR Log Entry.Last', 'PPR Log Entry.EXEC', 'PPR Log Entry.READ', 'PPR Log Entry.WRITE', 'PPR Log Entry.US');
    proves('PPR Log Entry.GN', 'PPR Log Entry.Code', 'PPR Log Entry.PageAddress', 'Control.PPREn', 'Status.PprInt');
    const bench = on();
    bench.rig.pageRequest({ ...request, ...more });
    expect(bench.requests()).toEqual([[lo, 0xab_c000n]]);
    expect(bench.get(REG.STATUS) & 0x40n).toBe(0x40n);
    // Software answers; the unit does not.
    expect([bench.sent, bench.events()]).toEqual([[], []]);
  });

  it.each([
    { what: 'PPREn', more: {}, change: (b: Bench) => b.set(REG.CONTROL, (b.get(REG.CONTROL) & ~PPR_EN) | IOMMU_EN) },
    { what: 'V', more: {}, change: (b: Bench) => b.device({ v: false, ...I }) },
    { what: 'I', more: {}, change: (b: Bench) => b.device({}) },
    { what: 'a legal device table entry', more: {}, change: (b: Bench) => b.device({ ...I, bits: [2] }) },
    { what: 'a device table entry', more: {}, change: (b: Bench) => b.set(REG.DEVICE_TABLE, 0x20_0000n) },
  ])('is refused without $what of its unit or device.', ({ change }) => {
    proves('INVALID_PPR_REQUEST.DeviceID', 'INVALID_PPR_REQUEST.Tag', 'INVALID_PPR_REQUEST.Flags');
    proves('INVALID_PPR_REQUEST.EventCode', 'INVALID_PPR_REQUEST.Address');
    const bench = on();
    change(bench);
    bench.rig.pageRequest(request);
    expect(bench.requests()).toEqual([]);
    expect(bench.events()).toEqual([[0x9044_0355_0000_0108n, 0xab_c000n]]);
    expect(bench.sent).toEqual([{ kind: 'page group response', requester: DEVICE, pasid: undefined, group, code: 1 }]);
  });

  it('with PASID is refused where there is no guest table, and its event names the PASID.', () => {
    proves('INVALID_PPR_REQUEST.PASID_15_0', 'INVALID_PPR_REQUEST.PASID_19_16');
    const bench = on().device(I);
    bench.rig.pageRequest({ ...request, pasid: 0xf_4321 });
    expect(bench.events()).toEqual([[0x9144_3f55_4321_0108n, 0xab_c000n]]);
    expect(bench.sent).toMatchObject([{ pasid: 0xf_4321, group, code: 1 }]);
  });

  it('needs PPR of the device table entry once EPHEn is 1.', () => {
    proves('Control.EPHEn', 'DTE.PPR', 'Extended Feature.EPHSup');
    const count = (fields: DeviceFields, more = 0n, efr = ALL) => {
      const bench = on(fields, more, efr);
      bench.rig.pageRequest(request);
      return bench.requests().length;
    };
    expect(count({})).toBe(1);
    expect(count({}, EPH_EN)).toBe(0);
    expect(count({ bits: [52] }, EPH_EN)).toBe(1);
    expect(count({}, EPH_EN, ALL & ~(1n << 50n))).toBe(1);
  });

  it('that no log takes is lost, unless the unit may answer for software.', () => {
    proves('Control.PprAutoRspEn', 'PPR Log Auto Response.PprAutoRespCode', 'PPR Log Auto Response.PprAutoRespMaskGn');
    proves('DTE.GPRP');
    const lost = on();
    lost.enable(control & ~PPR_LOG_EN);
    lost.rig.pageRequest(request);
    expect([lost.sent, lost.requests(), lost.events()]).toEqual([[], [], []]);
    const answer = (autoResponse: bigint, fields: DeviceFields = {}) => {
      const bench = on(fields).set(REG.AUTO_RESPONSE, autoResponse);
      bench.enable((control & ~PPR_LOG_EN) | (1n << 39n));
      bench.rig.pageRequest({ ...request, pasid: PASID, last: false });
      expect(bench.sent).toEqual([]);
      bench.rig.pageRequest({ ...request, pasid: PASID });
      return bench.sent;
    };
    const given = { kind: 'page group response', requester: DEVICE, group };
    expect(answer(0xfn)).toEqual([{ ...given, pasid: undefined, code: 15 }]);
    expect(answer(0x1n, { bits: [53] })).toEqual([{ ...given, pasid: PASID, code: 1 }]);
    expect(answer(0x11n, { bits: [53] })).toEqual([{ ...given, pasid: undefined, code: 1 }]);
  });

  it('may always be answered by the unit, and then is not logged.', () => {
    proves('Control.PprAutoRspAon');
    const bench = on({}, 1n << 42n).set(REG.AUTO_RESPONSE, 0n);
    bench.rig.pageRequest(request);
    expect([bench.requests(), bench.sent]).toMatchObject([[], [{ group, code: 0 }]]);
  });

  it('that finds the log full sets PprOverflow and stops it; software empties it and starts it again.', () => {
    proves('Status.PprOverflow', 'Status.PprLogRun', 'Control.PPRLogEn', 'PPR Log Head.PPRHdptr');
    const bench = on();
    for (let n = 0; n < 255; n++) bench.rig.pageRequest({ ...request, group: n });
    expect(bench.get(REG.STATUS) & 0xa0n).toBe(0x80n);
    bench.rig.pageRequest(request);
    expect(bench.get(REG.STATUS) & 0xa0n).toBe(0x20n);
    expect(bench.requests()).toHaveLength(255);
    bench.set(REG.PPR_HEAD, bench.get(REG.PPR_TAIL)).rig.pageRequest(request);
    expect(bench.requests()).toEqual([]);
    bench
      .enable(control & ~PPR_LOG_EN)
      .set(REG.STATUS, 0x20n)
      .enable(control);
    expect(bench.get(REG.STATUS) & 0xa0n).toBe(0x80n);
    bench.rig.pageRequest(request);
    expect(bench.get(REG.PPR_TAIL)).toBe(0n);
  });

  it('that is a stop marker is logged unless BlkStopMrkEn is 1, and never answered.', () => {
    proves('Control.BlkStopMrkEn');
    const marker = { ...request, read: false, pasid: PASID };
    const seen = on();
    seen.rig.pageRequest(marker);
    expect(seen.requests()).toHaveLength(1);
    const blocked = on({}, 1n << 41n);
    blocked.rig.pageRequest(marker);
    expect(blocked.requests()).toEqual([]);
    const refused = on().device({});
    refused.rig.pageRequest(marker);
    expect(refused.events()).toHaveLength(1);
    expect([seen.sent, blocked.sent, refused.sent]).toEqual([[], [], []]);
  });

  it.each([
    { code: 0n, given: 0 },
    { code: 1n, given: 1 },
    { code: 2n, given: 15 },
    { code: 15n, given: 15 },
  ])(
    'is answered by COMPLETE_PPR_REQUEST with the code $code that software gives, or with failure.',
    ({ code, given }) => {
      const bench = on();
      bench.submit([0x7000_0000_0000_0108n, (code << 44n) | 0x155_0000_0000n]);
      expect(bench.sent).toEqual([
        { kind: 'page group response', requester: DEVICE, pasid: undefined, group, code: given },
      ]);
    },
  );
});
