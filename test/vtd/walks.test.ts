/** The second-stage walk of legacy mode (vtd.md sections 2.2, 3.1, 3.3, 3.5) through the rig. */
import { describe, expect, it } from 'vitest';
import { proves } from '../proves.ts';
import { judge, type Rules, walk } from './second-reading.ts';
import { Bench, type BenchOptions, BOTH, CONTEXT, DATA, outcome, PS, READ, SPARE, tableAt, WRITE } from './tables.ts';

const DID = 1n << 8n;

describe('A second-stage walk', () => {
  it.each([
    { levels: 3, address: 0x0000_0045_6789_abcdn },
    { levels: 4, address: 0x0000_8765_4321_0fedn },
    { levels: 5, address: 0x0123_4567_89ab_cdefn },
  ])('of $levels levels takes 9 bits of the address at each level.', ({ levels, address }) => {
    proves('root entry.P', 'root entry.CTP', 'context entry.P', 'context entry.SSPTPTR', 'context entry.AW');
    proves('CAP_REG.SAGAW', 'CAP_REG.MGAW', 'SS-PTE.ADDR', 'SS-PDE.ADDR', 'SS-PDPE.ADDR');
    if (levels >= 4) proves('SS-PML4E.ADDR');
    if (levels >= 5) proves('SS-PML5E.ADDR');
    const bench = new Bench({ sagaw: 0b1110, mgaw: 57 }).usual({ levels }).enable();
    const index = (level: number) => Number((address >> BigInt(12 + 9 * (level - 1))) & 0x1ffn);
    for (let level = levels; level > 1; level--) bench.entry(level, index(level), tableAt(level - 1) | BOTH);
    bench.entry(1, index(1), 0x9_8765_4000n | BOTH);
    expect(outcome(bench.read(address & ~0xfffn, 4))).toBe(0x9_8765_4000n);
    expect(outcome(bench.probe(address))).toBe(0x9_8765_4000n | (address & 0xfffn));
  });

  it.each([
    { size: '2 MiB', level: 2, frame: 0x1_2340_0000n, offset: 0x1f_fff0n },
    { size: '1 GiB', level: 3, frame: 0x2_4000_0000n, offset: 0x3fff_fff0n },
  ])('may end in a page of $size', ({ level, frame, offset }) => {
    proves(
      ...(level === 2 ? ['SS-PDE (2 MiB page).ADDR', 'SS-PDE.PS'] : ['SS-PDPE (1 GiB page).ADDR']),
      'CAP_REG.SSLPS',
    );
    const bench = new Bench().usual().enable();
    bench.entry(level, 0, frame | BOTH | PS);
    expect(outcome(bench.read(offset))).toBe(frame + offset);
    // The same from the IOTLB.
    expect(outcome(bench.read(offset))).toBe(frame + offset);
    expect(outcome(bench.write(0x123ff8n))).toBe(frame + 0x123ff8n);
  });

  it('of a large page reaches every byte of the page by one IOTLB entry.', () => {
    const bench = new Bench().usual().enable();
    bench.entry(2, 0, 0x40_0000n | BOTH | PS);
    bench.read(0n);
    bench.entry(2, 0, 0n);
    for (const page of [0n, 1n, 0x100n, 0x1ffn])
      expect(outcome(bench.probe(page << 12n))).toBe(0x40_0000n + (page << 12n));
    expect(outcome(bench.probe(0x20_0000n))).toBe('06h');
  });

  it('reads 52-bit host addresses in every pointer.', () => {
    const bench = new Bench({ haw: 52, mgaw: 52 });
    const high = 0xf_ffff_f000_0000n;
    bench.root((high + 0x1000n) | 1n);
    bench.write64(high + 0x1000n + 0x18n * 16n, (high + 0x2000n) | 1n, 2n | DID);
    bench.write64(high + 0x2000n, (high + 0x3000n) | BOTH);
    bench.write64(high + 0x3000n, (high + 0x4000n) | BOTH);
    bench.write64(high + 0x4000n, (high + 0x5000n) | BOTH);
    bench.write64(high + 0x5000n, 0xf_ffff_ffff_f000n | BOTH);
    bench.enable();
    expect(bench.write(0xffcn)).toEqual({ ok: true, segments: [{ address: 0xf_ffff_ffff_fffcn, length: 4 }] });
    expect([...bench.rig.readMemory(0xf_ffff_ffff_fffcn, 4)]).toEqual([1, 2, 3, 4]);
  });
});

describe('Rights', () => {
  const combinations = (levels: number): bigint[][] =>
    levels === 0
      ? [[]]
      : combinations(levels - 1).flatMap((rest) => [0n, 1n, 2n, 3n].map((rights) => [...rest, rights]));

  it.each([
    { levels: 3, leaf: 1 },
    { levels: 4, leaf: 1 },
    { levels: 4, leaf: 2 },
    { levels: 4, leaf: 3 },
  ])(
    'to read need R, rights to write need W in every one of $levels levels, down to level $leaf',
    ({ levels, leaf }) => {
      for (const zlr of [false, true]) {
        const bench = new Bench({ zlr, cm: false }).usual({ levels }).enable();
        for (const rights of combinations(levels - leaf + 1)) {
          rights.forEach((right, i) => {
            const level = levels - i;
            const target = level > leaf ? tableAt(level - 1) : 0x4000_0000n | (leaf > 1 ? PS : 0n);
            bench.entry(level, 0, target | right);
          });
          const absent = rights.includes(0n);
          const all = rights.reduce((a, b) => a & b, 3n);
          const expected = (needed: bigint, fault: string) => (!absent && (all & needed) !== 0n ? 0x4000_0000n : fault);
          expect(outcome(bench.probe(0n)), `read, ${rights}`).toBe(expected(READ, '06h'));
          expect(outcome(bench.probe(0n, { write: true })), `write, ${rights}`).toBe(expected(WRITE, '05h'));
          const zeroLength = zlr ? BOTH : READ;
          expect(outcome(bench.probe(0n, { length: 0 })), `zero-length, ${rights}`).toBe(expected(zeroLength, '06h'));
        }
      }
    },
  );

  it('that are missing are found in the IOTLB as they are in the tables.', () => {
    proves('FRCD_REG.T1', 'FRCD_REG.FR', 'CAP_REG.ZLR');
    const bench = new Bench({ zlr: true }).usual({ leaf: DATA | WRITE }).enable();
    expect(outcome(bench.write(0n))).toBe(DATA);
    expect(outcome(bench.read(0n))).toBe('06h');
    expect(bench.record()).toMatchObject({ f: true, fr: 6, t1: 1 });
    expect(outcome(bench.read(0n, 0))).toBe(DATA);
    expect(outcome(bench.write(0n))).toBe(DATA);
  });
});

describe('Each single bit of an entry', () => {
  const kinds = [
    { name: 'PML5E', level: 5, flags: BOTH, next: SPARE },
    { name: 'PML4E', level: 4, flags: BOTH, next: SPARE },
    { name: 'PDPE', level: 3, flags: BOTH, next: SPARE },
    { name: 'PDE', level: 2, flags: BOTH, next: SPARE },
    { name: 'PDPE of a page', level: 3, flags: BOTH | PS, next: 0n },
    { name: 'PDE of a page', level: 2, flags: BOTH | PS, next: 0n },
    { name: 'PTE', level: 1, flags: BOTH, next: DATA },
  ];

  it.each(
    [39, 48, 52].flatMap((haw) =>
      [false, true].flatMap((sc) => [0, 1, 3].map((sslps): Rules => ({ haw, sc, sslps, zlr: true }))),
    ),
  )('is reserved as the table says, or not: HAW $haw, SC $sc, SSLPS $sslps', (rules) => {
    const { haw, sc, sslps } = rules;
    if (haw === 48 && sc && sslps === 3) {
      for (const table of ['SS-PML5E', 'SS-PML4E', 'SS-PDPE', 'SS-PDE']) {
        for (const field of ['IGNORED_6_3', 'IGNORED_10_9', 'IGNORED_60_52', 'IGNORED_63']) {
          proves(`${table}.${field}`);
        }
      }
      for (const leaf of ['SS-PDPE (1 GiB page)', 'SS-PDE (2 MiB page)', 'SS-PTE']) {
        for (const field of ['IGNORED_10', 'IGNORED_60_52', 'IGNORED_63']) proves(`${leaf}.${field}`);
      }
      proves('SS-PTE.IGNORED_7', 'ECAP_REG.SC');
    }
    const bench = new Bench({ haw, sc, sslps, sagaw: 0b1110, mgaw: 57 }).usual({ levels: 5 }).enable();
    const fetch = (address: bigint) => bench.read64(address);
    for (const { name, level, flags, next } of kinds) {
      bench.usual({ levels: 5 });
      for (let bit = 0; bit < 64; bit++) {
        const target = next === SPARE ? tableAt(level - 1) : next;
        bench.entry(level, 0, (target | flags) ^ (1n << BigInt(bit)));
        const found = walk(fetch, rules, tableAt(5), 5, 0n);
        for (const write of [false, true]) {
          const expected = judge(found, { write }, rules);
          expect(outcome(bench.probe(0n, { write })), `${name}, bit ${bit}`).toBe(expected);
        }
      }
    }
  });
});

describe('An address', () => {
  /** Tables whose last entries point down, so that the highest page of `levels` levels is mapped. */
  function highest(options: BenchOptions, levels: number): Bench {
    const bench = new Bench({ sagaw: 0b1110, ...options }).usual({ levels });
    for (let level = levels; level > 1; level--)
      for (let i = 0; i < 512; i++) bench.entry(level, i, tableAt(level - 1) | BOTH);
    for (let i = 0; i < 512; i++) bench.entry(1, i, DATA | BOTH);
    return bench.enable();
  }

  it.each([
    { levels: 3, mgaw: 57, limit: 39 },
    { levels: 4, mgaw: 57, limit: 48 },
    { levels: 5, mgaw: 57, limit: 57 },
    { levels: 5, mgaw: 52, limit: 52 },
    { levels: 4, mgaw: 40, limit: 40 },
    { levels: 3, mgaw: 36, limit: 36 },
    { levels: 3, mgaw: 32, limit: 32 },
    { levels: 4, mgaw: 64, limit: 48 },
  ])('may be up to 2^$limit - 1 with MGAW $mgaw and $levels levels.', ({ levels, mgaw, limit }) => {
    const bench = highest({ mgaw, haw: 32 }, levels);
    const end = 1n << BigInt(limit);
    expect(outcome(bench.read(end - 4n))).toBe(DATA + 0xffcn);
    expect(outcome(bench.write(end - 0x1000n))).toBe(DATA);
    for (let bit = limit; bit < 64; bit++) {
      // Also after the same page without that bit has entered the IOTLB.
      expect(outcome(bench.probe(1n << BigInt(bit))), `bit ${bit}`).toBe('04h');
      expect(outcome(bench.read((1n << BigInt(bit)) | (end - 4n))), `bit ${bit}`).toBe('04h');
    }
    expect(outcome(bench.probe(0xffff_ffff_ffff_ffffn))).toBe('04h');
  });

  it.each([32, 39, 48, 52])('that passes through may be up to 2^HAW - 1, with HAW %i.', (haw) => {
    const bench = new Bench({ haw, mgaw: 57, sagaw: 0b1110 })
      .usual()
      .context(9n, 2n | DID)
      .enable();
    const end = 1n << BigInt(haw);
    expect(outcome(bench.probe(end - 1n))).toBe(end - 1n);
    for (let bit = haw; bit < 64; bit++) expect(outcome(bench.probe(1n << BigInt(bit)))).toBe('04h');
  });

  it.each([32, 39, 48, 52])('of a translated request may be up to 2^HAW - 1, with HAW %i.', (haw) => {
    const bench = new Bench({ haw, mgaw: 57 }).usual({ context: 4n }).enable();
    const request = { requester: 0x18, write: true, addressType: 'translated', probe: true } as const;
    const end = 1n << BigInt(haw);
    expect(outcome(bench.rig.translate({ ...request, address: end - 1n }))).toBe(end - 1n);
    for (let bit = haw; bit < 64; bit++) {
      expect(outcome(bench.rig.translate({ ...request, address: 1n << BigInt(bit) }))).toBe('04h');
    }
  });
});

describe('The interrupt range', () => {
  it('as the output is blocked from FEE0_0000h to FEEF_FFFFh and not outside, also within large pages.', () => {
    const bench = new Bench().usual().enable();
    bench.entry(3, 0, 0xc000_0000n | BOTH | PS);
    const inPage = (output: bigint) => outcome(bench.read(output - 0xc000_0000n));
    for (let round = 0; round < 2; round++) {
      expect(inPage(0xfedf_fffcn)).toBe(0xfedf_fffcn);
      expect(inPage(0xfee0_0000n)).toBe('0Eh');
      expect(inPage(0xfeef_fffcn)).toBe('0Eh');
      expect(inPage(0xfef0_0000n)).toBe(0xfef0_0000n);
    }
    bench.entry(3, 1, 0x1_c000_0000n | BOTH | PS);
    expect(outcome(bench.read(0x4000_0000n + 0x3ee0_0000n))).toBe(0x1_fee0_0000n);
  });

  it('as the input of a request without PASID is not translated, and only a zero-length read of it succeeds.', () => {
    const bench = new Bench().usual().enable();
    bench.entry(3, 3, DATA | BOTH);
    expect(outcome(bench.read(0xfee0_0000n))).toBe('29h');
    expect(bench.read(0xfee0_0000n, 0)).toMatchObject({ ok: true });
    expect(outcome(bench.write(0xfee0_0000n, 0x18, new Uint8Array(2)))).toBe('29h');
    expect(outcome(bench.write(0xfee0_0002n, 0x18, new Uint8Array(4)))).toBe('29h');
    expect(outcome(bench.write(0xfee0_0000n, 0x18, new Uint8Array(8)))).toBe('29h');
  });

  it('is not mistaken for addresses that agree with it in the low 32 bits.', () => {
    const bench = new Bench().usual().enable();
    bench.entry(3, 7, 0x4000_0000n | BOTH | PS);
    expect(outcome(bench.read(0x1_fee0_0000n))).toBe(0x7ee0_0000n);
    expect(outcome(bench.write(0x1_fee0_0000n))).toBe(0x7ee0_0000n);
    expect(bench.messages).toEqual([]);
  });
});

describe('AW and TT of a context entry', () => {
  it.each([1, 2, 3, 4, 5, 6, 7])('are held against SAGAW (here %i times 2), PT and DT.', (depths) => {
    proves('context entry.TT', 'ECAP_REG.PT', 'ECAP_REG.DT');
    for (const pt of [false, true]) {
      for (const dt of [false, true]) {
        const bench = new Bench({ sagaw: depths << 1, mgaw: 57, pt, dt }).usual().enable();
        for (let aw = 0; aw < 8; aw++) {
          for (let tt = 0; tt < 4; tt++) {
            const levels = aw >= 1 && aw <= 3 ? aw + 2 : 4;
            bench.usual({ levels });
            bench.context(tableAt(levels) | 1n | BigInt(tt << 2), BigInt(aw) | DID);
            const known = aw >= 1 && aw <= 3 && ((depths << 1) & (1 << aw)) !== 0;
            const allowed = tt === 0 || (tt === 1 && dt) || (tt === 2 && pt);
            const untranslated = tt === 2 ? 0x10n : DATA + 0x10n;
            const what = `AW ${aw}, TT ${tt}`;
            expect(outcome(bench.probe(0x10n)), what).toBe(known && allowed ? untranslated : '03h');
            const request = { requester: 0x18, addressType: 'translated', address: 0x10n, probe: true } as const;
            const translated = tt === 1 ? 0x10n : '0Dh';
            const answer = bench.rig.translate({ ...request, write: false });
            expect(outcome(answer), what).toBe(known && allowed ? translated : '03h');
          }
        }
      }
    }
  });

  it('lead to the context table of the requester: bus, device and function.', () => {
    const bench = new Bench();
    for (const sid of [0x0000, 0x0007, 0x00ff, 0x0100, 0x7fff, 0x8000, 0xff00, 0xffff]) {
      const table = 0x80_0000n + BigInt(sid >>> 8) * 0x1000n;
      bench.root(table | 1n, 0n, sid >>> 8);
      bench.write64(table + BigInt(sid & 0xff) * 16n, tableAt(4) | 1n, 2n | DID);
    }
    bench.entry(4, 0, tableAt(3) | BOTH).entry(3, 0, tableAt(2) | BOTH);
    bench
      .entry(2, 0, tableAt(1) | BOTH)
      .entry(1, 0, DATA | BOTH)
      .enable();
    for (const sid of [0x0000, 0x0007, 0x00ff, 0x0100, 0x7fff, 0x8000, 0xff00, 0xffff]) {
      expect(outcome(bench.read(0n, 4, sid))).toBe(DATA);
    }
    expect(outcome(bench.read(0n, 4, 0x0101))).toBe('02h');
    expect(outcome(bench.read(0n, 4, 0x0200))).toBe('01h');
    expect(bench.read64(CONTEXT)).toBe(0n);
  });
});
