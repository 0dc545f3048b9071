/** Interrupts through a whole unit: what is logged of those that are aborted, and the command that removes entries. */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { ALL_CACHES, Bench, DEVICE, DEVICE_TABLE, type Pair, RAM, REG } from './bench.ts';

const TABLE = 0x10_0000n;
/** Interrupt half of a device table entry: IV, 512 entries, IntCtl = 10b (section 2.3). */
const REMAPS = 0x2000_0000_0000_0013n;
const INT_CTL = 3n << 60n;
const RESERVED_INT_CTL = INT_CTL;
/** IntTabLen: four entries. */
const OF_FOUR = 0x2000_0000_0000_0005n;
const OTHER = 0x0109;
/** RemapEn, destination 23h, vector 41h; and vector 42h. */
const OLD = 0x0041_2301n;
const NEW = 0x0042_2301n;

/** A bench whose device, and its neighbour, have an interrupt table in which entry 5 is `irte`. */
function remapping(half: bigint, irte = OLD): Bench {
  const bench = new Bench({ caches: ALL_CACHES }).enable();
  for (const device of [DEVICE, OTHER]) bench.write64(DEVICE_TABLE + BigInt(device) * 32n + 16n, half);
  return bench.write64(TABLE + 0x10n, irte << 32n);
}

const send = (bench: Bench, requester = DEVICE) =>
  bench.write(0xfee0_0000n, { requester, data: Uint8Array.of(5, 0, 0, 0) });

describe('An interrupt that is aborted', () => {
  it.each([
    ['ILLEGAL_DEV_TABLE_ENTRY.ENCODING', remapping(REMAPS | TABLE | RESERVED_INT_CTL), 0x1008n, 0xfee0_0000n],
    ['IO_PAGE_FAULT.INTERRUPT_INDEX', remapping(OF_FOUR | TABLE), 0x2008n, 0xfee0_0000n],
    ['IO_PAGE_FAULT.INTERRUPT_OFF', remapping(REMAPS | TABLE, OLD & ~1n), 0x2008n, 0xfee0_0000n],
    ['IO_PAGE_FAULT.INTERRUPT_RESERVED', remapping(REMAPS | TABLE, OLD | (1n << 24n)), 0x2098n, 0xfee0_0000n],
    ['PAGE_TAB_HARDWARE_ERROR.INTERRUPT_READ', remapping(REMAPS | RAM), 0x4208n, 0x40_0010n],
    ['DEV_TAB_HARDWARE_ERROR.READ', remapping(0n).set(REG.DEVICE_TABLE, RAM | 0x1ffn), 0x3208n, 0x40_2100n],
  ])('is logged with I and without RW: %s.', (name, bench, upper, address) => {
    const [event] = name.split('.');
    proves(`${event}.I`);
    expect(send(bench)).toMatchObject({ ok: false, fault: { name, recorded: true } });
    expect(bench.events()).toEqual([[(upper << 48n) | 0x0108n, address]]);
  });

  it('by IntCtl is not logged at all.', () => {
    proves('IO_PAGE_FAULT.INTERRUPT_ABORTED');
    const bench = remapping((REMAPS & ~INT_CTL) | TABLE);
    const fault = { code: 2, name: 'IO_PAGE_FAULT.INTERRUPT_ABORTED', recorded: false };
    expect(send(bench)).toMatchObject({ ok: false, fault });
    expect([bench.events(), bench.messages]).toEqual([[], []]);
  });
});

describe('INVALIDATE_INTERRUPT_TABLE', () => {
  it('makes the unit read the entries of a device again, and of no other.', () => {
    proves('INVALIDATE_INTERRUPT_TABLE.DeviceID');
    const bench = remapping(REMAPS | TABLE);
    const vectors = () => {
      bench.messages.length = 0;
      for (const device of [DEVICE, OTHER]) expect(send(bench, device).ok).toBe(true);
      return bench.messages.map(({ data }) => data);
    };
    expect(vectors()).toEqual([0x41, 0x41]);
    bench.write64(TABLE + 0x10n, NEW << 32n);
    expect(vectors()).toEqual([0x41, 0x41]);
    bench.submit([0x5000_0000_0000_0108n, 0n]);
    expect(vectors()).toEqual([0x42, 0x41]);
  });
});

describe('An interrupt for a guest that does not run', () => {
  /** RemapEn, GALogIntr, GuestMode, GATag 89AB_CDEFh; vector 41h, backing page 30_0000h (section 9.2). */
  const SLEEPING: Pair = [0x89ab_cdef_0000_0085n, 0x30_0041n];
  const GA_LOG = 0x1_4000n;
  /** GAEn, GAMEn = 001b, GALogEn. */
  const GUESTS = (1n << 17n) | (1n << 25n) | (1n << 28n);

  it('is entered in the GA log with its tag and device.', () => {
    proves('GA Log Entry.GATag', 'GA Log Entry.DeviceID', 'GA Log Entry.Code');
    const bench = remapping(REMAPS | TABLE)
      .set(0x00e0, 0x0800_0000_0000_0000n | GA_LOG)
      .enable(GUESTS)
      .write64(TABLE + 0x50n, ...SLEEPING);
    send(bench);
    expect(bench.read64(GA_LOG)).toBe(0x1000_0108_89ab_cdefn);
    expect(bench.read64(0x30_0220n), 'the bit of the vector').toBe(2n);
  });
});
