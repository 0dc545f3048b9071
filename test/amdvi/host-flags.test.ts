/** What a host entry says beside the address: FC and U, accessed and dirty flags (amd-vi.md sections 3.1 and 3.3). */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import {
  ACCESSED,
  ALL,
  ALL_CACHES,
  Bench,
  DATA,
  DEVICE,
  DIRTY,
  hostAt,
  IR,
  level,
  NO_CACHES,
  outcome,
  PR,
  RW,
} from './bench.ts';

const CACHES = [NO_CACHES, ALL_CACHES];
const FC = 1n << 60n;
const U = 1n << 59n;

describe('FC and U of a page', () => {
  it.each([
    { entry: 0n, nonSnoopedIgnored: false, untranslatedOnly: false },
    { entry: FC, nonSnoopedIgnored: true, untranslatedOnly: false },
    { entry: U, nonSnoopedIgnored: false, untranslatedOnly: true },
    { entry: FC | U, nonSnoopedIgnored: true, untranslatedOnly: true },
  ])('are told to a device-TLB ($entry).', ({ entry, ...told }) => {
    proves('host PTE.FC', 'host PTE.U');
    for (const caches of CACHES) {
      const bench = new Bench({ caches }).usual({ deviceTlb: true }, DATA | RW | entry).enable();
      for (let n = 0; n < 2; n++) {
        const result = bench.rig.translationRequest({ requester: DEVICE, address: 0x234n });
        expect(result).toMatchObject({ ok: true, completion: { translated: DATA, size: 0x1000n, ...told } });
      }
    }
  });
});

describe('Accessed and dirty flags of host tables', () => {
  const flags = (bench: Bench) => [4, 3, 2, 1].map((n) => Number((bench.read64(hostAt(n)) & (ACCESSED | DIRTY)) >> 5n));

  it.each([
    { had: 0, read: [0, 0, 0, 0], write: [0, 0, 0, 0] },
    { had: 1, read: [1, 1, 1, 1], write: [1, 1, 1, 1] },
    { had: 3, read: [1, 1, 1, 1], write: [1, 1, 1, 3] },
  ])('are set by HAD $had: A in every entry that is used, D in the page that is written.', ({ had, read, write }) => {
    proves('DTE.HAD', 'host PTE.A', 'host PTE.D', 'Extended Feature.HASup', 'Extended Feature.HDSup');
    for (const caches of CACHES) {
      const bench = new Bench({ caches }).usual({ had }).enable();
      bench.read(0n);
      expect(flags(bench)).toEqual(read);
      bench.write(0n);
      expect(flags(bench)).toEqual(write);
      bench.read(0n);
      expect(flags(bench)).toEqual(write);
    }
  });

  it.each([
    { feature: 'HASup', bit: 49n, expected: [0, 0, 0, 2] },
    { feature: 'HDSup', bit: 52n, expected: [1, 1, 1, 1] },
  ])('are not set where $feature is 0.', ({ bit, expected }) => {
    const bench = new Bench({ efr: ALL & ~(1n << bit) }).usual({ had: 3 }).enable();
    bench.write(0n);
    expect(flags(bench)).toEqual(expected);
  });

  it('are set once: the IOTLB knows that the page is dirty, and until then it sends every write to the tables.', () => {
    const bench = new Bench({ caches: ALL_CACHES }).usual({ had: 3 }).enable();
    bench.ask(0n);
    bench.accesses.length = 0;
    bench.ask(0n);
    expect(bench.accesses).toEqual([]);
    bench.ask(0n, { write: true });
    expect(bench.accesses.filter(({ kind }) => kind === 'exchange')).toEqual([
      { kind: 'exchange', address: hostAt(1), length: 8 },
    ]);
    bench.accesses.length = 0;
    bench.ask(0n, { write: true });
    expect(bench.accesses).toEqual([]);
    // Software that clears the flag has to invalidate, or it is not set again.
    bench.host(1, 0, DATA | RW | ACCESSED);
    bench.ask(0n, { write: true });
    expect(flags(bench)).toEqual([1, 1, 1, 1]);
    bench.submit([0x3000_0005_0000_0000n, 0n]);
    bench.ask(0n, { write: true });
    expect(flags(bench)).toEqual([1, 1, 1, 3]);
  });

  it('stay as they are for an access that is not allowed, and for a question.', () => {
    const bench = new Bench().usual({ had: 3 }, DATA | PR | IR).enable();
    bench.ask(0n, { write: true, probe: true });
    expect(flags(bench)).toEqual([0, 0, 0, 0]);
    bench.write(0n);
    expect(flags(bench)[3]! & 2).toBe(0);
  });

  it('are set in the copy of the entry that was used, where an encoded size takes several.', () => {
    // 16 KiB: four copies.
    const bench = new Bench().usual({ had: 3 }).enable();
    for (let n = 0; n < 4; n++) bench.host(1, n, 0x10_1000n | RW | level(7));
    bench.write(0x2000n);
    const dirty = [0, 1, 2, 3].map((n) => (bench.read64(hostAt(1) + BigInt(n) * 8n) & DIRTY) !== 0n);
    expect(dirty).toEqual([false, false, true, false]);
  });

  it('are not written over what software has changed in between: the entry is read again.', () => {
    for (const [change, expected] of [
      [(DATA + 0x3000n) | RW, DATA + 0x3000n],
      [0n, 'IO_PAGE_FAULT.NOT_PRESENT'],
      [DATA | PR | IR, 'IO_PAGE_FAULT.DENIED'],
    ] as const) {
      const bench = new Bench({ caches: ALL_CACHES }).usual({ had: 3 }).enable();
      bench.meanwhile = (address) => {
        if (address !== hostAt(1)) return;
        bench.host(1, 0, change);
        bench.meanwhile = () => {};
      };
      expect(outcome(bench.ask(0n, { write: true }))).toBe(expected);
      const found = bench.read64(hostAt(1));
      expect(found & ~(ACCESSED | DIRTY)).toBe(change);
      expect((found & DIRTY) !== 0n).toBe(expected === DATA + 0x3000n);
    }
  });
});
