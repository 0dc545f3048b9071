/** RTADDR_REG.TTM takes effect with SRTP and not before, also for what invalidates (VT-d 11.4.5; vtd.md section 1.7). */
import { describe, expect, it } from 'vitest';
import { contextGlobal, wait } from './descriptors.ts';
import { Bench, QIE, QUEUE, REG, ROOT, SRTP, STATUS } from './tables.ts';

const START = 1n << 63n;
const GLOBAL = 1n;
const TTM = { SCALABLE: 0x400n, RESERVED: 0x800n, ABORT: 0xc00n } as const;
const MODES = Object.entries(TTM);
const CAPABILITIES = { smts: true, adms: true } as const;

/** Granularities that CCMD and IOTLB_REG report for a global request: 0 when it was ignored. */
function performed(bench: Bench): readonly bigint[] {
  bench.set(REG.CCMD, START | (GLOBAL << 61n), 8).set(REG.IOTLB, START | (GLOBAL << 60n), 8);
  return [(bench.get(REG.CCMD, 8) >> 59n) & 3n, (bench.get(REG.IOTLB, 8) >> 57n) & 3n];
}

describe('A mode that is written to RTADDR_REG', () => {
  it.each(MODES)('%s keeps CCMD_REG and IOTLB_REG from working once SRTP has latched it.', (_, ttm) => {
    const bench = new Bench(CAPABILITIES).set(REG.RTADDR, ROOT | ttm, 8);
    expect(performed(bench)).toEqual([GLOBAL, GLOBAL]);
    expect(performed(bench.command(SRTP))).toEqual([0n, 0n]);
    bench.set(REG.RTADDR, ROOT, 8);
    expect(performed(bench)).toEqual([0n, 0n]);
    expect(performed(bench.command(SRTP))).toEqual([GLOBAL, GLOBAL]);
  });

  it.each([
    ['SCALABLE', TTM.SCALABLE, 5n],
    ['RESERVED', TTM.RESERVED, 7n],
    ['ABORT', TTM.ABORT, 5n],
  ] as const)('%s decides what the invalidation queue accepts once SRTP has latched it.', (_, ttm, code) => {
    const bench = new Bench(CAPABILITIES)
      .enableQueue()
      .set(REG.RTADDR, ROOT | ttm, 8)
      .submit(contextGlobal());
    expect([bench.get(REG.FSTS), bench.get(REG.IQH)]).toEqual([0n, 0x10n]);
    bench.command(SRTP).submit(contextGlobal());
    expect(bench.get(REG.FSTS)).toBe(0x10n);
    expect(bench.get(REG.IQERCD, 8) & 0xfn).toBe(code);
  });

  it('decides by its latched value which descriptors exist.', () => {
    const bench = new Bench(CAPABILITIES)
      .set(REG.RTADDR, ROOT | TTM.SCALABLE, 8)
      .command(SRTP)
      .set(REG.RTADDR, ROOT, 8);
    // A PASID-cache invalidation, which legacy mode does not have, and a wait.
    bench.write64(QUEUE, 0x37n, 0n, 0n, 0n, ...wait(0x20n, 7, STATUS), 0n, 0n);
    bench
      .set(REG.IQA, QUEUE | 0x800n, 8)
      .command(QIE)
      .set(REG.IQT, 0x40n, 8);
    expect(bench.get(REG.FSTS)).toBe(0n);
    expect(bench.read64(STATUS) & 0xffff_ffffn).toBe(7n);
  });
});
