/** Tables as no driver would write them: every walk ends, and writes nothing but flags (security.md section 1). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AmdFault } from '../../hardware/amdvi/spec/index.ts';
import { Access, NO_PASID, Translation } from '../../hardware/iommu/index.ts';
import {
  ALL_CACHES,
  Bench,
  DATA,
  DEVICE,
  DEVICE_TABLE,
  EVENTS,
  GCR3,
  gcr3At,
  guestAt,
  hostAt,
  INVALIDATE_ALL,
  level,
  outcome,
  PASID,
  REG,
  RW,
  USER_PAGE,
} from './bench.ts';
import { EVERYTHING_ON, sane, unit, word64 } from './hostile.ts';

describe('Tables', () => {
  it('that point to themselves end the walk at the last level.', () => {
    const bench = new Bench({ caches: ALL_CACHES }).guests().enable();
    for (let i = 0; i < 512; i++) bench.guest(4, i, guestAt(4) | USER_PAGE);
    expect(outcome(bench.ask(0x7654_3210_f234n, { pasid: PASID }))).toBe(guestAt(4) | 0x234n);
    expect(bench.tableReads()).toBe(1 + 4);
    // The GCR3 table is its own next level, and a guest table.
    bench.device({ gcr3: GCR3, glx: 2 });
    for (let i = 0; i < 512; i++) bench.write64(GCR3 + BigInt(i) * 8n, GCR3 | 1n);
    bench.submit(INVALIDATE_ALL).tableReads();
    expect(outcome(bench.ask(0n, { pasid: 0xf_ffff, privileged: true }))).toBe(GCR3);
    expect(bench.tableReads()).toBe(3 + 4);
  });

  it('that lie over each other are read as what they are: a host table, a guest table and a GCR3 table in one page.', () => {
    const bench = new Bench({ caches: ALL_CACHES });
    for (let i = 0; i < 512; i++) bench.write64(GCR3 + BigInt(i) * 8n, GCR3 | RW | level(i % 8) | 7n);
    for (let mode = 1; mode <= 6; mode++) {
      bench.device({ mode, root: GCR3, gcr3: GCR3, glx: mode % 3, giov: true }).enable();
      for (let n = 0n; n < 64n; n++) {
        const result = bench.ask(1n << n, { pasid: 0x1_2345, write: true });
        if (!result.ok) expect(['CA', 'UR', 'dropped']).toContain(result.status);
      }
      // Nested walks read at most 3 GCR3 entries and 5 guest ones, each over 6 of the host, and a page.
      expect(bench.tableReads()).toBeLessThan(64 * ((3 + 5) * 7 + 6));
    }
  });

  it('of any content give an answer, never more memory, and no blocked access changes more than flags.', () => {
    const pages = [hostAt(6), hostAt(4), hostAt(2), hostAt(1), guestAt(4), guestAt(1), gcr3At(1), GCR3, DATA];
    const value = fc.oneof(
      {
        weight: 3,
        arbitrary: fc
          .tuple(fc.constantFrom(...pages), fc.nat(7), fc.constantFrom(1n, 7n, RW, RW | 6n, 0x87n))
          .map(([base, next, low]) => base | level(next) | low),
      },
      { weight: 1, arbitrary: word64 },
    );
    const access = fc.record({
      hi: fc.oneof(fc.constant(0), fc.integer()),
      lo: fc.oneof(fc.nat(0x7fff), fc.integer()),
      bits: fc.constantFrom(1, 2, 3, Access.READ | Access.ZERO_LENGTH, 1 | Access.EXECUTE, 2 | Access.PRIVILEGED),
      pasid: fc.constantFrom(NO_PASID, NO_PASID, 0, 1, 0x21, 0xf_ffff),
      addressType: fc.constantFrom(0, 0, 0, 1, 2),
      requester: fc.constantFrom(0, 1, 2, DEVICE, 0xffff),
      effects: fc.boolean(),
    });
    const entry = fc.tuple(
      fc.oneof(
        word64,
        fc.tuple(fc.constantFrom(...pages), fc.nat(7), fc.nat(3), fc.boolean()).map(([root, mode, had, gv]) => {
          return 0x6000_0000_0000_0003n | root | level(mode) | (BigInt(had) << 7n) | (gv ? 0x40c0_0000_0000_0000n : 0n);
        }),
      ),
      fc.oneof(word64, fc.constantFrom(5n, 0x1_0008_0005n, 0x8_0005n)),
    );
    const { one, memory } = unit();
    const t = new Translation<AmdFault>();
    // The logs' pages, and all that the tables lie in.
    for (let at = 0; at < 0x11_0000; at += 4096) memory.write64(at, 0n);
    memory.write64(Number(DEVICE_TABLE) + 0xffff * 32, 1n);
    fc.assert(
      fc.property(
        fc.array(value, { minLength: pages.length * 8, maxLength: pages.length * 8 }),
        fc.array(entry, { minLength: 3, maxLength: 3 }),
        fc.array(access, { minLength: 10, maxLength: 10 }),
        (values, entries, accesses) => {
          one.reset();
          values.forEach((word, i) => {
            memory.write64(Number(pages[Math.floor(i / 8)]!) + (i % 8) * 8, word);
          });
          entries.forEach((words, i) => {
            for (const [n, word] of words.entries()) memory.write64(Number(DEVICE_TABLE) + i * 32 + n * 8, word);
          });
          one.write(REG.DEVICE_TABLE, 8, DEVICE_TABLE | 0x1ffn);
          one.write(REG.EVENT_BASE, 8, 0x0800_0000_0000_0000n | EVENTS);
          one.write(REG.CONTROL, 8, EVERYTHING_ON);
          const touched = memory.touchedBytes;
          for (const { hi, lo, bits, pasid, addressType, requester, effects } of accesses) {
            const before = pages.map((page) => memory.read(Number(page), 4096)!);
            t.ask(requester, pasid, bits, hi, lo);
            t.addressType = addressType;
            t.effects = effects;
            one.translate(t);
            sane(t);
            // Accessed and dirty flags are all that a walk writes.
            pages.forEach((page, i) => {
              const after = memory.read(Number(page), 4096)!;
              if (Buffer.compare(before[i]!, after) === 0) return;
              expect(effects).toBe(true);
              checkFlags(before[i]!, after);
            });
          }
          expect(memory.touchedBytes).toBe(touched);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('may hold pointers anywhere in 52 bits: reading there touches nothing.', () => {
    const bench = new Bench({ ram: 1n << 52n, caches: ALL_CACHES }).usual().enable();
    for (let bit = 12; bit < 52; bit++) {
      bench.host(3, 0, (1n << BigInt(bit)) | RW | level(2)).submit(INVALIDATE_ALL);
      expect(bench.ask(0n).ok).toBeTypeOf('boolean');
    }
    const touched = bench.memory.touchedBytes;
    for (let bit = 12; bit < 52; bit++) {
      bench.device({ mode: 4, root: 1n << BigInt(bit), gcr3: 1n << BigInt(bit) }).submit(INVALIDATE_ALL);
      bench.ask(0n);
      bench.ask(0n, { pasid: PASID });
    }
    expect(bench.memory.touchedBytes - touched).toBeLessThanOrEqual(8 * 4096);
  });
});

describe('Caches', () => {
  it('keep no more than they have room for, whatever devices, domains and PASIDs ask.', () => {
    const bench = new Bench({ caches: ALL_CACHES }).identity().guests().enable();
    // More domains than there are numbers for contexts: the tags start again, and nothing is mixed up.
    for (let domain = 0; domain < 5000; domain++) {
      bench.device({ mode: 3, domain }, domain);
      expect(bench.ask(BigInt(domain % 512) << 12n, { requester: domain }).ok).toBe(true);
    }
    expect(outcome(bench.ask(0x5234n, { requester: 77 }))).toBe(0x5234n);
  });
});

function checkFlags(before: Uint8Array, after: Uint8Array): void {
  before.forEach((byte, i) => {
    if ((byte & ~after[i]!) !== 0 || (after[i]! & ~byte & ~0x60) !== 0) throw new Error(`${byte} became ${after[i]}`);
  });
}
