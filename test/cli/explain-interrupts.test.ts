/** What `explain` and `inspect` print of interrupts and of host permissions, as it was reviewed. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Question } from '../../hardware/index.ts';
import { explanationLines, interruptLines } from '../../src/cli/explain/text.ts';
import { tableLines } from '../../src/cli/inspect/text.ts';
import { FROM_DEVICE, POSTED, posting, request, URGENT, vector } from '../vtd/posting.ts';
import { PASID, ScalableBench } from '../vtd/scalable.ts';
import { permit } from '../vtd/scalable-host-conditions.ts';
import { CFI, SID } from '../vtd/tables.ts';
import { ioasim } from './capture.ts';

const CORPUS = fileURLToPath(new URL('../vectors/oracle/corpus-intel.json', import.meta.url));
const golden = (name: string): string => `../golden/${name}.txt`;
const text = (parts: readonly (readonly string[])[]): string =>
  parts.map((lines) => `${lines.join('\n')}\n`).join('\n');

describe('Interrupts', () => {
  /** Entries 3 (posted), 4 (remapped, of this device alone) and 5 (posted, urgent, into nothing). */
  const table = () =>
    posting({ ram: [[0n, 0x2_0000_0000n]] })
      .irte(4, 0x0000_0100_0031_0001n, FROM_DEVICE)
      .irte(5, POSTED | vector(0x42) | URGENT, 2n << 32n);

  it('are explained from the message that was sent to the one that is delivered', async () => {
    const bench = table();
    const iommu = bench.rig.inspect();
    const ask = (title: string, address: bigint, data: number, requester = SID): string[] =>
      interruptLines(title, 'dma0 (00:03.0)', iommu.explainInterrupt({ requester, address, data }));
    const told = [
      ask('remapped', request(4), 0x55),
      ask('with a subhandle', request(1) | 8n, 3),
      ask('posted', request(3), 0),
      ask('from somebody else', request(4), 0, 0x20),
      ask('posted to an address where nothing is', request(5), 0),
      ask('in compatibility format, which is blocked', 0xfee0_1004n, 0x41),
    ];
    bench.command(CFI);
    told.push(ask('in compatibility format, which passes', 0xfee0_1004n, 0x41));
    await expect(text(told)).toMatchFileSnapshot(golden('explain-interrupts'));
  });

  it('have a table that is shown with the descriptors of its posted entries', async () => {
    const shown = tableLines(table().rig.inspect().interrupts()!);
    await expect(text([shown])).toMatchFileSnapshot(golden('inspect-interrupts'));
  });

  it('are shown by the table that SIRTP has latched, whatever IRTA_REG says now', () => {
    const bench = table();
    const before = bench.rig.inspect().interrupts();
    bench.set(0xb8, 0x7_0803n, 8);
    expect(bench.rig.inspect().interrupts()).toEqual(before);
  });
});

describe('Host permissions', () => {
  const tables = (): ScalableBench => permit(new ScalableBench().scalable({}, { hpte: true, eptr: true })).on();

  it('are explained level by level for a translated request', async () => {
    const iommu = tables().rig.inspect();
    const ask = (title: string, question: Partial<Question>): string[] => {
      const whole = { requester: SID, pasid: PASID, address: 0x10_0123n, write: true, ...question };
      return explanationLines(title, 'dma0 (00:03.0)', iommu.explain({ ...whole, also: ['translated'] }));
    };
    const told = [ask('a page that is permitted', {}), ask('its neighbour', { address: 0x10_1000n, write: false })];
    await expect(text(told)).toMatchFileSnapshot(golden('explain-host-permissions'));
  });

  it('are shown below each PASID whose translated requests they govern', async () => {
    const shown = tableLines(tables().rig.inspect().tables(SID));
    await expect(text([shown])).toMatchFileSnapshot(golden('inspect-host-permissions'));
    const count = (bench: ScalableBench): number =>
      tableLines(bench.rig.inspect().tables(SID)).filter((line) => line.includes('host permissions')).length;
    expect(count(tables())).toBe(2);
    expect(count(tables().smContext({ hpte: true }))).toBe(1);
    expect(count(tables().smContext({ eptr: true }))).toBe(0);
  });

  it('come to an end when their tables point to themselves', () => {
    const bench = tables();
    for (let i = 0n; i < 256n; i++) bench.write64(0x8000n + i * 16n, 0n, 0x8001n);
    const shown = tableLines(bench.rig.inspect().tables(SID));
    expect(shown.length).toBeLessThan(10_000);
    expect(shown.some((line) => line.endsWith('than are shown'))).toBe(true);
  });
});

describe('ioasim explain', () => {
  const FIRST = ['explain', '--scenario', '01-first-dma', '--dma', '2'];
  const run = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await ioasim(...args);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    return out;
  };

  it('takes --data as the data of an interrupt message', async () => {
    const message = ['--requester', 'dma0', '--address', '0xfee01004', '--data', '0x41'];
    const out = await run(...FIRST, ...message);
    expect(out).toContain('dma0 (00:01.0) sends the interrupt message 0xfee01004 with data 0x41');
    expect(out).toContain('Interrupt remapping is off.');
    expect(out).toContain('Delivered: message 0xfee01004 with data 0x41:');
    const json = JSON.parse(await run(...FIRST, ...message, '--json')) as object;
    expect(json).toMatchObject({
      question: { requester: 8, address: '0xfee01004', data: 0x41 },
      result: { ok: true, message: { address: '0xfee01004', data: 0x41 } },
    });
  });

  it('takes --also for what else the request says of itself', async () => {
    const file = `${CORPUS}#intel-0318-sctx`;
    const asked = ['explain', '--case', file, '--requester', 'a', '--address', '0', '--pasid', '1'];
    const out = await run(...asked, '--also', 'translated', '--also', 'privileged');
    expect(out).toContain('a (00:03.0) reads 0x0 with PASID 1 (translated, privileged)');
  });

  it.each([
    [
      ['--address', '0xfee00000', '--data', '1'],
      'Say which message is meant: --requester B:D.F is missing (--requester B:D.F --address A --data N).',
    ],
    [
      ['--requester', 'dma0', '--address', '0xfef00000', '--data', '1'],
      'An interrupt message (--data) is one DWORD within 0xfee00000-0xfeefffff, without --pasid and --also.',
    ],
    [
      ['--requester', 'dma0', '--address', '0xfee00002', '--data', '1'],
      'An interrupt message (--data) is one DWORD within 0xfee00000-0xfeefffff, without --pasid and --also.',
    ],
    [
      ['--requester', 'dma0', '--address', '0xfee00000', '--data', '0x100000000'],
      '--data takes a whole number from 0 to 4294967295, not "0x100000000".',
    ],
    [
      ['--requester', 'dma0', '--address', '0', '--also', 'translatd'],
      'A request does not say "translatd"; did you mean "translated"?',
    ],
  ])('refuses %j in one sentence', async (args, sentence) => {
    expect(await ioasim(...FIRST, ...args)).toEqual({ code: 2, out: '', err: sentence, pauses: 0 });
  });
});
