import { describe, expect, it } from 'vitest';
import { DmaStatus, dmaTarget, TlpKind } from '../../hardware/pcie/index.ts';
import { after, type Duration, ms, ns, START } from '../../hardware/sim/index.ts';
import { pattern } from './board.ts';
import { RequesterBench } from './requester-bench.ts';

interface Width {
  readonly tags: number;
  readonly extended?: boolean;
  readonly wide?: boolean;
}

/** 10-Bit Tag Requester Enable of Device Control 2. */
const TEN_BIT_TAGS = 1 << 12;

const at = (duration: Duration) => after(START, duration);

const MEMORY = pattern(0x4000);
const memory = (address: number, length: number) => MEMORY.slice(address, address + length);

/** A bench whose other end answers each read with the pattern. */
function answering(options?: ConstructorParameters<typeof RequesterBench>[0]): RequesterBench {
  const bench = new RequesterBench(options);
  bench.onRequest = (asked) => {
    if (asked.kind === TlpKind.MEMORY_READ) bench.complete(asked, { data: memory(asked.address, asked.length) });
  };
  return bench;
}

describe('A requester, by the configuration of its function,', () => {
  it.each([
    ['32 reads outstanding with 5-bit tags', { tags: 1024 }, 32, 0],
    ['256 with Extended Tag Field Enable', { tags: 1024, extended: true }, 256, 0],
    [
      '768 with 10-Bit Tag Requester Enable, none of which looks like an 8-bit one',
      { tags: 1024, wide: true },
      768,
      256,
    ],
    ['no more than it has tags', { tags: 100, extended: true }, 100, 0],
    ['fewer', { tags: 8 }, 8, 0],
  ])('has %s', (_, { tags, extended = false, wide = false }: Width, most, lowest) => {
    const bench = new RequesterBench({
      tags,
      link: { credits: { PH: 1, NPH: 1024 } },
      config: { pciExpress: { tenBitTags: true } },
    });
    bench.program(0, 0, extended).control2(wide ? TEN_BIT_TAGS : 0);
    bench.spawn(bench.dma.read(dmaTarget(0), 0x2_0000));
    bench.engine.runUntil(at(ms(1)));
    expect(bench.asked.map(({ tag }) => tag)).toEqual(Array.from({ length: most }, (_, n) => lowest + n));
  });

  it('sends no AtomicOp without AtomicOp Requester Enable', () => {
    const bench = new RequesterBench();
    const { status } = bench.run(bench.dma.atomic(TlpKind.SWAP, dmaTarget(0x40), pattern(8)));
    bench.engine.run();
    expect([status, bench.asked.length]).toEqual([DmaStatus.UNSUPPORTED_REQUEST, 0]);
  });

  it('sends no attribute that is not enabled', () => {
    const bench = answering().program(0, 0);
    bench.run(bench.dma.read(dmaTarget(0, { attributes: 7 }), 4));
    expect(bench.asked.map(({ attributes }) => attributes)).toEqual([0]);
  });

  it.each([
    ['PASID Enable is 0', 0b000, 1, []],
    ['the PASID has more bits than the function can send', 0b001, 0x100, []],
    ['execute and privileged mode are not enabled', 0b001, 0xff, [[0xff, false, false]]],
    ['all is enabled', 0b111, 0xff, [[0xff, true, true]]],
  ])('with a PASID capability sends what it may where %s', (_, control, pasid, sent) => {
    const bench = answering({ config: { capabilities: { pasid: { width: 8, execute: true, privileged: true } } } });
    bench.function.config.write(bench.function.config.pasid!.offset + 6, 2, control);
    const target = dmaTarget(0x1000, { pasid, execute: true, privileged: true });
    const { status } = bench.run(bench.dma.read(target, 4));
    expect(status).toBe(sent.length === 0 ? DmaStatus.UNSUPPORTED_REQUEST : DmaStatus.SUCCESS);
    expect(bench.asked.map((asked) => [asked.pasid, asked.privileged, asked.execute])).toEqual(sent);
  });

  it.each([
    [0x0, 50],
    [0x1, 0.1],
    [0x2, 10],
    [0x5, 55],
    [0x6, 210],
    [0x9, 900],
    [0xa, 3_500],
    [0xd, 13_000],
    [0xe, 64_000],
    [0xf, 50],
  ])('with Completion Timeout Value %i gives up after %d ms', (value, limit) => {
    const bench = new RequesterBench({ config: { pciExpress: { completionTimeoutRanges: 0xf } } }).control2(value);
    const task = bench.spawn(bench.dma.read(dmaTarget(0), 4));
    bench.engine.runUntil(at(ms(limit * 0.999)));
    expect(task.ended).toBe(false);
    bench.engine.runUntil(at(ms(limit)));
    expect(task.result.status).toBe(DmaStatus.TIMED_OUT);
  });

  it('with Completion Timeout Disable never gives up', () => {
    const bench = new RequesterBench({ config: { pciExpress: { completionTimeoutRanges: 0xf } } }).control2(0x10);
    const task = bench.spawn(bench.dma.read(dmaTarget(0), 4));
    bench.engine.run();
    expect(task.ended).toBe(false);
    bench.complete(bench.asked[0]!, { data: memory(0, 4) });
    expect(bench.engine.runUntilDone(task).status).toBe(DmaStatus.SUCCESS);
  });

  it('logs a time-out and a completion that it did not expect, and tells what is enabled', () => {
    const bench = new RequesterBench({ config: { capabilities: { aer: true } } });
    const { config } = bench.function;
    // Non-Fatal Error Reporting Enable.
    config.write(0x48, 2, 0b10);
    bench.spawn(bench.dma.read(dmaTarget(0), 4));
    bench.engine.runUntil(at(ns(1_000)));
    expect(config.read(0x4a, 2) & 0x20).toBe(0x20);
    bench.engine.run();
    expect(config.read(0x4a, 2) & 0x20).toBe(0);
    const status = config.aer!.offset + 4;
    expect(config.read(status, 4)).toBe(1 << 14);
    expect(bench.asked[1]).toMatchObject({ kind: TlpKind.MESSAGE, messageCode: 0x31 });
    // Unmasks Advisory Non-Fatal Errors.
    config.write(config.aer!.offset + 0x14, 4, 0);
    bench.complete({ tag: 3 }, { data: memory(0, 4) });
    bench.engine.run();
    expect(config.read(status, 4)).toBe((1 << 14) | (1 << 16));
    expect(bench.asked).toHaveLength(2);
  });
});
