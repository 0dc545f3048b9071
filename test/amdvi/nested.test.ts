/** The walk through guest tables over a host table (amd-vi.md sections 3.4 and 3.5). */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import {
  ACCESSED,
  ALL_CACHES,
  Bench,
  DATA,
  GA_UPDATE_DIS,
  GCR3,
  GCR3_TRP,
  GT_EN,
  gcr3At,
  guestAt,
  hostAt,
  INVALIDATE_ALL,
  IR,
  level,
  NO_CACHES,
  outcome,
  PASID,
  PR,
  PS,
  RW,
  USER_PAGE,
} from './bench.ts';

const CACHES = [NO_CACHES, ALL_CACHES];
const pasid = PASID;

describe('Over a host table', () => {
  /** The page that a guest table calls DATA lies one page further. */
  const nested = (fields = {}, caches = NO_CACHES) => {
    const bench = new Bench({ caches }).guests().identity({ gcr3: GCR3, ...fields });
    return bench.host(1, Number(DATA >> 12n), (DATA + 0x1000n) | RW);
  };

  it('every address that a guest table holds is translated, and so is the page.', () => {
    proves('DTE.GV', 'GCR3 entry.Address');
    const bench = nested().enable();
    expect(outcome(bench.ask(0x234n, { pasid }))).toBe(DATA + 0x1234n);
    // The GCR3 entry; four guest entries and the page, each with the three of the host table.
    expect(bench.tableReads()).toBe(1 + 4 * (3 + 1) + 3);
  });

  it('with five levels and three of the GCR3 table it takes as many more.', () => {
    const bench = new Bench().guests({ fiveLevels: true }).identity({ fiveLevels: true, gcr3: gcr3At(2), glx: 2 });
    bench.write64(gcr3At(2), gcr3At(1) | 1n).write64(gcr3At(1), GCR3 | 1n);
    expect(outcome(bench.enable().ask(0x234n, { pasid }))).toBe(DATA + 0x234n);
    expect(bench.tableReads()).toBe(1 + 2 * (3 + 1) + 5 * (3 + 1) + 3);
  });

  it.each([
    { control: 0n, root: 'a system address', reads: 20 },
    { control: GCR3_TRP, root: 'a guest address', reads: 23 },
  ])('the root of the GCR3 table is ($root).', ({ control, reads }) => {
    proves('Control.GCR3TRPMode', 'Extended Feature 2.GCR3TRPModeSup');
    const bench = nested();
    // The host table moves the page of the GCR3 table away from where it is.
    const moved = 0x18_0000n;
    if (control !== 0n) {
      bench.host(1, Number(GCR3 >> 12n), moved | RW);
      bench.write64(moved + BigInt(PASID) * 8n, guestAt(4) | 1n).write64(GCR3 + BigInt(PASID) * 8n, 0n);
    }
    expect(outcome(bench.enable(GT_EN | control).ask(0x234n, { pasid }))).toBe(DATA + 0x1234n);
    expect(bench.tableReads()).toBe(reads);
    const without = new Bench({ efr2: 0n })
      .guests()
      .identity({ gcr3: GCR3 })
      .enable(GT_EN | control);
    without.ask(0n, { pasid });
    expect(without.tableReads()).toBe(20);
  });

  it.each([
    { what: 'a table', page: guestAt(2), entry: 0n, event: 0x2005_0021_0000_0108n },
    { what: 'the page', page: DATA, entry: 0n, event: 0x2005_0021_0000_0108n },
    { what: 'a table that may not be read', page: guestAt(2), entry: guestAt(2) | PR, event: 0x2055_0021_0000_0108n },
    {
      what: 'a table that may not be written, where A is 0',
      page: guestAt(2),
      entry: guestAt(2) | PR | IR,
      event: 0x2055_0021_0000_0108n,
    },
    { what: 'a page that may not be read', page: DATA, entry: DATA | PR, event: 0x2055_0021_0000_0108n },
  ])('a fault of the host table is told with the guest’s address and PASID ($what).', ({ page, entry, event }) => {
    for (const caches of CACHES) {
      const bench = nested({}, caches)
        .host(1, Number(page >> 12n), entry)
        .enable();
      for (let n = 0; n < 2; n++) {
        expect(bench.read(0x234n, { pasid })).toMatchObject({ ok: false, status: 'CA' });
        expect(bench.events()).toEqual([[event, 0x234n]]);
      }
    }
  });

  it('a table that may not be written will do where no flag has to be set.', () => {
    const bench = nested().host(1, Number(guestAt(2) >> 12n), guestAt(2) | PR | IR);
    bench.enable(GT_EN | GA_UPDATE_DIS);
    expect(outcome(bench.ask(0x234n, { pasid }))).toBe(DATA + 0x1234n);
    bench.guest(2, 0, guestAt(1) | USER_PAGE | ACCESSED).enable();
    expect(outcome(bench.ask(0x234n, { pasid }))).toBe(DATA + 0x1234n);
  });

  it('a page may be written where both tables allow it.', () => {
    for (const caches of CACHES) {
      const bench = nested({}, caches).enable();
      for (const [guest, host, ok] of [
        [USER_PAGE, RW, true],
        [5n, RW, false],
        [USER_PAGE, PR | IR, false],
      ] as const) {
        bench
          .guest(1, 0, DATA | guest)
          .host(1, Number(DATA >> 12n), DATA | host)
          .submit(INVALIDATE_ALL);
        for (let n = 0; n < 2; n++) {
          expect(outcome(bench.ask(0n, { pasid }))).toBe(DATA);
          expect(bench.ask(0n, { pasid, write: true }).ok).toBe(ok);
        }
      }
    }
  });

  it('a page is no larger than the smaller of its two, and each part lies where its own host entry says.', () => {
    const caches = ALL_CACHES;
    // A guest page of 2 MiB over host pages of 4 KiB in reverse order.
    const bench = nested({}, caches)
      .guest(2, 1, 0x40_0000n | USER_PAGE | PS)
      .enable();
    bench.host(2, 2, hostAt(8) | RW | level(1));
    for (let n = 0; n < 512; n++) bench.host(8, n, (0x80_0000n - BigInt(n) * 0x1000n) | RW);
    for (const n of [0n, 1n, 511n, 256n, 0n, 511n]) {
      const address = 0x20_0000n + n * 0x1000n + 0x10n;
      expect(outcome(bench.ask(address, { pasid })), `${n}`).toBe(0x80_0010n - n * 0x1000n);
    }
    // And the other way round: the host page of 1 GiB serves each guest page of 4 KiB apart.
    const other = nested({}, caches)
      .guest(1, 1, 0x4123_4000n | USER_PAGE)
      .guest(1, 2, 0x4765_4000n | USER_PAGE);
    other.host(3, 1, 0x1_c000_0000n | RW).enable();
    expect(outcome(other.ask(0x1010n, { pasid }))).toBe(0x1_c123_4010n);
    expect(outcome(other.ask(0x2010n, { pasid }))).toBe(0x1_c765_4010n);
    expect(outcome(other.ask(0x3010n, { pasid }))).toBe('IO_PAGE_FAULT.GUEST_NOT_PRESENT');
  });

  it('what was cached for a PASID serves no other, nor requests without one.', () => {
    const bench = nested({}, ALL_CACHES).enable();
    const pml4 = hostAt(9);
    bench.host(1, Number(pml4 >> 12n), pml4 | RW).write64(GCR3 + 0x22n * 8n, pml4 | 1n);
    expect(outcome(bench.ask(0n, { pasid }))).toBe(DATA + 0x1000n);
    expect(outcome(bench.ask(0n, { pasid: 0x22 }))).toBe('IO_PAGE_FAULT.GUEST_NOT_PRESENT');
    expect(outcome(bench.ask(0n))).toBe(0n);
    expect(outcome(bench.ask(0n, { pasid }))).toBe(DATA + 0x1000n);
  });
});
