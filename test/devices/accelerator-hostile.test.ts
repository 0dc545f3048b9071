/** Whatever software does with the accelerator: nothing throws, hangs or grows, and nothing leaves the pages it was given. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AcceleratorBench, BAR0, EVLCFG, R, S } from './accelerator-bench.ts';
import { CRAV, descriptor, RCR } from './accelerator-descriptors.ts';

const WORDS = [0n, 1n, 0x8000_0000n, 0xffff_ffffn, 0x5555_5555_5555_5555n, 2n ** 64n - 1n];
const OPCODES = [0, 1, 2, 3, 4, 5, 6, 7, 9, 0x10, 0x11, 0x20, 0xff];

/** Pages 0x100 to 0x10f under PASID 5 are these of memory; everything else is out of reach. */
const FIRST_FRAME = 0x400;
const PAGES = 16;

function contained(word2 = 0x13 | (5 << 8) | (1 << 28)): AcceleratorBench {
  const bench = new AcceleratorBench({ maxTransferShift: 16, maxBatchShift: 6 });
  bench.enable({ ats: true, pri: true, pasid: true });
  bench.queue(0, { word2, shifts: 16 | (6 << 5) });
  bench.agent.isOpen = false;
  for (let i = 0; i < PAGES; i++) bench.agent.map(5, 0x100 + i, FIRST_FRAME + i, i % 4 !== 3);
  return bench.open(0);
}

/** What no descriptor may change: memory around the pages. */
function expectUntouched(bench: AcceleratorBench): void {
  for (const [at, length] of [
    [0, FIRST_FRAME * 4096],
    [(FIRST_FRAME + PAGES) * 4096, 0x10_0000],
  ] as const) {
    expect(Buffer.compare(bench.memory.read(at, length)!, Buffer.alloc(length))).toBe(0);
  }
}

function expectQuiet(bench: AcceleratorBench): void {
  expect(bench.device.state.active).toBe(0);
  expect(bench.device.state.ats.pageRequestsOutstanding).toBe(0);
  expect(bench.link.top.pool.taken).toBe(0);
}

const inside = fc
  .tuple(fc.nat(PAGES - 1), fc.nat(4095))
  .map(([page, offset]) => BigInt((0x100 + page) * 4096 + offset));
const address = fc.oneof(
  { weight: 6, arbitrary: inside },
  { weight: 2, arbitrary: inside.map((at) => at & ~0x3fn) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
  { weight: 1, arbitrary: fc.constantFrom(0n, 2n ** 64n - 1n, 2n ** 64n - 64n, 2n ** 52n, 0xfee0_0000n) },
);
const said = fc.record({
  pasid: fc.constantFrom(0, 5, 0xf_ffff),
  priv: fc.boolean(),
  flags: fc.oneof(
    fc.constantFrom(CRAV | RCR, CRAV, 0, CRAV | RCR | 2),
    fc.nat(0x1f).map((flags) => flags | CRAV),
    fc.nat(0xff_ffff),
  ),
  opcode: fc.constantFrom(...OPCODES),
  completion: fc.oneof(
    inside.map((at) => at & ~0x1fn),
    address,
  ),
  a: address,
  b: address,
  size: fc.oneof(fc.nat(64), fc.nat(0x1_0000), fc.constantFrom(0, 0xffff_ffff, 0x1_0001)),
  handle: fc.constantFrom(0, 1, 9, 0xffff),
  more: fc.oneof(fc.constant([]), fc.array(address, { maxLength: 3 })),
});

describe('Any descriptors', () => {
  it('end, and reach only the pages of their PASID', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(fc.array(said, { minLength: 1, maxLength: 12 }), (many) => {
        const bench = contained();
        for (const one of many) bench.store(descriptor(one));
        bench.engine.run();
        expectQuiet(bench);
        expectUntouched(bench);
        expect(bench.device.state.operations).toBeGreaterThanOrEqual(bench.device.state.submissions);
      }),
      { numRuns: 60 },
    );
  });

  it('in lists that they themselves overwrite, end', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(fc.array(said, { minLength: 2, maxLength: 40 }), fc.nat(63), (many, shift) => {
        const bench = contained();
        const list = 0x10_0000;
        many.forEach((one, i) => {
          // Half of what they access is the list.
          const target = { a: list + i * 64 + shift, b: list + ((i * 7) % 40) * 64 };
          bench.memory.write(FIRST_FRAME * 4096 + i * 64, descriptor(i % 2 === 0 ? one : { ...one, ...target }));
        });
        const batch = { opcode: 1, a: list, size: many.length, flags: CRAV | RCR };
        // Its completion record lies in the list, too.
        bench.store(descriptor({ ...batch, completion: list + 0x40 }));
        bench.store(descriptor({ ...batch, completion: list + 0x1000 }));
        bench.engine.run();
        expectQuiet(bench);
        expectUntouched(bench);
        expect(bench.device.state.submissions).toBe(2);
      }),
      { numRuns: 40 },
    );
  });

  it('are copies of pages into themselves again and again, and batches of nothing but batches', () => {
    const bench = contained();
    const list = 0x10_0000;
    for (let i = 0; i < 64; i++) {
      bench.memory.write(
        FIRST_FRAME * 4096 + i * 64,
        descriptor({ opcode: 1, a: list, size: 64, flags: CRAV | RCR, completion: 0x10_1000 }),
      );
    }
    bench.store(descriptor({ opcode: 1, a: list, size: 64, flags: CRAV | RCR, completion: 0x10_2000 }));
    bench.engine.run();
    expect(bench.completion((FIRST_FRAME + 2) * 4096)).toMatchObject({ status: 5, completed: 64 });
    expect(bench.device.state.operations).toBe(65);
  });
});

describe('Any accesses to the registers of the accelerator', () => {
  const PLACES = [
    ...Array(0x210).keys(),
    0x400,
    0x420,
    0x428,
    0x4ff,
    0x1000,
    0x1018,
    0x1020,
    0x11ff,
    0x8000,
    0x9000,
    0xfff8,
  ];

  it('of every size, at every place, with extreme values, are harmless', { timeout: 120_000 }, () => {
    const bench = new AcceleratorBench().enable();
    const bytes = new Uint8Array(64);
    for (const value of WORDS) {
      new DataView(bytes.buffer).setBigUint64(0, value, true);
      for (const at of PLACES) {
        for (const size of [1, 2, 4, 8, 16, 64]) {
          if (at + size > 0x1_0000) continue;
          bench.device.memoryWrite(0, at, bytes, size);
          bench.device.memoryRead(0, at, new Uint8Array(size), size);
          bench.device.memoryWrite(2, at, bytes, size);
        }
      }
      bench.engine.run();
    }
    expectQuiet(bench);
    bench.enable();
    expect(bench.command(5)).toBe(0);
    expect(bench.queue(0).open(0).submit({}).status).toBe(1);
  });

  it('that are no aligned words change nothing', () => {
    const bench = new AcceleratorBench().enable();
    const before = bench.read(R.GENCFG);
    for (const size of [1, 2, 3, 16]) bench.device.memoryWrite(0, R.GENCFG, new Uint8Array(16).fill(0xff), size);
    bench.device.memoryWrite(0, R.GENCFG + 2, new Uint8Array(4).fill(0xff), 4);
    bench.device.memoryWrite(0, R.GENCFG + 4, new Uint8Array(8).fill(0xff), 8);
    expect(bench.read(R.GENCFG)).toBe(before);
    expect(bench.run(bench.rootComplex.mmioRead(BAR0 + R.GENCAP, 2))).toBe(0n);
  });

  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ what: fc.constant('store' as const), said, portal: fc.nat(31) }) },
    { weight: 3, arbitrary: fc.record({ what: fc.constant('enqueue' as const), said, portal: fc.nat(31) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        what: fc.constant('command' as const),
        command: fc.nat(31),
        operand: fc.constantFrom(0, 1, 2, 3, 5, 0xf_ffff),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        what: fc.constant('write' as const),
        at: fc.constantFrom(
          R.GENCFG,
          S.GENCTRL,
          S.SWERR,
          EVLCFG,
          EVLCFG + 8,
          0xf0,
          0x400,
          0x420,
          0x1000,
          0x1008,
          0x100c,
          0x1048,
        ),
        value: fc.constantFrom(...WORDS, 0x11n, 0x2011n, 0x10_0000n),
      }),
    },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('reset' as const) }) },
    { weight: 3, arbitrary: fc.record({ what: fc.constant('pass' as const), time: fc.nat(20_000) }) },
  );

  it('in any order with descriptors, commands and resets come to an end', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const bench = contained();
        const { config } = bench.device.function;
        for (const one of steps) {
          if (one.what === 'store') bench.store(descriptor(one.said), one.portal * 0x1000);
          else if (one.what === 'enqueue') bench.enqueue(descriptor(one.said), one.portal * 0x1000);
          else if (one.what === 'command') bench.write(S.CMD, (one.command << 20) | one.operand);
          else if (one.what === 'write') bench.write(one.at, one.value, 8);
          else if (one.what === 'pass') bench.pass(one.time);
          else {
            config.write(config.pciExpress!.offset + 8, 2, 0x8000);
            bench.enable({ ats: true, pri: true, pasid: true });
          }
        }
        bench.engine.run();
        expectQuiet(bench);
        expectUntouched(bench);
        expect(bench.read(S.CMDSTS)).toBeLessThan(0x8000_0000n);
      }),
      { numRuns: 60 },
    );
  });
});

describe('A flood of descriptors', () => {
  it('is bounded by the queues: what has no room is dropped or put off, and counted as one error', () => {
    const bench = new AcceleratorBench({ engines: 1, descriptorsInProgress: 1 }).enable().queue(0, { size: 4 }).open(0);
    const copy = descriptor({ opcode: 3, a: 0x10_0000, b: 0x20_0000, size: 2 ** 16 });
    for (let i = 0; i < 2000; i++) {
      bench.device.memoryWrite(2, (i % 8) * 0x4000, copy, 64);
      bench.device.deferrableWrite(2, (i % 8) * 0x4000, copy, 64);
    }
    expect(bench.device.state.submissions).toBe(5);
    // Valid and overflow.
    expect(bench.read(S.SWERR, 8) & 3n).toBe(3n);
    bench.engine.run();
    expect(bench.device.state).toMatchObject({ submissions: 5, operations: 5, active: 0 });
  });
});
