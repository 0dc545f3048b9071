/** The fast second-stage walker against the step-by-step one, and both against a second reading, on random tables. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { highHalf, highOf, lowHalf, lowOf } from '../../hardware/bits/index.ts';
import { Era, finish, Leaf, Translation } from '../../hardware/iommu/index.ts';
import { PhysicalMemory } from '../../hardware/memory/index.ts';
import { SecondStage } from '../../hardware/vtd/second-stage.ts';
import type { SecondStageTable } from '../../hardware/vtd/space.ts';
import type { Fault } from '../../hardware/vtd/spec/index.ts';
import { WalkEnd } from '../../hardware/vtd/walk-end.ts';
import { judge, type Rules, walk } from './second-reading.ts';
import { Bench, outcome, PS, tableAt } from './tables.ts';

const TABLES = 6;
/** Only the first entries of each table are used. */
const SLOTS = 4;
const RAM_END = 0x100_0000;

const rules: fc.Arbitrary<Rules> = fc.record({
  haw: fc.constantFrom(32, 36, 39, 46, 48, 52),
  sc: fc.boolean(),
  sslps: fc.constantFrom(0, 1, 3),
  zlr: fc.boolean(),
});

/** Mostly a pointer to one of the tables, sometimes a page, sometimes anything. */
const entry: fc.Arbitrary<bigint> = fc
  .record({
    rights: fc.oneof({ weight: 6, arbitrary: fc.constant(3n) }, { weight: 4, arbitrary: fc.bigInt(0n, 3n) }),
    target: fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 1, max: TABLES }).map(tableAt) },
      { weight: 2, arbitrary: fc.constantFrom(0x20_0000n, 0x4000_0000n, 0xfee0_0000n, 0xc000_0000n, 0x80_0000_0000n) },
      { weight: 1, arbitrary: fc.bigInt(0n, 2n ** 40n - 1n).map((n) => n << 12n) },
    ),
    large: fc.oneof({ weight: 4, arbitrary: fc.constant(0n) }, { weight: 1, arbitrary: fc.constant(PS) }),
    ignored: fc.oneof(
      { weight: 3, arbitrary: fc.constant(0n) },
      { weight: 1, arbitrary: fc.bigInt(0n, 2n ** 64n - 1n).map((n) => n & 0xbff0_0000_0000_077cn) },
    ),
    flip: fc.oneof(
      { weight: 12, arbitrary: fc.constant(0n) },
      { weight: 1, arbitrary: fc.nat(63).map((n) => 1n << BigInt(n)) },
    ),
  })
  .map(({ rights, target, large, ignored, flip }) => (rights | target | large | ignored) ^ flip);

const tables = fc.array(entry, { minLength: TABLES * SLOTS, maxLength: TABLES * SLOTS });
const address = fc
  .record({ slots: fc.array(fc.nat(SLOTS - 1), { minLength: 5, maxLength: 5 }), offset: fc.nat(0xfff) })
  .map(({ slots, offset }) =>
    slots.reduce((sum, slot, i) => sum | (BigInt(slot) << BigInt(12 + 9 * i)), BigInt(offset)),
  );

const put = (entries: readonly bigint[], write: (at: bigint, value: bigint) => void): void => {
  entries.forEach((value, i) => {
    write(tableAt(1 + Math.floor(i / SLOTS)) + BigInt(i % SLOTS) * 8n, value);
  });
};

const KINDS = {
  [WalkEnd.LEAF]: 'page',
  [WalkEnd.NOT_PRESENT]: 'absent',
  [WalkEnd.RESERVED_BITS]: 'reserved',
  [WalkEnd.TOP_READ_ERROR]: 'top unreadable',
  [WalkEnd.READ_ERROR]: 'unreadable',
};

/** The memory is shared by all runs: every slot is written anew. */
const memory = new PhysicalMemory([[0, RAM_END]]);
const fetch = (at: bigint): bigint | undefined => (Number(at) + 8 <= RAM_END ? memory.read64(Number(at)) : undefined);

describe('The two second-stage walkers', () => {
  it('find the same page with the same rights, and what the second reading finds.', () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(
        rules,
        tables,
        fc.constantFrom(3, 4, 5),
        fc.constantFrom(1, 2, 3),
        fc.array(address, { minLength: 6, maxLength: 6 }),
        (rule, entries, levels, wanted, addresses) => {
          put(entries, (at, value) => memory.write64(Number(at), value));
          const rules = { hostAddressWidth: rule.haw, largePages: rule.sslps, snoopControl: rule.sc };
          const stage = new SecondStage(rules, new Era());
          const top = Number(tableAt(levels));
          const start: SecondStageTable = {
            table: top,
            tableHi: highHalf(top),
            tableLo: lowHalf(top),
            levels,
            addressBits: 12 + 9 * levels,
            executePermission: false,
            flags: false,
            coherent: true,
            domain: 1,
          };
          for (const whole of addresses) {
            const iova = whole & ((1n << BigInt(12 + 9 * levels)) - 1n);
            const [slow, fast] = [new Leaf(), new Leaf()];
            const [hi, lo] = [highOf(iova), lowOf(iova)];
            const end = finish(stage.walk(new Translation<Fault>(), slow, start, { hi, lo }, 0), memory);
            const quick = stage.quick(memory, fast, start, wanted, hi, lo);
            const expected = walk(fetch, rule, BigInt(top), levels, iova);
            expect(KINDS[end as keyof typeof KINDS]).toBe(expected.kind);
            seen.set(expected.kind, (seen.get(expected.kind) ?? 0) + 1);
            if (expected.kind === 'page') {
              const frame = (BigInt(slow.frameHi >>> 0) << 32n) | BigInt(slow.frameLo >>> 0);
              expect(frame).toBe(expected.address - (iova % expected.size));
              expect(1n << BigInt(slow.shift)).toBe(expected.size);
              expect(slow.rights).toBe((expected.read ? 1 : 0) | (expected.write ? 2 : 0));
              expect(slow.snoop).toBe(expected.snoop);
            }
            expect(quick).toBe(end === WalkEnd.LEAF && (slow.rights & wanted) === wanted);
            if (quick) expect(fast).toEqual(slow);
          }
        },
      ),
      { numRuns: 1500 },
    );
    // The tables were random enough to end in every way.
    for (const kind of ['page', 'absent', 'reserved', 'unreadable']) expect(seen.get(kind), kind).toBeGreaterThan(100);
  });

  it('and the IOTLB give one answer through the rig.', () => {
    fc.assert(
      fc.property(
        rules,
        tables,
        fc.constantFrom(3, 4, 5),
        fc.array(fc.record({ address, write: fc.boolean() }), { minLength: 12, maxLength: 12 }),
        (rule, entries, levels, accesses) => {
          const bench = new Bench({ ...rule, mgaw: 57, sagaw: 0b1110, ram: [[0n, BigInt(RAM_END)]] }).usual({ levels });
          put(entries, (at, value) => bench.write64(at, value));
          bench.enable();
          const read = (at: bigint) => (at + 8n <= BigInt(RAM_END) ? bench.read64(at) : undefined);
          for (const { address: whole, write } of accesses) {
            const iova = whole & ((1n << BigInt(12 + 9 * levels)) - 1n) & ~3n;
            if (iova >> 20n === 0xfeen) continue;
            const request = { requester: 0x18, address: iova, length: 4, write };
            const expected = judge(walk(read, rule, tableAt(levels), levels, iova), { write }, rule);
            // The whole procedure; the fast walker; the IOTLB.
            expect(outcome(bench.rig.translate({ ...request, probe: true }))).toBe(expected);
            expect(outcome(bench.rig.translate(request))).toBe(expected);
            expect(outcome(bench.rig.translate(request))).toBe(expected);
          }
        },
      ),
      { numRuns: 250 },
    );
  });
});
