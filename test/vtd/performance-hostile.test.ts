/** Any writes to the registers of protected memory, commands and counters, between accesses of a device. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Access, NO_PASID, Status, Translation } from '../../hardware/iommu/index.ts';
import type { Fault } from '../../hardware/vtd/spec/index.ts';
import { CounterBench } from './performance.ts';

const capability = { major: 2, plmr: true, phmr: true, vcs: true, pasid: true } as const;
const performance = { counters: 3, width: 3, writableWhileEnabled: false } as const;
/** 64h to 7Fh, 300h to 44Fh, E00h to E37h, and the registers of counters from 1000h to 27FFh. */
const offset = fc.oneof(
  fc.integer({ min: 0x64, max: 0x7f }),
  fc.integer({ min: 0x300, max: 0x44f }),
  fc.integer({ min: 0xe00, max: 0xe37 }),
  fc.integer({ min: 0x1000, max: 0x27ff }),
);
const anything = fc.record({ offset, size: fc.constantFrom(1, 2, 4, 8), value: fc.bigInt(0n, 2n ** 64n - 1n) });
/** What makes counters count: configurations, filters and commands. */
const fitting = fc.oneof(
  fc
    .record({ counter: fc.nat(2), group: fc.nat(4), events: fc.nat(15), bits: fc.nat(7) })
    .map(({ counter, group, events, bits }) => ({
      offset: 0x1100 + counter * 0x100,
      size: 8,
      value: (BigInt(events) << 32n) | BigInt(group << 8) | BigInt(bits),
    })),
  fc.record({ counter: fc.nat(3), command: fc.integer({ min: 0xf0, max: 0xf5 }) }).map(({ counter, command }) => ({
    offset: 0x400,
    size: 8,
    value: BigInt(counter << 16) | BigInt(command),
  })),
  fc.constantFrom(0n, 0x8000_0000n).map((value) => ({ offset: 0x64, size: 4, value })),
);
const access = fc.record({ lo: fc.nat(0xffff_ffff), write: fc.boolean() });

it('Nothing throws, counts stay within their width, and somebody counts exactly while a counter is enabled and not frozen.', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(anything, fitting, fitting, access), { maxLength: 60 }), (steps) => {
      const bench = new CounterBench(capability, { performance });
      for (const step of steps) {
        if ('offset' in step) {
          bench.set(step.offset, step.value, step.size);
        } else {
          const t = new Translation<Fault>();
          bench.unit.translate(t.ask(0x18, NO_PASID, step.write ? Access.WRITE : Access.READ, 0, step.lo | 0));
          expect([Status.SUCCESS, Status.UNSUPPORTED_REQUEST]).toContain(t.status);
          expect([t.fault, bench.get(0x34)]).toEqual([null, 0n]);
        }
        const counting = [0, 1, 2].filter((counter) => {
          const isEnabled = (bench.get(bench.configuration(counter)) & 1n) !== 0n;
          return isEnabled && ((bench.frozen >> BigInt(counter)) & 1n) === 0n;
        });
        expect(bench.unit.counters !== null).toBe(counting.length > 0);
        for (const counter of [0, 1, 2]) expect(bench.value(counter)).toBeLessThan(8n);
        expect([bench.frozen >> 3n, bench.overflowed >> 3n]).toEqual([0n, 0n]);
        expect(bench.get(0x410) & 1n, 'no command is left running').toBe(0n);
      }
    }),
    { numRuns: 300 },
  );
});
