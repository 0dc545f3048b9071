/** Commands, work queues, groups, portals. */
import { describe, expect, it } from 'vitest';
import { AcceleratorBench, S } from './accelerator-bench.ts';
import { CRAV, descriptor, RCI, RCR, RECORD } from './accelerator-descriptors.ts';

const MEMMOVE = 3;
const DRAIN = 2;
/** Word 2 of WQCFG: a dedicated queue, or a shared one that works under PASIDs, of a priority. */
const dedicated = (priority = 1) => 1 | (priority << 4);
const shared = (priority = 1) => (priority << 4) | (1 << 28);
/** Operand for commands of several queues. */
const set = (...queues: number[]) => queues.reduce((mask, queue) => mask | (1 << queue), 0);

const state = (bench: AcceleratorBench, queue: number) => Number(bench.read(0x1000 + queue * 64 + 24) >> 30n);
const occupancy = (bench: AcceleratorBench, queue: number) => Number(bench.read(0x1000 + queue * 64 + 24) & 0xffffn);

/** A copy of 1 MiB, which takes its time. */
const LONG = descriptor({ opcode: MEMMOVE, a: 0x10_0000, b: 0x20_0000, size: 2 ** 20 });
const noop = (record: number) => descriptor({ flags: CRAV | RCR, completion: record });

describe('Commands of the accelerator', () => {
  it.each([
    ['a command that there is not', 15, 0, 1],
    ['a request for an interrupt handle, which this device has not', 13, 1, 1],
    ['a work queue that is not enabled', 7, set(0), 0x32],
    ['a work queue that there is not', 7, (1 << 16) | 1, 2],
    ['no work queue', 7, 0, 2],
    ['a queue that is not there', 6, 8, 2],
    ['a queue of a device that is not enabled', 6, 0, 0x20],
    ['to disable a device that is not enabled', 2, 0, 0x31],
  ])('refuse %s', (_, command, operand, error) => {
    expect(new AcceleratorBench().enable().queue(0).command(command, operand)).toBe(error);
  });

  it('refuse to enable the device twice, without bus mastering, or with more entries than there are', () => {
    const bench = new AcceleratorBench().enable({ busMaster: false }).queue(0, { size: 128 });
    expect(bench.command(1)).toBe(0x12);
    bench.enable().queue(1, { size: 1 });
    expect(bench.command(1)).toBe(0x14);
    bench.queue(1, { size: 0 });
    expect(bench.command(1)).toBe(0);
    expect(bench.command(1)).toBe(0x10);
  });

  it('refuse groups that share a queue or an engine, that have no engine, or that miss a queue', () => {
    const bench = new AcceleratorBench().enable().queue(0);
    bench.write(0x440, 1n, 8);
    expect(bench.command(1)).toBe(0x15);
    bench.write(0x440, 0n, 8);
    bench.write(0x460, 1n, 8);
    expect(bench.command(1)).toBe(0x16);
    bench.write(0x460, 0n, 8);
    bench.write(0x440, 2n, 8);
    expect(bench.command(1)).toBe(0x17);
    bench.write(0x440, 0n, 8);
    bench.write(0x1000 + 5 * 64, 1);
    expect(bench.command(1)).toBe(0x18);
  });

  it.each([
    ['no entries', { size: 0 }, 0x22],
    ['no priority', { word2: dedicated(0) }, 0x23],
    ['blocking on faults without page requests', { word2: dedicated() | 0b1010 }, 0x25],
    ['blocking on faults without ATS', { word2: dedicated() | 0b0110 }, 0x25],
    ['sharing without PASIDs', { word2: 0x10 }, 0x26],
    ['a PASID that the function may not use', { word2: dedicated() | (1 << 28) }, 0x26],
    ['larger batches than the device does', { shifts: 11 << 5 }, 0x27],
  ])('refuse to enable a queue with %s', (_, settings, error) => {
    const bench = new AcceleratorBench().enable().queue(0, settings);
    expect(bench.command(1)).toBe(0);
    expect(bench.command(6, 0)).toBe(error);
    expect(state(bench, 0)).toBe(0);
  });

  it('refuse larger transfers than the device does', () => {
    const bench = new AcceleratorBench({ maxTransferShift: 20 }).enable().queue(0, { shifts: 21 });
    bench.command(1);
    expect(bench.command(6, 0)).toBe(0x28);
  });

  it('take nothing while one is active: that is an error', () => {
    const bench = new AcceleratorBench().enable().queue(0).open(0);
    bench.store(LONG);
    bench.write(S.CMD, 3 << 20);
    expect(bench.read(S.CMDSTS)).toBe(0x8000_0000n);
    bench.write(S.CMD, 5 << 20);
    expect((bench.read(S.SWERR, 8) >> 8n) & 0xffn).toBe(0x52n);
    bench.engine.run();
    expect(bench.read(S.CMDSTS)).toBe(0n);
    expect(state(bench, 0)).toBe(1);
  });

  it('keep what is configured while the device, or the queue, is enabled', () => {
    const bench = new AcceleratorBench().enable().queue(0).open();
    for (const [at, before] of [
      [0x1000, 16n],
      [0x400, 1n],
      [0x420, 15n],
    ] as const) {
      bench.write(at, 0x7);
      expect(bench.read(at)).toBe(before);
    }
    bench.write(0x1008, dedicated(5));
    expect(bench.read(0x1008)).toBe(0x51n);
  });

  it('give handles for interrupts where the device has them, and take them back', () => {
    const bench = new AcceleratorBench({ interruptHandles: true, workQueues: 1 }).enable().queue(0).open(0);
    expect(bench.read(S.CMDCAP)).toBe(0x7ffen);
    const copy = { opcode: MEMMOVE, a: 0x10_0000, b: 0x20_0000, size: 8, flags: CRAV | RCR | RCI };
    expect(bench.submit({ ...copy, handle: 0 }).status).toBe(0x19);
    expect(bench.command(13, 2)).toBe(0x41);
    expect(bench.command(13, 0x1_0001)).toBe(0x41);
    expect(bench.command(13, 1)).toBe(0x0000_0000);
    expect(bench.submit({ ...copy, handle: 0 }).status).toBe(1);
    expect(bench.interrupts).toEqual([1]);
    expect(bench.command(13, 1)).toBe(0x0000_0100);
    expect(bench.command(13, 1)).toBe(0x42);
    expect(bench.command(14, 0)).toBe(0);
    expect(bench.command(14, 0)).toBe(0x41);
    expect(bench.submit({ ...copy, handle: 0 }).status).toBe(0x19);
  });
});

describe('Work queues of the accelerator', () => {
  it('count what no engine has begun, and refuse what they have no room for', () => {
    const bench = new AcceleratorBench({ engines: 1, descriptorsInProgress: 1 }).enable().queue(0, { size: 2 }).open(0);
    for (let i = 0; i < 3; i++) bench.store(LONG);
    bench.pass(100);
    expect(occupancy(bench, 0)).toBe(2);
    bench.store(LONG);
    bench.pass(2000);
    // A descriptor that is posted to a full queue is gone.
    expect((bench.read(S.SWERR, 8) >> 8n) & 0xffn).toBe(0x56n);
    bench.engine.run();
    expect(bench.device.state).toMatchObject({ submissions: 3, operations: 3, active: 0 });
    expect(occupancy(bench, 0)).toBe(0);
  });

  it('that are shared put off what they have no room for, at the limited portal from the threshold on', () => {
    const bench = new AcceleratorBench({ engines: 1, descriptorsInProgress: 1 }).enable({ pasid: true });
    bench.queue(0, { size: 3, threshold: 2, word2: shared() }).open(0);
    const copy = descriptor({ pasid: 5, opcode: MEMMOVE, a: 0x10_0000, b: 0x20_0000, size: 2 ** 20 });
    for (let page = 0x100; page < 0x300; page++) bench.agent.map(5, page, page);
    const limited = 0x1000;
    const unlimited = 0x0000;
    expect([1, 2, 3, 4].map(() => bench.enqueue(copy, limited))).toEqual(['accepted', 'accepted', 'accepted', 'retry']);
    expect([1, 2].map(() => bench.enqueue(copy, unlimited))).toEqual(['accepted', 'retry']);
    expect(occupancy(bench, 0)).toBe(3);
    bench.engine.run();
    expect(bench.enqueue(copy, limited)).toBe('accepted');
    expect(bench.read(S.SWERR, 8)).toBe(0n);
  });

  it('take a descriptor at every aligned place of their portals, and nothing else', () => {
    const bench = new AcceleratorBench().enable().queue(1).open(1);
    expect(bench.submit({}, RECORD, 0x4000).status).toBe(1);
    expect(bench.submit({}, RECORD, 0x5fc0).status).toBe(1);
    expect(bench.submit({}, RECORD, 0x4020).status).toBe(0);
    expect(bench.submit({}, RECORD, 0x0000).status).toBe(0);
    bench.store(noop(RECORD).slice(0, 32), 0x4000);
    bench.engine.run();
    expect(bench.device.state.submissions).toBe(2);
    expect(bench.run(bench.rootComplex.mmioRead(0xe020_4000, 8))).toBe(2n ** 64n - 1n);
  });

  it.each([
    ['that is not enabled', dedicated(), false, 0x53],
    ['that is shared', shared(), true, 0x54],
  ])('drop what is posted to one %s, and say so', (_, word2, opens, error) => {
    const bench = new AcceleratorBench().enable({ pasid: true }).queue(0, { word2 });
    bench.open(...(opens ? [0] : []));
    expect(bench.submit({}).status).toBe(0);
    expect(bench.read(S.SWERR, 8) & 0xffffn).toBe(BigInt((error << 8) | 0b1001));
  });

  it('that are dedicated take nothing that may be put off', () => {
    const bench = new AcceleratorBench().enable().queue(0).open(0);
    expect(bench.enqueue(noop(RECORD))).toBe('retry');
    expect((bench.read(S.SWERR, 8) >> 8n) & 0xffn).toBe(0x55n);
    expect(bench.enqueue(noop(RECORD), 0x4000)).toBe('retry');
  });

  it('of a group have a share by their priority', () => {
    const bench = new AcceleratorBench({ engines: 1, descriptorsInProgress: 1 }).enable();
    bench
      .queue(0, { word2: dedicated(1) })
      .queue(1, { word2: dedicated(3) })
      .open(0, 1);
    bench.store(LONG);
    const order: number[] = [];
    const records = [0, 1].flatMap((queue) => Array.from({ length: 8 }, (_, i) => 0x8000 + (queue * 8 + i) * 32));
    records.forEach((record, i) => {
      bench.store(noop(record), (i >> 3) * 0x4000);
    });
    bench.link.probe = (tlp, direction) => {
      if (direction === 'upstream' && tlp.isMemoryRequest && tlp.length === 32)
        order.push(((tlp.addressLo - 0x8000) >> 8) & 1);
    };
    bench.engine.run();
    // The long copy was of queue 0, whose turn was the first.
    expect(order).toEqual([1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0]);
  });

  it('do the operations that they are configured for', () => {
    const bench = new AcceleratorBench().enable().queue(0);
    bench.write(0x1020, 1 << MEMMOVE);
    bench.open(0);
    expect(bench.submit({ opcode: MEMMOVE, a: 0x10_0000, b: 0x20_0000, size: 8 }).status).toBe(1);
    expect(bench.submit({}).status).toBe(0x10);
  });

  it('drain: a DRAIN descriptor ends behind everything that its queue had before under its PASID', () => {
    const bench = new AcceleratorBench({ engines: 1 }).enable().queue(0).queue(1).open(0, 1);
    bench.store(LONG);
    bench.store(descriptor({ opcode: DRAIN, flags: CRAV | RCR, completion: RECORD }));
    bench.store(descriptor({ opcode: DRAIN, flags: CRAV | RCR, completion: RECORD + 32 }), 0x4000);
    bench.pass(5000);
    // The other queue has nothing to wait for.
    expect(bench.completion(RECORD).status).toBe(0);
    expect(bench.completion(RECORD + 32).status).toBe(1);
    bench.engine.run();
    expect(bench.completion(RECORD).status).toBe(1);
  });

  it.each([
    ['disabled', 7],
    ['drained', 8],
  ])('are %s when all that they have has ended', (_, command) => {
    const bench = new AcceleratorBench().enable().queue(0).open(0);
    for (let i = 0; i < 3; i++) bench.store(LONG);
    bench.write(S.CMD, (command << 20) | set(0));
    bench.pass(5000);
    expect(bench.read(S.CMDSTS)).toBe(0x8000_0000n);
    expect(state(bench, 0)).toBe(command === 7 ? 2 : 1);
    bench.engine.run();
    expect(bench.read(S.CMDSTS)).toBe(0n);
    expect(bench.device.state).toMatchObject({ operations: 3, active: 0 });
    expect(state(bench, 0)).toBe(command === 7 ? 0 : 1);
  });

  it.each([
    ['a queue is aborted', 9, set(0)],
    ['a queue is reset', 10, set(0)],
    ['everything is aborted', 4, 0],
    ['the device is reset', 5, 0],
  ])('forget what they have when %s: nobody is told, and memory is not touched after it', (_, command, operand) => {
    const bench = new AcceleratorBench({ engines: 1 })
      .enable()
      .queue(0, { word2: dedicated(2) })
      .open(0);
    for (let i = 0; i < 6; i++) {
      const copy = { opcode: MEMMOVE, a: 0x10_0000, b: 0x20_0000, size: 2 ** 20 };
      bench.store(descriptor({ ...copy, flags: CRAV | RCR, completion: RECORD + i * 32 }));
    }
    bench.pass(5000);
    expect(bench.command(command, operand)).toBe(0);
    const { writes } = bench.rootComplex.state;
    bench.engine.run();
    expect(bench.rootComplex.state.writes - writes).toBeLessThanOrEqual(4);
    expect(bench.memory.read(RECORD, 6 * 32)).toEqual(new Uint8Array(6 * 32));
    expect(bench.device.state.operations).toBe(0);
    expect(bench.read(0x1008)).toBe(BigInt(command === 10 || command === 5 ? 0 : dedicated(2)));
    expect(state(bench, 0)).toBe(command === 9 || command === 4 ? 1 : 0);
  });

  it('abort and drain what is under one PASID', () => {
    const bench = new AcceleratorBench().enable({ pasid: true }).queue(0, { word2: shared() }).open(0);
    for (let page = 0x100; page < 0x300; page++) bench.agent.map(5, page, page).map(6, page, page);
    bench.agent.map(5, 8, 8).map(6, 8, 8);
    const copy = { opcode: MEMMOVE, a: 0x10_0000, b: 0x20_0000, size: 2 ** 18, flags: CRAV | RCR };
    bench.enqueue(descriptor({ ...copy, pasid: 5, completion: RECORD }));
    bench.enqueue(descriptor({ ...copy, pasid: 6, completion: RECORD + 32 }));
    expect(bench.command(12, 5)).toBe(0);
    expect(bench.device.state.active).toBe(1);
    bench.write(S.CMD, (11 << 20) | 6);
    bench.engine.run();
    expect(bench.read(S.CMDSTS)).toBe(0n);
    expect(bench.completion(RECORD).status).toBe(0);
    expect(bench.completion(RECORD + 32).status).toBe(1);
  });
});
