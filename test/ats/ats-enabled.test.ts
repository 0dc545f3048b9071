import { describe, expect, it } from 'vitest';
import { NO_ACCESS } from '../../hardware/ats/index.ts';
import { CompletionStatus, DmaStatus, dmaTarget } from '../../hardware/pcie/index.ts';
import { AtsBench, bench, memory, where } from './bench.ts';

const { SUCCESS, UNSUPPORTED_REQUEST, COMPLETER_ABORT, NOT_MASTER } = DmaStatus;
const TRANSLATED = 2;
const UNTRANSLATED = 0;

describe('ATS of a device', () => {
  it('stops to use ATS when a translation request is refused with UR, until it is enabled again', () => {
    const b = bench();
    b.run(b.dma.read(dmaTarget(0x11_000), 4));
    const { onTranslation } = b;
    b.onTranslation = (asked) => b.refuse(asked, CompletionStatus.UNSUPPORTED_REQUEST);
    expect(b.run(b.dma.read(dmaTarget(0x10_000), 4)).data).toEqual(memory(0x10_000n, 4));
    b.run(b.dma.read(dmaTarget(0x11_000), 4));
    expect(b.translationRequests).toHaveLength(2);
    expect(where(b).slice(1)).toEqual([
      [UNTRANSLATED, 0x10_000n],
      [UNTRANSLATED, 0x11_000n],
    ]);
    b.onTranslation = onTranslation;
    b.enableAts(false);
    b.enableAts(true);
    expect(b.run(b.dma.read(dmaTarget(0x11_000), 4)).data).toEqual(memory(0x70_0000n, 4));
  });

  it('takes a status of a reserved value, or Request Retry Status, as UR', () => {
    for (const status of [CompletionStatus.REQUEST_RETRY, 3, 7]) {
      const b = bench();
      b.onTranslation = (asked) => b.refuse(asked, status);
      b.run(b.dma.read(dmaTarget(0x10_000), 4));
      expect(where(b), `${status}`).toEqual([[UNTRANSLATED, 0x10_000n]]);
    }
  });

  it('fails with CA when a translation request does, and asks again the next time', () => {
    const b = bench();
    const { onTranslation } = b;
    b.onTranslation = (asked) => b.refuse(asked, CompletionStatus.COMPLETER_ABORT);
    expect(b.run(b.dma.read(dmaTarget(0x10_000), 4)).status).toBe(COMPLETER_ABORT);
    b.onTranslation = onTranslation;
    expect(b.run(b.dma.read(dmaTarget(0x10_000), 4)).status).toBe(SUCCESS);
    expect(b.accesses).toHaveLength(1);
  });

  it('fails when a translation request is never completed', () => {
    const b = bench();
    b.onTranslation = () => {};
    expect(b.run(b.dma.read(dmaTarget(0x10_000), 4)).status).toBe(DmaStatus.TIMED_OUT);
  });

  it('asks for units of the size in STU, and takes an answer of less as UR', () => {
    const b = new AtsBench({ ats: { translations: 2 } }).enable({ stu: 2 });
    b.onTranslation = (asked) => b.translate(asked, [{ ...NO_ACCESS, read: true, hi: 0, lo: 0x50_0000, shift: 14 }]);
    expect(b.run(b.dma.read(dmaTarget(0x13_ff0), 4)).data).toEqual(memory(0x50_3ff0n, 4));
    expect(b.translationRequests[0]!.address).toBe(0x10_001n);
    b.onTranslation = (asked) => b.translate(asked, [{ ...NO_ACCESS, read: true, hi: 0, lo: 0x50_0000, shift: 13 }]);
    b.run(b.dma.read(dmaTarget(0x23_ff0), 0x20));
    expect(b.translationRequests[1]).toMatchObject({ address: 0x20_001n, length: 16 });
    expect(
      where(b)
        .slice(1)
        .every(([addressType]) => addressType === UNTRANSLATED),
    ).toBe(true);
  });

  it('sends nothing while Bus Master Enable is 0', () => {
    const b = new AtsBench().enable({ busMaster: false });
    expect(b.run(b.dma.read(dmaTarget(0x10_000), 4)).status).toBe(NOT_MASTER);
    expect(b.run(b.dma.write(dmaTarget(0x10_000), Uint8Array.of(1)))).toBe(NOT_MASTER);
    b.engine.run();
    expect(b.seen).toEqual([]);
  });

  it('sends nothing under a PASID that it may not use, and does not take ATS for refused', () => {
    const off = new AtsBench().enable({ pasid: false }).map(0x10, 0x500);
    expect(off.run(off.dma.read(dmaTarget(0x10_000, { pasid: 1 }), 4)).status).toBe(UNSUPPORTED_REQUEST);
    expect(off.run(off.dma.read(dmaTarget(0x10_000), 4)).status).toBe(SUCCESS);
    const narrow = new AtsBench({ capabilities: { pasid: { width: 4 } } }).enable().map(0x10, 0x500);
    expect(narrow.run(narrow.dma.read(dmaTarget(0x10_000, { pasid: 16 }), 4)).status).toBe(UNSUPPORTED_REQUEST);
    expect(narrow.run(narrow.dma.read(dmaTarget(0x10_000, { pasid: 15 }), 4)).status).toBe(SUCCESS);
    expect(where(off)).toEqual([[TRANSLATED, 0x50_0000n]]);
    expect(where(narrow)).toEqual([[TRANSLATED, 0x50_0000n]]);
  });

  it('asks for privileged mode and execution only as far as it is enabled to', () => {
    const b = new AtsBench().enable().map(0x10, 0x500);
    const { config } = b.function;
    b.enableAts(false);
    config.write(config.pasid!.offset + 6, 2, 1);
    b.enableAts(true);
    b.run(b.dma.read(dmaTarget(0x10_000, { pasid: 1, privileged: true, execute: true }), 4));
    expect(b.translationRequests[0]).toMatchObject({ pasid: 1, privileged: false, execute: false });
  });

  it('takes privileged mode and execution to mean nothing without a PASID', () => {
    const b = bench();
    expect(b.run(b.dma.read(dmaTarget(0x10_000, { privileged: true, execute: true }), 4)).status).toBe(SUCCESS);
    expect(b.translationRequests[0]).toMatchObject({ pasid: -1, privileged: false, execute: false });
  });

  it('forgets all translations when ATS is switched off, on, or the function is reset', () => {
    const b = bench();
    const read = () => b.run(b.dma.read(dmaTarget(0x10_000), 4));
    read();
    b.enableAts(false);
    expect(b.dma.tlb.entries()).toEqual([]);
    b.enableAts(true);
    read();
    b.function.config.functionLevelReset();
    expect(b.dma.tlb.entries()).toEqual([]);
    b.enable();
    read();
    expect(b.translationRequests).toHaveLength(3);
  });

  it('does not use an answer that was asked for before ATS was switched off and on', () => {
    const b = bench();
    b.onTranslation = () => {};
    const task = b.spawn(b.dma.read(dmaTarget(0x10_000), 4));
    b.pass(1000);
    b.enableAts(false);
    b.enableAts(true);
    const old = b.translationRequests[0]!;
    b.onTranslation = (asked) => b.translate(asked, b.told(asked));
    b.translate(old, [{ read: true, hi: 0, lo: 0x66_6000 }]);
    b.engine.run();
    expect(task.result.data).toEqual(memory(0x50_0000n, 4));
    expect(where(b)).toEqual([[TRANSLATED, 0x50_0000n]]);
  });

  it('tells who waits when the function is reset, and goes on afterwards', () => {
    const b = bench();
    b.onTranslation = () => {};
    const tasks = [b.spawn(b.dma.read(dmaTarget(0x10_000), 4)), b.spawn(b.dma.read(dmaTarget(0x10_010), 4))];
    b.pass(1000);
    b.function.config.functionLevelReset();
    b.pass(1000);
    expect(tasks.map(({ result }) => result.status)).toEqual([DmaStatus.RESET, DmaStatus.RESET]);
    b.onTranslation = (asked) => b.translate(asked, b.told(asked));
    b.enable();
    expect(b.run(b.dma.read(dmaTarget(0x10_000), 4)).status).toBe(SUCCESS);
  });

  it('starts over with the machine: nobody of before goes on', () => {
    const b = bench();
    b.onTranslation = () => {};
    const old = b.spawn(b.dma.read(dmaTarget(0x10_000), 4));
    b.pass(1000);
    b.engine.reset();
    b.link.reset();
    b.function.reset();
    b.plain.reset();
    b.dma.reset();
    b.onTranslation = (asked) => b.translate(asked, b.told(asked));
    b.enable();
    expect(b.run(b.dma.read(dmaTarget(0x10_000), 4)).status).toBe(SUCCESS);
    b.engine.run();
    expect(old.ended).toBe(false);
    expect(b.dma.state).toMatchObject({ misses: 1, translationRequests: 1 });
  });
});
