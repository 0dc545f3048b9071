/** Interrupts for guests: the bit in the backing page, the doorbell, the GA log, and what of an entry is not cached. */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { aborted, DEVICE, GA_EN, GAM_VAPIC, InterruptBench, IOMMU_EN, type Outcome, XT_EN } from './interrupt-bench.ts';

const GUESTS = IOMMU_EN | GA_EN | GAM_VAPIC;
const PAGE = 0x30_0000n;
/** RemapEn and GuestMode. */
const GUEST = 0x81n;
const GA_LOG_INTR = 4n;
const IS_RUN = 0x40n;
const TAG = 0x89ab_cdefn << 32n;
const TO_23 = 0x2300n;
const RESERVED = aborted('IO_PAGE_FAULT.INTERRUPT_RESERVED', 2);
const high = (vector: bigint, page = PAGE): bigint => page | vector;

function guest(lo: bigint, hi = high(0x41n), control = GUESTS): { bench: InterruptBench; outcome: Outcome } {
  const bench = new InterruptBench(control).irte(5, lo, hi);
  return { bench, outcome: bench.send(5) };
}

describe('An interrupt for a guest', () => {
  it.each([
    [0x00n, 0x200n, 1n],
    [0x1fn, 0x200n, 0x8000_0000n],
    [0x20n, 0x210n, 1n],
    [0x41n, 0x220n, 2n],
    [0xffn, 0x270n, 0x8000_0000n],
  ])('becomes the bit of its vector in the backing page: %s at %s.', (vector, offset, bit) => {
    proves('IRTE (guest).Vector', 'IRTE (guest).BackingPage', 'IRTE (guest).GuestMode', 'Control.GAMEn');
    const { bench, outcome } = guest(GUEST, high(vector));
    expect(outcome).toBe('recorded');
    expect(bench.read64(PAGE + offset)).toBe(bit);
    for (let at = 0n; at < 0x1000n; at += 8n) if (at !== offset) expect(bench.read64(PAGE + at)).toBe(0n);
  });

  it('leaves the other bits of the page as they are.', () => {
    const bench = new InterruptBench(GUESTS).irte(5, GUEST, high(0x41n)).write64(PAGE + 0x220n, 0xdead_beef_8000_0001n);
    expect(bench.send(5)).toBe('recorded');
    expect(bench.read64(PAGE + 0x220n)).toBe(0xdead_beef_8000_0003n);
  });

  it('is not lost when the processor changes the word at the same time.', () => {
    const bench = new InterruptBench(GUESTS).irte(5, GUEST, high(0x41n)).write64(PAGE + 0x220n, 0x10n);
    const outcome = bench.send(5, 0xfee0_0000, DEVICE, (access) => {
      if (access === 3) bench.write64(PAGE + 0x220n, 0x100n);
    });
    expect(outcome).toBe('recorded');
    expect(bench.read64(PAGE + 0x220n)).toBe(0x102n);
  });

  it('ends when the word never stands still.', () => {
    proves('PAGE_TAB_HARDWARE_ERROR.INTERRUPT_BACKING_PAGE');
    const bench = new InterruptBench(GUESTS).irte(5, GUEST, high(0x41n));
    let changes = 0n;
    const outcome = bench.send(5, 0xfee0_0000, DEVICE, () => bench.write64(PAGE + 0x220n, ++changes << 32n));
    expect(outcome).toEqual(aborted('PAGE_TAB_HARDWARE_ERROR.INTERRUPT_BACKING_PAGE', 4));
  });

  it('is aborted when its page is out of reach.', () => {
    const { outcome } = guest(GUEST, high(0x41n, 0x8000_0000n));
    expect(outcome).toEqual(aborted('PAGE_TAB_HARDWARE_ERROR.INTERRUPT_BACKING_PAGE', 4));
  });
});

describe('Of an interrupt for a guest', () => {
  it('the processor is told on which the guest runs.', () => {
    proves('IRTE (guest).IsRun', 'IRTE (guest).Destination');
    const { bench } = guest(GUEST | IS_RUN | TO_23 | GA_LOG_INTR | TAG);
    expect([bench.rung, bench.logged]).toEqual([[0x23], []]);
  });

  it('the processor is named with 32 bits when XTEn is 1.', () => {
    proves('IRTE (guest, XT).Destination_23_0', 'IRTE (guest, XT).Destination_31_24', 'IRTE (guest, XT).IsRun');
    proves('IRTE (guest, XT).Vector', 'IRTE (guest, XT).BackingPage');
    const { bench } = guest(GUEST | IS_RUN | 0x4567_8900n, high(0x41n) | 0x1200_0000_0000_0000n, GUESTS | XT_EN);
    expect(bench.rung).toEqual([0x1245_6789]);
    expect(bench.read64(PAGE + 0x220n)).toBe(2n);
  });

  it('the GA log is told when the guest does not run and wants to be woken.', () => {
    proves('IRTE (guest).GALogIntr', 'IRTE (guest).GATag');
    const { bench } = guest(GUEST | TO_23 | GA_LOG_INTR | TAG);
    expect([bench.rung, bench.logged]).toEqual([[], [{ tag: 0x89ab_cdef, deviceId: DEVICE }]]);
  });

  it('the GA log is told with XTEn, too.', () => {
    proves('IRTE (guest, XT).GALogIntr', 'IRTE (guest, XT).GATag');
    const { bench } = guest(GUEST | TO_23 | GA_LOG_INTR | TAG, high(0x41n), GUESTS | XT_EN);
    expect([bench.rung, bench.logged]).toEqual([[], [{ tag: 0x89ab_cdef, deviceId: DEVICE }]]);
  });

  it('nobody is told when the guest neither runs nor wants to be woken.', () => {
    const { bench, outcome } = guest(GUEST | TO_23 | TAG);
    expect([outcome, bench.rung, bench.logged]).toEqual(['recorded', [], []]);
  });

  it('nobody is told where nobody listens; it is recorded all the same.', () => {
    const bench = new InterruptBench(GUESTS);
    bench.remapper.guests = null;
    for (const more of [IS_RUN, GA_LOG_INTR]) {
      bench.irte(5, GUEST | more, high(0x41n)).write64(PAGE + 0x220n, 0n);
      expect([bench.send(5), bench.read64(PAGE + 0x220n)]).toEqual(['recorded', 2n]);
    }
  });
});

describe('An entry for a guest', () => {
  it.each([
    ['bit 3', GUEST | 8n, high(0x41n)],
    ['bit 4', GUEST | 16n, high(0x41n)],
    ['bit 16, of a longer destination', GUEST | 0x1_0000n, high(0x41n)],
    ['bit 72', GUEST, high(0x141n)],
    ['bit 116', GUEST, high(0x41n) | (1n << 52n)],
    ['bit 127, of a longer destination', GUEST, high(0x41n) | (1n << 63n)],
  ])('aborts the interrupt with %s.', (_, lo, hi) => {
    expect(guest(lo, hi).outcome).toEqual(RESERVED);
  });

  it('aborts the interrupt unless Control.GAMEn has virtual APICs.', () => {
    expect(guest(GUEST, high(0x41n), IOMMU_EN | GA_EN).outcome).toEqual(RESERVED);
    expect(guest(GUEST, high(0x41n), IOMMU_EN | GA_EN | (2n << 25n)).outcome).toEqual(RESERVED);
  });

  it.each([
    ['guest', GUESTS],
    ['guest, XT', GUESTS | XT_EN],
  ])('with RemapEn = 0 aborts the interrupt; with SupIOPF nothing is logged of that: %s.', (format, control) => {
    proves(`IRTE (${format}).RemapEn`, `IRTE (${format}).SupIOPF`);
    const off = aborted('IO_PAGE_FAULT.INTERRUPT_OFF', 2);
    expect(guest(GUEST & ~1n, high(0x41n), control).outcome).toEqual(off);
    expect(guest((GUEST & ~1n) | 2n, high(0x41n), control).outcome).toEqual({ ...off, event: 0 });
    expect(guest(GUEST | 2n, high(0x41n), control).outcome).toBe('recorded');
  });

  it('says by GAPPIDis what changes nothing here.', () => {
    const { bench, outcome } = guest(GUEST | 0x20n | IS_RUN | TO_23);
    expect([outcome, bench.rung]).toEqual(['recorded', [0x23]]);
  });
});

describe('An entry for a guest in the cache', () => {
  function cached(lo: bigint, control = GUESTS): InterruptBench {
    const bench = new InterruptBench(control, { hasCache: true }).irte(5, lo, high(0x41n));
    expect(bench.send(5)).toBe('recorded');
    bench.rung.length = 0;
    bench.logged.length = 0;
    return bench.write64(PAGE + 0x220n, 0n);
  }

  it.each([
    ['8 bits', GUESTS, 0x24n],
    ['32 bits', GUESTS | XT_EN, 0x56_7824n],
  ])('follows the guest from processor to processor without a command, with destinations of %s.', (_, control, to) => {
    const bench = cached(GUEST | IS_RUN | TO_23, control).irte(5, GUEST | IS_RUN | (to << 8n), high(0x41n));
    expect([bench.send(5), bench.rung]).toEqual(['recorded', [Number(to)]]);
  });

  it('sees without a command that the guest has stopped, and by which tag it is to be woken.', () => {
    const bench = cached(GUEST | IS_RUN | TO_23).irte(5, GUEST | GA_LOG_INTR | TAG, high(0x41n));
    expect([bench.send(5), bench.rung]).toEqual(['recorded', []]);
    expect(bench.logged).toEqual([{ tag: 0x89ab_cdef, deviceId: DEVICE }]);
  });

  it('keeps vector, page and mode until a command comes.', () => {
    const other = 0x31_0000n;
    const bench = cached(GUEST | IS_RUN | TO_23).irte(5, GUEST | IS_RUN | TO_23, high(0x42n, other));
    bench.send(5);
    expect([bench.read64(PAGE + 0x220n), bench.read64(other + 0x220n)]).toEqual([2n, 0n]);
    expect(bench.irte(5, 0n, 0n).send(5), 'RemapEn and GuestMode').toBe('recorded');
    bench.irte(5, GUEST, high(0x42n, other)).remapper.invalidate(DEVICE);
    bench.send(5);
    expect(bench.read64(other + 0x220n)).toBe(4n);
  });
});
