/** First-stage translation (vtd.md sections 3.2 and 3.7). */
import { describe, expect, it } from 'vitest';
import { Access, NO_PASID } from '../../hardware/iommu/index.ts';
import { proves } from '../proves.ts';
import { ALL, FS, PASID, Pgtt, ScalableBench, SS } from './scalable.ts';
import { ALL_CACHES, NO_CACHES, UnitBench } from './scalable-unit.ts';
import { BOTH, CONTEXT, DATA, outcome, PS, ROOT, tableAt } from './tables.ts';

const GIB = 1n << 30n;

/** One path down to a page of the given level for index `slot` of every table. */
function path(bench: ScalableBench, levels: number, leaf: number, slot: number, page: bigint): void {
  for (let level = levels; level > leaf; level--) bench.entry(level, slot, tableAt(level - 1) | ALL);
  bench.entry(leaf, slot, page | ALL | (leaf > 1 ? PS : 0n));
}

describe('First-stage translation', () => {
  const shapes = [4, 5].flatMap((levels) => [1, 2, 3].map((leaf) => ({ levels, leaf })));

  it.each(shapes)('with $levels levels maps a page of level $leaf', ({ levels, leaf }) => {
    proves('PASID-table entry.FSPTPTR', ...(levels === 5 ? ['PASID-table entry.FSPM', 'CAP_REG.FS5LP'] : []));
    proves('FS-PTE.P', 'FS-PTE.RW', 'FS-PTE.US', 'FS-PML4E.ADDR', ...(levels === 5 ? ['FS-PML5E.ADDR'] : []));
    proves(
      ...([
        ['FS-PDPE.ADDR', 'FS-PDE.ADDR', 'FS-PTE.ADDR'],
        ['FS-PDPE.ADDR', 'FS-PDE (2 MiB page).ADDR'],
      ][leaf - 1] ?? ['FS-PDPE (1 GiB page).ADDR', 'CAP_REG.FS1GP']),
    );
    if (leaf > 1) proves('FS-PDE.PS');
    const bench = new ScalableBench().scalable({ fspm: levels - 4 });
    path(bench, levels, leaf, 5, GIB);
    bench.on();
    const shift = 12n + 9n * BigInt(leaf - 1);
    const index = Array.from({ length: levels - leaf + 1 }, (_, i) => 5n << (12n + 9n * BigInt(levels - 1 - i)));
    const base = index.reduce((sum, part) => sum + part, 0n);
    for (const offset of [0n, 0x123n, (1n << shift) - 8n]) {
      const result = bench.rig.translate({ requester: 0x18, address: base + offset, write: true });
      expect(outcome(result)).toBe(GIB + offset);
    }
  });

  it.each([4, 5])('with %i levels reaches both canonical halves to their ends.', (levels) => {
    const width = BigInt(levels === 5 ? 57 : 48);
    const bench = new ScalableBench().scalable({ fspm: levels - 4 });
    for (const [slot, half] of [
      [255, (1n << (width - 1n)) - 0x1000n],
      [256, (1n << 64n) - (1n << (width - 1n))],
    ] as const) {
      bench.entry(levels, slot, tableAt(levels - 1) | ALL);
      for (let level = levels - 1; level > 1; level--)
        for (const i of [0, 511]) bench.entry(level, i, tableAt(level - 1) | ALL);
      bench.entry(1, 0, DATA | ALL).entry(1, 511, DATA | ALL);
      bench.on();
      expect(outcome(bench.rig.translate({ requester: 0x18, address: half, write: false })), `slot ${slot}`).toBe(DATA);
    }
    for (const bad of [1n << (width - 1n), (1n << 64n) - (1n << (width - 1n)) - 1n]) {
      expect(outcome(bench.rig.translate({ requester: 0x18, address: bad, write: false }))).toBe('80h');
    }
  });

  const flags = [0n, FS.RW, FS.US, FS.RW | FS.US];
  const lattice = flags.flatMap((top) => flags.map((leaf) => ({ top, leaf })));

  it.each(lattice)('grants what R/W and U/S of all levels grant (flags $top above, $leaf below).', ({ top, leaf }) => {
    const user = (top & leaf & FS.US) !== 0n;
    const writable = (top & leaf & FS.RW) !== 0n;
    proves('PASID-table entry.SRE', 'ECAP_REG.SRS', ...(writable ? [] : ['PASID-table entry.WPE']));
    for (const wpe of [false, true]) {
      const bench = new ScalableBench().scalable({ sre: true, wpe });
      bench
        .entry(3, 0, tableAt(2) | FS.P | top)
        .entry(1, 0, DATA | FS.P | leaf)
        .on();
      for (const privileged of [false, true]) {
        for (const write of [false, true]) {
          const seen = outcome(bench.ask(0n, write, { pasid: PASID, privileged }));
          bench.acknowledge();
          const mayWrite = writable || (privileged && !wpe);
          const expected = !privileged && !user ? '81h' : write && !mayWrite ? '85h' : DATA;
          expect(seen, `wpe ${wpe}, privileged ${privileged}, write ${write}`).toBe(expected);
        }
      }
    }
  });

  it('gives requests without PASID the privilege that RID_PRIV says.', () => {
    proves('scalable-mode context entry.RID_PRIV', 'ECAP_REG.RPRIVS');
    for (const ridPriv of [false, true]) {
      const bench = new ScalableBench()
        .scalable({ sre: true }, { ridPriv })
        .entry(1, 0, DATA | FS.P | FS.RW)
        .on();
      expect(outcome(bench.ask(0n))).toBe(ridPriv ? DATA : '81h');
    }
  });

  it('takes nothing from the bits that the specification ignores.', () => {
    for (const table of ['FS-PML5E', 'FS-PML4E', 'FS-PDPE', 'FS-PDE']) {
      for (const bits of ['6', '9_8', '11', '62_52']) proves(`${table}.IGNORED_${bits}`);
    }
    for (const page of ['FS-PTE', 'FS-PDE (2 MiB page)', 'FS-PDPE (1 GiB page)']) {
      for (const bits of ['9', '11', '62_52']) proves(`${page}.IGNORED_${bits}`);
    }
    const ignored = 0xfff0_0000_0000_0000n | 0xf18n;
    const bench = new ScalableBench().scalable({ fspm: 1 });
    for (let level = 5; level > 1; level--) bench.entry(level, 0, tableAt(level - 1) | ALL | ignored | FS.D);
    bench.entry(1, 0, DATA | ALL | ignored | 0x80n).on();
    expect(outcome(bench.ask(0n))).toBe(DATA);
    const large = new ScalableBench()
      .scalable()
      .entry(2, 0, DATA | ALL | PS | ignored | 0x1000n)
      .on();
    expect(outcome(large.ask(0x5000n))).toBe('72h');
    const pat = new ScalableBench()
      .scalable()
      .entry(2, 0, ALL | PS | ignored | 0x1000n)
      .on();
    expect(outcome(pat.ask(0x5000n))).toBe(0x5000n);
    const huge = new ScalableBench()
      .scalable()
      .entry(3, 0, ALL | PS | ignored | 0x1000n)
      .on();
    expect(outcome(huge.ask(0x20_5000n))).toBe(0x20_5000n);
  });

  it.each([39, 46, 52])('has exactly the reserved bits of each level, with HAW %i.', (haw) => {
    const kinds = [5, 4, 3, 2, 1]
      .map((level) => ({ level, leaf: level === 1 }))
      .concat([
        { level: 2, leaf: true },
        { level: 3, leaf: true },
      ]);
    const bench = new ScalableBench({ haw, mgaw: 57 }).scalable({ fspm: 1 }).on();
    for (const { level, leaf } of kinds) {
      const plain = (level === 1 ? DATA : leaf ? 0n : tableAt(level - 1)) | ALL | (leaf && level > 1 ? PS : 0n);
      for (let bit = 3; bit < 64; bit++) {
        if (bit === 7 && level < 4) continue;
        bench.firstTables().entry(level, 0, plain | (1n << BigInt(bit)));
        const inFrame = leaf && level > 1 && bit >= 13 && bit < 12 + 9 * (level - 1);
        const reserved = (bit === 7 && level >= 4) || (bit >= haw && bit <= 51) || inFrame;
        const seen = outcome(bench.rig.translate({ requester: 0x18, address: 0n, write: false, probe: true }));
        expect(seen === '72h', `level ${level}, leaf ${leaf}, bit ${bit}: ${seen}`).toBe(reserved);
      }
      bench.firstTables();
    }
  });
});

describe('The snoop control of a page', () => {
  const cases = [Pgtt.FIRST, Pgtt.SECOND, Pgtt.NESTED, Pgtt.PASS].flatMap((pgtt) =>
    [false, true].flatMap((pgsnp) => [false, true].map((snp) => ({ pgtt, pgsnp, snp }))),
  );
  it.each(cases)(
    'is PGSNP, or SNP where a second stage is used (PGTT $pgtt, PGSNP $pgsnp, SNP $snp).',
    ({ pgtt, pgsnp, snp }) => {
      if (pgsnp && !(snp && (pgtt === Pgtt.SECOND || pgtt === Pgtt.NESTED))) proves('PASID-table entry.PGSNP');
      const usesSecond = pgtt === Pgtt.SECOND || pgtt === Pgtt.NESTED;
      if (usesSecond && snp && !pgsnp) proves('SS-PTE.SNP');
      for (const caches of [NO_CACHES, ALL_CACHES]) {
        const bench = new UnitBench({}, caches).scalable({ pgtt, pgsnp });
        const page = pgtt === Pgtt.SECOND ? 0n : DATA;
        bench.mapPage(page, page | BOTH | (snp ? SS.SNP : 0n)).on();
        for (const round of [1, 2]) {
          for (const pasid of [PASID, NO_PASID]) {
            const { snoop, fault } = bench.answer({ address: 0n, access: Access.READ, pasid });
            expect({ snoop, fault }, `round ${round}`).toEqual({ snoop: pgsnp || (snp && usesSecond), fault: null });
          }
        }
      }
    },
  );
});

describe('With SSIRWE latched', () => {
  const [IR, IW] = [1n << 61n, 1n << 62n];
  it.each([
    { entry: IR, read: 0n, write: '85h' },
    { entry: IW, read: '86h', write: 0n },
    { entry: IR | IW, read: 0n, write: 0n },
    { entry: BOTH, read: '79h', write: '79h' },
  ])('I/O rights count instead of R and W ($entry).', ({ entry, read, write }) => {
    proves('RTADDR_REG.SSIRWE');
    if (entry === IR) proves('SS-PTE.IR');
    if (entry === IW) proves('SS-PTE.IW');
    const bench = new ScalableBench({ ssirws: true }).root(CONTEXT | 1n).scalable({ pgtt: Pgtt.SECOND });
    for (let level = 4; level > 1; level--)
      bench.second(level, 0, (bench.read64(0x1_8000n + BigInt(level) * 0x1000n) & ~3n) | IR | IW);
    bench.second(1, 0, entry).on(ROOT | 0x480n);
    expect(outcome(bench.ask(0n, false))).toBe(read);
    bench.acknowledge();
    expect(outcome(bench.ask(0n, true))).toBe(write);
  });
});
