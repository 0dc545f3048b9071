/** Input that a guest or a device may send and no driver would: nothing throws, hangs or grows (security.md section 1). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AmdFault } from '../../hardware/amdvi/spec/index.ts';
import { Access, NO_PASID, Translation } from '../../hardware/iommu/index.ts';
import {
  ALL_CACHES,
  Bench,
  COMMANDS,
  COMMANDS_EN,
  COMMANDS_RUN,
  DEVICE,
  DEVICE_TABLE,
  EVENTS,
  GCR3,
  hostAt,
  INVALIDATE_ALL,
  IOMMU_EN,
  PPR_EN,
  PPR_LOG_EN,
  RAM,
  REG,
} from './bench.ts';
import { EVERYTHING_ON, sane, unit, word64 } from './hostile.ts';

describe('The register page', () => {
  /** Every byte of the registers, the edges of the counters, and what lies beyond the end. */
  const OFFSETS = [
    ...Array.from({ length: 0x300 }, (_, i) => i),
    ...Array.from({ length: 0x100 }, (_, i) => 0x1fd8 + i),
    ...[0x3ff8, 0x3fff, 0x4000, 0x4008, 0x4018, 0x3_fff8, 0x4_0000, 0x4_0028, 0x7_fff8, 0x7_ffff, 0x8_0000],
  ];

  it('takes accesses of every size at every offset, with any value, also beyond its end.', () => {
    const { one, memory } = unit();
    let seed = 1;
    const random = () => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return BigInt(seed) * 0x1_0000_0001n;
    };
    for (const offset of OFFSETS) {
      for (const size of [1, 2, 4, 8]) {
        for (const value of [0n, random(), 2n ** 64n - 1n]) one.write(offset, size, value);
        const read = one.read(offset, size);
        expect(read >= 0n && read < 1n << BigInt(8 * size), `${offset}`).toBe(true);
      }
    }
    // What a ring at random wrote stays within one log.
    expect(memory.touchedBytes).toBeLessThanOrEqual(0x10_0000);
  });

  it('reads 0 and takes no write at offsets that are negative, far away or unaligned, and in other sizes.', () => {
    const { one } = unit();
    one.write(REG.DEVICE_TABLE, 8, 0x1234_5000n);
    const page = () => OFFSETS.filter((offset) => offset % 8 === 0).map((offset) => one.read(offset, 8));
    const before = page();
    for (const offset of [-8, -4096, 0x8_0000, 2 ** 31, 2 ** 32, 2 ** 40]) {
      expect(one.read(offset, 8)).toBe(0n);
      one.write(offset, 8, 2n ** 64n - 1n);
    }
    for (const size of [0, 3, 5, 16]) {
      expect(one.read(0, size)).toBe(0n);
      one.write(0, size, 2n ** 64n - 1n);
    }
    for (const [offset, size] of [
      [1, 2],
      [2, 4],
      [4, 8],
    ] as const) {
      expect(one.read(offset, size)).toBe(0n);
      one.write(offset, size, 2n ** 64n - 1n);
    }
    expect(page()).toEqual(before);
  });

  it('survives any sequence of register writes between accesses of a device.', () => {
    const write = fc.record({
      offset: fc.oneof(fc.constantFrom(...Object.values(REG)), fc.constantFrom(...OFFSETS), fc.nat(0x2100)),
      size: fc.constantFrom(1, 2, 4, 8),
      value: word64,
    });
    const { one, memory } = unit();
    const t = new Translation<AmdFault>();
    memory.write64(Number(DEVICE_TABLE) + DEVICE * 32, 0x6000_0000_0000_0003n);
    fc.assert(
      fc.property(
        fc.array(write, { maxLength: 60 }),
        fc.array(word64, { minLength: 1, maxLength: 6 }),
        (writes, at) => {
          one.reset();
          one.write(REG.DEVICE_TABLE, 8, DEVICE_TABLE | 0x1ffn);
          one.write(REG.CONTROL, 8, EVERYTHING_ON);
          for (const { offset, size, value } of writes) {
            one.write(offset, size, value);
            one.translate(t.ask(DEVICE, NO_PASID, Access.WRITE, 0, 0x1000));
            sane(t);
          }
          for (const address of at) {
            const [hi, lo] = [Number(address >> 32n) | 0, Number(address & 0xffff_ffffn) | 0];
            one.translate(t.ask(DEVICE, NO_PASID, Access.READ, hi, lo));
            sane(t);
            const last = { requester: DEVICE, pasid: NO_PASID, hi, lo, read: true, write: true };
            one.requestPage({ ...last, execute: false, privileged: false, last: true, group: 5 });
          }
          expect(memory.touchedBytes).toBeLessThanOrEqual(Number(RAM));
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('The command buffer', () => {
  const opcode = fc.integer({ min: 0, max: 15 });
  const command = fc.oneof(
    fc.tuple(word64, word64),
    fc.tuple(word64, word64, opcode).map(([lo, hi, code]) => [(lo & ((1n << 60n) - 1n)) | (BigInt(code) << 60n), hi]),
    // Valid in form, with extreme ids, counts and addresses.
    fc.tuple(
      fc.constantFrom(
        0x2000_0000_0000_ffffn,
        0x3000_ffff_000f_ffffn,
        0x4fff_ffff_ffff_ffffn,
        0x5000_0000_0000_ffffn,
        0x600f_ffff_ff00_ffffn,
        0x600f_ffff_ff00_0108n,
        0x700f_ffff_0000_ffffn,
        0x1000_0000_0000_0006n,
      ),
      fc.tuple(fc.bigInt(0n, 2n ** 52n - 1n), fc.nat(7)).map(([page, flags]) => (page << 12n) | BigInt(flags)),
    ),
  );

  it('takes any bytes as commands: it goes on or stops, and its head stays in the ring.', () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 40 }), (list) => {
        const bench = new Bench({ caches: ALL_CACHES }).usual({ gcr3: GCR3 }).enable();
        list.forEach(([lo, hi], i) => {
          bench.write64(COMMANDS + BigInt(i) * 16n, lo!, hi!);
        });
        const tail = BigInt(list.length) * 16n;
        bench.set(REG.COMMAND_TAIL, tail);
        const head = bench.get(REG.COMMAND_HEAD);
        expect(head <= tail).toBe(true);
        expect(head === tail).toBe((bench.get(REG.STATUS) & COMMANDS_RUN) !== 0n);
        expect(bench.memory.touchedBytes).toBeLessThanOrEqual(Number(RAM));
      }),
      { numRuns: 100 },
    );
  });

  it('with tail, base and length at random ends every run, and so does a tail that jumps around.', () => {
    const bench = new Bench();
    fc.assert(
      fc.property(fc.array(word64, { minLength: 1, maxLength: 20 }), word64, (tails, base) => {
        bench.set(REG.CONTROL, 0n).set(REG.COMMAND_BASE, base).enable();
        for (const tail of tails) {
          bench.set(REG.COMMAND_TAIL, tail);
          expect(bench.get(REG.COMMAND_HEAD) < 0x8_0000n).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('carries out at most one ring of commands for one tail write.', () => {
    const { one, memory } = unit();
    for (let at = 0; at < 0x8_0000; at += 16) memory.write64(0x10_0000 + at, INVALIDATE_ALL[0]);
    one.write(REG.COMMAND_BASE, 8, 0x0f00_0000_0010_0000n);
    one.write(REG.CONTROL, 8, IOMMU_EN | COMMANDS_EN);
    one.write(REG.COMMAND_TAIL, 8, 0x7_fff0n);
    expect(one.read(REG.COMMAND_HEAD, 8)).toBe(0x7_fff0n);
  });

  it('may be rewritten by its own commands: a store into the next one is what is carried out.', () => {
    const bench = new Bench().enable();
    // The store turns the next command into one of opcode 0.
    bench.submit([0x1000_0000_0000_0000n | (COMMANDS + 0x10n) | 1n, 0n], INVALIDATE_ALL);
    expect(bench.get(REG.COMMAND_HEAD)).toBe(0x10n);
    expect(bench.events()).toEqual([[0x5000_0000_0000_0000n, COMMANDS + 0x10n]]);
  });

  it('may lie where the event log does: both stay within their rings.', () => {
    const bench = new Bench().set(REG.EVENT_BASE, 0x0800_0000_0000_0000n | COMMANDS).enable();
    for (let n = 0; n < 300; n++)
      bench
        .submit([0n, BigInt(n)])
        .set(REG.CONTROL, IOMMU_EN)
        .enable();
    expect(bench.get(REG.EVENT_TAIL) < 0x1000n && bench.get(REG.COMMAND_HEAD) < 0x1000n).toBe(true);
    expect(bench.read64(EVENTS)).toBe(0n);
  });
});

describe('Logs', () => {
  it('at an address where nothing is, or over the tables, lose what is logged and nothing else.', () => {
    for (const base of [0xf_ffff_ffff_f000n, RAM, DEVICE_TABLE + 0x2000n, hostAt(4)]) {
      const bench = new Bench().usual().enable();
      bench.set(REG.EVENT_BASE, 0x0800_0000_0000_0000n | base).set(REG.PPR_BASE, 0x0f00_0000_0000_0000n | base);
      bench.enable(PPR_EN | PPR_LOG_EN);
      for (let n = 0; n < 600; n++) {
        bench.read(BigInt(n) << 12n);
        bench.rig.pageRequest({ requester: n, address: 0n, read: true, last: true, group: n % 512 });
      }
      expect(bench.get(REG.EVENT_TAIL) < 0x1000n).toBe(true);
      expect(bench.get(REG.PPR_TAIL) < 0x8_0000n).toBe(true);
    }
  });
});
