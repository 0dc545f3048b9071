/** Translation requests of devices at a timed IOMMU: the entries of their completions, bit by bit (pcie.md 3.1, 3.2). */
import { describe, expect, it } from 'vitest';
import { Access } from '../../hardware/iommu/index.ts';
import { type IommuSubject, type Page, REQUESTER, UNMAPPED } from '../contracts/iommu-bench.ts';
import { AgentBench } from './agent-bench.ts';
import { AMD } from './contract/amd.ts';
import { VTD } from './contract/vtd.ts';

const RW = Access.READ | Access.WRITE;
const KIB_4 = 12;
const MIB_2 = 21;
const GIB_1 = 30;

const page = (iova: number, to: number, shift = KIB_4, rights: number = RW): Page => ({ iova, to, rights, shift });

const named = (...names: readonly string[]): IommuSubject[] =>
  [...VTD, ...AMD].filter(({ name }) => names.includes(name));
/** Units in a mode with tables in which devices may have device-TLBs. */
const SUBJECTS = named(
  'VT-d, scalable, first stage',
  'VT-d, scalable, second stage',
  'VT-d, nested',
  'AMD-Vi, v1',
  'AMD-Vi, v2',
  'AMD-Vi, nested',
);

describe.each(SUBJECTS)('A translation request at $name', (subject) => {
  const bench = (...pages: readonly Page[]) => new AgentBench(subject).map(...pages);

  it('is told the page of 4 KiB: address, R and W.', () => {
    expect(bench(page(0x8040_3000, 0x1_4020_5000)).entries(0x8040_3000)).toEqual([0x1_4020_5003n]);
  });

  it('is told a page that can only be read.', () => {
    expect(bench(page(0x8040_3000, 0x1_4020_5000, KIB_4, Access.READ)).entries(0x8040_3000)).toEqual([0x1_4020_5001n]);
  });

  it('is told a page of 2 MiB by S and address bits 12 to 20, and one of 1 GiB by bits 12 to 29.', () => {
    expect(bench(page(0x8040_0000, 0x1_4060_0000, MIB_2)).entries(0x8043_3000)).toEqual([0x1_406f_f803n]);
    expect(bench(page(0x8000_0000, 0x1_c000_0000, GIB_1)).entries(0x9abc_d000)).toEqual([0x1_dfff_f803n]);
  });

  it('does not count bits 11:0 of the address.', () => {
    expect(bench(page(0x8040_3000, 0x1_4020_5000)).entries(0x8040_3ffc)).toEqual([0x1_4020_5003n]);
  });

  it('gets as many entries as it wants, in order, while pages follow one another.', () => {
    const pages = [0, 1, 2, 3].map((i) => page(0x8040_3000 + i * 0x1000, 0x1_4020_5000 + i * 0x3000));
    expect(bench(...pages).entries(0x8040_3000, 3)).toEqual([0x1_4020_5003n, 0x1_4020_8003n, 0x1_4020_b003n]);
  });

  it('gets no entry without rights behind the first one, and nothing is reported of it.', () => {
    const one = bench(page(0x8040_3000, 0x1_4020_5000), page(0x8040_5000, 0x1_4020_9000));
    expect(one.entries(0x8040_3000, 4)).toEqual([0x1_4020_5003n]);
    expect(one.driver.reports()).toEqual([]);
  });

  it('gets entries of one size only.', () => {
    const large = page(0x8060_0000, 0x1_4080_0000, MIB_2);
    expect(bench(page(0x805f_f000, 0x1_4020_5000), large).entries(0x805f_f000, 2)).toEqual([0x1_4020_5003n]);
  });

  it('gets a second large page only where the pages of 4 KiB that it wants reach into it.', () => {
    const pages = [page(0x8040_0000, 0x1_4060_0000, MIB_2), page(0x8060_0000, 0x1_4020_0000, MIB_2)];
    expect(bench(...pages).entries(0x805f_d000, 3)).toEqual([0x1_406f_f803n]);
    expect(bench(...pages).entries(0x805f_d000, 4)).toEqual([0x1_406f_f803n, 0x1_402f_f803n]);
  });

  it('gets at most 16 entries.', () => {
    const pages = Array.from({ length: 20 }, (_, i) => page(0x8040_0000 + i * 0x1000, 0x1_4020_0000 + i * 0x1000));
    expect(bench(...pages).entries(0x8040_0000, 99)).toHaveLength(16);
  });

  it('is told that there is no page: one entry of 4 KiB without R and W, which nobody hears of.', () => {
    const one = bench(page(0x8000_0000, 0x1_c000_0000, GIB_1));
    one.entries(0x8000_0000);
    const mapsNothing = 0x3_0000_0000;
    expect(one.entries(mapsNothing, 4)).toEqual([0n]);
    expect(one.driver.reports()).toEqual([]);
  });

  it('finds what is mapped once a page request has been answered, without an invalidation.', () => {
    const one = bench();
    expect(one.entries(UNMAPPED)).toEqual([0n]);
    expect(one.map(page(UNMAPPED, 0x1_4020_5000)).entries(UNMAPPED)).toEqual([0x1_4020_5003n]);
  });

  it('of a device without a device-TLB is an unsupported request, with a report and no entries.', () => {
    const one = bench(page(0x8040_3000, 0x1_4020_5000));
    const { status, translated } = one.ask(0x8040_3000, 2, { requester: REQUESTER + 1 });
    expect([status, translated]).toEqual([1, 0]);
    expect(one.driver.reports()).toHaveLength(1);
  });

  it('leaves room for the requests behind it.', () => {
    const one = bench(page(0x8040_3000, 0x1_4020_5000));
    for (let i = 0; i < 200; i++) expect(one.entries(0x8040_3000, 1 + (i % 3))).toEqual([0x1_4020_5003n]);
  });
});

describe('NW', () => {
  const ask = (name: string): bigint[] =>
    new AgentBench(named(name)[0]!).map(page(0x8040_3000, 0x1_4020_5000)).entries(0x8040_3000, 1, { noWrite: true });

  it('keeps AMD-Vi from permitting writes, and a VT-d unit without NWFS not.', () => {
    expect(ask('AMD-Vi, v2')).toEqual([0x1_4020_5001n]);
    expect(ask('VT-d, nested')).toEqual([0x1_4020_5003n]);
  });
});

describe('What a request with PASID says of itself', () => {
  const ask = (access: number): bigint[] =>
    new AgentBench(named('AMD-Vi, v2')[0]!).map(page(0x8040_3000, 0x1_4020_5000)).entries(0x8040_3000, 1, { access });

  it('comes back as Priv and Exe.', () => {
    expect(ask(Access.READ | Access.PRIVILEGED)).toEqual([0x1_4020_5013n]);
    expect(ask(Access.READ | Access.EXECUTE)).toEqual([0x1_4020_500bn]);
  });
});

describe('The last page of the address space', () => {
  it('has none behind it.', () => {
    const one = new AgentBench(named('AMD-Vi, pass-through')[0]!);
    const address = { addressHi: -1, addressLo: 0xffff_e000 | 0 };
    expect(one.entries(0, 16, address)).toEqual([0xffff_ffff_ffff_e003n, 0xffff_ffff_ffff_f003n]);
  });
});

describe('A unit that is off', () => {
  it('supports no translation request.', () => {
    for (const subject of named('VT-d, nested', 'AMD-Vi, v2')) {
      const one = new AgentBench(subject);
      one.unit.reset();
      expect(one.ask(0x8040_3000).status).toBe(1);
    }
  });
});
