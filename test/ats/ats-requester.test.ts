import { describe, expect, it } from 'vitest';
import type { TranslationEntry } from '../../hardware/ats/index.ts';
import { Attribute, DmaStatus, dmaTarget, NO_PASID, TlpKind } from '../../hardware/pcie/index.ts';
import { AtsBench, bench, memory, where } from './bench.ts';

const { SUCCESS, NO_TRANSLATION } = DmaStatus;
const TRANSLATED = 2;
const UNTRANSLATED = 0;

describe('A device with a device-TLB', () => {
  it('asks for no translation and sends plain requests while ATS Enable is 0', () => {
    const bench = new AtsBench();
    bench.function.config.write(0x04, 2, 0b110);
    expect(bench.run(bench.dma.read(dmaTarget(0x10_0f0), 16))).toEqual({
      status: SUCCESS,
      data: memory(0x10_0f0n, 16),
    });
    expect(bench.seen.map(({ addressType }) => addressType)).toEqual([UNTRANSLATED]);
  });

  it('asks once for a page, and from then on sends translated requests to its bytes', () => {
    const b = bench();
    expect(b.run(b.dma.read(dmaTarget(0x10_0f0), 16))).toEqual({ status: SUCCESS, data: memory(0x50_00f0n, 16) });
    b.run(b.dma.read(dmaTarget(0x10_ffc), 4));
    expect(b.translationRequests).toHaveLength(1);
    expect(where(b)).toEqual([
      [TRANSLATED, 0x50_00f0n],
      [TRANSLATED, 0x50_0ffcn],
    ]);
    expect(b.dma.state).toMatchObject({ hits: 1, misses: 1, translationRequests: 1 });
  });

  it('asks with AT 01 for 8 bytes at the page, with NW if it will only read', () => {
    const b = bench();
    b.run(b.dma.read(dmaTarget(0x10_0f0), 16));
    b.run(b.dma.write(dmaTarget(0x11_0f0), Uint8Array.of(1)));
    const asked = b.translationRequests.map(({ kind, address, length, pasid }) => [kind, address, length, pasid]);
    expect(asked).toEqual([
      [TlpKind.MEMORY_READ, 0x10_001n, 8, NO_PASID],
      [TlpKind.MEMORY_READ, 0x11_000n, 8, NO_PASID],
    ]);
  });

  it('asks under the PASID and in the mode of the access, and sends neither with translated requests', () => {
    const b = bench();
    b.pages.set(0x10, { ...b.pages.get(0x10), execute: true });
    b.run(b.dma.read(dmaTarget(0x10_000, { pasid: 7, privileged: true, execute: true }), 4));
    b.run(b.dma.read(dmaTarget(0x11_000, { pasid: 7 }), 4));
    const asked = b.translationRequests.map(({ pasid, privileged, execute }) => [pasid, privileged, execute]);
    expect(asked).toEqual([
      [7, true, true],
      [7, false, false],
    ]);
    expect(b.accesses.map(({ pasid, execute }) => [pasid, execute])).toEqual([
      [NO_PASID, false],
      [NO_PASID, false],
    ]);
  });

  it('never crosses a translation: each page of a read comes from where it lies', () => {
    const b = bench().map(0x12, 0x300);
    const { status, data } = b.run(b.dma.read(dmaTarget(0x10_f00), 0x1200));
    expect(status).toBe(SUCCESS);
    const parts = [memory(0x50_0f00n, 0x100), memory(0x70_0000n, 0x1000), memory(0x30_0000n, 0x100)];
    expect(Buffer.concat(parts).equals(data)).toBe(true);
  });

  it('never crosses a translation: each page of a write goes where it lies, in order', () => {
    const b = bench();
    const bytes = Uint8Array.from({ length: 0x100 }, (_, i) => i);
    expect(b.run(b.dma.write(dmaTarget(0x10_f80), bytes))).toBe(SUCCESS);
    b.engine.run();
    expect(b.accesses.map(({ address, data }) => [address, data![0]])).toEqual([
      [0x50_0f80n, 0],
      [0x70_0000n, 128],
    ]);
  });

  it('uses one translation for all pages of a larger range', () => {
    const b = bench().map(0x200, 0x1_0000, { shift: 21 });
    expect(b.run(b.dma.read(dmaTarget(0x20_0800), 0x2000)).data).toEqual(memory(0x1000_0800n, 0x2000));
    b.run(b.dma.read(dmaTarget(0x3f_fff0), 16));
    expect(b.translationRequests).toHaveLength(1);
    expect(b.accesses.at(-1)!.address).toBe(0x101f_fff0n);
  });

  it('asks for as many translations at once as its spec says and the access needs', () => {
    const b = bench({ ats: { translations: 4 } }).map(0x12, 0x300);
    b.run(b.dma.read(dmaTarget(0x10_f00), 0x1200));
    expect(b.translationRequests.map(({ address, length }) => [address, length])).toEqual([[0x10_001n, 24]]);
    expect(b.accesses.map(({ address }) => address >> 12n)).toContain(0x300n);
  });

  it('asks for no more translations than a read completion boundary of 64 bytes holds', () => {
    const b = bench({ ats: { translations: 16 } });
    b.spawn(b.dma.read(dmaTarget(0x10_000), 0x20_000));
    b.pass(1000);
    expect(b.translationRequests[0]!.length).toBe(64);
  });

  it('takes an answer in two completions, and one that is shorter than was asked for', () => {
    const b = bench({ ats: { translations: 4 } }).map(0x12, 0x300);
    b.onTranslation = (asked) => b.translate(asked, b.told(asked).slice(0, 2), 1);
    expect(b.run(b.dma.read(dmaTarget(0x10_000), 0x3000)).status).toBe(SUCCESS);
    expect(b.translationRequests.map(({ address, length }) => [address, length])).toEqual([
      [0x10_001n, 24],
      [0x12_001n, 8],
    ]);
  });

  it('takes a hole in an answer as a page that may not be accessed, and what follows as it is', () => {
    const b = bench({ ats: { translations: 3 } })
      .map(0x11, 0, { read: false, write: false })
      .map(0x12, 0x300);
    const { status, data } = b.run(b.dma.read(dmaTarget(0x10_000), 0x3000));
    expect([status, data.length]).toEqual([NO_TRANSLATION, 0x1000]);
    expect(b.dma.tlb.entries().map(({ page, frame }) => [page, frame])).toEqual([
      [0x10, 0x500],
      [0x12, 0x300],
    ]);
  });

  it('sends one translation request for all who miss a page at the same time', () => {
    const b = bench();
    const tasks = [0, 64, 128].map((offset) => b.spawn(b.dma.read(dmaTarget(0x10_000 + offset), 4)));
    b.engine.run();
    expect(tasks.map(({ result }) => result.status)).toEqual([SUCCESS, SUCCESS, SUCCESS]);
    expect(b.translationRequests).toHaveLength(1);
  });

  it('asks again to write where it has asked without interest in writing', () => {
    const b = bench();
    const read = b.spawn(b.dma.read(dmaTarget(0x10_000), 4));
    const write = b.spawn(b.dma.write(dmaTarget(0x10_000), Uint8Array.of(1)));
    b.engine.run();
    expect([read.result.status, write.result]).toEqual([SUCCESS, SUCCESS]);
    expect(b.translationRequests.map(({ lo }) => lo & 1).sort()).toEqual([0, 1]);
    b.run(b.dma.atomic(TlpKind.FETCH_ADD, dmaTarget(0x10_000), new Uint8Array(4)));
    expect(b.translationRequests).toHaveLength(2);
  });

  it('reaches a range with U by untranslated requests only, and remembers that', () => {
    const b = bench().map(0x10, 0, { untranslatedOnly: true });
    b.run(b.dma.write(dmaTarget(0x10_040, { pasid: 3 }), Uint8Array.of(1)));
    b.run(b.dma.write(dmaTarget(0x10_080, { pasid: 3 }), Uint8Array.of(1)));
    b.engine.run();
    expect(b.translationRequests).toHaveLength(1);
    expect(b.accesses.map(({ addressType, address, pasid }) => [addressType, address, pasid])).toEqual([
      [UNTRANSLATED, 0x10_040n, 3],
      [UNTRANSLATED, 0x10_080n, 3],
    ]);
  });

  it('does not say No Snoop where N is set', () => {
    const b = bench().map(0x11, 0x700, { snooped: true });
    const attributes = Attribute.NO_SNOOP | Attribute.RELAXED_ORDERING;
    b.run(b.dma.read(dmaTarget(0x10_000, { attributes }), 4));
    b.run(b.dma.read(dmaTarget(0x11_000, { attributes }), 4));
    expect(b.accesses.map((seen) => seen.attributes)).toEqual([attributes, Attribute.RELAXED_ORDERING]);
  });

  it('fails where R and W are 0, keeps nothing, and asks again the next time', () => {
    const b = bench();
    expect(b.run(b.dma.read(dmaTarget(0x99_000), 4)).status).toBe(NO_TRANSLATION);
    b.map(0x99, 0x600);
    expect(b.run(b.dma.read(dmaTarget(0x99_000), 4)).status).toBe(SUCCESS);
    expect(b.translationRequests).toHaveLength(2);
    expect(b.dma.state.faults).toBe(1);
  });

  it.each<[string, Partial<TranslationEntry>, (b: AtsBench) => number]>([
    ['to write where W is 0', { write: false }, (b) => b.run(b.dma.write(dmaTarget(0x10_000), Uint8Array.of(1)))],
    ['to read where R is 0', { read: false }, (b) => b.run(b.dma.read(dmaTarget(0x10_000), 4)).status],
    [
      'to execute where Exe is 0',
      {},
      (b) => b.run(b.dma.read(dmaTarget(0x10_000, { pasid: 1, execute: true }), 4)).status,
    ],
    [
      'in an AtomicOp where R is 0',
      { read: false },
      (b) => b.run(b.dma.atomic(TlpKind.SWAP, dmaTarget(0x10_000), new Uint8Array(8))).status,
    ],
    [
      'in privileged mode by permissions of the other',
      { privileged: false },
      (b) => b.run(b.dma.read(dmaTarget(0x10_000, { pasid: 1, privileged: true }), 4)).status,
    ],
    [
      'by permissions of privileged mode in the other',
      { privileged: true },
      (b) => b.run(b.dma.read(dmaTarget(0x10_000, { pasid: 1 }), 4)).status,
    ],
  ])('does not try %s', (_, said, access) => {
    const b = bench().map(0x10, 0x500, said);
    expect(access(b)).toBe(NO_TRANSLATION);
    b.engine.run();
    expect(b.accesses).toEqual([]);
  });

  it('may send a read of length 0 where a page may only be written', () => {
    const b = bench().map(0x10, 0x500, { read: false });
    b.onRead = (asked) => b.complete(asked, [0], { byteCount: 1 });
    b.onTranslation = (asked) => b.translate(asked, [{ ...b.pages.get(0x10) }]);
    expect(b.run(b.dma.read(dmaTarget(0x10_010), 0)).status).toBe(SUCCESS);
    expect(b.accesses.map(({ addressType, length }) => [addressType, length])).toEqual([[TRANSLATED, 0]]);
  });
});
