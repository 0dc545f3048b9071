/** What the commands say on a machine with an AMD-Vi unit. */
import { describe, expect, it } from 'vitest';
import type { TableNode } from '../../hardware/index.ts';
import { scenarios } from '../../scenarios/index.ts';
import { missingFor } from '../../src/scenario/index.ts';
import { ioasim } from './capture.ts';

const AMD = ['--scenario', '01-first-dma', '--machine', 'amd-v1'];

async function said(...args: string[]): Promise<string> {
  const { code, out, err } = await ioasim(...args);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return `${out}\n`;
}

/** The tree's lines without addresses and fields. */
const branches = (out: string): string[] =>
  out
    .trimEnd()
    .split('\n')
    .slice(2)
    .map((line) => line.trimStart().split(/ at |:/)[0]!);

describe('ioasim on a machine with an AMD-Vi unit', () => {
  it('runs every scenario with --machine, and with its IOTLB changed', async () => {
    const { code, out } = await ioasim('run', '--machine', 'amd-v1', '--set', 'iommu.iotlb.ways=1', '--quiet');
    expect({ code, failed: /FAILED/.test(out) }).toEqual({ code: 0, failed: false });
    const able = scenarios.filter(
      (scenario) => scenario.measures !== true && missingFor(scenario, { machine: 'amd-v1' }).length === 0,
    );
    expect(out.match(/^ok {4}/gm)).toHaveLength(able.length);
  });

  it('explains the DMA that is blocked as it was reviewed', async () => {
    await expect(await said('explain', ...AMD, '--dma', '3')).toMatchFileSnapshot('../golden/explain-amd-01.txt');
  });

  it('shows a register by its name in any case', async () => {
    const out = await said('inspect', 'registers', 'device table base', ...AMD);
    expect(out).toMatch(/^Device Table Base at offset 0x0 = 0x100001$/m);
    expect(out).toMatch(/^ +51:12 {2}DevTabBase +0x100000 /m);
  });

  it('shows the tables of a device, and says of one without tables that it is blocked', async () => {
    const own = await said('inspect', 'tables', ...AMD, '--dma', '2', '--requester', 'dma0');
    expect(branches(own)).toEqual([
      'device table',
      '└─ DTE 00',
      '└─ host PDE, level 4 [0] 0x0-0x7fffffffff',
      '└─ host PDE, level 3 [0] 0x0-0x3fffffff',
      '└─ host PDE, level 2 [0] 0x0-0x1fffff',
      expect.stringMatching(
        /^└─ host PTE, level 1 \[256\] 0x100000-0x103fff -> 0x[0-9a-f]+-0x[0-9a-f]+ {2}4 x 4 KiB {2}RW$/,
      ),
    ]);
    const other = await said('inspect', 'tables', ...AMD, '--dma', '2', '--requester', 'dma1');
    expect(other).toMatch(/DTE 00:02\.0 at 0x100200: .*: IR and IW are 0: every access to memory is blocked$/m);
  });

  it('shows entries that are equal and lie side by side in one line, and one by one in JSON', async () => {
    const out = await said('inspect', 'tables', ...AMD);
    const entries = out.split('\n').filter((line) => /^[├└]─ DTE/.test(line));
    expect(entries.map((line) => line.replace(/: V .*/, ''))).toEqual([
      '├─ DTE 00:00.0 to 00:00.7 at 0x100000, 8 equal entries',
      '├─ DTE 00:01.0 at 0x100100',
      '└─ DTE 00:01.1 to 00:1f.7 at 0x100120, 247 equal entries',
    ]);
    const { tables } = JSON.parse(await said('inspect', 'tables', ...AMD, '--json')) as { tables: TableNode };
    expect(tables.children.map(({ index }) => index).slice(6, 10)).toEqual([
      '00:00.6',
      '00:00.7',
      '00:01.0',
      '00:01.1',
    ]);
    expect(tables.children).toHaveLength(256);
  });

  it('shows the commands that the kernel has sent, and a log that it has read', async () => {
    const commands = [...(await said('inspect', 'queue', ...AMD)).matchAll(/^[├└]─ (\w+) \[\d+\]/gm)];
    expect(commands.map(([, name]) => name)).toEqual([
      'INVALIDATE_IOMMU_ALL',
      'COMPLETION_WAIT',
      'INVALIDATE_DEVTAB_ENTRY',
      'INVALIDATE_IOMMU_PAGES',
      'COMPLETION_WAIT',
      'INVALIDATE_IOMMU_PAGES',
      'COMPLETION_WAIT',
      'command',
    ]);
    expect(await said('inspect', 'logs', ...AMD)).toMatch(
      /^event log at 0x[0-9a-f]+ of 512 entries\n└─ event \[2\] .*head and tail$/m,
    );
  });

  it('shows what is cached', async () => {
    const out = await said('inspect', 'caches', ...AMD, '--dma', '2');
    expect(out).toMatch(/^IOTLB: 1 in use \(128 entries\)$/m);
    expect(out).toMatch(/^ {2}00:01\.0 +1 +1 +4 /m);
  });

  it('shows the entries of a walk field by field with --step', async () => {
    const { code, out } = await ioasim('run', '01-first-dma', '--machine', 'amd-v1', '--step');
    expect(code).toBe(0);
    expect(out).toMatch(/\| DTE at 0x100100 = 0x2600000000010c803$/m);
    expect(out).toMatch(/\| +51:12 {2}HostPTRoot +0x10c000 +Top table of the host table$/m);
    expect(out).toMatch(/\| host PTE, level 1 at 0x/);
  });
});
