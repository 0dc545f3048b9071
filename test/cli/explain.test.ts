import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ioasim } from './capture.ts';

const CORPUS = fileURLToPath(new URL('../vectors/oracle/corpus-intel.json', import.meta.url));
const FIRST = ['explain', '--scenario', '01-first-dma'];

/** What was explained, without the path of this clone. */
async function explained(...args: string[]): Promise<string> {
  const { code, out, err } = await ioasim(...args);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return `${out}\n`;
}

interface Explained {
  readonly moment: string;
  readonly question: Readonly<Record<string, unknown>>;
  readonly steps: readonly Readonly<Record<string, unknown>>[];
  readonly result: Readonly<Record<string, unknown>>;
}

const json = async (...args: string[]) => JSON.parse(await explained(...args, '--json')) as Explained;

describe('ioasim explain', () => {
  it('explains the first DMA of scenario 01 as it was reviewed', async () => {
    await expect(await explained(...FIRST, '--dma', '1')).toMatchFileSnapshot('../golden/explain-01-first-dma.txt');
  });

  it('explains a recorded case as it was reviewed', async () => {
    const out = await explained(
      'explain',
      '--case',
      `${CORPUS}#intel-0318-sctx`,
      '--requester',
      'a',
      '--address',
      '0x1000',
    );
    await expect(out).toMatchFileSnapshot('../golden/explain-intel-0318-sctx.txt');
  });

  it('prints what the README shows', async () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    const [, command, shown] =
      /<!-- This output is checked by test\/cli\/explain\.test\.ts\. -->\n```\n\$ npx ioasim (.+)\n([\s\S]*?)```/.exec(
        readme,
      )!;
    expect(await explained(...command!.split(' '))).toBe(shown);
  });

  it('takes the request that stands before the IOMMU unless another one is given', async () => {
    const own = await json(...FIRST, '--dma', '2');
    expect(own.question).toEqual({ requester: 8, pasid: -1, address: '0x101000', write: false });
    expect(own.moment).toMatch(/^01-first-dma on intel-legacy, before its DMA request 2, at \d+\.\d{6} us$/);
    expect(own.result).toMatchObject({ ok: true, pageBytes: 4096, read: true, write: true });
    const other = await json(...FIRST, '--dma', '2', '--requester', '00:02.0', '--address', '0x101000');
    expect(other.result).toMatchObject({ ok: false, fault: { code: 2, name: 'LCT.2', stage: 'context entry' } });
    expect(other.question).toMatchObject({ requester: 0x10, write: false });
  });

  it('knows devices by name, and addresses and PASIDs in decimal and hexadecimal', async () => {
    const named = await json(...FIRST, '--dma', '2', '--requester', 'dma0', '--address', '1052672', '--write');
    const placed = await json(...FIRST, '--dma', '2', '--requester', '00:01.0', '--address', '0x101000', '--write');
    expect(named).toEqual(placed);
    const pasid = ['--requester', 'dma0', '--address', '0', '--pasid', '0x10'];
    expect((await json(...FIRST, '--dma', '2', ...pasid)).result).toMatchObject({ fault: { name: 'RTA.2' } });
  });

  it('shows the stale translation of scenario 02 as an IOTLB hit after which no table is read', async () => {
    const { steps, result } = await json('explain', '--scenario', '02-stale-iotlb', '--dma', '2');
    expect(steps.filter(({ kind }) => kind === 'read')).toEqual([]);
    expect(steps).toContainEqual(expect.objectContaining({ kind: 'cache', cache: 'IOTLB', hit: true }));
    expect(result).toMatchObject({ ok: true });
  });

  it('asks at an instant, and at the end of the scenario when nothing is said', async () => {
    const request = ['--requester', 'dma0', '--address', '0x100000'];
    const early = await json(...FIRST, '--at', '0us', ...request);
    expect(early.steps).toContainEqual(expect.objectContaining({ kind: 'note' }));
    expect(early.result).toMatchObject({ ok: true, address: '0x100000' });
    expect((await json(...FIRST, '--at', '46000ns', ...request)).result).toMatchObject({ ok: true });
    const late = await json(...FIRST, ...request);
    expect(late.moment).toContain('at its end');
    expect(late.result).toMatchObject({ ok: false, fault: { name: 'LGN.3' } });
  });

  it('decodes every entry that is read: address, value, fields, pointers as addresses', async () => {
    const { steps } = await json(...FIRST, '--dma', '1');
    const reads = steps.filter(({ kind }) => kind === 'read');
    expect(reads.map(({ what }) => what)).toEqual([
      'root entry',
      'context entry',
      'SS-PML4E',
      'SS-PDPE',
      'SS-PDE',
      'SS-PTE',
    ]);
    for (const [i, read] of reads.slice(0, -1).entries()) {
      const fields = read['fields'] as { name: string; text: string }[];
      const pointer = fields.find(({ name }) => ['CTP', 'SSPTPTR', 'ADDR'].includes(name))!;
      const next = Number(reads[i + 1]!['address']);
      expect(Math.floor(next / 4096) * 4096).toBe(Number(pointer.text));
    }
  });

  it('runs the scenario on another machine, and with a field of it changed', async () => {
    const { moment, steps } = await json(...FIRST, '--dma', '1', '--machine', 'intel-legacy-39', '--set', 'name=mine');
    expect(moment).toContain('01-first-dma on mine');
    expect(steps.map(({ what }) => what)).not.toContain('SS-PML4E');
  });

  it('stops a case before the step that is named, and after its last one when none is', async () => {
    const write = ['--requester', 'a', '--address', '0x65974a74', '--write'];
    const file = `${CORPUS}#intel-0061-perm`;
    expect((await json('explain', '--case', `${file}:0`, ...write)).steps[1]).toMatchObject({ kind: 'note' });
    expect((await json('explain', '--case', file, ...write)).result).toMatchObject({ fault: { name: 'LGN.2' } });
    const own = await json('explain', '--case', `${file}:5`);
    expect(own.question).toEqual({ requester: 0x18, pasid: -1, address: '0x65974a74', write: true });
  });
});

describe('ioasim explain, asked for something that does not exist', () => {
  const request = ['--requester', 'dma0', '--address', '0'];
  it.each([
    [
      [...request],
      'Say which moment is meant: --scenario NAME, with --dma N or --at TIME if you like, or --case FILE#ID[:STEP].',
    ],
    [['--scenario', '01-frst-dma'], 'There is no scenario "01-frst-dma"; did you mean "01-first-dma"?'],
    [
      ['--scenario', '01-first-dma', '--dma', '5'],
      'Scenario 01-first-dma lets 4 DMA requests reach the IOMMU: --dma takes 1 to 4.',
    ],
    [['--scenario', '01-first-dma', '--dma', 'two'], '--dma takes a whole number from 1 to 1000000000, not "two".'],
    [
      ['--scenario', '01-first-dma', '--at', '12'],
      '--at takes a time with its unit (ps, ns, us or ms) such as 12.5us, not "12".',
    ],
    [
      ['--scenario', '01-first-dma', '--dma', '1', '--at', '1us'],
      "Option '--dma <n>' cannot be used with option '--at <time>'.",
    ],
    [
      ['--scenario', '01-first-dma'],
      'Say which request is meant: --requester B:D.F is missing (--requester B:D.F [--pasid N] --address A [--write]).',
    ],
    [
      ['--scenario', '01-first-dma', '--dma', '1', '--requester', 'dma0'],
      'Say which request is meant: --address A is missing (--requester B:D.F [--pasid N] --address A [--write]).',
    ],
    [
      ['--scenario', '01-first-dma', '--requester', 'dma9', '--address', '0'],
      'A requester is bus:device.function such as 00:01.0, or the name of a device, and "dma9" is neither; did you mean "dma0" or "dma1" or "dma2"?',
    ],
    [
      ['--scenario', '01-first-dma', '--requester', '00:20.0', '--address', '0'],
      'A requester is bus:device.function such as 00:01.0, or the name of a device, and "00:20.0" is neither; expected one of "dma0", "dma1", "dma2".',
    ],
    [
      ['--scenario', '01-first-dma', '--requester', 'dma0', '--address', '0x1_0000'],
      'An address is a number of at most 64 bits such as 0x100000, and "0x1_0000" is not.',
    ],
    [
      ['--scenario', '01-first-dma', ...request, '--pasid', '1048576'],
      '--pasid takes a whole number from 0 to 1048575, not "1048576".',
    ],
    [['--case', 'corpus.json', ...request], '--case takes FILE#ID or FILE#ID:STEP, not "corpus.json".'],
    [['--case', 'no.json#x', ...request], 'There is no file "no.json".'],
    [
      ['--case', `${CORPUS}#intel-0061`, ...request],
      `There is no case "intel-0061" in ${CORPUS}; did you mean "intel-0061-perm"?`,
    ],
    [
      ['--case', `${CORPUS}#intel-0061-perm:9`, ...request],
      'Case intel-0061-perm has the steps 0 to 7, and 8 is its end: there is no "9".',
    ],
    [
      ['--case', `${CORPUS}#intel-0061-perm`, '--dma', '1'],
      "Option '--dma <n>' cannot be used with option '--case <file#id[:step]>'.",
    ],
  ])('ioasim explain %j says one sentence and ends with 2', async (args, sentence) => {
    expect(await ioasim('explain', ...args)).toEqual({ code: 2, out: '', err: sentence, pauses: 0 });
  });

  it('refuses a time after the end, and says when that is', async () => {
    const { code, err } = await ioasim(...FIRST, '--at', '10ms', ...request);
    expect(code).toBe(2);
    expect(err).toMatch(/^Scenario 01-first-dma ends at \d+\.\d{6} us: --at takes no later time\.$/);
  });
});
