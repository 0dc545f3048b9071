/** The walk through GCR3 and guest tables, alone and over a host table (amd-vi.md sections 3.4, 3.5 and 6.3). */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import {
  ACCESSED,
  ALL,
  ALL_CACHES,
  Bench,
  DATA,
  DIRTY,
  GA_UPDATE_DIS,
  GCR3,
  GD_UPDATE_DIS,
  GT_EN,
  gcr3At,
  guestAt,
  INVALIDATE_ALL,
  NO_CACHES,
  NX,
  outcome,
  PASID,
  PS,
  USER_PAGE,
} from './bench.ts';

const CACHES = [NO_CACHES, ALL_CACHES];
const pasid = PASID;
const NOT_VALID = 'IO_PAGE_FAULT.GCR3_NOT_VALID';
const CANONICAL = 'IO_PAGE_FAULT.GUEST_CANONICAL';

/** The index that an address has in the table of a level. */
const indexOf = (address: bigint, n: number): number => Number((address >> BigInt(12 + 9 * (n - 1))) & 0x1ffn);

describe('A guest walk', () => {
  it.each([
    { levels: 4, address: 0x0000_7654_3210_fedcn },
    { levels: 4, address: 0xffff_8765_4321_0fedn },
    { levels: 5, address: 0x00fe_dcba_9876_5432n },
    { levels: 5, address: 0xff23_4567_89ab_cdefn },
  ])('of $levels levels takes 9 bits of $address at each.', ({ levels, address }) => {
    proves('DTE.GuestPagingMode', 'guest PTE.ADDR', 'guest PDE.ADDR', 'guest PDPE.ADDR', 'guest PML4E.ADDR');
    if (levels === 5) proves('guest PML5E.ADDR', 'Extended Feature.GATS');
    proves('guest PTE', 'guest PTE.P', 'GCR3 entry.V', 'GCR3 entry.Address');
    for (const caches of CACHES) {
      const bench = new Bench({ caches }).guests({ fiveLevels: levels === 5 }).enable();
      for (let n = levels; n > 1; n--) bench.guest(n, indexOf(address, n), guestAt(n - 1) | USER_PAGE);
      bench.guest(1, indexOf(address, 1), 0xf_edcb_a987_6000n | USER_PAGE);
      expect(outcome(bench.ask(address, { pasid }))).toBe(0xf_edcb_a987_6000n | (address & 0xfffn));
      expect(bench.tableReads()).toBe(levels + 1);
      expect(outcome(bench.ask(address, { pasid }))).toBe(0xf_edcb_a987_6000n | (address & 0xfffn));
      expect(bench.tableReads()).toBe(caches === NO_CACHES ? levels + 1 : 0);
    }
  });

  it.each([
    { size: '2 MiB', at: 2, frame: 0xf_edcb_a980_0000n, offset: 0x1f_fff0n, row: 'guest PDE (2 MiB page).ADDR' },
    { size: '1 GiB', at: 3, frame: 0xf_edcb_8000_0000n, offset: 0x3fff_fff0n, row: 'guest PDPE (1 GiB page).ADDR' },
  ])('may end in a page of $size', ({ at, frame, offset, row }) => {
    proves(row, 'guest PDE.PS');
    for (const caches of CACHES) {
      const bench = new Bench({ caches }).guests().enable();
      bench.guest(at, 0, frame | USER_PAGE | PS);
      for (const each of [offset, 0n, offset / 2n]) expect(outcome(bench.ask(each, { pasid }))).toBe(frame + each);
      expect(outcome(bench.ask(offset + 0x10n, { pasid }))).toBe('IO_PAGE_FAULT.GUEST_NOT_PRESENT');
    }
  });

  it('has reserved bits: PS where no page may be, and what lies below the address of a large page.', () => {
    const reserved = (n: number, entry: bigint) => {
      const bench = new Bench().guests().enable();
      return Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => {
        bench.guest(n, 0, entry | USER_PAGE | (1n << BigInt(bit)));
        return outcome(bench.ask(0n, { pasid })) === 'IO_PAGE_FAULT.GUEST_RESERVED';
      });
    };
    const between = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);
    expect(reserved(4, guestAt(3))).toEqual([7]);
    expect(reserved(3, guestAt(2)).filter((bit) => bit !== 7)).toEqual([]);
    expect(reserved(3, PS)).toEqual(between(13, 29));
    expect(reserved(2, PS)).toEqual(between(13, 20));
    expect(reserved(1, DATA)).toEqual([]);
  });
});

describe('The GCR3 table', () => {
  it.each([
    { glx: 0, top: 0x1ff, beyond: 0x200 },
    { glx: 1, top: 0x3_ffff, beyond: 0x4_0000 },
    { glx: 2, top: 0xf_ffff, beyond: undefined },
  ])('of GLX $glx takes 9 bits of the PASID at each level.', ({ glx, top, beyond }) => {
    proves('DTE.GLX', 'GCR3 entry.Address', 'Extended Feature.GLXSup', 'DTE.GCR3_14_12', 'DTE.GCR3_30_15');
    for (const caches of CACHES) {
      const bench = new Bench({ caches }).guests({ glx, gcr3: gcr3At(glx) }).enable();
      for (const one of [top, 0x155 % (top + 1), top & 0x2_aaaa]) {
        for (let n = glx; n >= 0; n--) {
          const target = n === 0 ? guestAt(4) : gcr3At(n - 1);
          bench.write64(gcr3At(n) + BigInt((one >>> (9 * n)) & 0x1ff) * 8n, target | 1n);
        }
        expect(outcome(bench.ask(0n, { pasid: one }))).toBe(DATA);
      }
      expect(outcome(bench.ask(0n, { pasid: top - 1 }))).toBe(NOT_VALID);
      if (beyond !== undefined) expect(outcome(bench.ask(0n, { pasid: beyond }))).toBe('IO_PAGE_FAULT.PASID');
    }
  });

  it('lies where three fields of the device table entry say.', () => {
    proves('DTE.GCR3_14_12', 'DTE.GCR3_30_15', 'DTE.GCR3_51_31');
    for (const gcr3 of [0x1_2345_6000n, 0xf_edcb_a987_6000n, 1n << 51n, 1n << 31n, 1n << 30n, 1n << 15n, 1n << 14n]) {
      const bench = new Bench({ ram: 1n << 52n }).guests({ gcr3 }).enable();
      bench.write64(gcr3 + BigInt(PASID) * 8n, guestAt(4) | 1n);
      expect(outcome(bench.ask(0n, { pasid }))).toBe(DATA);
    }
  });

  it.each([
    { max: 0, last: 1 },
    { max: 7, last: 0xff },
    { max: 15, last: 0xffff },
    { max: 19, last: 0xf_ffff },
  ])('serves no PASID of more bits than PASMax says ($max).', ({ max, last }) => {
    proves('Extended Feature.PASMax');
    const efr = (ALL & ~(0x1fn << 32n)) | (BigInt(max) << 32n);
    const bench = new Bench({ efr }).guests({ glx: 2, gcr3: gcr3At(2) }).enable();
    expect(outcome(bench.ask(0n, { pasid: last }))).toBe(NOT_VALID);
    if (last < 0xf_ffff) expect(outcome(bench.ask(0n, { pasid: last + 1 }))).toBe('IO_PAGE_FAULT.PASID');
  });

  it('has reserved bits in valid entries alone.', () => {
    proves('GCR3 entry.V');
    const bench = new Bench().guests().enable();
    const found = Array.from({ length: 63 }, (_, bit) => bit + 1).filter((bit) => {
      bench.write64(GCR3 + BigInt(PASID) * 8n, guestAt(4) | 1n | (1n << BigInt(bit)));
      return outcome(bench.ask(0n, { pasid })) === 'IO_PAGE_FAULT.GCR3_RESERVED';
    });
    expect(found).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63]);
    bench.write64(GCR3 + BigInt(PASID) * 8n, 0xffff_ffff_ffff_fffen);
    expect(outcome(bench.ask(0n, { pasid }))).toBe(NOT_VALID);
  });
});

describe('Addresses', () => {
  it.each([
    { fiveLevels: false, low: 0x0000_8000_0000_0000n, high: 0xffff_8000_0000_0000n },
    { fiveLevels: true, low: 0x0100_0000_0000_0000n, high: 0xff00_0000_0000_0000n },
  ])('with PASID are sign-extended: five levels ($fiveLevels).', ({ fiveLevels, low, high }) => {
    const bench = new Bench().guests({ fiveLevels }).enable();
    // Canonical addresses come as far as the tables, in which nothing is there.
    for (const address of [low - 0x1000n, high]) {
      expect(outcome(bench.ask(address, { pasid }))).toBe('IO_PAGE_FAULT.GUEST_NOT_PRESENT');
    }
    for (const address of [low, high - 0x1000n, 1n << 63n]) {
      expect(outcome(bench.ask(address, { pasid }))).toBe(CANONICAL);
    }
  });

  it.each([
    { fiveLevels: false, bits: 48n },
    { fiveLevels: true, bits: 57n },
  ])('without PASID, by GIoV, use the whole width and are not: five levels ($fiveLevels).', ({ fiveLevels, bits }) => {
    proves('DTE.GIoV');
    const top = fiveLevels ? 5 : 4;
    const bench = new Bench()
      .guests({ fiveLevels, giov: true })
      .write64(GCR3, guestAt(top) | 1n)
      .enable();
    bench.guest(top, 256, guestAt(top - 1) | USER_PAGE);
    expect(outcome(bench.ask(1n << (bits - 1n)))).toBe(DATA);
    for (const address of [1n << bits, 1n << 63n, 0xffff_ffff_ffff_f000n]) {
      expect(outcome(bench.ask(address))).toBe(CANONICAL);
    }
    // The event is that of a request without PASID: GN is 0, and the domain stands there.
    expect(bench.events()[0]).toEqual([0x2000_0005_0000_0108n, 1n << bits]);
  });
});

describe('Rights in guest tables', () => {
  it('to write need RW, rights of a user need US, in every level; to read needs neither.', () => {
    proves('guest PTE.RW', 'guest PTE.US');
    for (const caches of CACHES) {
      const bench = new Bench({ caches }).guests().enable();
      for (let n = 1; n <= 4; n++) {
        for (const lost of [0n, 2n, 4n, 6n]) {
          const target = n === 1 ? DATA : guestAt(n - 1);
          bench.guest(n, 0, target | (USER_PAGE & ~lost)).submit(INVALIDATE_ALL);
          for (const privileged of [false, true]) {
            for (const write of [false, true]) {
              const isUser = !privileged && (lost & 4n) !== 0n;
              const expected = isUser
                ? 'IO_PAGE_FAULT.GUEST_USER'
                : write && (lost & 2n) !== 0n
                  ? 'IO_PAGE_FAULT.GUEST_DENIED'
                  : DATA;
              expect(outcome(bench.ask(0n, { pasid, privileged, write })), `level ${n}, ${lost}`).toBe(expected);
            }
          }
          bench.guest(n, 0, target | USER_PAGE);
        }
      }
    }
  });

  it('to execute are lost by NX in any level, and asked for by requests that say so.', () => {
    proves('guest PTE.NX');
    for (const caches of CACHES) {
      const bench = new Bench({ caches }).guests().enable();
      for (let n = 1; n <= 4; n++) {
        const target = n === 1 ? DATA : guestAt(n - 1);
        bench.guest(n, 0, target | USER_PAGE | NX).submit(INVALIDATE_ALL);
        expect(outcome(bench.ask(0n, { pasid }))).toBe(DATA);
        expect(outcome(bench.ask(0n, { pasid, execute: true }))).toBe('IO_PAGE_FAULT.GUEST_EXECUTE');
        bench.guest(n, 0, target | USER_PAGE).submit(INVALIDATE_ALL);
        expect(outcome(bench.ask(0n, { pasid, execute: true }))).toBe(DATA);
      }
    }
  });

  it('of a request without PASID are those of a user.', () => {
    const bench = new Bench()
      .guests({ giov: true }, DATA | 3n)
      .write64(GCR3, guestAt(4) | 1n)
      .enable();
    expect(outcome(bench.ask(0n))).toBe('IO_PAGE_FAULT.GUEST_USER');
    bench.guest(1, 0, DATA | USER_PAGE);
    expect(outcome(bench.ask(0n, { write: true }))).toBe(DATA);
  });

  it('are what IR and IW of the device table entry leave of them.', () => {
    const bench = new Bench({ caches: ALL_CACHES }).guests({ iw: false }).enable();
    for (let n = 0; n < 2; n++) {
      expect(outcome(bench.ask(0n, { pasid }))).toBe(DATA);
      expect(outcome(bench.ask(0n, { pasid, write: true }))).toBe('IO_PAGE_FAULT.DTE_DENIED');
    }
  });
});

describe('Accessed and dirty flags of guest tables', () => {
  const flags = (bench: Bench) =>
    [4, 3, 2, 1].map((n) => Number((bench.read64(guestAt(n)) & (ACCESSED | DIRTY)) >> 5n));

  it.each([
    { control: 0n, read: [1, 1, 1, 1], write: [1, 1, 1, 3] },
    { control: GD_UPDATE_DIS, read: [1, 1, 1, 1], write: [1, 1, 1, 1] },
    { control: GA_UPDATE_DIS, read: [0, 0, 0, 0], write: [0, 0, 0, 2] },
    { control: GA_UPDATE_DIS | GD_UPDATE_DIS, read: [0, 0, 0, 0], write: [0, 0, 0, 0] },
  ])('are set unless Control says no ($control).', ({ control, read, write }) => {
    proves('guest PTE.A', 'guest PTE.D', 'Control.GAUpdateDis', 'Control.GDUpdateDis');
    for (const caches of CACHES) {
      const bench = new Bench({ caches }).guests().enable(GT_EN | control);
      bench.read(0n, { pasid });
      expect(flags(bench)).toEqual(read);
      bench.write(0n, { pasid });
      expect(flags(bench)).toEqual(write);
    }
  });

  it('do not say that a page is dirty that was not written.', () => {
    const bench = new Bench().guests({}, DATA | 5n).enable();
    bench.write(0n, { pasid });
    expect(flags(bench)[3]! & 2).toBe(0);
    bench.guest(1, 0, DATA | 3n);
    bench.write(0n, { pasid });
    expect(flags(bench)[3]! & 2).toBe(0);
    bench.guest(1, 0, DATA | USER_PAGE);
    bench.ask(0n, { pasid, write: true, probe: true });
    expect(flags(bench)[3]).toBe(0);
  });

  it('are not written over what software has changed in between.', () => {
    const bench = new Bench({ caches: ALL_CACHES }).guests().enable();
    bench.meanwhile = (address) => {
      if (address !== guestAt(1)) return;
      bench.guest(1, 0, (DATA + 0x3000n) | USER_PAGE);
      bench.meanwhile = () => {};
    };
    expect(outcome(bench.write(0n, { pasid }))).toBe(DATA + 0x3000n);
    expect(bench.read64(guestAt(1))).toBe((DATA + 0x3000n) | USER_PAGE | ACCESSED | DIRTY);
  });
});
