/** Whose memory descriptors reach, and what becomes of a page that is not there. */
import { describe, expect, it } from 'vitest';
import { AddressType } from '../../hardware/pcie/index.ts';
import { AcceleratorBench, S } from './accelerator-bench.ts';
import { BOF, CRAV, descriptor, pattern, RCI, RCR, RECORD, type Said } from './accelerator-descriptors.ts';

const MEMMOVE = 3;
const SHARED = 0x10 | (1 << 28);
const BLOCKS = 1 << 1;
const NO_ATS = 1 << 2;
const NO_PRS = 1 << 3;
const PASID = 0x12345;
/** MSIXPERM of vector 1, and what lets everybody have it. */
const PERMISSIONS_1 = 0x8008;
const EVERYBODY = 1 << 2;

const COPY: Said = { opcode: MEMMOVE, pasid: PASID, a: 0x10_0800, b: 0x20_0000, size: 0x3000 };

/** A shared queue, ATS, page requests and PASIDs; the pages of the copy and of its record are there. */
function up(word2 = SHARED | BLOCKS): AcceleratorBench {
  const bench = new AcceleratorBench().enable({ ats: true, pri: true, pasid: true }).queue(0, { word2 }).open(0);
  bench.agent.isOpen = false;
  for (const page of [0x8, 0x9, 0x100, 0x101, 0x102, 0x103, 0x200, 0x201, 0x202]) {
    bench.agent.map(PASID, page, page + 0x400);
  }
  bench.memory.write(0x50_0800, pattern(0x3000));
  return bench;
}

/** Physical address of the record under the PASID. */
const THERE = RECORD + 0x40_0000;

function submit(bench: AcceleratorBench, said: Said) {
  bench.memory.write(THERE, new Uint8Array(32));
  expect(bench.enqueue(descriptor({ flags: CRAV | RCR, completion: RECORD, ...said }))).toBe('accepted');
  bench.engine.run();
  return bench.completion(THERE);
}

const without = (bench: AcceleratorBench, ...pages: number[]) => {
  for (const page of pages) bench.agent.pages.delete(`${PASID}:${page}`);
  return bench;
};

describe('Descriptors under a PASID', () => {
  it('reach the memory of their PASID by translated requests', () => {
    const bench = up();
    expect(submit(bench, COPY)).toMatchObject({ status: 1, completed: 0x3000 });
    expect(bench.memory.read(0x60_0000, 0x3000)).toEqual(pattern(0x3000));
    const asked = bench.agent.seen.filter(({ addressType }) => addressType === AddressType.TRANSLATION);
    expect(new Set(asked.map(({ pasid }) => pasid))).toEqual(new Set([PASID]));
    const used = bench.agent.seen.filter(({ addressType }) => addressType === AddressType.UNTRANSLATED);
    expect(used).toEqual([]);
  });

  it('of several programs do not see each other', () => {
    const bench = up();
    for (const page of [0x8, 0x100, 0x200]) bench.agent.map(7, page, page + 0x800);
    bench.memory.write(0x90_0000, pattern(64, 9));
    expect(submit(bench, { ...COPY, size: 64 }).status).toBe(1);
    bench.enqueue(descriptor({ ...COPY, pasid: 7, a: 0x10_0000, size: 64, flags: CRAV | RCR, completion: RECORD }));
    bench.engine.run();
    expect(bench.completion(RECORD + 0x80_0000).status).toBe(1);
    expect(bench.memory.read(0x60_0000, 64)).toEqual(pattern(64));
    expect(bench.memory.read(0xa0_0000, 64)).toEqual(pattern(64, 9));
  });

  it('of a dedicated queue work under the PASID of the queue, or under none', () => {
    const own = up(0x11 | (PASID << 8) | (1 << 28));
    own.store(descriptor({ ...COPY, pasid: 99, flags: CRAV | RCR, completion: RECORD }));
    own.engine.run();
    expect(own.completion(THERE).status).toBe(1);
    const none = up(0x11);
    none.agent.isOpen = true;
    expect(none.submit({ ...COPY, a: 0x50_0800 }).status).toBe(1);
    expect(new Set(none.agent.seen.map(({ pasid }) => pasid))).toEqual(new Set([-1]));
  });

  it('go untranslated where the queue says so', () => {
    const bench = up(SHARED | NO_ATS);
    expect(submit(bench, COPY).status).toBe(1);
    expect(new Set(bench.agent.seen.map(({ addressType }) => addressType))).toEqual(
      new Set([AddressType.UNTRANSLATED]),
    );
    // What is blocked on the way is an error of the hardware to the device; the IOMMU knows more.
    expect(submit(without(bench, 0x101), COPY)).toMatchObject({ status: 0x20, completed: 0x800 });
  });

  it('ask for privileged mode only if the function may', () => {
    const bench = up();
    expect(submit(bench, { ...COPY, priv: true }).status).toBe(1);
    const { config } = bench.device.function;
    // Enable may not change while ATS is enabled; so ATS is switched off and on.
    config.write(config.ats!.offset + 6, 2, 0);
    config.write(config.pasid!.offset + 6, 2, 0b001);
    config.write(config.ats!.offset + 6, 2, 0x8000);
    expect(submit(bench, { ...COPY, priv: true }).status).toBe(0x1d);
    expect(submit(bench, COPY).status).toBe(1);
  });

  it('end with a translation failure where ATS is refused', () => {
    const bench = up();
    bench.agent.refuses = true;
    // The device goes on without ATS, and untranslated requests find the page.
    expect(submit(bench, COPY).status).toBe(1);
    expect(bench.device.ats.isActive).toBe(false);
  });
});

describe('Page faults of the accelerator', () => {
  it('without blocking end an operation: where, and how much is done', () => {
    const bench = without(up(), 0x102);
    const ended = submit(bench, COPY);
    expect(ended).toMatchObject({ status: 0x03, completed: 0x1800, faultAddress: 0x10_2000n });
    expect(bench.memory.read(0x60_0000, 0x1800)).toEqual(pattern(0x3000).slice(0, 0x1800));
    expect(bench.memory.read(0x60_1800, 0x1800)).toEqual(new Uint8Array(0x1800));
    expect(bench.agent.pageRequests).toEqual([]);
  });

  it('of writes say so', () => {
    const bench = up();
    bench.agent.map(PASID, 0x201, 0x601, false);
    const ended = submit(bench, COPY);
    expect(ended).toMatchObject({ status: 0x83, completed: 0x1000, faultAddress: 0x20_1000n });
  });

  it('of a copy from the end count from the end', () => {
    const bench = without(up(), 0x101);
    const ended = submit(bench, { ...COPY, b: 0x10_0900, size: 0x2000 });
    // The source ends at 0x102800: what lies in its last page is done.
    expect(ended).toMatchObject({ status: 0x03, result: 1, faultAddress: 0x10_1f00n, completed: 0x800 });
  });

  it('are waited for with the flag: the page is asked for, and the operation goes on when it is there', () => {
    const bench = without(up(), 0x102, 0x200);
    bench.agent.onPageRequest = (asked) => {
      const page = (asked.lo >>> 12) as number;
      bench.agent.map(PASID, page, page + 0x400);
      bench.agent.respond(asked, 0);
    };
    expect(submit(bench, { ...COPY, flags: CRAV | RCR | BOF })).toMatchObject({ status: 1, completed: 0x3000 });
    expect(bench.memory.read(0x60_0000, 0x3000)).toEqual(pattern(0x3000));
    const asked = bench.agent.pageRequests.map(({ lo, read, write, last, pasid }) => ({
      lo,
      read,
      write,
      last,
      pasid,
    }));
    expect(asked).toEqual([
      { lo: 0x20_0000, read: false, write: true, last: true, pasid: PASID },
      { lo: 0x10_2000, read: true, write: false, last: true, pasid: PASID },
    ]);
  });

  it('are waited for as long as the answer takes, while other descriptors go on', () => {
    const bench = without(up(), 0x102);
    bench.agent.onPageRequest = () => {};
    bench.enqueue(descriptor({ ...COPY, flags: CRAV | RCR | BOF, completion: RECORD }));
    bench.engine.run();
    expect(bench.device.state.active).toBe(1);
    expect(submit(bench, { ...COPY, size: 64, completion: RECORD + 32 }).status).toBe(0);
    expect(bench.completion(THERE + 32).status).toBe(1);
    bench.agent.map(PASID, 0x102, 0x502);
    bench.agent.respond(bench.agent.pageRequests[0]!, 0);
    bench.engine.run();
    expect(bench.completion(THERE).status).toBe(1);
  });

  it('whose request is answered with Invalid Request end with that', () => {
    const bench = without(up(), 0x102);
    bench.agent.onPageRequest = (asked) => bench.agent.respond(asked, 1);
    const ended = submit(bench, { ...COPY, flags: CRAV | RCR | BOF });
    expect(ended).toMatchObject({ status: 0x04, completed: 0x1800, faultAddress: 0x10_2000n });
  });

  it('are not asked for again and again when the page does not come', () => {
    const bench = without(up(), 0x102);
    expect(submit(bench, { ...COPY, flags: CRAV | RCR | BOF }).status).toBe(0x04);
    expect(bench.agent.pageRequests).toHaveLength(4);
  });

  it.each([
    ['the queue does not block', SHARED],
    ['the queue asks for no pages', SHARED | NO_PRS],
  ])('are not waited for when %s', (_, word2) => {
    const bench = without(up(word2), 0x102);
    expect(submit(bench, { ...COPY, flags: CRAV | RCR | BOF }).status).toBe(0x03);
    expect(bench.agent.pageRequests).toEqual([]);
  });

  it('are not waited for when page requests failed for good', () => {
    const bench = without(up(), 0x102);
    bench.agent.onPageRequest = (asked) => bench.agent.respond(asked, 15);
    expect(submit(bench, { ...COPY, flags: CRAV | RCR | BOF }).status).toBe(0x03);
  });

  it.each([
    ['an abort', 4],
    ['a reset of the device', 5],
  ])('that are waited for do not hold up %s, and their answer changes nothing later', (_, command) => {
    const bench = without(up(), 0x102);
    bench.agent.onPageRequest = () => {};
    bench.enqueue(descriptor({ ...COPY, flags: CRAV | RCR | BOF, completion: RECORD }));
    bench.pass(100_000);
    expect(bench.command(command)).toBe(0);
    expect(bench.device.state.active).toBe(0);
    const { writes } = bench.rootComplex.state;
    bench.agent.map(PASID, 0x102, 0x502);
    bench.agent.respond(bench.agent.pageRequests[0]!, 0);
    bench.engine.run();
    expect(bench.rootComplex.state.writes).toBe(writes);
    expect(bench.completion(THERE).status).toBe(0);
    expect(bench.device.ats.pages!.outstanding).toBe(0);
  });
});

describe('Page faults of completion records', () => {
  it('are in SWERR: status, queue, PASID and address, and there is no interrupt', () => {
    const bench = without(up(), 0x8);
    bench.write(PERMISSIONS_1, EVERYBODY);
    submit(bench, { ...COPY, flags: CRAV | RCR | RCI, handle: 1 });
    // Valid, descriptor, queue, write; 1A; MEMMOVE under the PASID.
    expect(bench.read(S.SWERR, 8)).toBe((BigInt(PASID) << 40n) | 0x03_0000_1a2dn);
    expect(bench.read(S.SWERR + 16, 8)).toBe(BigInt(RECORD));
    expect(bench.interrupts).toEqual([]);
    expect(bench.memory.read(0x60_0000, 0x3000)).toEqual(pattern(0x3000));
  });

  it('are waited for with the flag', () => {
    const bench = without(up(), 0x8);
    bench.agent.onPageRequest = (asked) => {
      bench.agent.map(PASID, 0x8, 0x408);
      bench.agent.respond(asked, 0);
    };
    expect(submit(bench, { ...COPY, flags: CRAV | RCR | BOF }).status).toBe(1);
  });
});
