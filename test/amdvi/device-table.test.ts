/** The device table entry (amd-vi.md sections 2 and 6.2): which half and which fields count, and for whom. */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import {
  ALL,
  ALL_CACHES,
  Bench,
  DATA,
  DEVICE,
  DEVICE_TABLE,
  GCR3,
  GT_EN,
  guestAt,
  hostAt,
  NO_CACHES,
  outcome,
  PASID,
  PR,
  REG,
  RW,
} from './bench.ts';
import type { DeviceFields } from './device-entry.ts';

const TV = 'IO_PAGE_FAULT.TV';
const NO_GUEST_TABLE = 'IO_PAGE_FAULT.NO_GUEST_TABLE';
const RESERVED = 'ILLEGAL_DEV_TABLE_ENTRY.RESERVED';
const ENCODING = 'ILLEGAL_DEV_TABLE_ENTRY.ENCODING';

/** Pages of the host table, of PASID 21h and of PASID 0. */
const [OF_HOST, OF_PASID, OF_ZERO] = [DATA, DATA + 0x1000n, DATA + 0x2000n];

function both(fields: DeviceFields, caches = NO_CACHES): Bench {
  const bench = new Bench({ caches }).guests({}, OF_PASID | 7n).usual({ gcr3: GCR3, mode: 1, ...fields }, OF_HOST | RW);
  // Where the host table is in the way of guest tables, it leads them to themselves.
  for (const table of [guestAt(4), guestAt(3), guestAt(2), guestAt(1), GCR3, OF_PASID, OF_ZERO]) {
    bench.host(1, Number(table >> 12n), table | RW);
  }
  for (let n = 4; n > 1; n--) bench.write64(hostAt(20 + n), hostAt(20 + n - 1) | 7n);
  for (let n = 1; n <= 4; n++) bench.host(1, Number(hostAt(20 + n) >> 12n), hostAt(20 + n) | RW);
  bench.write64(hostAt(21), OF_ZERO | 7n).write64(GCR3, hostAt(24) | 1n);
  return bench;
}

describe('V, TV and GV', () => {
  it.each([
    { fields: { v: false }, plain: 0n, withPasid: 0n },
    { fields: { v: false, tv: false, gcr3: undefined }, plain: 0n, withPasid: 0n },
    { fields: { tv: false }, plain: TV, withPasid: TV },
    { fields: { tv: false, gcr3: undefined }, plain: TV, withPasid: TV },
    { fields: { gcr3: undefined }, plain: OF_HOST, withPasid: NO_GUEST_TABLE },
    { fields: { gcr3: undefined, mode: 0 }, plain: 0n, withPasid: NO_GUEST_TABLE },
    { fields: {}, plain: OF_HOST, withPasid: OF_PASID },
    { fields: { mode: 0 }, plain: 0n, withPasid: OF_PASID },
    { fields: { giov: true }, plain: OF_ZERO, withPasid: OF_PASID },
    { fields: { giov: true, mode: 0 }, plain: OF_ZERO, withPasid: OF_PASID },
  ])('decide which tables serve a request: $fields', ({ fields, plain, withPasid }) => {
    proves('DTE.V', 'DTE.TV', 'DTE.GV', 'DTE.GIoV', 'DTE.Mode', 'DTE.HostPTRoot', 'Device Table Base.DevTabBase');
    for (const caches of [NO_CACHES, ALL_CACHES]) {
      const bench = both(fields as DeviceFields, caches).enable();
      for (let n = 0; n < 2; n++) {
        expect(outcome(bench.ask(0n, { write: true }))).toBe(plain);
        expect(outcome(bench.ask(0n, { pasid: PASID }))).toBe(withPasid);
      }
    }
  });

  it('Guest tables serve nobody while GTEn is 0.', () => {
    proves('Control.GTEn');
    const bench = both({ giov: true }).enable(0n);
    expect(outcome(bench.ask(0n))).toBe(OF_HOST);
    expect(outcome(bench.ask(0n, { pasid: PASID }))).toBe(NO_GUEST_TABLE);
    bench.enable(GT_EN);
    expect(outcome(bench.ask(0n))).toBe(OF_ZERO);
  });

  it('Nothing is looked up while IommuEn is 0.', () => {
    proves('Control.IommuEn');
    const bench = new Bench().device({ tv: false }).enable();
    expect(outcome(bench.ask(0x5000n))).toBe(TV);
    bench.set(REG.CONTROL, 0n);
    expect(outcome(bench.ask(0x5000n, { write: true }))).toBe(0x5000n);
    expect(bench.rig.translationRequest({ requester: DEVICE, address: 0n })).toEqual({ ok: false, status: 'UR' });
    expect(bench.accesses.filter(({ length }) => length === 32)).toHaveLength(1);
  });

  it('Without V no other field of the memory half counts, reserved ones included.', () => {
    const bits = [2, 6, 9, 10, 11, 63, 99, 100, 106];
    const bench = new Bench().device({ v: false, ir: false, iw: false, bits }).enable();
    expect(outcome(bench.ask(0x5000n, { write: true }))).toBe(0x5000n);
  });
});

describe('Mode', () => {
  const SUPPORTED = [4, 5, 6, 0];
  it.each([0, 1, 2, 3])('goes as far as HATS says: %i.', (hats) => {
    proves('Extended Feature.HATS', 'DTE.Mode');
    const efr = (ALL & ~0xc00n) | (BigInt(hats) << 10n);
    for (let mode = 0; mode <= 7; mode++) {
      const bench = new Bench({ efr }).device({ mode });
      if (mode > 0 && mode < 7) bench.usual({ mode });
      const expected = mode > SUPPORTED[hats]! ? ENCODING : mode === 0 ? 0n : DATA;
      expect(outcome(bench.enable().ask(0n)), `mode ${mode}`).toBe(expected);
    }
  });
});

describe('IR and IW', () => {
  const rights = [0, 1, 2, 3];
  const grants = (n: number): bigint => (BigInt(n) << 61n) | PR;
  it('of the device table entry and of the page must both allow an access.', () => {
    proves('DTE.IR', 'DTE.IW', 'host PTE.IR', 'host PTE.IW', 'host PTE.PR');
    for (const caches of [undefined, ALL_CACHES]) {
      for (const own of rights) {
        for (const ofPage of rights) {
          const bench = new Bench(caches === undefined ? {} : { caches });
          bench.usual({ ir: (own & 1) !== 0, iw: (own & 2) !== 0 }, DATA | grants(ofPage)).enable();
          for (let n = 0; n < 2; n++) {
            for (const write of [false, true]) {
              const needed = write ? 2 : 1;
              const expected =
                (own & needed) === 0
                  ? 'IO_PAGE_FAULT.DTE_DENIED'
                  : (ofPage & needed) === 0
                    ? 'IO_PAGE_FAULT.DENIED'
                    : DATA;
              expect(outcome(bench.ask(0n, { write })), `${own} ${ofPage}`).toBe(expected);
            }
          }
        }
      }
    }
  });
});

describe('The length of the device table', () => {
  const beyond = (requester: number) => ({ requester, write: false, address: 0n });
  it('counts pages of 128 entries.', () => {
    proves('Device Table Base.Size');
    const bench = new Bench().enable();
    for (const [size, last] of [
      [0n, 127],
      [1n, 255],
      [0x1fen, 0xff7f],
    ] as const) {
      bench.set(REG.DEVICE_TABLE, DEVICE_TABLE | size);
      expect(outcome(bench.rig.translate(beyond(last)))).toBe(0n);
      expect(outcome(bench.rig.translate(beyond(last + 1)))).toBe('IO_PAGE_FAULT.DEVICE_ID');
    }
    bench.set(REG.DEVICE_TABLE, DEVICE_TABLE | 0x1ffn);
    expect(outcome(bench.rig.translate(beyond(0xffff)))).toBe(0n);
  });

  it.each([
    { segments: 1n, bits: 15 },
    { segments: 2n, bits: 14 },
    { segments: 3n, bits: 13 },
  ])(
    'is that of its segment, which the upper bits of the device id choose (DevTblSegEn $segments).',
    ({ segments, bits }) => {
      proves('Control.DevTblSegEn', 'Device Table Segment 1 Base.DevTabBase', 'Device Table Segment 1 Base.Size');
      const bench = new Bench();
      const count = 2 ** Number(segments);
      for (let n = 0; n < count; n++) {
        const base = 0x1_0000n * BigInt(n + 1);
        // Each segment has one page more than the one before, and blocks its last device.
        bench.set(n === 0 ? REG.DEVICE_TABLE : REG.SEGMENT_1 + (n - 1) * 8, base | BigInt(n));
        bench.write64(base + BigInt(n + 1) * 4096n - 32n, 1n);
        if (n > 0) proves(`Device Table Segment ${n} Base.DevTabBase`, `Device Table Segment ${n} Base.Size`);
      }
      bench.enable(segments << 34n);
      for (let n = 0; n < count; n++) {
        const first = n * 2 ** bits;
        const last = first + (n + 1) * 128 - 1;
        expect(outcome(bench.rig.translate(beyond(last - 1)))).toBe(0n);
        expect(outcome(bench.rig.translate(beyond(last)))).toBe(TV);
        expect(outcome(bench.rig.translate(beyond(last + 1)))).toBe('IO_PAGE_FAULT.DEVICE_ID');
      }
    },
  );
});

describe('Reserved bits of a device table entry', () => {
  const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const ALWAYS = [...range(2, 6), 63];
  /** By the bit of EFR that stands for the feature. */
  it.each([
    { feature: 'none is missing', efr: ALL, reserved: [] },
    { feature: 'EPHSup', efr: ALL & ~(1n << 50n), reserved: [52, 53] },
    { feature: 'GIoSup', efr: ALL & ~(1n << 48n), reserved: [54] },
    { feature: 'SATSSup', efr: ALL & ~(1n << 31n), reserved: [106] },
    { feature: 'GTSup', efr: ALL & ~(1n << 4n), reserved: [...range(55, 60), ...range(80, 95), ...range(107, 127)] },
  ])('are checked with V, and belong to fields whose feature is missing ($feature).', ({ efr, reserved }) => {
    if (reserved.length === 0) {
      for (const each of ['EPHSup', 'GIoSup', 'SATSSup', 'GTSup']) proves(`Extended Feature.${each}`);
    }
    const found = range(2, 127).filter((bit) => {
      const bench = new Bench({ efr }).device({ bits: [bit] }).enable();
      return outcome(bench.ask(0x5000n)) === RESERVED;
    });
    expect(found).toEqual([...ALWAYS, ...reserved].sort((a, b) => a - b));
  });

  it('of the interrupt half do not count for memory.', () => {
    const bits = [128, 132, 131, 180, 181, 188, 189, 192, 245];
    expect(outcome(new Bench().device({ bits }).enable().ask(0x5000n))).toBe(0x5000n);
  });

  it.each([
    { what: 'IoCtl 3', fields: { bits: [99, 100] } },
    { what: 'HAD 2', fields: { had: 2 } },
    { what: 'GLX 3', fields: { gcr3: GCR3, glx: 3 } },
    { what: 'GuestPagingMode 2', fields: { gcr3: GCR3, bits: [183] } },
    { what: 'GuestPagingMode 3', fields: { gcr3: GCR3, bits: [182, 183] } },
  ])('are one thing, values that stand for nothing another ($what).', ({ what, fields }) => {
    proves(`DTE.${what.split(' ')[0]}`);
    const bench = new Bench().device(fields).enable();
    expect(outcome(bench.ask(0x5000n))).toBe(ENCODING);
    expect(bench.events()).toEqual([[0x1000_0000_0000_0108n, 0x5000n]]);
  });

  it.each([
    { what: 'GLXSup', efr: ALL & ~(3n << 14n), fields: { glx: 1 } },
    { what: 'GATS', efr: ALL & ~(3n << 12n), fields: { fiveLevels: true } },
  ])('are not what a unit with fewer levels finds ($what).', ({ efr, fields }) => {
    const fewer = new Bench({ efr }).guests(fields).enable();
    expect(outcome(fewer.ask(0n, { pasid: PASID }))).toBe(ENCODING);
    expect(outcome(new Bench({ efr }).guests({}).enable().ask(0n, { pasid: PASID }))).toBe(DATA);
  });
});

describe('NpCache', () => {
  /** CapID 0Fh, CapType 011b, CapRev 1, IotlbSup, EFRSup, CapExt; and NpCache. */
  const HEADER = 0x190b_000fn;
  const NP_CACHE = 1n << 26n;

  it.each([
    { header: HEADER, kept: false },
    { header: HEADER | NP_CACHE, kept: true },
  ])('lets the unit keep entries that are not valid (header $header).', ({ header, kept }) => {
    proves('Capability Header.NpCache');
    const bench = new Bench({ capHeader: header, caches: ALL_CACHES }).device({ v: false }).enable();
    expect(outcome(bench.read(0x5000n))).toBe(0x5000n);
    bench.device({ tv: false });
    expect(outcome(bench.read(0x5000n))).toBe(kept ? 0x5000n : TV);
    bench.submit([0x2000_0000_0000_0108n, 0n]);
    expect(outcome(bench.read(0x5000n))).toBe(TV);
  });
});

describe('Without a host table', () => {
  const [ATTR_V, MODE_0_FC] = [246, 247];

  it.each([
    { bits: [], snoops: false },
    { bits: [MODE_0_FC], snoops: false },
    { bits: [ATTR_V], snoops: false },
    { bits: [ATTR_V, MODE_0_FC], snoops: true },
  ])('Mode0FC stands for FC if AttrV is 1 (bits $bits).', ({ bits, snoops }) => {
    proves('DTE.AttrV', 'DTE.Mode0FC');
    const bench = new Bench().device({ deviceTlb: true, bits }).enable();
    const { completion } = bench.rig.translationRequest({ requester: DEVICE, address: 0x5000n }) as never;
    expect(completion).toMatchObject({ translated: 0x5000n, nonSnoopedIgnored: snoops });
  });
});
