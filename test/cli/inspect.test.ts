import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ioasim } from './capture.ts';

const CORPUS = fileURLToPath(new URL('../vectors/oracle/corpus-intel.json', import.meta.url));
const SECOND_DMA = ['--scenario', '01-first-dma', '--dma', '2'];
const CASE = ['--case', `${CORPUS}#intel-0061-perm:7`];

async function inspected(...args: string[]): Promise<string> {
  const { code, out, err } = await ioasim('inspect', ...args);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return out;
}

const json = async (...args: string[]) =>
  JSON.parse(await inspected(...args, '--json')) as Readonly<Record<string, unknown>>;

describe('ioasim inspect registers', () => {
  it('lists every register by offset with its value and the fields that are not 0', async () => {
    const out = await inspected('registers', ...SECOND_DMA);
    expect(out).toMatch(/^01-first-dma on intel-legacy, before its DMA request 2/);
    expect(out).toMatch(/^ 0x1c {2}GSTS_REG +0xc4000000 {2}QIES RTPS TES$/m);
    expect(out).toMatch(/^0x220 {2}FRCD_REG\[0\]/m);
    const offsets = [...out.matchAll(/^ *0x([0-9a-f]+) {2}\S+_REG/gm)].map(([, offset]) =>
      Number.parseInt(offset!, 16),
    );
    expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
  });

  it('shows one register field by field, by its name with or without _REG in any case', async () => {
    const out = await inspected('registers', 'rtaddr', ...SECOND_DMA);
    expect(out).toMatch(/^ +63:12 {2}RTA +0x[0-9a-f]+000 +Root table, a 4 KiB page$/m);
    expect(out).toMatch(/^ +11:10 {2}TTM +0 \(LEGACY\)/m);
    expect(out).toContain('(VT-d 11.4.5)');
    expect(await inspected('registers', 'RTADDR_REG', ...SECOND_DMA)).toBe(out);
  });

  it('names the fault reason of a record', async () => {
    const out = await inspected('registers', 'FRCD', ...CASE);
    expect(out).toMatch(/^ +103:96 {2}FR +5 \(LGN\.2\)/m);
    expect(out).toMatch(/^ +63:12 {2}FI +0x65974000 /m);
  });
});

describe('ioasim inspect tables', () => {
  it('shows the tables of a requester as a tree, in which pages side by side are one range', async () => {
    const out = await inspected('tables', ...SECOND_DMA, '--requester', '00:01.0');
    const [title, , ...tree] = out.split('\n');
    expect(title).toContain('before its DMA request 2');
    expect(tree.map((line) => line.trimStart().split(' at ')[0])).toEqual([
      'root table',
      '└─ root entry bus 00',
      '└─ context entry 00:01.0',
      '└─ SS-PML4E [0] 0x0-0x7fffffffff',
      '└─ SS-PDPE [0] 0x0-0x3fffffff',
      '└─ SS-PDE [0] 0x0-0x1fffff',
      expect.stringMatching(/^└─ SS-PTE \[256\] 0x100000-0x103fff -> 0x[0-9a-f]+-0x[0-9a-f]+ {2}4 x 4 KiB {2}RW$/),
    ]);
  });

  it('shows the tables of all requesters, each of which has a branch', async () => {
    const out = await inspected('tables', '--scenario', '03-two-devices-one-ioasid', '--dma', '1');
    expect(out).toMatch(/├─ context entry 00:01\.0 /);
    expect(out).toMatch(/└─ context entry 00:02\.0 /);
  });

  it('says of a requester without tables that its entry is not present', async () => {
    expect(await inspected('tables', ...SECOND_DMA, '--requester', 'dma1')).toMatch(
      /context entry 00:02\.0 at 0x[0-9a-f]+: .*: not present$/,
    );
    expect(await inspected('tables', ...SECOND_DMA, '--requester', '01:00.0')).toMatch(
      /root entry bus 01 at 0x[0-9a-f]+: .*not present$/,
    );
  });

  it('shows large pages of a recorded case', async () => {
    expect(await inspected('tables', ...CASE)).toMatch(
      /SS-PDE \[300\] 0x65800000-0x659fffff -> 0x12a600000-0x12a7fffff {2}1 x 2 MiB {2}RW$/,
    );
  });
});

describe('ioasim inspect interrupts and queue', () => {
  it('shows the interrupt remapping table', async () => {
    const out = await inspected('interrupts', ...SECOND_DMA);
    expect(out).toMatch(
      /^interrupt remapping table at 0x0 of 2 entries: interrupt remapping is off, no entry is present$/m,
    );
  });

  it('shows the descriptors of the invalidation queue, and where head and tail are', async () => {
    const out = await inspected('queue', '--scenario', '01-first-dma');
    expect(out).toMatch(/^invalidation queue at 0x[0-9a-f]+ of 256 descriptors of 16 bytes$/m);
    expect(out).toMatch(/─ iotlb_inv_dsc \[\d+\] at 0x[0-9a-f]+: .*G=\d \(\w+\) .*DID=1/);
    expect(out).toMatch(/─ inv_wait_dsc \[\d+\] at 0x/);
    expect(out).toMatch(/: head and tail$/m);
  });
});

describe('ioasim inspect caches', () => {
  it('lists what each cache holds, with its size', async () => {
    const out = await inspected('caches', ...SECOND_DMA);
    expect(out).toMatch(
      /^IOTLB: 1 in use \(128 entries\)\n {2}requester +first +last +to +access +domain\n {2}00:01\.0/m,
    );
    expect(out).toMatch(/^context cache: 1 in use \(16 sets of 4\)$/m);
  });

  it('shows one cache by its name', async () => {
    expect(await json('caches', 'iotlb', ...SECOND_DMA)).toMatchObject({
      caches: [
        { name: 'IOTLB', entries: [{ requester: '00:01.0', first: '0x100000', last: '0x100fff', access: 'RW' }] },
      ],
    });
  });
});

describe('ioasim inspect state', () => {
  it('shows every component, or one', async () => {
    const out = await inspected('state', ...SECOND_DMA);
    for (const name of ['memory', 'root', 'link dma0', 'dma0', 'iommu0'])
      expect(out).toMatch(new RegExp(`^${name}$`, 'm'));
    expect(await json('state', 'dma0', ...SECOND_DMA)).toMatchObject({ state: { dma0: { transfers: 2 } } });
    expect(await json('state', 'iommu0', ...SECOND_DMA)).toMatchObject({ state: { iommu0: { misses: 1 } } });
  });
});

describe('ioasim inspect, asked for something that does not exist', () => {
  it.each([
    [['regsters'], 'Nothing to inspect is called "regsters"; did you mean "registers"?'],
    [['registers', 'FST'], 'There is no register "FST"; did you mean "FSTS"?'],
    [['registers', '--requester', 'dma0'], '--requester and --pasid choose among tables: inspect tables.'],
    [['tables', 'dma0'], 'inspect tables takes no name; --requester B:D.F shows those of one requester.'],
    [['queue', '3'], 'inspect queue takes no name.'],
    [['caches', 'IOTBL'], 'There is no cache "IOTBL"; did you mean "IOTLB"?'],
    [['state', 'dma4'], 'There is no component "dma4"; did you mean "dma0" or "dma1" or "dma2"?'],
  ])('ioasim inspect %j says one sentence and ends with 2', async (args, sentence) => {
    const { code, out, err } = await ioasim('inspect', ...args, ...SECOND_DMA);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(sentence);
    expect(err).not.toContain('\n');
  });

  it('says that a recorded case has no components beside its IOMMU', async () => {
    const sentence = 'A recorded case runs on an IOMMU alone: inspect registers, tables or caches of it.';
    expect(await ioasim('inspect', 'state', ...CASE)).toMatchObject({ code: 2, out: '', err: sentence });
  });

  it('wants to know what, and when', async () => {
    expect(await ioasim('inspect')).toMatchObject({ code: 2, err: "Missing required argument 'what'." });
    expect((await ioasim('inspect', 'tables')).err).toMatch(/^Say which moment is meant: /);
  });
});
