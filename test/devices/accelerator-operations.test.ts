/** What each operation does with memory, and what descriptors are refused. */
import { describe, expect, it } from 'vitest';
import { AcceleratorBench, S } from './accelerator-bench.ts';
import { BOF, CRAV, descriptor, FENCE, pattern, RCI, RCR, RECORD, type Said } from './accelerator-descriptors.ts';

const Op = { NOOP: 0, BATCH: 1, DRAIN: 2, MEMMOVE: 3, MEMFILL: 4, COMPARE: 5, COMPVAL: 6, DUALCAST: 9 } as const;
const CRCGEN = 0x10;
const COPY_CRC = 0x11;
const CFLUSH = 0x20;
const CHECK_RESULT = 1 << 7;

const A = 0x10_0ff0;
const B = 0x20_0a00;

/** A dedicated queue 0 of priority 1, transfers up to 2 MiB and batches up to 1024. */
function up(): AcceleratorBench {
  return new AcceleratorBench().enable().queue(0).open(0);
}

describe('Operations of the accelerator', () => {
  it.each([1, 7, 16, 4096, 10_000])('MEMMOVE copies %i bytes that begin and end anywhere in pages', (size) => {
    const bench = up();
    bench.memory.write(A, pattern(size));
    expect(bench.submit({ opcode: Op.MEMMOVE, a: A, b: B, size })).toMatchObject({ status: 1, completed: size });
    expect(bench.memory.read(B, size)).toEqual(pattern(size));
    expect(bench.memory.read(B + size, 1)).toEqual(Uint8Array.of(0));
  });

  it.each([
    ['later', 0x777],
    ['earlier', -0x777],
    ['a byte later', 1],
  ])('MEMMOVE copies to a place that overlaps and begins %s', (_, distance) => {
    const bench = up();
    bench.memory.write(A, pattern(0x3000));
    expect(bench.submit({ opcode: Op.MEMMOVE, a: A, b: A + distance, size: 0x3000 }).status).toBe(1);
    expect(bench.memory.read(A + distance, 0x3000)).toEqual(pattern(0x3000));
  });

  it('MEMFILL repeats its eight bytes without a break at pages', () => {
    const bench = up();
    expect(bench.submit({ opcode: Op.MEMFILL, a: 0x0807_0605_0403_0201n, b: 0x10_0ffd, size: 21 }).completed).toBe(21);
    expect([...bench.memory.read(0x10_0ffc, 23)!]).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 0,
    ]);
  });

  it('COMPARE says where memory differs, or that it does not', () => {
    const bench = up();
    bench.memory.write(A, pattern(5000));
    bench.memory.write(B, pattern(5000));
    const compare = { opcode: Op.COMPARE, a: A, b: B, size: 5000 };
    expect(bench.submit(compare)).toMatchObject({ status: 1, result: 0, completed: 5000 });
    bench.memory.write(B + 4321, Uint8Array.of(0));
    expect(bench.submit(compare)).toMatchObject({ status: 1, result: 1, completed: 4321 });
  });

  it('COMPARE with the flag CR is a success with a false predicate if the result is not the expected one', () => {
    const bench = up();
    const compare = { opcode: Op.COMPARE, a: A, b: B, size: 64, flags: CRAV | RCR | CHECK_RESULT };
    expect(bench.submit({ ...compare, more: [0] }).status).toBe(1);
    expect(bench.submit({ ...compare, more: [1] })).toMatchObject({ status: 2, result: 0 });
  });

  it('COMPVAL compares with eight bytes again and again', () => {
    const bench = up();
    bench.memory.write(
      A,
      Uint8Array.from({ length: 4100 }, (_, i) => i % 8),
    );
    const compare = { opcode: Op.COMPVAL, a: A, b: 0x0706_0504_0302_0100n, size: 4100 };
    expect(bench.submit(compare)).toMatchObject({ status: 1, result: 0, completed: 4100 });
    bench.memory.write(A + 4097, Uint8Array.of(9));
    expect(bench.submit(compare)).toMatchObject({ status: 1, result: 1, completed: 4097 });
  });

  it('DUALCAST copies to two places of the same offset in their pages', () => {
    const bench = up();
    bench.memory.write(A, pattern(6000));
    const said = { opcode: Op.DUALCAST, a: A, b: 0x20_0234, size: 6000 };
    expect(bench.submit({ ...said, more: [0x30_0234] }).status).toBe(1);
    expect(bench.memory.read(0x20_0234, 6000)).toEqual(pattern(6000));
    expect(bench.memory.read(0x30_0234, 6000)).toEqual(pattern(6000));
    expect(bench.submit({ ...said, more: [0x30_0235] }).status).toBe(0x17);
    expect(bench.submit({ ...said, more: [0x20_1234] }).status).toBe(0x16);
  });

  it('CRCGEN gives the CRC-32C of memory, and goes on from a seed', () => {
    const bench = up();
    bench.memory.write(A, new TextEncoder().encode('123456789'));
    // The check value of CRC-32C.
    expect(bench.submit({ opcode: CRCGEN, a: A, size: 9 })).toMatchObject({ status: 1, extra: 0xe306_9283 });
    const first = bench.submit({ opcode: CRCGEN, a: A, size: 4 }).extra;
    expect(bench.submit({ opcode: CRCGEN, a: A + 4, size: 5, more: [first] }).extra).toBe(0xe306_9283);
  });

  it('COPY_CRC copies and gives the CRC of what it copied; its buffers must not overlap', () => {
    const bench = up();
    bench.memory.write(A, new Uint8Array(32));
    // The CRC-32C of 32 bytes of zeros (RFC 3720, B.4).
    const said = { opcode: COPY_CRC, a: A, b: B, size: 32 };
    expect(bench.submit(said)).toMatchObject({ status: 1, extra: 0x8a91_36aa });
    bench.memory.write(A, new Uint8Array(32).fill(0xff));
    expect(bench.submit(said).extra).toBe(0x62a8_ab43);
    expect(bench.memory.read(B, 32)).toEqual(new Uint8Array(32).fill(0xff));
    expect(bench.submit({ ...said, b: A + 31 }).status).toBe(0x16);
  });

  it.each([
    ['NOOP', { opcode: Op.NOOP }],
    ['DRAIN', { opcode: Op.DRAIN }],
    ['CFLUSH', { opcode: CFLUSH, b: A, size: 10_000 }],
  ])('%s succeeds and changes nothing', (_, said) => {
    const bench = up();
    expect(bench.submit(said).status).toBe(1);
    expect(bench.memory.read(A, 64)).toEqual(new Uint8Array(64));
  });
});

describe('Descriptors of the accelerator', () => {
  const MOVE: Said = { opcode: Op.MEMMOVE, a: A, b: B, size: 64 };
  const FLAWS: readonly [string, Said, number][] = [
    ['an operation that the device does not do', { ...MOVE, opcode: 7 }, 0x10],
    ['no operation at all', { ...MOVE, opcode: 0xff }, 0x10],
    ['a fence outside of a batch', { ...MOVE, flags: CRAV | RCR | FENCE }, 0x11],
    ['a flag of another operation', { ...MOVE, flags: CRAV | RCR | CHECK_RESULT }, 0x11],
    ['a reserved flag', { ...MOVE, flags: CRAV | RCR | (1 << 23) }, 0x11],
    ['something reserved behind its fields', { ...MOVE, more: [0, 0, 1] }, 0x12],
    ['something reserved beside the PASID', { ...MOVE, pasid: 1 << 20 }, 0x12],
    ['no bytes', { ...MOVE, size: 0 }, 0x13],
    ['more bytes than the queue allows', { ...MOVE, size: 2 ** 21 + 1 }, 0x13],
    ['a batch of one', { opcode: Op.BATCH, a: 0x40_0000, size: 1 }, 0x14],
    ['a batch of more than the queue allows', { opcode: Op.BATCH, a: 0x40_0000, size: 1025 }, 0x14],
    ['a list that is not aligned', { opcode: Op.BATCH, a: 0x40_0020, size: 2 }, 0x18],
    ['an interrupt that does not exist', { ...MOVE, flags: CRAV | RCR | RCI, handle: 9 }, 0x19],
  ];

  it.each(FLAWS)('with %s are refused in their completion record', (_, said, status) => {
    const bench = up();
    const completion = bench.submit(said);
    expect(completion).toMatchObject({ status, completed: 0 });
    expect(bench.read(S.SWERR, 8)).toBe(0n);
    expect(bench.interrupts).toEqual([]);
  });

  it('say which flags were wrong', () => {
    expect(up().submit({ ...MOVE, flags: CRAV | RCR | FENCE | (1 << 20) }).extra).toBe(FENCE | (1 << 20));
  });

  it('have their error in SWERR if they have no place for a completion record', () => {
    const bench = up();
    bench.write(S.GENCTRL, 1);
    bench.store(descriptor({ ...MOVE, size: 0, flags: 0 }));
    bench.engine.run();
    // Valid, of a descriptor, with its queue; the error; the operation.
    expect(bench.read(S.SWERR, 8)).toBe(0x03_0000_130dn);
    expect(bench.read(S.INTCAUSE)).toBe(1n);
    expect(bench.interrupts).toEqual([0]);
    bench.store(descriptor({ ...MOVE, flags: RCR }));
    bench.engine.run();
    // The first error stays, and there were more.
    expect(bench.read(S.SWERR, 8)).toBe(0x03_0000_130fn);
    bench.write(S.SWERR, 3);
    expect(bench.read(S.SWERR, 8) & 3n).toBe(0n);
  });

  it('with a completion record at an address that is not aligned have their error in SWERR', () => {
    const bench = up();
    bench.store(descriptor({ ...MOVE, flags: CRAV | RCR, completion: RECORD + 16 }));
    bench.engine.run();
    expect((bench.read(S.SWERR, 8) >> 8n) & 0xffn).toBe(0x1bn);
    expect(bench.memory.read(B, 64)).toEqual(new Uint8Array(64));
  });

  it('have no completion record after a success if they do not ask for one', () => {
    const bench = up();
    expect(bench.submit({ ...MOVE, flags: CRAV }).status).toBe(0);
    expect(bench.submit({ ...MOVE, flags: CRAV, size: 0 }).status).toBe(0x13);
  });

  it('get an interrupt of their own vector only, as its permissions say', () => {
    const bench = up();
    const said = { ...MOVE, flags: CRAV | RCR | RCI, handle: 3 };
    expect(bench.submit(said).status).toBe(1);
    // Only under PASID 7, which this queue does not have.
    bench.write(0x8000 + 3 * 8, (7 << 12) | (1 << 3));
    expect(bench.submit(said).status).toBe(0x19);
    // For everybody.
    bench.write(0x8000 + 3 * 8, 1 << 2);
    expect(bench.submit(said).status).toBe(1);
    expect(bench.interrupts).toEqual([3, 3]);
  });
});

describe('Batches of the accelerator', () => {
  const LIST = 0x40_0000;

  function batch(bench: AcceleratorBench, descriptors: readonly Said[], said: Said = {}) {
    descriptors.forEach((one, i) => {
      bench.memory.write(LIST + i * 64, descriptor({ flags: CRAV | RCR, completion: 0x9000 + i * 32, ...one }));
    });
    const completion = bench.submit({ opcode: Op.BATCH, a: LIST, size: descriptors.length, ...said });
    const statuses = descriptors.map((_, i) => bench.completion(0x9000 + i * 32).status);
    return { ...completion, statuses };
  }

  const noop: Said = { opcode: Op.NOOP };

  it('complete when all of their descriptors have', () => {
    expect(batch(up(), [noop, noop, noop])).toMatchObject({ status: 1, result: 0, completed: 3, statuses: [1, 1, 1] });
  });

  it('say that some failed', () => {
    const bad = { opcode: Op.MEMMOVE, a: A, b: B };
    expect(batch(up(), [noop, bad, noop])).toMatchObject({
      status: 5,
      result: 1,
      completed: 3,
      statuses: [1, 0x13, 1],
    });
  });

  it('contain neither batches nor drains', () => {
    const nested = { opcode: Op.BATCH, a: LIST, size: 2 };
    expect(batch(up(), [nested, { opcode: Op.DRAIN }]).statuses).toEqual([0x10, 0x10]);
  });

  it('go past a fence when everything before it is done', () => {
    const bench = up();
    bench.memory.write(A, pattern(4096));
    const there = { opcode: Op.MEMMOVE, a: A, b: B, size: 4096 };
    const on = { opcode: Op.MEMMOVE, a: B, b: 0x30_0000, size: 4096, flags: CRAV | RCR | FENCE };
    expect(batch(bench, [there, on]).status).toBe(1);
    expect(bench.memory.read(0x30_0000, 4096)).toEqual(pattern(4096));
  });

  it('end at a fence when something before it failed', () => {
    const bad = { opcode: Op.MEMMOVE, a: A, b: B };
    const fenced = { opcode: Op.NOOP, flags: CRAV | RCR | FENCE };
    const ended = batch(up(), [noop, bad, fenced, noop]);
    expect(ended).toMatchObject({ status: 5, result: 1, completed: 2, statuses: [1, 0x13, 0, 0] });
  });

  it('end where their list cannot be read, after what was read', () => {
    const bench = new AcceleratorBench().enable({ ats: true });
    bench.queue(0).open(0);
    bench.agent.isOpen = false;
    for (const page of [0x8, 0x9, 0x40_0]) bench.agent.map(-1, page, page);
    for (let i = 0; i < 2; i++) {
      bench.memory.write(LIST + 4096 - 128 + i * 64, descriptor({ flags: CRAV | RCR, completion: 0x9000 + i * 32 }));
    }
    const ended = bench.submit({ opcode: Op.BATCH, a: LIST + 4096 - 128, size: 4 });
    expect(ended).toEqual({ status: 6, result: 0, completed: 2, faultAddress: 0x40_1000n, extra: 0 });
    expect([0, 1].map((i) => bench.completion(0x9000 + i * 32).status)).toEqual([1, 1]);
  });

  it('are carried out as whom they were submitted, whatever their descriptors say', () => {
    const bench = new AcceleratorBench().enable({ pasid: true });
    bench.queue(0, { word2: 0x10 | (1 << 28) }).open(0);
    for (const page of [0x8, 0x9, 0x40_0, 0x10_0, 0x20_0]) bench.agent.map(7, page, page);
    bench.memory.write(LIST, descriptor({ opcode: Op.MEMMOVE, pasid: 8, a: 0x10_0000, b: 0x20_0000, size: 8 }));
    bench.memory.write(LIST + 64, descriptor({ pasid: 9, priv: true }));
    bench.memory.write(0x10_0000, pattern(8));
    const said = { opcode: Op.BATCH, pasid: 7, a: LIST, size: 2, flags: CRAV | RCR | BOF, completion: RECORD };
    expect(bench.enqueue(descriptor(said))).toBe('accepted');
    bench.engine.run();
    expect(bench.completion()).toMatchObject({ status: 1, completed: 2 });
    expect(bench.memory.read(0x20_0000, 8)).toEqual(pattern(8));
    expect(new Set(bench.agent.seen.map(({ pasid }) => pasid))).toEqual(new Set([7]));
  });
});
