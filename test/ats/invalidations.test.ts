import { describe, expect, it } from 'vitest';
import { DmaStatus, dmaTarget, TlpKind } from '../../hardware/pcie/index.ts';
import { AGENT, AtsBench, type AtsBenchOptions, bench, memory } from './bench.ts';

const COMPLETION = 0x02;

/** Third and fourth word of each Invalidate Completion. */
const completions = (b: AtsBench): string[] =>
  b.messages(COMPLETION).map(({ hi, lo }) => `${(hi >>> 0).toString(16)} ${(lo >>> 0).toString(16)}`);

/** A device that holds the translation of page 0x10. */
function holding(options?: AtsBenchOptions): AtsBench {
  const b = bench(options);
  b.run(b.dma.read(dmaTarget(0x10_000), 4));
  b.seen.length = 0;
  return b;
}

describe('An Invalidate Request', () => {
  it('makes the device drop the translation, and is answered once: to who asked, by ITag, with count 1', () => {
    const b = holding();
    b.invalidate(5, 0x10_000n);
    b.engine.run();
    expect(b.dma.tlb.entries()).toEqual([]);
    expect(completions(b)).toEqual(['a50001 20']);
    expect(b.messages(COMPLETION)[0]).toMatchObject({ pasid: -1, attributes: 0 });
    b.map(0x10, 0x900);
    expect(b.run(b.dma.read(dmaTarget(0x10_000), 4)).data).toEqual(memory(0x90_0000n, 4));
  });

  it('is answered with nothing held, with ATS off, and with Bus Master Enable 0', () => {
    const b = new AtsBench();
    b.invalidate(0, 0n);
    b.enable();
    b.invalidate(1, 0n, { pasid: 9 });
    b.enable({ busMaster: false });
    b.invalidate(31, 0n, { shift: 64 });
    b.engine.run();
    const answered = b.messages(COMPLETION).reduce((tags, { lo }) => tags | lo, 0);
    expect(answered >>> 0).toBe(0x8000_0003);
  });

  it('is answered when translated reads of the range have completed, and not before', () => {
    const b = holding();
    b.onRead = () => {};
    const read = b.spawn(b.dma.read(dmaTarget(0x10_000), 256));
    b.pass(1000);
    b.invalidate(5, 0x10_000n);
    b.pass(10_000);
    expect(completions(b)).toEqual([]);
    b.complete(b.accesses[0]!, memory(0x50_0000n, 256));
    b.engine.run();
    expect(read.result.status).toBe(DmaStatus.SUCCESS);
    expect(completions(b)).toEqual(['a50001 20']);
  });

  it('waits for reads elsewhere in a translation of which it names a part, for that is dropped whole', () => {
    const b = new AtsBench().enable().map(0x10, 0x500, { shift: 14 });
    b.onRead = () => {};
    // The first uses the answer itself, the second what is held of it.
    b.spawn(b.dma.read(dmaTarget(0x10_000), 4));
    b.pass(1000);
    b.spawn(b.dma.read(dmaTarget(0x11_000), 4));
    b.pass(1000);
    b.invalidate(5, 0x13_000n);
    b.invalidate(6, 0x14_000n);
    b.pass(10_000);
    expect(completions(b)).toEqual(['a50001 40']);
    for (const asked of b.accesses) {
      expect(completions(b)).toHaveLength(1);
      b.complete(asked, memory(asked.address, 4));
      b.pass(1000);
    }
    expect(b.accesses.map(({ address }) => address)).toEqual([0x50_0000n, 0x50_1000n]);
    expect(completions(b)).toEqual(['a50001 40', 'a50001 20']);
  });

  it('waits for no read of another page, of another PASID, or untranslated', () => {
    const b = bench().map(0x12, 0, { untranslatedOnly: true });
    b.onRead = () => {};
    b.spawn(b.dma.read(dmaTarget(0x10_000), 4));
    b.spawn(b.dma.read(dmaTarget(0x11_000, { pasid: 3 }), 4));
    b.spawn(b.dma.read(dmaTarget(0x12_000), 4));
    b.pass(10_000);
    expect(b.accesses).toHaveLength(3);
    b.invalidate(1, 0x11_000n, { pasid: 4 });
    b.invalidate(2, 0x10_000n, { pasid: 3 });
    b.pass(10_000);
    expect(completions(b).join()).toContain('a50001');
    expect(b.messages(COMPLETION).reduce((tags, { lo }) => tags | lo, 0)).toBe(0b110);
    b.invalidate(3, 0x12_000n, { pasid: 5 });
    b.pass(10_000);
    expect(b.messages(COMPLETION).reduce((tags, { lo }) => tags | lo, 0)).toBe(0b1110);
    b.invalidate(4, 0x12_000n);
    b.pass(10_000);
    // Without a PASID it is about every PASID, so the read under PASID 3 counts.
    expect(b.messages(COMPLETION).reduce((tags, { lo }) => tags | lo, 0)).toBe(0b1110);
  });

  it('is answered behind the writes that use what it names', () => {
    // Room for two writes, so that most of them still wait for credits when the request comes.
    const b = holding({ link: { credits: { PH: 2 } } });
    b.run(b.dma.write(dmaTarget(0x10_000), Uint8Array.of(1)));
    b.engine.run();
    b.seen.length = 0;
    const write = b.spawn(b.dma.write(dmaTarget(0x10_000), new Uint8Array(4096)));
    b.invalidate(5, 0x10_000n);
    b.pass(500);
    expect(b.dma.state.invalidations).toBe(1);
    expect(write.ended).toBe(false);
    b.engine.run();
    expect(write.result).toBe(DmaStatus.SUCCESS);
    expect(b.seen.map(({ messageCode }) => messageCode)).toEqual([...Array<number>(4096 / 128).fill(0), COMPLETION]);
  });

  it('does not wait for an outstanding translation request, whose answer is then not used', () => {
    const b = bench();
    b.onTranslation = () => {};
    const read = b.spawn(b.dma.read(dmaTarget(0x10_000), 4));
    b.pass(1000);
    b.invalidate(5, 0x10_000n);
    b.pass(1000);
    expect(completions(b)).toEqual(['a50001 20']);
    const stale = b.translationRequests[0]!;
    b.onTranslation = (asked) => b.translate(asked, b.told(asked));
    b.translate(stale, [{ read: true, hi: 0, lo: 0x66_6000 }]);
    b.engine.run();
    expect(read.result.data).toEqual(memory(0x50_0000n, 4));
    expect(b.accesses.map(({ address }) => address)).toEqual([0x50_0000n]);
  });

  it('spoils an answer also where that is about more than was asked for', () => {
    const b = bench();
    b.onTranslation = () => {};
    const read = b.spawn(b.dma.read(dmaTarget(0x10_000), 4));
    b.pass(1000);
    b.invalidate(5, 0x1f_f000n);
    b.pass(1000);
    const stale = b.translationRequests[0]!;
    b.onTranslation = (asked) => b.translate(asked, b.told(asked));
    b.translate(stale, [{ read: true, hi: 0, lo: 0x4000_0000, shift: 21 }]);
    b.engine.run();
    expect(read.result.data).toEqual(memory(0x50_0000n, 4));
  });

  it('makes all who wait for one answer ask again, together', () => {
    const b = bench();
    b.onTranslation = () => {};
    const reads = [0, 64, 128].map((offset) => b.spawn(b.dma.read(dmaTarget(0x10_000 + offset), 4)));
    b.pass(1000);
    b.invalidate(5, 0x10_000n);
    b.pass(1000);
    const stale = b.translationRequests[0]!;
    b.onTranslation = (asked) => b.translate(asked, b.told(asked));
    b.translate(stale, [{ read: true, hi: 0, lo: 0x66_6000 }]);
    b.pass(10_000);
    expect(reads.map(({ result }) => result.status)).toEqual([DmaStatus.SUCCESS, DmaStatus.SUCCESS, DmaStatus.SUCCESS]);
    expect(b.translationRequests).toHaveLength(2);
  });

  it('leaves an outstanding translation request of another page as it is', () => {
    const b = bench();
    b.onTranslation = () => {};
    b.spawn(b.dma.read(dmaTarget(0x10_000), 4));
    b.pass(1000);
    b.invalidate(5, 0x11_000n);
    b.invalidate(6, 0x10_000n, { pasid: 3 });
    b.pass(1000);
    b.translate(b.translationRequests[0]!, [{ read: true, hi: 0, lo: 0x66_6000 }]);
    b.engine.run();
    expect(b.translationRequests).toHaveLength(1);
    expect(b.accesses.map(({ address }) => address)).toEqual([0x66_6000n]);
  });

  it('spoils an answer that more of them have crossed than can be outstanding', () => {
    const b = bench();
    b.onTranslation = () => {};
    b.spawn(b.dma.read(dmaTarget(0x10_000), 4));
    b.pass(1000);
    for (let i = 0; i < 33; i++) {
      b.invalidate(i % 32, 0x99_000n);
      b.pass(1000);
    }
    b.translate(b.translationRequests[0]!, [{ read: true, hi: 0, lo: 0x66_6000 }]);
    b.pass(1000);
    expect(b.translationRequests).toHaveLength(2);
    expect(b.accesses).toEqual([]);
  });

  it('of less than the smallest translation unit counts as all of that', () => {
    const b = new AtsBench().enable({ stu: 2 });
    b.onTranslation = (asked) => b.translate(asked, [{ read: true, hi: 0, lo: 0x50_0000, shift: 14 }]);
    b.onRead = () => {};
    b.spawn(b.dma.read(dmaTarget(0x10_000), 4));
    b.pass(1000);
    b.invalidate(5, 0x13_000n);
    b.pass(10_000);
    expect(completions(b)).toEqual([]);
    expect(b.dma.tlb.entries()).toEqual([]);
  });

  it('with Global Invalidate is about every PASID, where the device supports that', () => {
    for (const globalInvalidate of [true, false]) {
      const b = bench({ capabilities: { ats: { queueDepth: 32, globalInvalidate } } });
      b.run(b.dma.read(dmaTarget(0x10_000, { pasid: 3 }), 4));
      b.onRead = () => {};
      b.spawn(b.dma.read(dmaTarget(0x10_000, { pasid: 3 }), 4));
      b.pass(1000);
      b.invalidate(5, 0x10_000n, { pasid: 4, global: true });
      b.pass(10_000);
      expect(b.dma.tlb.entries()).toHaveLength(globalInvalidate ? 0 : 1);
      expect(completions(b)).toHaveLength(globalInvalidate ? 0 : 1);
    }
  });

  it('is not owed an answer any more after a function-level reset', () => {
    const b = holding();
    b.onRead = () => {};
    b.spawn(b.dma.read(dmaTarget(0x10_000), 4));
    b.pass(1000);
    b.invalidate(5, 0x10_000n);
    b.pass(1000);
    b.function.config.functionLevelReset();
    b.engine.run();
    expect(completions(b)).toEqual([]);
    b.invalidate(6, 0x10_000n);
    b.engine.run();
    expect(completions(b)).toEqual(['a50001 40']);
  });
});

describe('Invalidate Requests together', () => {
  it('are accepted up to 32 while nothing can be answered, and answered by few messages when it can', () => {
    const b = holding();
    b.onRead = () => {};
    b.spawn(b.dma.read(dmaTarget(0x10_000), 4));
    b.pass(1000);
    for (let tag = 0; tag < 32; tag++) b.invalidate(tag, 0x10_000n);
    b.pass(10_000);
    expect(b.dma.state.invalidations).toBe(32);
    b.complete(b.accesses[0]!, memory(0n, 4));
    b.engine.run();
    expect(completions(b)).toEqual(['a50001 ffffffff']);
  });

  it('are answered apart where they come from different agents', () => {
    const b = holding();
    b.onRead = () => {};
    b.spawn(b.dma.read(dmaTarget(0x10_000), 4));
    b.pass(1000);
    b.invalidate(1, 0x10_000n);
    b.invalidate(1, 0x10_000n, { agent: 0x1234 });
    b.pass(10_000);
    b.complete(b.accesses[0]!, memory(0n, 4));
    b.engine.run();
    expect(completions(b)).toEqual(['a50001 2', '12340001 2']);
  });

  it('with the same ITag are answered once each', () => {
    const b = holding();
    b.onRead = () => {};
    b.spawn(b.dma.read(dmaTarget(0x10_000), 4));
    b.pass(1000);
    b.invalidate(1, 0x10_000n);
    b.invalidate(1, 0x10_000n);
    b.pass(10_000);
    b.complete(b.accesses[0]!, memory(0n, 4));
    b.engine.run();
    expect(completions(b)).toEqual(['a50001 2', 'a50001 2']);
  });

  it('beyond those that may be outstanding are carried out and not answered', () => {
    const b = holding();
    b.onRead = () => {};
    b.spawn(b.dma.read(dmaTarget(0x10_000), 4));
    b.pass(1000);
    b.map(0x11, 0x700);
    b.spawn(b.dma.write(dmaTarget(0x11_000), Uint8Array.of(1)));
    b.pass(1000);
    for (let tag = 0; tag < 32; tag++) b.invalidate(tag, 0x10_000n);
    b.invalidate(0, 0x11_000n, { agent: AGENT });
    b.pass(10_000);
    expect(b.dma.tlb.entries()).toEqual([]);
    b.complete(b.accesses.find(({ kind }) => kind === TlpKind.MEMORY_READ)!, memory(0n, 4));
    b.engine.run();
    expect(completions(b)).toEqual(['a50001 ffffffff']);
  });
});
