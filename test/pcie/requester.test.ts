import { describe, expect, it } from 'vitest';
import {
  AddressType,
  Attribute,
  beyond,
  CompletionStatus,
  DmaStatus,
  dmaTarget,
  TlpKind,
} from '../../hardware/pcie/index.ts';
import { after, type Duration, ms, ns, type Script, START } from '../../hardware/sim/index.ts';
import { pattern } from './board.ts';
import { RequesterBench } from './requester-bench.ts';

const { SUCCESSFUL, UNSUPPORTED_REQUEST, COMPLETER_ABORT, REQUEST_RETRY } = CompletionStatus;

/** A bench whose other end answers each read with the pattern, by as much as any Max_Payload_Size allows at a time. */
function answering(options?: ConstructorParameters<typeof RequesterBench>[0]): RequesterBench {
  const bench = new RequesterBench(options);
  bench.onRequest = (asked) => {
    const { kind, address, length } = asked;
    for (let came = 0; kind === TlpKind.MEMORY_READ && came < length; came += 128) {
      const data = memory(address + came, Math.min(128, length - came));
      bench.complete(asked, { data, byteCount: length - came });
    }
  };
  return bench;
}

/** Bits of Device Control 2. */
const ATOMIC_REQUESTER = 1 << 6;
const ID_ORDERING_REQUESTS = 1 << 8;

const at = (duration: Duration) => after(START, duration);

const MEMORY = pattern(0x4000);
const memory = (address: number, length: number) => MEMORY.slice(address, address + length);

describe('A requester', () => {
  it('cuts reads at multiples of Max_Read_Request_Size and writes at multiples of Max_Payload_Size', () => {
    const bench = answering().program(0, 1);
    const read = bench.run(bench.dma.read(dmaTarget(0xff0), 600));
    expect(read).toEqual({ status: DmaStatus.SUCCESS, data: memory(0xff0, 600) });
    bench.run(bench.dma.write(dmaTarget(0x3fc1), pattern(200)));
    bench.engine.run();
    expect(bench.asked.map(({ kind, address, length }) => [kind, address, length])).toEqual([
      [TlpKind.MEMORY_READ, 0xff0, 0x10],
      [TlpKind.MEMORY_READ, 0x1000, 0x100],
      [TlpKind.MEMORY_READ, 0x1100, 0x100],
      [TlpKind.MEMORY_READ, 0x1200, 72],
      [TlpKind.MEMORY_WRITE, 0x3fc1, 63],
      [TlpKind.MEMORY_WRITE, 0x4000, 128],
      [TlpKind.MEMORY_WRITE, 0x4080, 9],
    ]);
    expect(bench.asked[5]!.data).toEqual(pattern(200).slice(63, 191));
  });

  it('goes on beyond 4 GiB, and from the last address to the first', () => {
    const bench = new RequesterBench().program(0, 0);
    bench.run(bench.dma.write(dmaTarget(0x1_ffff_ff80n), pattern(256)));
    bench.run(bench.dma.write(dmaTarget(2n ** 64n - 128n), pattern(256)));
    bench.engine.run();
    expect(bench.asked.map(({ address }) => address)).toEqual([0x1_ffff_ff80, 0x2_0000_0000, 2 ** 64 - 128, 0]);
    expect(beyond(dmaTarget(0x1_ffff_ff80n, { pasid: 3 }), 0x90)).toEqual({ hi: 2, lo: 0x10, pasid: 3 });
  });

  it('sends one request of length 0 for nothing', () => {
    const bench = new RequesterBench();
    bench.onRequest = (asked) => {
      if (asked.kind === TlpKind.MEMORY_READ) bench.complete(asked, { data: Uint8Array.of(0xee), byteCount: 1 });
    };
    expect(bench.run(bench.dma.read(dmaTarget(0x1001), 0))).toEqual({ status: 0, data: new Uint8Array(0) });
    expect(bench.run(bench.dma.write(dmaTarget(0x1001), new Uint8Array(0)))).toBe(DmaStatus.SUCCESS);
    bench.engine.run();
    expect(bench.asked.map(({ kind, length }) => [kind, length])).toEqual([
      [TlpKind.MEMORY_READ, 0],
      [TlpKind.MEMORY_WRITE, 0],
    ]);
  });

  it('puts completions of several reads together that come in pieces and in any order of reads', () => {
    const bench = new RequesterBench().program(0, 0);
    const task = bench.spawn(bench.dma.read(dmaTarget(0x100), 256));
    bench.engine.runUntil(at(ns(1_000)));
    const first = bench.asked[0]!;
    const second = bench.asked[1]!;
    expect(first.tag).not.toBe(second.tag);
    bench.complete(second, { data: memory(0x180, 64), byteCount: 128 });
    bench.complete(first, { data: memory(0x100, 64), byteCount: 128 });
    bench.complete(second, { data: memory(0x1c0, 64), byteCount: 64 });
    bench.engine.runUntil(at(ns(2_000)));
    expect(bench.dma.transactionsPending).toBe(true);
    bench.complete(first, { data: memory(0x140, 64), byteCount: 64 });
    bench.engine.runUntilDone(task);
    expect(task.result).toEqual({ status: DmaStatus.SUCCESS, data: memory(0x100, 256) });
    expect(bench.dma.transactionsPending).toBe(false);
    expect(bench.engine.pending).toBe(0);
  });

  it.each([
    ['UR', UNSUPPORTED_REQUEST, DmaStatus.UNSUPPORTED_REQUEST],
    ['CA', COMPLETER_ABORT, DmaStatus.COMPLETER_ABORT],
    ['a reserved code', 5, DmaStatus.UNSUPPORTED_REQUEST],
  ])('ends a read whose second piece is %s with what came before, and uses the tag again', (_, status, expected) => {
    const bench = new RequesterBench({ tags: 1 }).program(0, 1);
    const task = bench.spawn(bench.dma.read(dmaTarget(0x100), 256));
    bench.onRequest = (asked) => {
      bench.complete(asked, { data: memory(0x100, 64), byteCount: 256 });
      bench.complete(asked, { status, byteCount: 192 });
    };
    expect(bench.engine.runUntilDone(task)).toEqual({ status: expected, data: memory(0x100, 64) });
    bench.onRequest = (asked) => bench.complete(asked, { data: memory(asked.address, asked.length) });
    expect(bench.run(bench.dma.read(dmaTarget(0x200), 8)).data).toEqual(memory(0x200, 8));
    expect(bench.asked.map(({ tag }) => tag)).toEqual([0, 0]);
    expect(bench.dma.state).toEqual({ timedOut: 0, unexpected: 0 });
  });

  it('lets callers take turns: a short read does not wait for a long one', () => {
    const bench = answering({ tags: 2 }).program(0, 0);
    const ended: string[] = [];
    const read = function* (name: string, length: number): Script {
      const { data } = yield* bench.dma.read(dmaTarget(0), length);
      expect(data).toEqual(memory(0, length));
      ended.push(name);
    };
    bench.spawn(read('long', 0x2000));
    bench.spawn(read('short', 128));
    bench.engine.run();
    expect(ended).toEqual(['short', 'long']);
  });

  it('sends nothing while bus mastering is off, and says so', () => {
    const bench = answering();
    bench.function.config.write(0x04, 2, 0b010);
    expect(bench.run(bench.dma.read(dmaTarget(0x1000), 64))).toEqual({
      status: DmaStatus.NOT_MASTER,
      data: new Uint8Array(0),
    });
    expect(bench.run(bench.dma.write(dmaTarget(0x1000), pattern(64)))).toBe(DmaStatus.NOT_MASTER);
    bench.engine.run();
    expect(bench.asked).toEqual([]);
    expect(bench.link.top.pool.taken).toBe(0);
  });

  it('gives up on a read after 50 ms; what comes later is unexpected, and the tag is held until then', () => {
    const bench = new RequesterBench({ tags: 1 });
    const first = bench.spawn(bench.dma.read(dmaTarget(0x1000), 64));
    bench.engine.runUntil(at(ms(49)));
    expect(first.ended).toBe(false);
    bench.engine.runUntil(at(ms(51)));
    expect(first.result).toEqual({ status: DmaStatus.TIMED_OUT, data: new Uint8Array(0) });
    expect(bench.dma.transactionsPending).toBe(false);
    const second = bench.spawn(bench.dma.read(dmaTarget(0x2000), 64));
    bench.engine.runUntil(at(ms(52)));
    expect(bench.asked).toHaveLength(1);
    bench.complete(bench.asked[0]!, { data: pattern(64, 9) });
    bench.engine.runUntil(at(ms(53)));
    expect(bench.asked).toHaveLength(2);
    bench.complete(bench.asked[1]!, { data: memory(0x2000, 64) });
    expect(bench.engine.runUntilDone(second)).toEqual({ status: DmaStatus.SUCCESS, data: memory(0x2000, 64) });
    expect(bench.dma.state).toEqual({ timedOut: 1, unexpected: 1 });
  });

  it('holds a tag whose completion never comes for as long again', () => {
    const bench = new RequesterBench({ tags: 1 });
    bench.spawn(bench.dma.read(dmaTarget(0x1000), 64));
    bench.engine.run();
    expect(bench.engine.now).toBeLessThan(ms(50.1));
    const second = bench.spawn(bench.dma.read(dmaTarget(0x2000), 64));
    bench.engine.runUntil(at(ms(99)));
    expect(bench.asked).toHaveLength(1);
    bench.engine.runUntil(at(ms(101)));
    expect(bench.asked).toHaveLength(2);
    bench.engine.run();
    expect(second.result.status).toBe(DmaStatus.TIMED_OUT);
  });

  it('keeps what came of a read that is given up, and sends nothing more of it', () => {
    const bench = new RequesterBench({ tags: 2 }).program(0, 0);
    bench.onRequest = (asked) => {
      if (asked.address === 0) bench.complete(asked, { data: memory(0, 128) });
      else if (asked.address === 128) bench.complete(asked, { data: memory(128, 64), byteCount: 128 });
    };
    const task = bench.spawn(bench.dma.read(dmaTarget(0), 0x1000));
    bench.engine.run();
    expect(task.result).toEqual({ status: DmaStatus.TIMED_OUT, data: memory(0, 192) });
    expect(bench.asked).toHaveLength(3);
  });

  it('drops completions that no request can have', () => {
    const bench = new RequesterBench();
    const task = bench.spawn(bench.dma.read(dmaTarget(0x100), 64));
    bench.engine.runUntil(at(ns(1_000)));
    bench.complete({ tag: 7 }, { data: pattern(64, 2) });
    bench.complete({ tag: 700 }, { data: pattern(64, 2) });
    bench.complete({ tag: 0 }, { data: pattern(128, 2) });
    bench.complete({ tag: 0 }, { data: pattern(64, 2), byteCount: 32 });
    bench.complete({ tag: 0 }, { status: SUCCESSFUL });
    bench.complete({ tag: 0 }, { data: memory(0x100, 64) });
    expect(bench.engine.runUntilDone(task)).toEqual({ status: DmaStatus.SUCCESS, data: memory(0x100, 64) });
    expect(bench.dma.state.unexpected).toBe(5);
  });

  it.each([
    ['another byte count', { byteCount: 60 }],
    ['another lower address', { lowerAddress: 0x00 }],
    ['another traffic class', { trafficClass: 1 }],
    ['No Snoop that was not asked for', { attributes: Attribute.NO_SNOOP | Attribute.RELAXED_ORDERING }],
    ['no Relaxed Ordering', { attributes: 0 }],
    ['another traffic class and no data', { trafficClass: 1, data: undefined, status: UNSUPPORTED_REQUEST }],
  ])('takes no completion that has its tag and %s, and waits on for that of its request (PCIe 2.3.2)', (_, wrong) => {
    const bench = new RequesterBench({ config: { capabilities: { aer: true } } }).control2(ID_ORDERING_REQUESTS);
    const attributes = Attribute.RELAXED_ORDERING | Attribute.ID_ORDERING;
    const task = bench.spawn(bench.dma.read(dmaTarget(0x144, { attributes }), 64));
    bench.engine.runUntil(at(ns(1_000)));
    const asked = bench.asked[0]!;
    bench.complete(asked, { data: pattern(64, 2), ...wrong });
    bench.engine.runUntil(at(ns(2_000)));
    expect([task.ended, bench.dma.state.unexpected]).toEqual([false, 1]);
    const { config } = bench.function;
    const UNEXPECTED_COMPLETION = 1 << 16;
    const ADVISORY_NON_FATAL = 1 << 13;
    config.write(config.aer!.offset + 0x14, 4, 0);
    expect(config.read(config.aer!.offset + 0x10, 4)).toBe(ADVISORY_NON_FATAL);
    bench.complete(asked, { data: pattern(64, 3), ...wrong });
    // ID-based ordering is the completer's: it may be there or not.
    bench.complete(asked, { data: memory(0x144, 64), attributes });
    expect(bench.engine.runUntilDone(task)).toEqual({ status: DmaStatus.SUCCESS, data: memory(0x144, 64) });
    expect(config.read(config.aer!.offset + 4, 4)).toBe(UNEXPECTED_COMPLETION);
  });

  it('is reset: everybody gets RESET, nothing more is sent, and answers from before reach nobody', () => {
    const bench = new RequesterBench({ link: { credits: { PH: 1, NPH: 1 } } }).program(0, 0);
    bench.link.top.receive = (tlp) => {
      held.push(tlp);
    };
    const held: Parameters<typeof bench.link.top.release>[0][] = [];
    const reads = [0, 1].map((n) => bench.spawn(bench.dma.read(dmaTarget(n * 0x1000), 512)));
    const write = bench.spawn(bench.dma.write(dmaTarget(0x3000), pattern(512)));
    bench.engine.runUntil(at(ns(2_000)));
    expect(held).toHaveLength(2);
    bench.dma.reset();
    bench.engine.runUntil(at(ns(2_001)));
    expect(reads.map(({ result }) => result.status)).toEqual([DmaStatus.RESET, DmaStatus.RESET]);
    expect(write.result).toBe(DmaStatus.RESET);
    const { tag } = held[0]!;
    for (const tlp of held.splice(0)) bench.link.top.release(tlp);
    const next = bench.spawn(bench.dma.read(dmaTarget(0x2000), 64));
    bench.complete({ tag }, { data: pattern(128, 7) });
    bench.engine.runUntil(at(ns(4_000)));
    expect(held).toHaveLength(1);
    expect(held[0]!.tag).not.toBe(tag);
    bench.complete(held[0]!, { data: memory(0x2000, 64) });
    expect(bench.engine.runUntilDone(next).data).toEqual(memory(0x2000, 64));
    expect(bench.dma.state.unexpected).toBe(1);
  });

  it('is as new after a reset of the whole machine: nobody of before wakes, and all tags are free', () => {
    const bench = new RequesterBench({ tags: 1 });
    const read = bench.spawn(bench.dma.read(dmaTarget(0x1000), 64));
    bench.engine.runUntil(at(ns(1_000)));
    bench.engine.reset();
    bench.link.reset();
    bench.dma.reset();
    expect([bench.dma.transactionsPending, bench.engine.pending]).toEqual([false, 0]);
    bench.onRequest = (asked) => bench.complete(asked, { data: memory(asked.address, asked.length) });
    expect(bench.run(bench.dma.read(dmaTarget(0x1000), 64)).data).toEqual(memory(0x1000, 64));
    expect(read.ended).toBe(false);
    expect(bench.asked.map(({ tag }) => tag)).toEqual([0, 0]);
  });

  it('puts PASID, privilege, address type and attributes on requests, and execution on reads only', () => {
    const bench = answering().control2(ID_ORDERING_REQUESTS);
    const { RELAXED_ORDERING, ID_ORDERING } = Attribute;
    const target = dmaTarget(0x1000, {
      pasid: 0xabcde,
      privileged: true,
      execute: true,
      addressType: AddressType.TRANSLATED,
      attributes: RELAXED_ORDERING | ID_ORDERING,
    });
    bench.run(bench.dma.read(target, 4));
    bench.run(bench.dma.write(target, pattern(4)));
    bench.run(bench.dma.write(dmaTarget(0x1000), pattern(4)));
    bench.engine.run();
    const qualities = bench.asked.map((a) => [a.pasid, a.privileged, a.execute, a.addressType, a.attributes]);
    expect(qualities).toEqual([
      [0xabcde, true, true, 2, 6],
      [0xabcde, true, false, 2, 6],
      [-1, false, false, 0, 0],
    ]);
  });

  it('sends a translation request whole, and takes an answer that says less than was asked', () => {
    const bench = new RequesterBench().program(0, 0);
    bench.onRequest = (asked) => {
      bench.complete(asked, { data: memory(0, 8), byteCount: 24 });
      bench.complete(asked, { data: memory(8, 16), byteCount: 16 });
    };
    const read = bench.run(bench.dma.read(dmaTarget(0x1000, { addressType: AddressType.TRANSLATION }), 64));
    expect(read).toEqual({ status: DmaStatus.SUCCESS, data: memory(0, 24) });
    expect(bench.asked.map(({ length }) => length)).toEqual([64]);
  });

  it.each([
    ['FetchAdd', TlpKind.FETCH_ADD, 4, 4],
    ['Swap', TlpKind.SWAP, 8, 8],
    ['CAS', TlpKind.COMPARE_AND_SWAP, 32, 16],
  ])('does a %s in one request, and gives what was in memory', (_, kind, operands, result) => {
    const bench = new RequesterBench().control2(ATOMIC_REQUESTER);
    bench.onRequest = (asked) => bench.complete(asked, { data: memory(0x40, result) });
    const answer = bench.run(bench.dma.atomic(kind, dmaTarget(0x40), pattern(operands, 5)));
    expect(answer).toEqual({ status: DmaStatus.SUCCESS, data: memory(0x40, result) });
    expect(bench.asked).toMatchObject([{ kind, address: 0x40, length: operands, data: pattern(operands, 5) }]);
  });

  it.each([
    ['accepted', SUCCESSFUL, DmaStatus.SUCCESS],
    ['put off', REQUEST_RETRY, DmaStatus.RETRY],
    ['unsupported', UNSUPPORTED_REQUEST, DmaStatus.UNSUPPORTED_REQUEST],
  ])('learns that a deferrable write is %s', (_, status, expected) => {
    const bench = new RequesterBench();
    bench.onRequest = (asked) => bench.complete(asked, { status });
    expect(bench.run(bench.dma.deferrableWrite(dmaTarget(0x40), pattern(64)))).toBe(expected);
    expect(bench.asked).toMatchObject([{ kind: TlpKind.DEFERRABLE_WRITE, length: 64, data: pattern(64) }]);
    // Received Master Abort tells of a failure, and being put off is none.
    expect(bench.function.config.read(0x06, 2) & 0x2000).toBe(expected === DmaStatus.UNSUPPORTED_REQUEST ? 0x2000 : 0);
  });
});
