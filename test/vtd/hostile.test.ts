/** Input that a guest or a device may send and no driver would: nothing throws, hangs or grows (security.md section 1). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Access, NO_PASID, Status, Translation } from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import type { VtdUnit } from '../../hardware/vtd/index.ts';
import type { Fault } from '../../hardware/vtd/spec/index.ts';
import { bareUnit } from './bare-unit.ts';
import { type Capability, capabilities } from './capability.ts';
import { Bench, BOTH, CONTEXT, outcome, QIE, QUEUE, REG, ROOT, SRTP, TE, tableAt } from './tables.ts';

const RAM = 0x100_0000;
const all = { cm: true, sagaw: 0b1110, mgaw: 57, nfr: 4, dit: true, pds: true, adms: true, ssirws: true } as const;

function unit(capability: Capability = all): { unit: VtdUnit; memory: PhysicalMemory } {
  const memory = new PhysicalMemory([[0, RAM]]);
  const caches = { iotlb: { sets: 4, ways: 2 }, contextCache: { sets: 2, ways: 2 } };
  const spec = { capabilities: capabilities(capability), hostAddressWidth: 52, ...caches };
  return { unit: bareUnit(spec, { memory }), memory };
}

const page = (one: VtdUnit): bigint[] => Array.from({ length: 1024 }, (_, i) => one.read(i * 4, 4));
const word64 = fc.oneof(
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.constantFrom(0n, 2n ** 64n - 1n, 2n ** 32n - 1n, TE | SRTP | QIE, ROOT, QUEUE, QUEUE | 7n),
  fc.nat(63).map((n) => 1n << BigInt(n)),
);

describe('The register page', () => {
  it('takes accesses of every size at every offset, with any value, also beyond its end.', () => {
    const { unit: one, memory } = unit();
    let seed = 1;
    const random = () => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return BigInt(seed) * 0x1_0000_0001n;
    };
    for (let offset = 0; offset < 4096 + 16; offset++) {
      for (const size of [1, 2, 4, 8]) {
        for (const value of [0n, random(), 2n ** 64n - 1n]) one.write(offset, size, value);
        const read = one.read(offset, size);
        expect(read >= 0n && read < 1n << BigInt(8 * size)).toBe(true);
      }
    }
    expect(memory.touchedBytes).toBe(0);
  });

  it('answers 0 to accesses of 1 and 2 bytes and to unaligned ones, and does nothing about their writes.', () => {
    const { unit: one } = unit();
    one.write(REG.RTADDR, 8, 0x1234_5000n);
    const before = page(one);
    for (let offset = 0; offset < 4096; offset++) {
      for (const size of [1, 2, 3, 4, 5, 8, 16]) {
        if ((size === 4 || size === 8) && offset % 4 === 0) continue;
        expect(one.read(offset, size)).toBe(0n);
        one.write(offset, size, 2n ** 64n - 1n);
      }
    }
    expect(page(one)).toEqual(before);
  });

  it('reads 0 and takes no write at offsets that are negative or far away.', () => {
    const { unit: one } = unit();
    const before = page(one);
    for (const offset of [-4, -4096, 4096, 65536, 2 ** 31, 2 ** 32, 2 ** 40]) {
      for (const size of [4, 8]) {
        if (offset !== -4) expect(one.read(offset, size)).toBe(0n);
        one.write(offset, 4, 2n ** 64n - 1n);
      }
    }
    expect(page(one)).toEqual(before);
  });

  it('survives any sequence of register writes between accesses of a device.', () => {
    const write = fc.record({
      offset: fc.oneof(
        fc.constantFrom(...Object.values(REG)),
        fc.nat(1200).map((n) => n * 4),
        fc.nat(4200),
      ),
      size: fc.constantFrom(1, 2, 4, 8),
      value: word64,
    });
    fc.assert(
      fc.property(
        fc.array(write, { maxLength: 60 }),
        fc.array(word64, { minLength: 1, maxLength: 6 }),
        (writes, addresses) => {
          const bench = new Bench({ ...all, haw: 52, ram: [[0n, BigInt(RAM)]] }).usual({ levels: 5 });
          for (const { offset, size, value } of writes) bench.set(offset, value, size);
          for (const address of addresses) {
            const result = bench.write(address);
            if (!result.ok) expect(['UR', 'CA', 'dropped']).toContain(result.status);
            expect(bench.read(address, 20_000).ok).toBeTypeOf('boolean');
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('The invalidation queue', () => {
  const descriptor = fc.oneof(
    fc.tuple(word64, word64),
    fc
      .tuple(word64, word64, fc.integer({ min: 0, max: 10 }))
      .map(([lo, hi, type]) => [(lo & ~0xe0fn) | BigInt(type), hi]),
    // Valid in form, with extreme masks and addresses.
    fc.tuple(fc.constantFrom(0x12n, 0x22n, 0x32n, 0x1_0032n, 0x11n, 0x31n, 0x25n, 0x35n), word64),
  );

  it('takes any bytes as descriptors: it goes on or stops with IQE, and its head stays in the ring.', () => {
    fc.assert(
      fc.property(
        fc.array(descriptor, { minLength: 1, maxLength: 40 }),
        fc.constantFrom(0, 9, 18, 63),
        (list, mamv) => {
          const { unit: one, memory } = unit({ ...all, mamv });
          memory.write64(Number(ROOT), CONTEXT | 1n);
          one.write(REG.RTADDR, 8, ROOT);
          one.write(REG.GCMD, 4, SRTP | TE);
          list.forEach(([lo, hi], i) => {
            memory.write64(Number(QUEUE) + i * 16, lo!);
            memory.write64(Number(QUEUE) + i * 16 + 8, hi!);
          });
          one.write(REG.IQA, 8, QUEUE);
          one.write(REG.GCMD, 4, TE | QIE);
          const tail = BigInt(list.length) * 16n;
          one.write(REG.IQT, 8, tail);
          const head = one.read(REG.IQH, 8);
          expect(head <= tail).toBe(true);
          expect(head === tail).toBe((one.read(REG.FSTS, 4) & 0x10n) === 0n);
          expect(memory.touchedBytes).toBeLessThanOrEqual(RAM);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('with tail and size at random ends every run, and so does a tail that jumps around while it is stopped.', () => {
    fc.assert(
      fc.property(fc.array(word64, { minLength: 1, maxLength: 20 }), word64, (tails, iqa) => {
        const bench = new Bench({ ...all, haw: 52, ram: [[0n, BigInt(RAM)]] });
        bench.set(REG.IQA, iqa, 8).command(QIE);
        for (const tail of tails) {
          bench.set(REG.IQT, tail, 8).set(REG.FSTS, 0x10n);
          expect(bench.get(REG.IQH, 8) < 0x8_0000n).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('carries out at most one ring of descriptors for one tail write.', () => {
    const { unit: one, memory } = unit();
    const base = 0x80_0000;
    for (let i = 0; i < 32768; i++) memory.write64(base + i * 16, 0x12n);
    one.write(REG.IQA, 8, BigInt(base) | 7n);
    one.write(REG.GCMD, 4, QIE);
    one.write(REG.IQT, 8, 0x7_fff0n);
    expect(one.read(REG.IQH, 8)).toBe(0x7_fff0n);
  });
});

describe('Tables', () => {
  it('that point to themselves end the walk at the last level.', () => {
    const bench = new Bench({ sagaw: 0b1110, mgaw: 57 });
    const self = 0x1000n;
    for (let i = 0; i < 512; i++) bench.write64(self + BigInt(i) * 8n, self | BOTH);
    bench.write64(CONTEXT + 0x180n, self | 1n, 3n | 0x100n).enable(ROOT);
    // A root table of such entries is refused for its reserved bits: this one lies elsewhere.
    bench
      .write64(0x9_0000n, CONTEXT | 1n)
      .set(REG.RTADDR, 0x9_0000n, 8)
      .command(SRTP);
    for (const address of [0n, 0x1_2345_6000n, (1n << 57n) - 0x1000n]) expect(outcome(bench.probe(address))).toBe(self);
    // The device rewrites the tables it is translated by.
    expect(bench.write(0x18n, 0x18, new Uint8Array(8)).ok).toBe(true);
    expect(bench.read64(self + 0x18n)).toBe(0n);
  });

  it('of any content give an answer, never more memory, and every blocked access leaves memory as it was.', () => {
    const pages = [ROOT, CONTEXT, tableAt(5), tableAt(4), tableAt(3), tableAt(2), tableAt(1)];
    const value = fc.oneof(
      {
        weight: 3,
        arbitrary: fc
          .constantFrom(...pages)
          .chain((base) => fc.constantFrom(1n, 3n, 0x83n, 5n, 9n).map((low) => base | low)),
      },
      { weight: 1, arbitrary: word64 },
      { weight: 1, arbitrary: fc.constantFrom(1n, 2n, 3n, 0x101n, 0x102n, 0x103n) },
    );
    const access = fc.record({
      hi: fc.oneof(fc.constant(0), fc.integer()),
      lo: fc.oneof(fc.nat(0x7fff), fc.integer()),
      bits: fc.constantFrom(
        Access.READ,
        Access.WRITE,
        Access.READ | Access.ZERO_LENGTH,
        3,
        1 | Access.EXECUTE,
        2 | Access.PRIVILEGED,
      ),
      pasid: fc.constantFrom(NO_PASID, NO_PASID, NO_PASID, 0, 0xfffff),
      addressType: fc.constantFrom(0, 0, 0, 1, 2),
      requester: fc.constantFrom(0, 1, 0x18, 0x100, 0xffff),
      effects: fc.boolean(),
    });
    const { unit: one, memory } = unit();
    const t = new Translation<Fault>();
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 7 * 8, maxLength: 7 * 8 }),
        fc.constantFrom(ROOT, ROOT, ROOT | 0x400n, ROOT | 0xc00n, CONTEXT, 0xf_ffff_ffff_f000n),
        fc.array(access, { minLength: 10, maxLength: 10 }),
        (values, rtaddr, accesses) => {
          values.forEach((one64, i) => {
            memory.write64(Number(pages[Math.floor(i / 8)]!) + (i % 8) * 8, one64);
          });
          one.write(REG.RTADDR, 8, rtaddr);
          one.write(REG.GCMD, 4, SRTP | TE);
          const touched = memory.touchedBytes;
          const before = memory.read(0, 0x2_0000)!;
          for (const { hi, lo, bits, pasid, addressType, requester, effects } of accesses) {
            t.ask(requester, pasid, bits, hi, lo);
            t.addressType = addressType;
            t.effects = effects;
            one.translate(t);
            expect([Status.SUCCESS, Status.UNSUPPORTED_REQUEST, Status.COMPLETER_ABORT]).toContain(t.status);
            if (t.fault !== null && addressType !== 1) expect(t.status).not.toBe(Status.SUCCESS);
          }
          expect(memory.touchedBytes).toBe(touched);
          expect(Buffer.compare(memory.read(0, 0x2_0000)!, before)).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('may hold pointers anywhere in 52 bits: reading there touches nothing.', () => {
    const bench = new Bench({ haw: 52, mgaw: 57, sagaw: 0b1110 }).usual().enable();
    const memory = new PhysicalMemory();
    for (let i = 0; i < 200; i++) expect(memory.read64(i * 2 ** 40 + i * 8)).toBe(0n);
    expect(memory.touchedBytes).toBe(0);
    for (let bit = 12; bit < 52; bit++) {
      bench.entry(3, 0, (1n << BigInt(bit)) | BOTH);
      expect(bench.probe(0n).ok).toBeTypeOf('boolean');
    }
  });
});
